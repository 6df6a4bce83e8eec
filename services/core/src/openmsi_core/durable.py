"""What it takes for bytes to survive a power cut, and the one place where errors of the disk become ours."""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from openmsi_core.errors import ConfigError, Retryable

CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_EVERYBODY = 0o666
REOPEN = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


@contextlib.contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn an OSError of the block into Retryable: the disk may be mended while the program waits."""
    try:
        yield
    except OSError as error:
        raise Retryable(in_words(error, place)) from error


def begin_writing(file: int) -> None:
    """Have the kernel begin to write what is new in an open file, without waiting for it. Never raises.

    When several files are synced one after the other, the first sync is then for the metadata of all: a file gets its
    place on the disk not before its bytes are written (ext4: delayed allocation), and each sync would write it anew.
    """
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):  # a hint: a system that does not know it is slower, no more
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)  # "not needed": what can be dropped was written first


def write_all(file: int, data: bytes | memoryview, offset: int) -> None:
    """Write ``data`` at ``offset`` of an open file; returns when the kernel has all of it."""
    os.lseek(file, offset, os.SEEK_SET)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def sync_folder(folder: int | Path) -> None:
    """Make the names in a folder durable (a no-op where folders cannot be opened, as on Windows)."""
    if isinstance(folder, int):
        try:
            os.fsync(folder)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that syncs no folders
                raise
    elif hasattr(os, "O_DIRECTORY"):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            sync_folder(opened)
        finally:
            os.close(opened)


def make_folder(folder: Path, root: Path) -> None:
    """Make ``folder`` and what is missing between it and ``root``; durable on return. Raises OSError."""
    if folder != root and not folder.is_dir():
        make_folder(folder.parent, root)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def write_file(path: Path, content: bytes | memoryview) -> None:
    """Make ``path`` hold ``content``, whole or not at all; durable on return. Raises OSError."""
    beside = path.with_name(f".{uuid4().hex}")
    try:
        _create(beside, content, _EVERYBODY)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def create_file(path: Path, content: bytes | memoryview, mode: int = _EVERYBODY) -> None:
    """Make the new file ``path`` with ``content``; durable on return.

    ``mode`` is cut by the umask. Raises OSError, also when there is one.
    """
    _create(path, content, mode)
    sync_folder(path.parent)


def create_once(path: Path, content: bytes, mode: int = _EVERYBODY) -> None:
    """Make ``path`` with ``content``, whole, unless another process is quicker; durable on return. Raises OSError."""
    own = path.with_name(f".{uuid4().hex}")
    try:
        _create(own, content, mode)
        try:
            os.link(own, path)  # unlike a rename, never replaces what another process has just made
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            own.replace(path)
    finally:
        own.unlink(missing_ok=True)
    sync_folder(path.parent)


def _create(path: Path, content: bytes | memoryview, mode: int) -> None:
    file = os.open(path, CREATE, mode)
    try:
        write_all(file, content, 0)
        os.fsync(file)
    finally:
        os.close(file)


def sha512_of(file: Path) -> bytes:
    """SHA-512 of its bytes. Blocks: all of it is read. Raises OSError."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha512").digest()


def check_owner(folder: Path, program: str) -> None:
    """Raise ConfigError unless ``folder`` belongs to this user, as it does to ``program``.

    Folders and locks that we make there must be of use to that one. Raises OSError.
    """
    owner = folder.stat().st_uid
    if hasattr(os, "geteuid") and os.geteuid() != owner:
        raise ConfigError(f"{folder} belongs to user id {owner}, who runs {program}: run this as that user")


def this_user() -> str:
    """Who we are, as far as rights go."""
    return f"user id {os.getuid()}" if hasattr(os, "getuid") else "this user"


def in_words(error: OSError, place: Path) -> str:
    """What a person must do about ``error`` so that files can be written to ``place``."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"the disk of {place} is full: free some space, delivery goes on by itself"
        case errno.EROFS:
            return f"the disk of {place} is read-only: make it writable, delivery goes on by itself"
        case errno.EACCES | errno.EPERM:
            return f"{this_user()} may not write to {place}: give it the right to write there"
        case errno.EFBIG:
            return f"a file for {place} is longer than files may be there: raise that limit, or use another disk"
        case errno.EXDEV:
            return f"a folder in {place} is on another disk, so no file can be moved there at once: remove that mount"
        case errno.ENOENT | errno.ENOTDIR | errno.ESTALE:
            return f"{place} is gone: bring the folder back, delivery goes on by itself"
        case _:
            return f"the disk of {place} refuses: {error.strerror or error}"
