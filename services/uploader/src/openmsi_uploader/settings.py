"""Options of `DataFileUploadDirectory` and `UploadDataFile`."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError, model_validator
from pydantic_settings import CliPositionalArg, NoDecode

from openmsi_core.chunk import DEFAULT_CHUNK_SIZE
from openmsi_core.errors import ConfigError, UsageError
from openmsi_core.settings import ProgramSettings
from openmsi_core.settings_types import BandwidthLimit, Seconds, Threads, TopicName
from openmsi_core.sources import Given, stands_for
from openmsi_core.timetable import RATE
from openmsi_uploader.priority import prioritised

_MAX_QUEUE_MB = 256
_READS_NOTHING = "no effect: an uploader reads no topic"
_ITS_TOPIC = "the topic, as OpenMSIStream also calls it; wins over topic_name (but a variable of this name does not)"
_NO_REPORTS = "no effect: this program is over too soon for it"
_SERVE_SECONDS = 60.0  # every receiver that runs asks for a key within some seconds


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(glob for part in value.split(",") if (glob := part.strip()))
    return value


def _order(words: tuple[str, ...]) -> tuple[str, ...]:
    prioritised(words)
    return words


Globs = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
ChunkSize = Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)]
Layer = dict[str, Given]


def _topic(layer: Layer) -> Layer:
    """`producer_topic_name` said to this program; in what all programs share, it means the topic of a reproducer."""
    given = layer.get("producer_topic_name")
    return stands_for(layer, "producer_topic_name", "topic_name") if given and given.own else layer


def _existing(layer: Layer) -> Layer:
    """openmsipython's `new_files_only` is the opposite of `upload_existing`. Raises Fatal when both say the same."""
    if (only := layer.get("new_files_only")) is None:
        return layer
    kind = UsageError if only.on_command_line else ConfigError
    try:
        existing = not TypeAdapter(bool).validate_python(only.value)
        other = layer.get("upload_existing")
        if other and TypeAdapter(bool).validate_python(other.value) != existing:
            raise kind(f"{only.where} and {other.where} contradict each other: keep one of the two")
    except ValidationError:
        raise kind(f"{only.where} must be True or False, not {only.value!r}") from None
    return layer | {"upload_existing": replace(only, value=existing)}


class WatchSettings(ProgramSettings):
    """Watch a folder and everything below it, and send each file to a Kafka topic once it has settled."""

    program: ClassVar = "DataFileUploadDirectory"
    place: ClassVar = "upload_dir"
    clients: ClassVar = ("producer",)

    upload_dir: CliPositionalArg[Path] = Field(description="the folder to watch")
    upload_regex: re.Pattern[str] | None = Field(
        None, description="send only files whose path below the folder matches this"
    )
    include: Globs = Field(
        (), description="send only files that match one of these globs (repeat, or separate with commas)"
    )
    exclude: Globs = Field(
        (), description="leave out files that match one of these globs (repeat, or separate with commas)"
    )
    priority: Annotated[Globs, AfterValidator(_order)] = Field(
        (),
        description="send files that match the first of these globs before others, then those that match the next"
        " (repeat, or separate with commas); small, as the last one = then small files before large ones",
    )
    chunk_size: ChunkSize = Field(DEFAULT_CHUNK_SIZE, description="bytes of a file in one message")
    queue_max_size: float = Field(
        48, gt=0, description=f"megabytes that may wait for the broker, at most {_MAX_QUEUE_MB}"
    )
    bandwidth_limit: BandwidthLimit | None = Field(None, description=f"most that is sent, {RATE}")
    upload_existing: bool = Field(False, description="also send what is in the folder at the first start")
    watchdog_lag_time: float = Field(3, ge=0, description="seconds a file must stay unchanged before it is sent")
    use_polling_observer: bool = Field(
        False, description="do not wait for events of the file system, only look regularly"
    )
    rescan_seconds: Seconds = Field(30, description="seconds between two looks at the whole folder")
    n_threads: Threads = Field(
        2, description="files read at the same time; from 2 on, a further thread is kept free for small ones"
    )
    new_files_only: bool | None = Field(None, description="openmsipython's opposite of upload_existing")
    producer_topic_name: TopicName | None = Field(None, description=_ITS_TOPIC)
    consumer_topic_name: TopicName | None = Field(None, description=_READS_NOTHING)
    consumer_group_id: str | None = Field(None, description=_READS_NOTHING)
    treat_undecryptable_as_plaintext: bool = Field(False, description=_READS_NOTHING)
    max_wait_per_decrypt: Seconds | None = Field(None, description=_READS_NOTHING)
    max_initial_wait_per_decrypt: Seconds | None = Field(None, description=_READS_NOTHING)

    @classmethod
    def translate(cls, layer: Layer) -> Layer:
        """As `ProgramSettings` says."""
        return _existing(_topic(layer))

    @model_validator(mode="after")
    def _keep_apart(self) -> "WatchSettings":
        for name, path in (("state_dir", self.state_dir), ("logger_file_path", self.logger_file_path)):
            if path and path.resolve().is_relative_to(self.upload_dir.resolve()):
                raise ValueError(
                    f"{path} lies in the watched folder {self.upload_dir}, so that our own files would be sent:"
                    f" name a place outside it with --{name}"
                )
        return self

    @property
    def queue_bytes(self) -> int:
        """`queue_max_size` in bytes, held to a limit that keeps memory bounded."""
        return int(min(self.queue_max_size, _MAX_QUEUE_MB) * 1_000_000)

    def remarks(self) -> tuple[str, ...]:
        """Lines to log once at the start."""
        if self.queue_max_size <= _MAX_QUEUE_MB:
            return self.notices
        return (
            *self.notices,
            f"queue_max_size = {self.queue_max_size:g} MB is too much for memory: {_MAX_QUEUE_MB} MB are used",
        )


class FileSettings(ProgramSettings):
    """Send one file to a Kafka topic; exit code 0 means that the broker has all of it."""

    program: ClassVar = "UploadDataFile"
    place: ClassVar = "filepath"
    long_running: ClassVar = False
    clients: ClassVar = ("producer",)

    filepath: CliPositionalArg[Path] = Field(description="the file to send")
    chunk_size: ChunkSize = Field(DEFAULT_CHUNK_SIZE, description="bytes of the file in one message")
    bandwidth_limit: BandwidthLimit | None = Field(None, description=f"most that is sent, {RATE}")
    n_threads: Threads = Field(2, description="no effect: one file is read from its beginning to its end")
    timeout_seconds: Seconds = Field(60, description="seconds to wait for the first answer of a broker")
    serve_keys: float = Field(
        _SERVE_SECONDS,
        ge=0,
        description="seconds to stay, of an encrypted topic, and hand out the file's keys once it is sent; 0 = none",
    )
    producer_topic_name: TopicName | None = Field(None, description=_ITS_TOPIC)
    heartbeat_topic_name: TopicName | None = Field(None, description=_NO_REPORTS)
    heartbeat_program_id: str | None = Field(None, description=_NO_REPORTS)
    heartbeat_interval_secs: Seconds = Field(900, description=_NO_REPORTS)
    log_topic_name: TopicName | None = Field(None, description=_NO_REPORTS)
    log_program_id: str | None = Field(None, description=_NO_REPORTS)
    log_interval_secs: Seconds = Field(60, description=_NO_REPORTS)

    @property
    def patience(self) -> float:
        """As `ProgramSettings` says."""
        return self.timeout_seconds

    def remarks(self) -> tuple[str, ...]:
        """Lines to log once at the start."""
        if self.node is not None or "serve_keys" not in self.model_fields_set:
            return self.notices
        return (*self.notices, "serve_keys has no effect: without a [kafkacrypto] section nothing is encrypted")

    @classmethod
    def translate(cls, layer: Layer) -> Layer:
        """As `ProgramSettings` says."""
        return _topic(layer)

    @classmethod
    def folder_of(cls, place: Path) -> Path:
        """The file's folder: all files in it share one state folder."""
        return place.parent
