"""Options that all programs share which receive the files of a topic."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from openmsi_core.policy import KEY_SECONDS
from openmsi_core.settings import ProgramSettings
from openmsi_core.settings_types import BandwidthLimit, Seconds, Threads, TopicName
from openmsi_core.sources import Given, stands_for
from openmsi_core.timetable import RATE


class ReceiverSettings(ProgramSettings):
    """What all receivers share; see `ProgramSettings`."""

    clients: ClassVar[tuple[str, ...]] = ("consumer",)
    aliases: ClassVar = {"consumer_group_ID": "consumer_group_id"}

    consumer_group_id: str | None = Field(
        None,
        min_length=1,
        description="processes with the same group share the work; create_new = a fresh one that gets every file again"
        " (default: group.id of the config file, else one that is made once and kept in the state folder)",
    )
    download_regex: re.Pattern[str] | None = Field(None, description="take only files whose path matches this")
    n_threads: Threads = Field(2, description="files delivered at the same time")
    bandwidth_limit: BandwidthLimit | None = Field(None, description=f"most that is fetched, {RATE}")
    on_lost_offsets: Literal["continue", "stop"] = Field(
        "continue", description="what to do when the broker has deleted messages that were never fetched"
    )
    idle_quarantine_hours: Annotated[float, Field(gt=0)] = Field(
        24, description="hours after which an upload that does not go on is put aside"
    )
    treat_undecryptable_as_plaintext: bool = Field(
        False, description="with [kafkacrypto]: take records that are not encrypted, too, for the time of a migration"
    )
    max_wait_per_decrypt: Seconds | None = Field(
        None,
        description="seconds that an encrypted record waits for its key before it is put aside; others go on"
        f" (default: {KEY_SECONDS:g})",
    )
    max_initial_wait_per_decrypt: Seconds | None = Field(
        None, description="the same, as OpenMSIStream also has it: the longer of the two counts"
    )
    consumer_topic_name: TopicName | None = Field(
        None, description="the topic, as OpenMSIStream also calls it; wins over topic_name"
    )

    @classmethod
    def translate(cls, layer: dict[str, Given]) -> dict[str, Given]:
        """As `ProgramSettings` says."""
        return stands_for(layer, "consumer_topic_name", "topic_name")

    @property
    def takes_plain(self) -> bool:
        """As `ProgramSettings` says."""
        return self.treat_undecryptable_as_plaintext

    @property
    def key_seconds(self) -> float:
        """For which an encrypted record waits for its key."""
        given = [each for each in (self.max_wait_per_decrypt, self.max_initial_wait_per_decrypt) if each is not None]
        return max(given, default=KEY_SECONDS)
