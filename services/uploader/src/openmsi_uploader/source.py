"""Looking at and opening files that belong to somebody else: shared, briefly, never following a link."""

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from openmsi_core.errors import Retryable

_INODE_BITS = 2**63 - 1  # some file systems use all 64 bits, SQLite's integers have one for the sign
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE}


class ContentChanged(Retryable):
    """The file is no longer what it was when it was found still."""


class FileStat(NamedTuple):
    """What shows that a file changed; ctime is among it, so a restored mtime hides nothing.

    A named tuple, because 50,000 of them are hashed and compared in every rescan.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @property
    def mtime(self) -> float:
        """Seconds since the epoch."""
        return self.mtime_ns / 1_000_000_000

    @property
    def fingerprint(self) -> int:
        """64 bits that differ when any field differs; the same only within this process."""
        return hash(self)


def stat_of(raw: os.stat_result) -> FileStat:
    """The part of a ``stat`` that tells versions apart."""
    return FileStat(raw.st_size, raw.st_mtime_ns, raw.st_ctime_ns, raw.st_ino & _INODE_BITS)


def look_at(path: str | Path) -> FileStat | None:
    """The present stat of a regular file; None when there is none under this name (gone, a link, a folder).

    Raises OSError for everything else, such as a missing right on a folder above.
    """
    try:
        raw = os.lstat(path)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise
    return stat_of(raw) if stat.S_ISREG(raw.st_mode) else None


@contextlib.contextmanager
def opened(path: str | Path, expected: FileStat) -> Iterator[int]:
    """A descriptor for reading the file that has the stat ``expected``.

    Raises ContentChanged when the file differs before or after the block, or is gone; OSError when it cannot be opened.
    """
    try:
        file = _open(str(path))
    except OSError as error:
        if error.errno in _GONE:
            raise ContentChanged(f"{path} is gone") from None
        raise
    try:
        _check(file, path, expected)
        yield file
        _check(file, path, expected)
    finally:
        os.close(file)


def _check(file: int, path: str | Path, expected: FileStat) -> None:
    raw = os.fstat(file)
    if not stat.S_ISREG(raw.st_mode) or stat_of(raw) != expected:
        raise ContentChanged(f"{path} changed while it was read")


if sys.platform == "win32":
    import _winapi
    import msvcrt

    _SHARE_ALL = 1 | 2 | 4  # read, write, delete: the owner may still rename or remove the file

    def _open(path: str) -> int:
        handle = _winapi.CreateFile(path, _winapi.GENERIC_READ, _SHARE_ALL, 0, _winapi.OPEN_EXISTING, 0, 0)
        return msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY)

else:

    def _open(path: str) -> int:
        # O_NONBLOCK: a pipe put in the file's place must not hold us up.
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
