"""What user code prints, as lines of the log, each with the name of the file that it was printed for."""

import logging
import os
import select
import threading
from collections.abc import Callable, Sequence
from typing import IO

from openmsi_processor.classes.printing import LONGEST_LINE, MOST_LINES

_log = logging.getLogger("openmsi_processor.user")

_TAIL_BYTES = 8192
_READ_BYTES = 65536
_MOST_READ = 4 << 20  # at once, before an answer is looked at
_LOOK_MS = 1000


class Prints:
    """Reads what a worker prints until it is closed. Safe for use by several threads."""

    def __init__(self, stream: IO[bytes], name: str, files: Callable[[], Sequence[str]]) -> None:
        """``files`` says which files the worker works on; without any a line has the worker's ``name``."""
        self._stream = stream
        self._name = name
        self._files = files
        self._lock = threading.Lock()
        self._rest = b""
        self._tail = b""
        self._lines = 0
        self._over = False
        self._polls = hasattr(select, "poll")
        if self._polls:
            os.set_blocking(stream.fileno(), False)
        self._thread = threading.Thread(target=self._run, name=f"{name} prints", daemon=True)
        self._thread.start()

    def catch_up(self) -> str:
        """Log all that was printed so far, also a line that has no end yet; returns the last of it.

        What is printed after that is counted anew. Blocks for the log only.
        """
        with self._lock:
            self._drain()
            if self._rest:
                self._say(self._rest, self._who())
            if self._lines > MOST_LINES:
                _log.info("%s: %s", self._who(), f"and {self._lines - MOST_LINES} lines more")
            tail, self._rest, self._tail, self._lines = self._tail, b"", b"", 0
        return tail.decode(errors="replace")

    def close(self) -> str:
        """As `catch_up`, and reads no more."""
        last = self.catch_up()
        self._over = True
        if self._polls:  # else it may block as long as anybody could still print
            self._thread.join()
            self._stream.close()
        return last

    def _run(self) -> None:
        if not self._polls:
            while not self._over and (data := os.read(self._stream.fileno(), _READ_BYTES)):
                with self._lock:
                    self._take(data)
            return
        waiting = select.poll()
        waiting.register(self._stream, select.POLLIN)
        while not self._over:
            if waiting.poll(_LOOK_MS):
                with self._lock:
                    if not self._drain():
                        return

    def _drain(self) -> bool:
        """Returns whether more may come."""
        if not self._polls or self._stream.closed:
            return False
        for _ in range(_MOST_READ // _READ_BYTES):
            try:
                data = os.read(self._stream.fileno(), _READ_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        *lines, self._rest = (self._rest + data).split(b"\n")
        who = self._who()
        for line in lines:
            self._say(line, who)
        while len(self._rest) > LONGEST_LINE:
            self._say(self._rest[:LONGEST_LINE], who)
            self._rest = self._rest[LONGEST_LINE:]

    def _say(self, line: bytes, who: str) -> None:
        shown = line.rstrip().rpartition(b"\r")[2]  # of a progress bar the last state, as a terminal shows it
        if shown:
            self._lines += 1
            if self._lines <= MOST_LINES:
                _log.info("%s: %s", who, shown[:LONGEST_LINE].decode(errors="replace"))

    def _who(self) -> str:
        return ", ".join(self._files()) or self._name
