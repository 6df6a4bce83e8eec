"""The one state machine per path, from first sight until it is sent. Pure; times are monotonic seconds, handed in.

::

    see ──> SETTLING ──> READY ──> SENDING ──> forgotten
               ^           ^          │
               │           │ retry    ├── changed ──> SETTLING
               └─ changed ─┴─ FAILED <┘
"""

import enum
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from openmsi_core.retry import delay_before
from openmsi_uploader.agenda import Agenda
from openmsi_uploader.priority import FIRST_COME, Line, Priority, Rank
from openmsi_uploader.settle import Settling
from openmsi_uploader.source import FileStat

_LONG_SECONDS = 60.0


class _Phase(enum.Enum):
    SETTLING = enum.auto()
    READY = enum.auto()
    SENDING = enum.auto()
    FAILED = enum.auto()


@dataclass(slots=True)
class _Entry:
    stat: FileStat
    told: bool
    phase: _Phase = _Phase.SETTLING
    settled: bool = False
    failures: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits, for the status."""

    files: int
    size: int
    """Bytes."""
    oldest_since: float | None
    """When that file settled which has been settled for longest without being delivered."""
    failing: int
    changing: int
    """Files that have kept changing for more than a minute."""


class Pending:
    """Every path that is neither done nor left out.

    Files of more than ``large`` bytes stand in a line of their own, so that small ones need not wait for them. In both
    lines, ``priority`` says who goes first.
    """

    def __init__(
        self,
        settle_seconds: float,
        large: int,
        delay: Callable[[int], float] = delay_before,
        priority: Priority = FIRST_COME,
    ) -> None:
        self._large = large
        self._delay = delay
        self._priority = priority
        self._entries: dict[str, _Entry] = {}
        self._settling = Settling(settle_seconds)
        self._retries = Agenda()
        self._small_ready = Line[str]()
        self._large_ready = Line[str]()
        self._overdue: OrderedDict[str, float] = OrderedDict()
        self._bytes = 0
        self._failing = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def crowd(self) -> int:
        """How many of them are on their way, not waiting after a failure."""
        return len(self._entries) - len(self._retries)

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def see(self, path: str, stat: FileStat, now: float, *, told: bool) -> None:
        """A file that is not known as done looks like this; ``told`` = an event of the file system said so."""
        entry = self._entries.get(path)
        if entry is None:
            entry = self._entries[path] = _Entry(stat, told)
            self._bytes += stat.size
        entry.told |= told
        if entry.phase is _Phase.SETTLING:
            self._set_stat(entry, stat)
            self._settling.observe(path, stat, now)
        elif entry.phase is _Phase.FAILED and stat != entry.stat:
            self.changed(path, stat, now)

    def due(self, now: float) -> list[str]:
        """Paths to look at now: for each, `check`, `failed` or `forget` must follow."""
        return self._settling.due(now) + self._retries.due(now)

    def check(self, path: str, stat: FileStat, now: float) -> bool:
        """What a path that was `due` looks like. True: it is ready to be sent, and looks still as it did."""
        entry = self._entries[path]
        if entry.phase is _Phase.FAILED and (stat != entry.stat or not entry.settled):
            self.changed(path, stat, now)
            return False
        if entry.phase is _Phase.SETTLING:
            self._set_stat(entry, stat)
            if not self._settling.check(path, stat, now):
                return False
            entry.settled = True
            self._overdue[path] = now
        self._enter(entry, _Phase.READY)
        line = self._large_ready if stat.size > self._large else self._small_ready
        line.put(path, self._priority.rank(path, stat.size))
        return True

    def take_small(self) -> tuple[str, FileStat] | None:
        """The next small file to send; `changed`, `failed` or `forget` must follow."""
        return self._take(self._small_ready)

    def take_large(self) -> tuple[str, FileStat] | None:
        """The next large file to send, as `take_small`."""
        return self._take(self._large_ready)

    @property
    def next_large(self) -> Rank | None:
        """The rank of what `take_large` gives, or of a file that is gone; None when there is none."""
        return self._large_ready.best

    def changed(self, path: str, stat: FileStat, now: float) -> None:
        """A file that had settled does not look any more as it did: it must settle again."""
        entry = self._entries[path]
        self._enter(entry, _Phase.SETTLING)
        entry.settled, entry.failures, entry.reason = False, 0, ""
        self._retries.drop(path)
        self._overdue.pop(path, None)
        self._set_stat(entry, stat)
        self._settling.observe(path, stat, now)

    def failed(self, path: str, reason: str, now: float) -> bool:
        """Looking at the file or sending it failed; it is due again after a while. True: for a new reason."""
        entry = self._entries[path]
        self._settling.forget(path)
        self._enter(entry, _Phase.FAILED)
        entry.failures += 1
        news, entry.reason = reason != entry.reason, reason
        self._overdue.setdefault(path, now)
        self._retries.put(path, now + self._delay(entry.failures))
        return news

    def forget(self, path: str) -> None:
        """The path is done, gone or left out."""
        entry = self._entries.pop(path, None)
        if entry is not None:
            self._bytes -= entry.stat.size
            self._failing -= entry.phase is _Phase.FAILED
            self._settling.forget(path)
            self._retries.drop(path)
            self._overdue.pop(path, None)

    def was_told(self, path: str) -> bool:
        """Whether an event told of this pending path."""
        return self._entries[path].told

    def next_due(self) -> float | None:
        """A time before which `due` returns nothing; None when nothing waits for a time."""
        times = [when for when in (self._settling.next_due(), self._retries.next_due()) if when is not None]
        return min(times, default=None)

    def waiting(self, now: float) -> Waiting:
        """What waits. Goes through those that keep changing only."""
        oldest = next(iter(self._overdue.values()), None)
        changing = self._settling.came_before(now - _LONG_SECONDS)
        return Waiting(len(self._entries), self._bytes, oldest, self._failing, changing)

    def _take(self, ready: Line[str]) -> tuple[str, FileStat] | None:
        while (path := ready.take()) is not None:
            entry = self._entries.get(path)
            if entry is not None and entry.phase is _Phase.READY:
                self._enter(entry, _Phase.SENDING)
                return path, entry.stat
        return None

    def _enter(self, entry: _Entry, phase: _Phase) -> None:
        self._failing += (phase is _Phase.FAILED) - (entry.phase is _Phase.FAILED)
        entry.phase = phase

    def _set_stat(self, entry: _Entry, stat: FileStat) -> None:
        self._bytes += stat.size - entry.stat.size
        entry.stat = stat
