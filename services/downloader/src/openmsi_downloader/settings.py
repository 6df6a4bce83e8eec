"""Options of `DataFileDownloadDirectory`."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import CliPositionalArg

from openmsi_core.receiver_settings import ReceiverSettings
from openmsi_core.settings_types import TopicName


class DownloadSettings(ReceiverSettings):
    """Rebuild every file of a Kafka topic in a folder: whole and verified, or not at all."""

    program: ClassVar = "DataFileDownloadDirectory"
    place: ClassVar = "output_dir"

    output_dir: CliPositionalArg[Path] = Field(description="the folder for the files; made if it is missing")
    producer_topic_name: TopicName | None = Field(None, description="no effect: a downloader writes to no topic")
