"""What the service does so that user code can neither look into it nor outlive its worker. Linux; elsewhere nothing."""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

MARK = "OPENMSI_WORKER"
"""The variable by which everything that a worker has started is known."""

_PR_SET_DUMPABLE = 4
_ROUNDS = 5  # while it is looked for, user code may start more


def close_to_others() -> None:
    """Other processes of the same user cannot read this one's environment and memory from now on (root's can).

    Children that run another program are not concerned. Source: proc(5), ptrace(2).
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def end_all(mark: str) -> None:
    """End every process with this `MARK`, also one that has left its parent and its session. Never raises."""
    if sys.platform != "linux":
        return
    wanted = f"{MARK}={mark}".encode()
    for _ in range(_ROUNDS):
        found = [number for number in _processes() if wanted in _environment_of(number)]
        for number in found:
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
        if not found:
            break


def _processes() -> list[int]:
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  # thousands of names
    return []


def _environment_of(process: int) -> list[bytes]:
    """Empty for one that has ended, and for those of other users."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    return []
