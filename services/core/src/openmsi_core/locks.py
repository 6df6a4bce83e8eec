"""Locks that the operating system drops when a process ends, however it ends."""

import sys
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def lock(file: IO[str] | IO[bytes]) -> None:
        """Lock an open file for this process without waiting; raises OSError when another has it."""
        # Windows locks bytes against reading too: lock one far behind any text in the file.
        file.seek(1 << 30)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def unlock(file: IO[str] | IO[bytes]) -> None:
        """Give back what `lock` has taken; closing the file does, too."""
        file.seek(1 << 30)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def lock(file: IO[str] | IO[bytes]) -> None:
        """Lock an open file for this process without waiting; raises OSError when another has it."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def unlock(file: IO[str] | IO[bytes]) -> None:
        """Give back what `lock` has taken; closing the file does, too."""
        fcntl.flock(file, fcntl.LOCK_UN)


def is_locked_by_another(error: OSError) -> bool:
    """Whether that is why `lock` raised ``error``."""
    return isinstance(error, (BlockingIOError, PermissionError))  # how Linux and Windows say it


def try_lock(path: Path) -> IO[bytes] | None:
    """Make ``path`` if need be and lock it; the lock lasts until the file is closed. None when another has it.

    Raises OSError when files cannot be made or locked there at all.
    """
    file = path.open("ab", buffering=0)
    try:
        lock(file)
    except OSError as error:
        file.close()
        if is_locked_by_another(error):
            return None
        raise
    return file
