"""Whether a program can do its work in its folder, and keep its state."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from openmsi_admin.doctor.asked import DOWNLOADER
from openmsi_admin.doctor.filesystem import check_events, check_room, mounted
from openmsi_admin.doctor.finding import Finding, bad, ok, unsure
from openmsi_core.durable import in_words, this_user, write_file
from openmsi_core.errors import ConfigError
from openmsi_core.locks import lock
from openmsi_core.paths import RESERVED
from openmsi_core.placing import Folder
from openmsi_core.state import LOCK_FILE, holder, make_state_dir

SECONDS = 15.0
_WALK_SECONDS = 5.0
_PROBE_BYTES = 4096


def check_folder(folder: Path, role: str) -> Iterator[Finding]:
    """The folder of a program; nothing is ever written to a watched one. Takes up to 5 s; may hang on a dead mount."""
    about = "output" if role == DOWNLOADER else "watched"
    if not folder.exists():
        if role == DOWNLOADER:
            yield _to_be_made(about, folder)
        else:
            yield bad(about, f"{folder} does not exist", "make it, mount it, or name another")
        return
    try:
        with os.scandir(folder) as entries:
            next(entries, None)
        folder.stat()
        (folder / ".").stat()
    except OSError as error:
        todo = f"give {this_user()} the rights to list and enter it (r and x)"
        yield bad(about, f"{folder} cannot be read ({error.strerror})", todo)
        return
    yield from _check_output(about, folder) if role == DOWNLOADER else _check_watched(about, folder)


@dataclass(slots=True)
class _Seen:
    folders: int = 1
    files: int = 0
    locked: int = 0
    example: str = ""
    all: bool = True


def _check_watched(about: str, folder: Path) -> Iterator[Finding]:
    seen = _look_through(folder, time.monotonic() + _WALK_SECONDS)
    text = f"{folder} can be read by {this_user()}: {seen.files} files in {seen.folders} folders"
    text += "" if seen.all else f" and more (looked for {_WALK_SECONDS:.0f} s)"
    if seen.locked:
        todo = f"give {this_user()} the right to read it (r, and x for folders)"
        yield bad(about, f"{text}, but for {seen.locked} of them, such as {seen.example}", todo)
    else:
        yield ok(about, text)
    yield from check_events(about, folder, seen.folders)


def _look_through(root: Path, until: float) -> _Seen:
    seen, todo = _Seen(), [str(root)]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if is_folder:
                        seen.folders += 1
                        todo.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        seen.files += 1
                        if not os.access(entry.path, os.R_OK):
                            _note(seen, entry.path)
        except FileNotFoundError:  # it went while we looked
            continue
        except OSError:
            _note(seen, folder)
        if time.monotonic() > until:
            seen.all = not todo
            break
    return seen


def _note(seen: _Seen, path: str) -> None:
    seen.locked += 1
    seen.example = seen.example or path


def _check_output(about: str, folder: Path) -> Iterator[Finding]:
    """Places a probe as files are placed, hidden below `RESERVED`, and takes it away."""
    reserved = folder / RESERVED
    staging = reserved / "staging" if (reserved / "staging").is_dir() else reserved
    was_there = reserved.exists()
    try:
        staging.mkdir(exist_ok=True)
        probe = staging / f"probe-{uuid4().hex}"
        write_file(probe, bytes(_PROBE_BYTES))
        probe.unlink()
        target = Folder(folder)
        target.check(staging)
    except OSError as error:
        yield bad(about, in_words(error, folder))
    except ConfigError as error:
        yield bad(about, str(error))
    else:
        yield ok(about, f"{this_user()} can write to {folder} and move files into place in one step")
        if not target.has_marks:
            yield unsure(about, f"{folder} keeps no extended attributes: versions are told apart by their times only")
        if not target.has_times:
            yield unsure(about, f"{folder} does not keep the times of files: they get the time of their arrival")
    finally:
        if not was_there:
            with contextlib.suppress(OSError):
                reserved.rmdir()
    if mount := mounted(folder):
        yield ok(about, f"{folder} is on {mount}")
    yield from check_room(about, folder)


def check_state(folder: Path) -> Iterator[Finding]:
    """The state folder: writable, on a local disk, and who uses it. May hang on a dead mount."""
    about = "state"
    if not folder.exists():
        yield _to_be_made(about, folder)
        return
    try:
        make_state_dir(folder)
    except ConfigError as error:
        yield bad(about, str(error))
        return
    mount = mounted(folder)
    if mount and mount.is_remote:
        todo = "name a folder on a local disk with --state_dir"
        yield bad(about, f"{folder} is on {mount}: locks and the ledger are not safe there", todo)
    else:
        yield ok(about, f"{this_user()} can write to {folder}" + (f", on {mount}" if mount else ""))
    if user := user_of(folder / LOCK_FILE):
        yield ok(about, f"it is in use by {user}")
    yield from check_room(about, folder)


def user_of(path: Path) -> str:
    """Who has the lock at ``path``; empty when nobody has."""
    try:
        with path.open(encoding="utf-8") as file:
            try:
                lock(file)
            except (BlockingIOError, PermissionError):
                return holder(file)
    except FileNotFoundError:
        return ""
    except OSError:
        return "another process"
    return ""


def _to_be_made(about: str, folder: Path) -> Finding:
    parent = next(parent for parent in folder.parents if parent.exists())
    if os.access(parent, os.W_OK | os.X_OK):
        return ok(about, f"{folder} does not exist yet: the program makes it at its start")
    todo = f"make it and give it to {this_user()}"
    return bad(about, f"{folder} does not exist, and {this_user()} may not make it in {parent}", todo)
