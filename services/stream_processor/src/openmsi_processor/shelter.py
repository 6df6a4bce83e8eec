"""What the service does so that user code can neither look into it nor outlive its worker. Linux; elsewhere nothing."""

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

MARK = "OPENMSI_WORKER"
"""The variable by which everything that a worker has started is known."""

_PR_SET_DUMPABLE = 4
_YOUNG_SECONDS = 10.0  # kernel threads, and some first processes, never have an environment
_STARTING_SECONDS = 2.0  # also: while it is looked for, user code may start more
_PAUSE_SECONDS = 0.005


def close_to_others() -> None:
    """Other processes of the same user cannot read this one's environment and memory from now on (root's can).

    Children that run another program are not concerned. Source: proc(5), ptrace(2).
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def end_all(mark: str) -> None:
    """End every process with this `MARK`, also one that has left its parent and its session. Never raises.

    Blocks while any process of this user is being started: only after that it can be known whose it is.
    """
    if sys.platform != "linux":
        return
    wanted, until = f"{MARK}={mark}".encode(), time.monotonic() + _STARTING_SECONDS
    while True:
        processes = {number: _environment_of(number) for number in _processes()}
        found = [number for number, environment in processes.items() if wanted in environment]
        for number in found:
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
        starting = any(_is_starting(number) for number, environment in processes.items() if not any(environment))
        if time.monotonic() > until or not (found or starting):
            break
        time.sleep(_PAUSE_SECONDS)


def _processes() -> list[int]:
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  # thousands of names
    return []


def _environment_of(process: int) -> list[bytes]:
    """Empty for one that has ended or is being started, and for those of other users."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    return []


def _is_starting(process: int) -> bool:
    """Whether it is in the middle of execve(2), when it has no environment yet. Source: proc(5), environ_read()."""
    with contextlib.suppress(OSError, LookupError, ValueError):
        folder = Path(f"/proc/{process}")
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        state, age, env_end = fields[0], _now() - int(fields[19]) / os.sysconf("SC_CLK_TCK"), int(fields[48])
        ours = folder.stat().st_uid == os.geteuid()
        return ours and state not in "ZX" and age < _YOUNG_SECONDS and env_end == 0
    return False


def _now() -> float:
    """Seconds since the machine was started."""
    return float(Path("/proc/uptime").read_text().split()[0])
