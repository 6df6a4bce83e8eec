"""What user code prints while several of its threads work on files: each line belongs to the file of its thread."""

import threading
from typing import Any, TextIO

from openmsi_processor.classes.connection import Connection, path_here

MOST_LINES = 1000
"""For one file: code that prints all its data must not push all else out of the log."""
LONGEST_LINE = 8192
_INFO = 20


class Printed:
    """Stands for standard output or standard error; what belongs to no file goes to the real one."""

    def __init__(self, real: TextIO, connection: Connection) -> None:
        self._real = real
        self._connection = connection
        self._own = threading.local()

    def write(self, text: str) -> int:
        """As a text stream's."""
        path = path_here()
        if not path:
            return self._real.write(text)
        own = self._own
        if getattr(own, "path", "") != path:
            own.path, own.rest, own.lines = path, "", 0
        *lines, own.rest = (own.rest + text).split("\n")
        for line in lines:
            self._say(line)
        if len(own.rest) > LONGEST_LINE:
            self._say(own.rest)
            own.rest = ""
        return len(text)

    def flush(self) -> None:
        """As a text stream's; a line that has no end yet is logged, too."""
        if rest := getattr(self._own, "rest", ""):
            self._own.rest = ""
            self._say(rest)
        self._real.flush()

    def done(self) -> None:
        """This thread goes on to another file."""
        self.flush()
        self._own.path = ""

    def _say(self, line: str) -> None:
        shown = line.rstrip().rpartition("\r")[2]  # of a progress bar the last state, as a terminal shows it
        self._own.lines += bool(shown)
        if not shown or self._own.lines > MOST_LINES:
            return
        text = shown[:LONGEST_LINE] if self._own.lines < MOST_LINES else "(it prints more, which is not logged)"
        self._connection.tell({"is": "log", "level": _INFO, "text": text, "path": self._own.path})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
