"""The folders between a destination's root and a file in it, entered one by one so that no link is followed."""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from openmsi_core.durable import in_words, sync_folder
from openmsi_core.errors import BadFile, Retryable
from openmsi_core.paths import RelativePath, check_windows

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW | getattr(os, "O_CLOEXEC", 0)
_CAN_OPEN_FOLDERS = os.open in os.supports_dir_fd
_ON_WINDOWS = os.name == "nt"
_NO_SUCH_NAMES = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
"""How file systems say that they cannot hold a name: ``:`` on a Windows share, or more bytes than fit."""


@dataclass(frozen=True, slots=True)
class Parent:
    """An open folder (POSIX), or its path where folders cannot be opened (Windows)."""

    fd: int | None
    where: Path

    def name(self, path: RelativePath | str) -> str:
        """What to give to functions of `os`, together with `fd`, for a file in this folder."""
        name = path if isinstance(path, str) else path.name
        return name if self.fd is not None else str(self.where / name)

    def sync(self) -> None:
        """Make the names in this folder durable."""
        if self.fd is not None:
            sync_folder(self.fd)

    def check_place(self) -> None:
        """Raise Retryable when `where` is another folder by now: somebody has moved this one."""
        if self.fd is not None:
            here, there = os.fstat(self.fd), self.where.stat()
            if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
                raise Retryable(f"the folder {self.where} was moved while files were placed in it", after=0.0)

    def close(self) -> None:
        """Close it; nothing else may be done with it then."""
        if self.fd is not None:
            os.close(self.fd)


Enter = Callable[[Parent, str], Parent]


@contextlib.contextmanager
def parent_of(path: RelativePath, root: Path, enter: Enter) -> Iterator[Parent]:
    """The folder that ``path`` lies in below ``root``; ``enter`` is `enter_existing` or `enter_or_make`.

    Of the block's and its own OSErrors, those that mean that no such name can be become BadFile, and those of rights
    become Retryable naming the folder.
    """
    parent = open_parent(path, root, enter)
    try:
        yield parent
    except OSError as error:
        explain(error, path, root, parent)
        raise
    finally:
        parent.close()


def open_parent(path: RelativePath, root: Path, enter: Enter) -> Parent:
    """As `parent_of`, for the caller to close; errors of what is done there are for `explain`."""
    if _ON_WINDOWS:
        check_windows(path)
    parent = Parent(os.open(root, _FOLDER & ~_NOFOLLOW) if _CAN_OPEN_FOLDERS else None, root)
    try:
        for part in path.parts[:-1]:
            step = enter(parent, part)
            parent.close()
            parent = step
    except BaseException as error:
        parent.close()
        if isinstance(error, OSError):
            explain(error, path, root, parent)
        raise
    return parent


def explain(error: OSError, path: RelativePath, root: Path, parent: Parent) -> None:
    """Raise BadFile if ``error`` means that ``path`` cannot be, Retryable naming ``parent`` if it is one of rights."""
    if isinstance(error, PermissionError):
        raise Retryable(in_words(error, parent.where)) from error
    if error.errno in _NO_SUCH_NAMES:
        raise BadFile(f"the file system at {root} cannot hold a file named {path.text!r}") from None


def enter_existing(parent: Parent, part: str) -> Parent:
    """Go down into folder ``part``. Raises BadFile when it is no real folder, FileNotFoundError."""
    where = parent.where / part
    if parent.fd is None:
        if not stat.S_ISDIR(os.lstat(where).st_mode):
            raise BadFile(f"{where} is in the way: it is no folder")
        return Parent(None, where)
    try:
        return Parent(os.open(part, _FOLDER, dir_fd=parent.fd), where)
    except PermissionError as error:
        raise Retryable(in_words(error, where)) from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):  # O_NOFOLLOW on a link, O_DIRECTORY on a file
            raise BadFile(f"{where} is in the way: it is a file or a symbolic link, not a folder") from None
        raise


def enter_or_make(parent: Parent, part: str) -> Parent:
    """Go down into folder ``part``, made durably if it is missing. Raises as `enter_existing` does."""
    try:
        return enter_existing(parent, part)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            os.mkdir(parent.name(part), dir_fd=parent.fd)
        parent.sync()
        return enter_existing(parent, part)


class Parents:
    """Folders below ``root`` that stay open while a group of files is placed in them; close it afterwards.

    `find` and `find_or_make` raise BadFile, Retryable and OSError as `parent_of` does; the folders belong to this.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, Parent] = {}

    def find(self, path: RelativePath) -> Parent | None:
        """The folder of ``path``; None when it is not there."""
        try:
            return self._get(path, enter_existing)
        except FileNotFoundError:
            self._root.stat()  # a root that is gone must not look like an empty one
            return None

    def find_or_make(self, path: RelativePath) -> Parent:
        """The folder of ``path``, made durably if it is missing."""
        return self._get(path, enter_or_make)

    def close(self) -> None:
        """Close them all."""
        for parent in self._open.values():
            parent.close()
        self._open.clear()

    def _get(self, path: RelativePath, enter: Enter) -> Parent:
        parent = self._open.get(path.subdir)
        if parent is None:
            parent = self._open[path.subdir] = open_parent(path, self._root, enter)
        elif _ON_WINDOWS:
            check_windows(path)
        return parent
