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
from pathlib import Path
from uuid import uuid4

from openmsi_core.durable import REOPEN, disk_errors, in_words
from openmsi_core.errors import BadFile, ConfigError, StagedBytesLost
from openmsi_core.generation import Version
from openmsi_core.marks import can_mark, mark, marked_version
from openmsi_core.parents import Parent, enter_existing, enter_or_make, explain, parent_of
from openmsi_core.paths import RelativePath
from openmsi_core.turns import Turns

Glance = tuple[int, int, int, int]
"""Inode, ctime and mtime in nanoseconds, size in bytes: another file has others."""

UNMARKED = (0, 0)
"""`Version.logged` of a file that carries no marks: it counts as older than any record."""

_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_TIMES_BY_FILE = os.utime in os.supports_fd
_PROBE_TIME = 1_000_000_000
_COARSEST_TIME = 2  # seconds: FAT


class Folder:
    """The root that files are placed below. Safe for use by several threads, one at a time for each path."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.turns = Turns(root)
        """While one is taken for a path, what `version` says of it holds until `place` is called."""
        self.has_marks = False
        """Whether placed files can carry what they are; see `marks`."""
        self.has_times = False
        """Whether placed files can carry the mtime of their source."""

    def check(self, scratch: Path) -> None:
        """See whether files staged in ``scratch`` can be placed, and what they can carry.

        Raises ConfigError when the root cannot be written, or is on another file system than ``scratch``.
        """
        probe = scratch / f"probe-{uuid4().hex}"
        try:
            probe.write_bytes(b"")
            self.has_marks = can_mark(probe)
            self.has_times = _can_set_times(probe)
            if not os.access(self.root, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            # Renaming what is not there shows whether it could be: nothing of ours is ever seen in the root.
            with contextlib.suppress(FileNotFoundError):
                probe.with_suffix(".missing").rename(self.root / f".openmsi-{probe.name}")
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise ConfigError(
                    f"{scratch} and {self.root} are on two file systems, so files cannot be moved into place in one"
                    f" step: remove the mount at {scratch}"
                ) from None
            raise ConfigError(in_words(error, self.root)) from None
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)

    def version(self, path: RelativePath, size: int | None) -> Version | None:
        """The version in place at ``path``, None when there is none or none that can be told.

        A file without our marks is told by its mtime and, when it has ``size`` bytes, by its SHA-512 (the whole
        file is read). With ``size`` None it is not read, and where files can carry marks not told at all. Raises
        BadFile when ``path`` cannot be (a folder is in the way, a parent is a file or a link, no such name can be),
        Retryable when the disk refuses.
        """
        with disk_errors(self.root):
            try:
                with parent_of(path, self.root, enter_existing) as parent:
                    if self.glance(parent, path) is None:
                        raise FileNotFoundError
                    file = os.open(parent.name(path), _FILE, dir_fd=parent.fd)
            except FileNotFoundError:
                self.root.stat()  # a root that is gone must not look like an empty one
                return None
            try:
                marked = marked_version(file)
                return marked or (None if size is None and self.has_marks else self._plain_version(file, size))
            finally:
                os.close(file)

    def sync(self, path: RelativePath) -> None:
        """Make the name of a file in place durable: whoever placed it may have died before doing so."""
        with disk_errors(self.root), parent_of(path, self.root, enter_existing) as parent:
            parent.sync()

    def finish(self, staged: Path, version: Version) -> None:
        """Give a verified staged file its marks and times and make it durable, all but its name.

        Raises StagedBytesLost when it is gone or the disk did not take all of it, Retryable when the disk refuses.
        """
        with disk_errors(self.root):
            try:
                file = os.open(staged, REOPEN)
            except FileNotFoundError:
                raise StagedBytesLost(f"the staged file {staged} was removed, reading it again") from None
            try:
                self.describe(file, staged, version)
                self.sync_content(file)
            finally:
                os.close(file)

    def describe(self, file: int, staged: str | Path, version: Version) -> None:
        """Give an open staged file its marks and times. Raises OSError."""
        if self.has_marks:
            mark(file, version)
        if self.has_times and version.mtime > 0:
            _set_time(file if _TIMES_BY_FILE else staged, version.mtime)

    def sync_content(self, file: int) -> None:
        """Make an open staged file durable, all but its name. Blocks. Raises StagedBytesLost when the disk fails."""
        try:
            os.fsync(file)
        except OSError as error:
            # The kernel forgets what it failed to write, so that a second fsync would succeed: never try one.
            raise StagedBytesLost(f"{in_words(error, self.root)}; reading the file again") from error

    def glance(self, parent: Parent, path: RelativePath) -> Glance | None:
        """What tells the file in place at ``path`` from another one; None when there is none.

        Raises BadFile and Retryable as `version` does, OSError.
        """
        try:
            found = os.stat(parent.name(path), dir_fd=parent.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            explain(error, path, self.root, parent)
            raise
        if stat.S_ISLNK(found.st_mode):  # a rename replaces the link itself
            return None
        if not stat.S_ISREG(found.st_mode):
            raise BadFile(f"{parent.where / path.name} is in the way: it is no plain file")
        return (found.st_ino, found.st_ctime_ns, found.st_mtime_ns, found.st_size)

    def place(self, staged: Path, path: RelativePath) -> None:
        """Give a file that went through `finish` its name: on return it is visible there and durable.

        Raises BadFile as `version` does, Retryable when the disk refuses; the staged file is then still there.
        """
        with disk_errors(self.root), parent_of(path, self.root, enter_or_make) as parent:
            self.rename(staged, parent, path)
            parent.sync()

    def rename(self, staged: str | Path, parent: Parent, path: RelativePath) -> None:
        """Give a file its name in ``parent``; durable when that is synced. Raises BadFile, Retryable, OSError."""
        try:
            os.replace(staged, parent.name(path), dst_dir_fd=parent.fd)
        except IsADirectoryError:
            raise BadFile(f"{parent.where / path.name} is in the way: it is no plain file") from None
        except OSError as error:
            explain(error, path, self.root, parent)
            raise

    def _plain_version(self, file: int, size: int | None) -> Version:
        found = os.fstat(file)
        digest = b""
        if found.st_size == size:
            with open(file, "rb", closefd=False) as stream:
                digest = hashlib.file_digest(stream, "sha512").digest()
        return Version(digest, "", "", found.st_mtime if self.has_times else 0.0, UNMARKED)


def _can_set_times(probe: Path) -> bool:
    try:
        os.utime(probe, (_PROBE_TIME, _PROBE_TIME))
    except OSError:  # some network shares leave times to the owner of the share
        return False
    return abs(probe.stat().st_mtime - _PROBE_TIME) <= _COARSEST_TIME


def _set_time(file: int | str | Path, mtime: float) -> None:
    fraction, whole = math.modf(mtime)  # apart: a float has no room for today's date in nanoseconds
    nanoseconds = int(whole) * 1_000_000_000 + round(fraction * 1e9)
    with contextlib.suppress(OverflowError):  # a time that no file system can hold
        os.utime(file, ns=(nanoseconds, nanoseconds))
