"""Locks that the operating system drops when a process ends, however it ends."""

import sys
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def lock(file: IO[str]) -> None:
        """Lock an open file for this process without waiting; raises OSError when another has it."""
        # Windows locks bytes against reading too: lock one far behind any text in the file.
        file.seek(1 << 30)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(file: IO[str]) -> None:
        """Lock an open file for this process without waiting; raises OSError when another has it."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_lock(path: Path) -> IO[str] | None:
    """Make ``path`` if need be and lock it; the lock lasts until the file is closed. None when another has it.

    Raises OSError when files cannot be made or locked there at all.
    """
    file = path.open("a+", encoding="utf-8")
    try:
        lock(file)
    except (BlockingIOError, PermissionError):  # how Linux and Windows say that another process has it
        file.close()
        return None
    except OSError:
        file.close()
        raise
    return file
