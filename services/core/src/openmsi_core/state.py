"""The state folder: where it is, that one program at a time uses it, and the id that is kept in it."""

import contextlib
import hashlib
import json
import os
import socket
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from openmsi_core.durable import create_once, this_user
from openmsi_core.errors import ConfigError
from openmsi_core.locks import lock

LOCK_FILE = "lock"
_ID_FILE = "id"
_ANOTHER_FOLDER = "name another folder with --state_dir"


def default_state_dir(program: str, place: Path, topic: str, environ: Mapping[str, str]) -> Path:
    """Where the platform keeps state, a folder of its own for each program, folder (``place``, absolute) and topic."""
    key = hashlib.sha256(f"{place}\n{topic}".encode(errors="surrogateescape")).hexdigest()[:8]
    return _platform_state(environ) / "openmsi" / f"{program}-{key}"


def _platform_state(environ: Mapping[str, str]) -> Path:
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(environ.get("XDG_STATE_HOME") or home / ".local" / "state")


def make_state_dir(state_dir: Path) -> None:
    """Make the folder if it is missing and prove that files can be made in it. Raises ConfigError."""
    probe = state_dir / f".probe-{uuid.uuid4().hex}"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _unusable(f"the state folder {state_dir}", error) from None


def _unusable(name: str, error: OSError, or_else: str = f", or {_ANOTHER_FOLDER}") -> ConfigError:
    return ConfigError(
        f"{name} cannot be used ({error.strerror or error}): give {this_user()} the right to"
        f" read and write there{or_else}"
    )


@contextlib.contextmanager
def lock_state_dir(state_dir: Path, description: str) -> Iterator[None]:
    """Hold the state folder for this process while inside; ``description`` tells others what for.

    The operating system drops the lock when the process ends, however it ends: what stands in the file only
    informs. Raises ConfigError naming the holder when another process has it. Does not wait.
    """
    make_state_dir(state_dir)
    with lock_file(state_dir / LOCK_FILE, f"the state folder {state_dir}", description, _ANOTHER_FOLDER):
        yield


@contextlib.contextmanager
def lock_file(path: Path, name: str, description: str, another: str) -> Iterator[None]:
    """As `lock_state_dir`, with the lock ``path``; ``name`` and ``another`` (what to do) are for the error."""
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise _unusable(name, error, or_else="") from None
    with file:
        try:
            lock(file)
        except (BlockingIOError, PermissionError):  # how Linux and Windows say that another process has it
            raise ConfigError(f"{name} is in use by {holder(file)}: stop that one first, or {another}") from None
        except OSError as error:
            raise ConfigError(f"{name} cannot be locked ({error.strerror}): {another}, on a local disk") from None
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            file.truncate(0)
            json.dump({"pid": os.getpid(), "host": socket.gethostname(), "what": description}, file)
            file.flush()
        yield


def holder(file: IO[str]) -> str:
    """What the lock file of a state folder, which another process has locked, says of that process."""
    file.seek(0)
    try:
        known = json.load(file)
        return f"{known['what']} (process {known['pid']} on {known['host']})"
    except (ValueError, KeyError, TypeError, OSError):
        return "another process"


def instance_id(state_dir: Path) -> str:
    """32 hexadecimal digits that belong to this state folder: made once, durable on return, the same ever after.

    Safe when several processes ask for the first time at once. Raises ConfigError when it is damaged or cannot be kept.
    """
    make_state_dir(state_dir)
    path = state_dir / _ID_FILE
    try:
        if not path.exists():
            create_once(path, uuid.uuid4().hex.encode())
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise _unusable(f"the state folder {state_dir}", error) from None
    try:
        return uuid.UUID(hex=text).hex
    except ValueError:
        raise ConfigError(f"{path} is damaged: restore it, or delete it to begin as a new installation") from None
