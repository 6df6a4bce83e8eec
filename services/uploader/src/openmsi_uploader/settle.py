"""When a file has settled: nothing in its stat changed for the whole settle time, as seen by us. Pure.

An old mtime proves nothing (it may be copied with the file), so every file waits once from when it was first seen.
"""

from dataclasses import dataclass
from itertools import takewhile

from openmsi_uploader.agenda import Agenda
from openmsi_uploader.source import FileStat

_BACK_OFF = 1.5
_LONGEST_CHECK_SECONDS = 10.0


@dataclass(slots=True)
class _Watched:
    stat: FileStat
    since: float
    restarts: int
    first: float


class Settling:
    """Files that may still be being written. Times are monotonic seconds, handed in.

    A file that keeps changing stays here for ever. When nobody tells of its changes, it is looked at less and less
    often (waits grow by half, up to 10 s or the settle time), so it is taken late by at most a part of the
    time it took to be written.
    """

    def __init__(self, settle_seconds: float) -> None:
        self._settle = settle_seconds
        self._longest = max(settle_seconds, _LONGEST_CHECK_SECONDS)
        self._watched: dict[str, _Watched] = {}
        self._agenda = Agenda()

    def observe(self, path: str, stat: FileStat, now: float) -> None:
        """Something said "look again" at ``path``, and this is what it looks like."""
        watched = self._watched.get(path)
        if watched is None:
            watched = self._watched[path] = _Watched(stat, now, 0, now)
        elif watched.stat != stat:
            watched.stat, watched.since, watched.restarts = stat, now, 0
        self._agenda.put(path, watched.since + self._settle)

    def due(self, now: float) -> list[str]:
        """Paths whose settle time is over; the caller must `check` or `forget` each."""
        return self._agenda.due(now)

    def check(self, path: str, stat: FileStat, now: float) -> bool:
        """Compare a path that was `due`. True: it has settled with this stat, and is forgotten here."""
        watched = self._watched[path]
        if watched.stat == stat and now - watched.since >= self._settle:
            del self._watched[path]
            return True
        if watched.stat != stat:
            watched.stat, watched.since, watched.restarts = stat, now, watched.restarts + 1
        wait = self._settle * _BACK_OFF ** min(watched.restarts, 50)
        self._agenda.put(path, watched.since + min(wait, self._longest))
        return False

    def forget(self, path: str) -> None:
        """The path is gone or no longer of interest."""
        self._watched.pop(path, None)
        self._agenda.drop(path)

    def came_before(self, when: float) -> int:
        """How many have been here since before ``when``. Goes through these only."""
        return sum(1 for _ in takewhile(lambda watched: watched.first < when, self._watched.values()))

    def next_due(self) -> float | None:
        """A time before which `due` returns nothing; None when nothing waits."""
        return self._agenda.next_due()

    def __len__(self) -> int:
        return len(self._watched)
