"""A file that has arrived, as the old classes know it."""

import hashlib
from pathlib import Path
from typing import Any, ClassVar

from openmsi_processor.classes.log import LogOwner


class DataFile(LogOwner):
    """A file at ``filepath``."""

    def __init__(self, filepath: Path, *args: Any, **kwargs: Any) -> None:
        self.filepath = Path(filepath)
        self.filename = self.filepath.name
        super().__init__(*args, **kwargs)


class DownloadDataFile(DataFile):
    """A file of a topic; all of it has arrived, and its bytes are those of its source."""

    _keeps: ClassVar[bool] = True

    def __init__(self, filepath: Path, *args: Any, **kwargs: Any) -> None:
        super().__init__(filepath, *args, **kwargs)
        self.full_filepath: Path = self.filepath
        """Where it belongs in the output folder; it is there in the modes disk and both."""
        self.subdir_str: str = ""
        """Its folder below the one that was uploaded, with ``/``; empty for a file at the top."""
        self.n_total_chunks: int = 1
        """How many messages it came in."""
        self._bytes: bytes | None = None
        self._source: Path | None = None

    def arrived(self, subdir: str, chunks: int, data: bytes | None, content: Path | None) -> None:
        """It is complete; its bytes are ``data``, or those of the file ``content``."""
        self.subdir_str = subdir
        self.n_total_chunks = chunks
        self._bytes = data if self._keeps else None
        self._source = content

    @property
    def relative_filepath(self) -> Path:
        """Its path below the folder that was uploaded."""
        return Path(self.subdir_str) / self.filename

    @property
    def bytestring(self) -> bytes:
        """All of its bytes."""
        if self._bytes is not None:
            return self._bytes
        place = self.full_filepath if self._source is None else self._source
        data = place.read_bytes()
        if self._keeps:
            self._bytes = data
        return data

    @bytestring.setter
    def bytestring(self, new_bytestring: bytes) -> None:
        self._bytes = new_bytestring

    @property
    def check_file_hash(self) -> bytes:
        """SHA-512 of its bytes."""
        return hashlib.sha512(self.bytestring).digest()


class DownloadDataFileToMemory(DownloadDataFile):
    """In memory."""

    _keeps = True


class DownloadDataFileToDisk(DownloadDataFile):
    """In the output folder; its bytes are read anew each time."""

    _keeps = False


class DownloadDataFileToMemoryAndDisk(DownloadDataFileToMemory, DownloadDataFileToDisk):
    """In both."""
