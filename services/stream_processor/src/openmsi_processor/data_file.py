"""A file that has arrived, as user code sees it."""

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO


class DataFile:
    """A complete and verified file; its bytes are those of its source.

    Small files are in memory, large ones only on disk: `open` and `path` serve both, `bytes` reads all of it.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        data: bytes | None = None,
        content: Path | None = None,
        scratch: Path,
        folder: Path | None = None,
    ) -> None:
        """Made by the service, or by `local`.

        ``data`` or ``content`` (a file) holds the bytes. ``scratch`` is a folder of this file alone, made when it is
        first needed; ``folder`` that of the output that files are kept in, if they are.
        """
        self.relative_path: str = facts["path"]
        """Its path below the folder that was uploaded, with ``/`` between parts."""
        self.sha512: str = facts["sha512"]
        """SHA-512 of its bytes, hexadecimal."""
        self.size: int = facts["size"]
        """Bytes."""
        self.mtime: float = facts["mtime"]
        """When it was last changed at its source, seconds since the epoch; 0.0 = unknown."""
        self.upload_id: str = facts["upload_id"]
        """Tells this upload from others of the same path; empty for files that OpenMSIStream has sent."""
        self.topic: str = facts["topic"]
        """The topic that it came from."""
        self.partition: int = facts["partition"]
        """The partition of its last record."""
        self.offset: int = facts["offset"]
        """The offset of its last record."""
        self._data = data
        self._content = content
        self._scratch = scratch
        self._folder = folder

    @classmethod
    def local(cls, file: Path | str, relative_path: str = "", *, scratch: Path | None = None) -> "DataFile":
        """A file of this machine, for trying and testing code without Kafka.

        ``relative_path`` is what it would be called in a topic (default: its name). ``scratch`` is the folder for what
        the code writes (default: one beside the file, named after it).
        """
        path = Path(file)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha512").hexdigest()
        found = path.stat()
        facts = {
            "path": relative_path or path.name,
            "sha512": digest,
            "size": found.st_size,
            "mtime": found.st_mtime,
            "upload_id": "",
            "topic": "",
            "partition": 0,
            "offset": 0,
        }
        beside = scratch or path.with_name(f"{path.name}_results")
        return cls(facts, content=path.absolute(), scratch=beside, folder=path.absolute().parent)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.relative_path).name

    @property
    def subdir(self) -> str:
        """Its path without the name; empty for a file at the top."""
        parent = str(PurePosixPath(self.relative_path).parent)
        return "" if parent == "." else parent

    @property
    def bytes(self) -> bytes:
        """All of its bytes. A large file is read each time, so keep the value; `open` needs less memory."""
        return self._data if self._data is not None else self.path.read_bytes()

    def open(self) -> BinaryIO:
        """Read it as a binary stream, which can seek. Close it, or use ``with``."""
        if self._data is not None:
            return io.BytesIO(self._data)
        return self.path.open("rb")

    @property
    def path(self) -> Path:
        """A local file with its name and its bytes, to be read only; gone when the function has returned."""
        if self._content is None:
            place = self._scratch / "input" / self.name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(self._data or b"")
            place.chmod(0o444)
            self._content = place
        return self._content

    @property
    def companions(self) -> tuple[Path, ...]:
        """The other files of the same folder that have arrived so far, sorted by name.

        Only where files are kept (``--mode disk`` or ``both``); raises RuntimeError with ``--mode memory``.
        """
        if self._folder is None:
            raise RuntimeError("companions are known only where files are kept: run with --mode disk or --mode both")
        try:
            with os.scandir(self._folder) as found:
                others = [Path(each.path) for each in found if each.is_file() and each.name != self.name]
        except FileNotFoundError:
            return ()
        return tuple(sorted(other for other in others if not other.name.startswith(".")))

    @property
    def desk(self) -> Path:
        """For the service: the folder of all that belongs to this call."""
        return self._scratch

    @property
    def scratch(self) -> Path:
        """A folder for what the function writes; what is not returned as a result file is removed afterwards."""
        place = self._scratch / "results"
        place.mkdir(parents=True, exist_ok=True)
        return place

    def __repr__(self) -> str:
        return f"DataFile({self.relative_path!r}, {self.size} bytes)"
