"""Locks that the operating system drops when a process ends, however it ends."""

import sys
import time
from pathlib import Path
from typing import IO

_PAUSE_SECONDS = 0.005

if sys.platform == "win32":
    import msvcrt

    def lock(file: IO[str] | IO[bytes]) -> None:
        """Lock an open file for this process without waiting; raises OSError when another has it."""
        # Windows locks bytes against reading too: lock one far behind any text in the file.
        file.seek(1 << 30)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(file: IO[str] | IO[bytes]) -> None:
        """Lock an open file for this process without waiting; raises OSError when another has it."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_lock(path: Path) -> IO[bytes] | None:
    """Make ``path`` if need be and lock it; the lock lasts until the file is closed. None when another has it.

    Raises OSError when files cannot be made or locked there at all.
    """
    file = path.open("ab", buffering=0)  # the cheapest: a lock is taken for each file that is placed
    try:
        lock(file)
    except (BlockingIOError, PermissionError):  # how Linux and Windows say that another process has it
        file.close()
        return None
    except OSError:
        file.close()
        raise
    return file


def wait_for_lock(path: Path, seconds: float) -> IO[bytes] | None:
    """As `try_lock`, but waits up to ``seconds`` for another that has it."""
    until = time.monotonic() + seconds
    while (file := try_lock(path)) is None and time.monotonic() < until:
        time.sleep(_PAUSE_SECONDS)
    return file
