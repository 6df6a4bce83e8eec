"""Commands typed at a terminal. Without a terminal, standard input is never read."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable


def read_keys(obey: Callable[[str], None]) -> None:
    """Start a thread that passes each line typed at the terminal to ``obey`` for as long as the process lives.

    Does nothing when standard input is not a terminal.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        return
    if hasattr(signal, "SIGTTIN") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)  # in the background, reading must fail, not stop the program
    threading.Thread(target=_read, args=(sys.stdin.fileno(), obey), name="keys", daemon=True).start()


def _read(fd: int, obey: Callable[[str], None]) -> None:
    # os.read, because a daemon thread inside sys.stdin would hold its lock while the interpreter ends.
    while True:
        try:
            typed = os.read(fd, 1024)
        except OSError:
            time.sleep(1)  # in the background: look again whether somebody has fetched us back
            continue
        if not typed:
            return
        for line in typed.decode(errors="replace").split("\n"):
            if command := line.strip().casefold():
                obey(command)
