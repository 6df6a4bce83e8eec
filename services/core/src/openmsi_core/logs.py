"""The log: lines on standard error and a rotating file, in UTC, as plain text or JSON, without secrets."""

import contextlib
import functools
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from openmsi_core.log_lines import Lines, to_file, to_stderr
from openmsi_core.settings import ProgramSettings, secrets

_SHORTEST_SECRET = 6  # striking out shorter ones would mangle innocent words, and shows where they stand
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # the last: bytes of a name that are no text
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def logging_to(program: str, settings: ProgramSettings) -> Iterator[None]:
    """Send everything that is logged to standard error and the log file while inside.

    A log file that cannot be opened or written costs one warning, never the program.
    """
    write = _as_json if settings.log_format == "json" else _as_text
    formatter = _Formatter(program, secrets(settings), write)
    path = settings.logger_file_path or settings.state_dir
    file, problem = _open(path / f"{program}.log" if path.is_dir() else path, settings.logger_file_level.upper())
    handlers = [to_stderr(settings.logger_stream_level.upper()), *file]
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers[:] = handlers
    root.setLevel(min(handler.level for handler in handlers))
    for handler in handlers:
        handler.setFormatter(formatter)
        handler.addFilter(_ours_or_serious)
    if problem:
        _log.warning("%s", problem)
    try:
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        for handler in handlers:
            with contextlib.suppress(OSError):  # a full disk, said before
                handler.close()


@contextlib.contextmanager
def also_to(handler: logging.Handler, settings: ProgramSettings) -> Iterator[None]:
    """Send what the program logs to ``handler``, too, while inside: from its level on, the text without its time."""
    handler.setFormatter(_Formatter(settings.program, secrets(settings), _as_line))
    handler.addFilter(_ours_or_serious)
    root = logging.getLogger()
    # Not the root's level alone: libraries would make records by the thousand that no handler takes.
    ours = [logging.getLogger(name) for name in ("openmsi_core", type(settings).__module__.partition(".")[0])]
    before = [(logger, logger.level) for logger in (root, *ours)]
    root.setLevel(min(root.level, max(handler.level, logging.WARNING)))
    for logger in ours:
        logger.setLevel(handler.level)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        for logger, level in before:
            logger.setLevel(level)


def _open(path: Path, level: str) -> tuple[list[Lines], str]:
    try:
        return [to_file(path, level)], ""
    except OSError as error:
        return [], f"there is no log file, because {path} cannot be written ({error.strerror})"


def _ours_or_serious(record: logging.LogRecord) -> bool:
    """Libraries are heard from WARNING on: their debug lines tell users nothing."""
    return record.name.startswith("openmsi") or record.levelno >= logging.WARNING


class _Formatter(logging.Formatter):
    """One line per record; control characters shown, not obeyed; secrets struck out."""

    def __init__(
        self, program: str, hidden: Iterable[str], write: Callable[[str, logging.LogRecord, str, str], str]
    ) -> None:
        super().__init__()
        self._program = program
        self._hidden = [secret for secret in hidden if len(secret) >= _SHORTEST_SECRET]
        self._write = write
        self._last: tuple[logging.LogRecord | None, str] = None, ""

    def format(self, record: logging.LogRecord) -> str:
        """The line; made once, although several handlers ask for it one after the other."""
        last, line = self._last
        if last is not record:
            line = self._make(record)
            self._last = record, line
        return line

    def _make(self, record: logging.LogRecord) -> str:
        message = self._strike_out(record.getMessage())
        if not message.isprintable():  # which costs next to nothing
            message = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", message)
        traceback = self._strike_out(self.formatException(record.exc_info)) if record.exc_info else ""
        return self._write(self._program, record, message, traceback)

    def _strike_out(self, text: str) -> str:
        for secret in self._hidden:
            text = text.replace(secret, "***")
        return text


def _as_text(_program: str, record: logging.LogRecord, message: str, traceback: str) -> str:
    return f"{_moment(int(record.created))} {record.levelname:<5} {message}" + (f"\n{traceback}" if traceback else "")


@functools.lru_cache(maxsize=2)
def _moment(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


def _as_line(_program: str, record: logging.LogRecord, message: str, traceback: str) -> str:
    serious = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
    return serious + message + (f"\n{traceback}" if traceback else "")


def _as_json(program: str, record: logging.LogRecord, message: str, traceback: str) -> str:
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    entry = {"time": moment, "level": record.levelname.lower(), "program": program, "logger": record.name}
    return json.dumps(entry | {"message": message} | ({"traceback": traceback} if traceback else {}))
