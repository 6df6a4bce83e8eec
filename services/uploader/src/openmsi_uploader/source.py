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
from openmsi_core.paths import RelativePath

_INTEGER = 2**63 - 1  # the largest of SQLite; inodes may have 64 bits
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


def stat_of(raw: os.stat_result) -> FileStat:
    """The part of a ``stat`` that tells versions apart."""
    mtime_ns = min(max(raw.st_mtime_ns, -_INTEGER), _INTEGER)  # file systems know times far beyond the year 2262
    return FileStat(raw.st_size, mtime_ns, raw.st_ctime_ns, raw.st_ino & _INTEGER)


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
def opened(root: Path, path: RelativePath, expected: FileStat) -> Iterator[int]:
    """A descriptor for reading the file below ``root`` that has the stat ``expected``.

    Raises ContentChanged when the file differs before or after the block, is gone, or is now behind a link; OSError
    when it cannot be opened.
    """
    try:
        file = _open(root, path)
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


def _check(file: int, path: RelativePath, expected: FileStat) -> None:
    raw = os.fstat(file)
    if not stat.S_ISREG(raw.st_mode) or stat_of(raw) != expected:
        raise ContentChanged(f"{path} changed while it was read")


if sys.platform == "win32":
    import _winapi
    import msvcrt

    _SHARE_ALL = 1 | 2 | 4  # read, write, delete: the owner may still rename or remove the file

    def _open(root: Path, path: RelativePath) -> int:
        handle = _winapi.CreateFile(
            str(root / path.text), _winapi.GENERIC_READ, _SHARE_ALL, 0, _winapi.OPEN_EXISTING, 0, 0
        )
        return msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY)

else:
    _FOLDER = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", 0)  # O_PATH: a right to list is not needed
    # O_NONBLOCK: a pipe put in the file's place must not hold us up.
    _FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

    def _open(root: Path, path: RelativePath) -> int:
        # Folder by folder: one that was replaced by a link would lead out of the tree.
        folder = os.open(root, _FOLDER)
        try:
            for part in path.parts[:-1]:
                step = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = step
            return os.open(path.name, _FILE, dir_fd=folder)
        finally:
            os.close(folder)
