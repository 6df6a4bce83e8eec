"""Log lines on a topic, as OpenMSIStream sends them: every line of the program, many to a message.

The key is ``<program id>_log``, the value JSON as text: when it was made, and the lines without time and level, but
with ``WARNING:`` or worse before those that are.
"""

import bisect
import functools
import itertools
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

from openmsi_core.reporter import Parcel

_WAITING_BYTES = 2 << 20
_LINE_OVERHEAD = 64  # bytes of memory that a line takes beside its text
_ENVELOPE = len('{"timestamp": 1234567890.1234567, "messages": []}')
_SEPARATOR = ", "
_LEAST_ROOM = 128
MOST_LINES = 65_536
"""Lines in a message unless the user says otherwise; OpenMSIStream's default, too."""


def log_key(program_id: str) -> str:
    """The key of the log messages of a program."""
    return f"{program_id}_log"


class LogLines(logging.Handler):
    """Keeps lines until they are sent: some 2 MB of them; of more, the oldest are dropped and counted.

    No value that `compose` makes is longer than ``max_bytes``, or holds more than ``most_lines``. A line that would be
    too long alone is cut, and says so.
    """

    def __init__(self, level: str, max_bytes: int, most_lines: int = MOST_LINES) -> None:
        super().__init__(level)
        self._room = max(_LEAST_ROOM, max_bytes - _ENVELOPE)
        self._most_lines = most_lines
        self._guard = threading.Lock()
        self._lines: deque[str] = deque()
        self._bytes = 0
        self._dropped = 0
        self.sender: threading.Thread | None = None
        """The thread that sends: what it says itself is not kept, or one failure to send would bring on the next."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line of ``record``."""
        if self.sender is None or record.thread != self.sender.ident:
            self.put(self.format(record))

    def put(self, line: str) -> None:
        """Keep ``line``."""
        encoded = _encode(line, self._room)
        with self._guard:
            self._lines.append(encoded)
            self._bytes += len(encoded) + _LINE_OVERHEAD
            self._trim()

    def compose(self) -> list[Parcel]:
        """All lines that wait, in messages; nothing when none does."""
        with self._guard:
            lines, dropped = list(self._lines), self._dropped
            self._lines.clear()
            self._bytes = self._dropped = 0
        if dropped:
            lines.insert(0, _encode(f"WARNING: {dropped} log lines before this one were dropped", self._room))
        now = time.time()
        return [self._parcel(batch, now) for batch in _split(lines, self._room, self._most_lines)]

    def _parcel(self, lines: Sequence[str], now: float) -> Parcel:
        value = f'{{"timestamp": {now!r}, "messages": [{_SEPARATOR.join(lines)}]}}'
        return Parcel(value.encode(), functools.partial(self._give_back, lines), functools.partial(self._drop, lines))

    def _give_back(self, lines: Sequence[str]) -> None:
        with self._guard:
            self._lines.extendleft(reversed(lines))
            self._bytes += sum(len(line) + _LINE_OVERHEAD for line in lines)
            self._trim()

    def _drop(self, lines: Sequence[str]) -> None:
        with self._guard:
            self._dropped += len(lines)

    def _trim(self) -> None:
        while self._bytes > _WAITING_BYTES and len(self._lines) > 1:
            self._bytes -= len(self._lines.popleft()) + _LINE_OVERHEAD
            self._dropped += 1


def _split(lines: Sequence[str], room: int, most: int) -> list[Sequence[str]]:
    """``lines`` in order, in groups that fit into ``room`` bytes."""
    groups: list[list[str]] = []
    left = 0
    for line in lines:
        size = len(line) + len(_SEPARATOR)
        if not groups or size > left or len(groups[-1]) >= most:
            groups.append([])
            left = room + len(_SEPARATOR)
        groups[-1].append(line)
        left -= size
    return list(groups)


def _encode(line: str, room: int) -> str:
    """``line`` as JSON in ASCII, of at most ``room`` bytes."""
    encoded = json.dumps(line)
    if len(encoded) <= room:
        return encoded
    mark = f" … ({len(line)} characters, cut here)"
    sizes = list(itertools.accumulate(len(json.dumps(character)) - 2 for character in line))
    return json.dumps(line[: bisect.bisect_right(sizes, room - len(json.dumps(mark)))] + mark)
