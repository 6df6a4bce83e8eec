"""Options of `DataFileUploadDirectory` and `UploadDataFile`."""

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import CliPositionalArg, NoDecode

from openmsi_core.chunk import DEFAULT_CHUNK_SIZE
from openmsi_core.settings import ProgramSettings
from openmsi_core.settings_types import Seconds

_MAX_QUEUE_MB = 256


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(glob for part in value.split(",") if (glob := part.strip()))
    return value


Globs = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
ChunkSize = Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)]
Threads = Annotated[int, Field(ge=1, le=64)]


class WatchSettings(ProgramSettings):
    """Watch a folder and everything below it, and send each file to a Kafka topic once it has settled."""

    program: ClassVar = "DataFileUploadDirectory"
    place: ClassVar = "upload_dir"
    clients: ClassVar = ("producer",)
    old_sections: ClassVar = ("upload_data_files_added_to_directory", "openmsi_directory_stream_service")
    old_keys: ClassVar = {
        "file_directory": "upload_dir",
        "new_files_only": "new_files_only",
        "cluster_producer_config": "cluster_producer_config",
    }

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
    chunk_size: ChunkSize = Field(DEFAULT_CHUNK_SIZE, description="bytes of a file in one message")
    queue_max_size: float = Field(
        48, gt=0, description=f"megabytes that may wait for the broker, at most {_MAX_QUEUE_MB}"
    )
    upload_existing: bool = Field(False, description="also send what is in the folder at the first start")
    watchdog_lag_time: float = Field(3, ge=0, description="seconds a file must stay unchanged before it is sent")
    use_polling_observer: bool = Field(
        False, description="do not wait for events of the file system, only look regularly"
    )
    rescan_seconds: Seconds = Field(30, description="seconds between two looks at the whole folder")
    n_threads: Threads = Field(2, description="files read at the same time")

    @model_validator(mode="before")
    @classmethod
    def _translate(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Keys of openmsipython's service (``cluster_producer_config`` has done its work when we get here)."""
        values = {name: value for name, value in values.items() if name != "cluster_producer_config"}
        if new_only := values.pop("new_files_only", None):
            if new_only.casefold() not in ("true", "false"):
                raise ValueError(f"new_files_only must be True or False, not {new_only!r}")
            values.setdefault("upload_existing", new_only.casefold() == "false")
        return values

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
    old_sections: ClassVar = ("upload_data_file",)

    filepath: CliPositionalArg[Path] = Field(description="the file to send")
    chunk_size: ChunkSize = Field(DEFAULT_CHUNK_SIZE, description="bytes of the file in one message")
    n_threads: Threads = Field(2, description="no effect: one file is read from its beginning to its end")
    timeout_seconds: Seconds = Field(60, description="seconds to wait for the first answer of a broker")

    @classmethod
    def folder_of(cls, place: Path) -> Path:
        """The file's folder: all files in it share one state folder."""
        return place.parent
