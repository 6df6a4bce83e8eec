"""Names from the network become paths here and nowhere else, and paths become partitions.

Pure: no file system, no clock.
"""

import re
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from openmsi_core.errors import BadFile

RESERVED = ".openmsi"
"""Folder in a destination root that belongs to us (staging, quarantine); no file from a topic may enter it."""

_MAX_NAME_BYTES = 255  # NAME_MAX of every common file system
_MAX_PATH_BYTES = 3072  # below PATH_MAX (4096), with room for the destination root
_WINDOWS_FORBIDDEN = set('<>:"|?*\\') | {chr(code) for code in range(32)}
_WINDOWS_DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{device}{digit}" for device in ("COM", "LPT") for digit in "123456789¹²³"
}
_WINDOWS_RESERVED = re.compile(r"openms~\d", re.IGNORECASE)  # what FAT and NTFS make of `RESERVED` for old programs


@dataclass(frozen=True, slots=True, order=True)
class RelativePath:
    """A file's place below a root: one or more safe components, joined by ``/``.

    Only `RelativePath.parse` makes one from foreign text, so a value of this type never leads outside the
    root by its spelling (symbolic links are the business of `staging`).
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> "RelativePath":
        """Check ``text``, a POSIX path with ``/`` between components, and wrap it.

        Raises BadFile for an empty, absolute or over-long path, for empty, ``.`` and ``..`` components, for NUL,
        for text that is not Unicode, and for anything below `RESERVED`.
        """
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            raise BadFile(f"the name {text!r} is not valid Unicode text") from None
        if len(encoded) > _MAX_PATH_BYTES:
            raise BadFile(f"the path is {len(encoded)} bytes long, more than {_MAX_PATH_BYTES}")
        if "\0" in text:
            raise BadFile(f"the path {text!r} contains a NUL character")
        parts = text.split("/")
        for part in parts:
            if part in ("", ".", ".."):
                raise BadFile(f"the path {text!r} is not a plain relative path")
            if len(part.encode()) > _MAX_NAME_BYTES:
                raise BadFile(f"the path has a component longer than {_MAX_NAME_BYTES} bytes: {part[:40]!r}…")
        if parts[0].casefold() == RESERVED:
            raise BadFile(f"the path {text!r} lies in the reserved folder {RESERVED}")
        return cls(text)

    @property
    def parts(self) -> tuple[str, ...]:
        """The components, outermost first; never empty."""
        return tuple(self.text.split("/"))

    @property
    def name(self) -> str:
        """The last component."""
        return self.text.rpartition("/")[2]

    @property
    def subdir(self) -> str:
        """Everything above `name`, ``""`` for a file in the root."""
        return self.text.rpartition("/")[0]

    def __str__(self) -> str:
        return self.text


def destination(subdir: str, filename: str, append: str) -> RelativePath:
    """Where a received file belongs: ``append`` goes between stem and suffix of ``filename``.

    Raises BadFile as `RelativePath.parse` does, and when ``filename`` or ``append`` hold a separator.
    """
    if "/" in filename or "/" in append or not filename:
        raise BadFile(f"the file name {filename!r} (append {append!r}) is not a single path component")
    if append:
        name = PurePosixPath(filename)
        filename = f"{name.stem}{append}{name.suffix}"
    return RelativePath.parse(f"{subdir}/{filename}" if subdir else filename)


def check_windows(path: RelativePath) -> None:
    """Raise BadFile when Windows would take ``path`` for a device, a stream or another name than it spells."""
    if _WINDOWS_RESERVED.match(path.text):
        raise BadFile(f"the path {path.text!r} lies in the reserved folder {RESERVED}, by its short name")
    for part in path.parts:
        if part.split(".")[0].rstrip(" ").upper() in _WINDOWS_DEVICES:
            raise BadFile(f"the path {path.text!r} names a Windows device")
        if _WINDOWS_FORBIDDEN & set(part) or part[-1] in ". ":
            raise BadFile(f"the path {path.text!r} cannot be a file name on Windows")


def partition_of(path: RelativePath, partitions: int) -> int:
    """The partition (0 … ``partitions`` − 1) that every version of ``path`` is sent to.

    CRC-32 of the UTF-8 path modulo the partition count: what librdkafka's ``consistent`` partitioner does with a
    key, so that other tools can compute it.
    """
    return partition_of_key(path.text.encode(), partitions)


def partition_of_key(key: bytes, partitions: int) -> int:
    """Where librdkafka sends records with ``key`` as long as nobody has told it otherwise; see `partition_of`."""
    if partitions < 1:
        raise ValueError("a topic has at least one partition")
    return zlib.crc32(key) % partitions
