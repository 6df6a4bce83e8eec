"""Where log lines go, and when: at once, or those of a whole turn of a loop `together`."""

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

_FILE_BYTES = 5_000_000
_OLD_FILES = 4
_MOST_WAITING = 1000

_gathering: set[int] = set()
"""The threads whose lines wait at present."""


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Write the lines that this thread logs inside in one go at the end, however it is left.

    A line costs little then: what is dear are the calls of the system, and that other threads may run meanwhile. Lines
    of other threads, and from WARNING on, are written at once, after those that wait. Only what is done within moments
    belongs inside, and nothing that makes what a line tells of durable.
    """
    _gathering.add(threading.get_ident())
    try:
        yield
    finally:
        _gathering.discard(threading.get_ident())
        for handler in logging.getLogger().handlers:
            handler.flush()


class Lines(logging.Handler):
    """Hands lines to ``write``, without the line break at their end."""

    def __init__(self, level: str, write: Callable[[str], None], end: Callable[[], None]) -> None:
        super().__init__(level)
        self._write = write
        self._end = end
        self._waiting: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take the line of ``record``."""
        self._waiting.append(self.format(record))
        waits = record.thread in _gathering and record.levelno < logging.WARNING
        if not waits or len(self._waiting) >= _MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self.acquire()
        try:
            if self._waiting:
                lines, self._waiting = self._waiting, []
                self._write("\n".join(lines))
        finally:
            self.release()

    def close(self) -> None:
        """Write what waits, and end."""
        self.flush()
        self._end()
        super().close()


def to_stderr(level: str) -> Lines:
    """Lines from ``level`` on, to whatever `sys.stderr` is at the moment: the progress display puts itself there."""
    return Lines(level, _to_stderr, lambda: None)


def to_file(path: Path, level: str) -> Lines:
    """Lines from ``level`` on, to a file that rotates. Raises OSError when it cannot be opened.

    When it cannot be written later, it complains once and goes on trying.
    """
    file = _LogFile(path, maxBytes=_FILE_BYTES, backupCount=_OLD_FILES, encoding="utf-8", errors="backslashreplace")
    return Lines(level, lambda text: file.emit(logging.makeLogRecord({"msg": text})), file.close)


def _to_stderr(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # the terminal was closed: nobody is left to tell
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


class _LogFile(RotatingFileHandler):
    _complained = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  # logging's own name
        if not self._complained:
            self._complained = True
            error = sys.exc_info()[1]
            sys.stderr.write(f"the log file {self.baseFilename} cannot be written ({error})\n")
