"""A destination folder: what is in place there, and how a complete file gets its name in one step.

A placed file carries what it is as extended attributes (``user.openmsi.*``, where the file system has them), so the
folder itself is the record of what was delivered. Below the root no symbolic link is followed.
"""

import contextlib
import errno
import hashlib
import math
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from openmsi_core.durable import CREATE, REOPEN, disk_errors, in_words, write_all
from openmsi_core.errors import BadFile, ConfigError, StagedBytesLost
from openmsi_core.generation import Version
from openmsi_core.marks import can_mark, mark, marked_version
from openmsi_core.paths import RelativePath, check_windows

UNMARKED = (0, 0)
"""`Version.logged` of a file that carries no marks: it counts as older than any record."""

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW | getattr(os, "O_CLOEXEC", 0)
_FILE = os.O_RDONLY | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_CAN_OPEN_FOLDERS = os.open in os.supports_dir_fd


def stage_whole(path: Path, data: bytes | memoryview) -> None:
    """Write a file that came in one piece; not durable before `place`. Raises Retryable when the disk refuses."""
    with disk_errors(path):
        file = os.open(path, CREATE, 0o666)
        try:
            write_all(file, data, 0)
        finally:
            os.close(file)


class Folder:
    """The root that files are placed below. Safe for use by several threads, one at a time for each path."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.has_marks = False

    def check(self, scratch: Path) -> None:
        """See whether files staged in ``scratch`` can be placed, and whether they can be marked.

        Raises ConfigError when the root cannot be written, or is on another file system than ``scratch``.
        """
        probe = scratch / f"probe-{uuid4().hex}"
        placed = self.root / f".openmsi-{probe.name}"
        try:
            probe.write_bytes(b"")
            probe.replace(placed)
            self.has_marks = can_mark(placed)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise ConfigError(
                    f"{scratch} and {self.root} are on two file systems, so files cannot be moved into place in one"
                    f" step: remove the mount at {scratch}"
                ) from None
            raise ConfigError(in_words(error, self.root)) from None
        finally:
            probe.unlink(missing_ok=True)
            placed.unlink(missing_ok=True)

    def version(self, path: RelativePath, size: int | None) -> Version | None:
        """The version in place at ``path``, None when there is none or none that can be told.

        A file that we did not mark is told by its mtime and, when it has ``size`` bytes, by its SHA-512 (the whole
        file is read); with ``size`` None it is not looked at. Raises BadFile when a parent is no real folder,
        Retryable when the disk refuses.
        """
        with disk_errors(self.root):
            try:
                with self._parent(path, _enter) as parent:
                    file = os.open(parent.name(path), _FILE, dir_fd=parent.fd)
            except FileNotFoundError:
                self.root.stat()  # a root that is gone must not look like an empty one
                return None
            except OSError as error:
                if error.errno == errno.ELOOP:  # a link in the file's own place: a rename replaces it safely
                    return None
                raise
            try:
                return marked_version(file) or (None if size is None else _plain_version(file, size))
            finally:
                os.close(file)

    def place(self, staged: Path, path: RelativePath, version: Version) -> None:
        """Give a verified file its name: on return it is whole, durable and visible under ``path``.

        Order: marks and times, fsync of the file, rename, fsync of the folder. Raises BadFile when ``path`` cannot
        be (a folder is in the way, a parent is a file or a link), Retryable when the disk refuses; the staged file is
        then still there.
        """
        if os.name == "nt":
            check_windows(path)
        with disk_errors(self.root):
            self._finish(staged, version)
            with self._parent(path, _enter_or_make) as parent:
                try:
                    os.replace(staged, parent.name(path), dst_dir_fd=parent.fd)
                except IsADirectoryError:
                    raise BadFile(f"a folder is in the way at {path.text!r}") from None
                parent.sync()

    def _finish(self, staged: Path, version: Version) -> None:
        try:
            file = os.open(staged, REOPEN)
        except FileNotFoundError:
            raise StagedBytesLost(f"the staged file {staged} was removed, reading it again") from None
        try:
            if self.has_marks:
                mark(file, version)
            if version.mtime > 0 and os.utime in os.supports_fd:
                with contextlib.suppress(OverflowError):  # a time that no file system can hold
                    os.utime(file, ns=(nanoseconds := _nanoseconds(version.mtime), nanoseconds))
            os.fsync(file)
        finally:
            os.close(file)

    @contextlib.contextmanager
    def _parent(self, path: RelativePath, enter: Callable[["_Parent", str], "_Parent"]) -> "Iterator[_Parent]":
        """Walk to the folder that ``path`` lies in, from the root, without following links."""
        parent = _Parent.root(self.root)
        try:
            for part in path.parts[:-1]:
                step = enter(parent, part)
                parent.close()
                parent = step
            yield parent
        finally:
            parent.close()


@dataclass(frozen=True, slots=True)
class _Parent:
    """An open folder (POSIX), or its path where folders cannot be opened (Windows)."""

    fd: int | None
    where: Path

    @classmethod
    def root(cls, root: Path) -> "_Parent":
        return cls(os.open(root, _FOLDER & ~_NOFOLLOW) if _CAN_OPEN_FOLDERS else None, root)

    def name(self, path: RelativePath | str) -> str:
        name = path if isinstance(path, str) else path.name
        return name if self.fd is not None else str(self.where / name)

    def sync(self) -> None:
        if self.fd is not None:
            os.fsync(self.fd)

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)


def _enter(parent: _Parent, part: str) -> _Parent:
    where = parent.where / part
    if parent.fd is None:
        if not stat.S_ISDIR(os.lstat(where).st_mode):
            raise BadFile(f"{where} is in the way: it is no folder")
        return _Parent(None, where)
    try:
        return _Parent(os.open(part, _FOLDER, dir_fd=parent.fd), where)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):  # O_NOFOLLOW on a link, O_DIRECTORY on a file
            raise BadFile(f"{where} is in the way: it is a file or a symbolic link, not a folder") from None
        raise


def _enter_or_make(parent: _Parent, part: str) -> _Parent:
    try:
        return _enter(parent, part)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            os.mkdir(parent.name(part), dir_fd=parent.fd)
        parent.sync()
        return _enter(parent, part)


def _nanoseconds(seconds: float) -> int:
    fraction, whole = math.modf(seconds)  # apart: a float has no room for today's date in nanoseconds
    return int(whole) * 1_000_000_000 + round(fraction * 1e9)


def _plain_version(file: int, size: int) -> Version:
    found = os.fstat(file)
    digest = b""
    if stat.S_ISREG(found.st_mode) and found.st_size == size:
        with open(file, "rb", closefd=False) as stream:
            digest = hashlib.file_digest(stream, "sha512").digest()
    return Version(digest, "", "", found.st_mtime, UNMARKED)
