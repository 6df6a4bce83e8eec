"""What a folder lies on: kind of file system, room, and whether the system tells of changes there."""

import ctypes
import errno
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from openmsi_admin.doctor.finding import Finding, bad, ok, unsure
from openmsi_core.status import size

_NETWORK = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "davfs", "fakeowner", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "osxfs",
        "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
    }
)  # fmt: skip
_LEAST_PERCENT = 5
_MOUNTS = Path("/proc/self/mountinfo")
_INOTIFY = Path("/proc/sys/fs/inotify")
_IN_CREATE = 0x100


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of ``mountinfo``."""

    point: str
    kind: str
    source: str

    @property
    def is_remote(self) -> bool:
        """Whether others may change files there behind this system's back: network shares and mounts from a host."""
        return self.kind in _NETWORK or (self.kind.startswith("fuse") and self.kind != "fuseblk")

    def __str__(self) -> str:
        return f"{self.kind} ({self.source} at {self.point})"


def mount_of(path: str, mountinfo: str) -> Mount | None:
    """The mount that ``path`` (absolute, without links) lies on; of several at one place, the last covers the others.

    Pure. The format is in proc_pid_mountinfo(5).
    """
    best: Mount | None = None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, facts = before.split(), after.split()
        if len(fields) < 5 or len(facts) < 2:
            continue
        point = _plain(fields[4])
        inside = point in ("/", path) or path.startswith(f"{point}/")
        if inside and (best is None or len(point) >= len(best.point)):
            best = Mount(point, facts[0], _plain(facts[1]))
    return best


def mounted(folder: Path) -> Mount | None:
    """As `mount_of`, of this system; None where that cannot be known."""
    try:
        return mount_of(os.path.realpath(folder), _MOUNTS.read_text(errors="surrogateescape"))
    except OSError:
        return None


def check_room(about: str, folder: Path) -> Iterator[Finding]:
    """Bytes and inodes that are left for this user."""
    if not hasattr(os, "statvfs"):
        return
    found = os.statvfs(folder)
    free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    percent = 100 * free / total if total else 100
    text = f"{folder} has {size(free)} free, {percent:.0f} %"
    if not free and total:
        yield bad(about, f"the disk of {folder} is full", "free some space")
    elif percent < _LEAST_PERCENT:
        yield unsure(about, text, "free some space soon")
    else:
        yield ok(about, text)
    if found.f_files and 100 * found.f_favail / found.f_files < _LEAST_PERCENT:
        make = bad if found.f_favail == 0 else unsure
        yield make(
            about, f"the disk of {folder} has room for {found.f_favail} more files (inodes)", "remove some files"
        )


def check_events(about: str, folder: Path, folders: int) -> Iterator[Finding]:
    """Whether changes in ``folder`` and the ``folders`` in it are told of. Writes nothing."""
    mount = mounted(folder)
    if mount and mount.is_remote:
        text = f"{folder} is on {mount}: what others change there causes no events here"
        yield unsure(about, f"{text}; the uploader finds files when it looks through the folder, every 30 s")
    elif mount:
        yield ok(about, f"{folder} is on {mount}: changes are told of at once")
    if sys.platform != "linux":
        return
    watches = _limit("max_user_watches")
    if watches and folders > watches:
        todo = f"as root: sysctl fs.inotify.max_user_watches={2 * folders} (and put it into /etc/sysctl.d to keep it)"
        yield bad(about, f"{folders} folders need a watch each, and fs.inotify.max_user_watches = {watches}", todo)
        return
    match _watch(folder):
        case errno.EMFILE:
            todo = f"as root: sysctl fs.inotify.max_user_instances={2 * (_limit('max_user_instances') or 128)}"
            yield bad(about, "this user has used up fs.inotify.max_user_instances", todo)
        case errno.ENOSPC:
            todo = f"as root: sysctl fs.inotify.max_user_watches={2 * (watches or 8192)}"
            yield bad(about, "this user has used up fs.inotify.max_user_watches", todo)
        case 0:
            yield ok(about, f"{folders} folders to watch; fs.inotify.max_user_watches = {watches or 'unknown'}")
        case code:
            text = f"the system cannot watch {folder} ({os.strerror(code)}): the uploader looks through it every 30 s"
            yield unsure(about, text)


def _watch(folder: Path) -> int:
    """Begin to watch and end at once: 0, or the error. Leaves nothing behind."""
    libc = ctypes.CDLL(None, use_errno=True)
    instance = libc.inotify_init1(os.O_CLOEXEC)
    if instance < 0:
        return ctypes.get_errno()
    try:
        watch = libc.inotify_add_watch(instance, os.fsencode(folder), _IN_CREATE)
        return 0 if watch >= 0 else ctypes.get_errno()
    finally:
        os.close(instance)


def _limit(name: str) -> int | None:
    try:
        return int((_INOTIFY / name).read_text())
    except (OSError, ValueError):
        return None


def _plain(field: str) -> str:
    """Blanks and the like are written in octal."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), field)
