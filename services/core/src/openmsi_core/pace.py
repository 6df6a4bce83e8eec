"""Holds a program to the rate that its timetable says."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from openmsi_core.bucket import SAVED_SECONDS, Bucket, Turns
from openmsi_core.timetable import Timetable, in_words, parse

_log = logging.getLogger(__name__)

BESIDE_VALUE = 250
"""Bytes of a record on its way beside its value: key, headers and Kafka's own. All of it is counted."""

_STEP_SECONDS = 0.1
_LOOK_SECONDS = 1.0
_SMALLEST_CHUNK = 16 * 1024


class Pace:
    """One rate for all threads of a program: that of the row of ``table`` that holds at the local time.

    A step of the wall clock changes the row and nothing else. ``clock`` counts monotonic seconds, ``wall`` those since
    the epoch; ``pause`` waits on a condition for so many seconds at most.
    """

    def __init__(
        self,
        table: Timetable,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        pause: Callable[[threading.Condition, float], object] = threading.Condition.wait,
    ) -> None:
        self._table = table
        self._clock = clock
        self._wall = wall
        self._pause = pause
        self._changed = threading.Condition()
        self._bucket = Bucket(clock())
        self._turns = Turns()
        self._look_due = clock() + _LOOK_SECONDS
        self._hold_to(self._rate_now())

    def take(self, count: int, hold: Callable[[], bool]) -> None:
        """Block until a record of ``count`` bytes may go; threads that wait get equal shares.

        Meanwhile, and at least once, ``hold`` is called some ten times a second: what it raises is passed on, and while
        it is true nothing goes.
        """
        who = threading.get_ident()
        with self._changed:
            self._turns.enter(who)
        try:
            while self._must_wait(who, count, held=hold()):
                pass
        finally:
            with self._changed:
                self._turns.leave(who)
                self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """Block until something may go, up to ``timeout`` seconds; whether it may. For one thread, with `spend`."""
        with self._changed:
            if (seconds := self._seconds()) > 0:
                self._pause(self._changed, min(seconds, timeout))
            return self._seconds() <= 0

    def spend(self, count: int) -> None:
        """So many bytes have come, or gone, since `wait` allowed it; what is too much is waited for afterwards."""
        with self._changed:
            self._bucket.spend(count)

    @property
    def slowest(self) -> float:
        """Bytes a second in the slowest row of the table; may be infinite."""
        return self._table.slowest or float("inf")

    @property
    def portion(self) -> float:
        """Bytes that should come at once, at most; may be infinite."""
        return float("inf") if self._bucket.rate is None else self._bucket.rate * SAVED_SECONDS

    def _must_wait(self, who: int, count: int, *, held: bool) -> bool:
        """Wait for a moment, or let the record go."""
        with self._changed:
            seconds = _STEP_SECONDS if held or not self._turns.is_first(who) else self._seconds()
            if seconds > 0:
                self._pause(self._changed, min(seconds, _STEP_SECONDS))
                return True
            self._bucket.spend(count)
            self._turns.sent(who, count)
            return False

    def _seconds(self) -> float:
        self._look()
        return self._bucket.seconds(self._clock())

    def _look(self) -> None:
        """Find the row of the table that holds now, once a second."""
        now = self._clock()
        if now < self._look_due:
            return
        self._look_due = now + _LOOK_SECONDS
        if (rate := self._rate_now()) != self._bucket.rate:
            self._hold_to(rate)

    def _rate_now(self) -> float | None:
        return self._table.rate_at(self._local())

    def _hold_to(self, rate: float | None) -> None:
        self._bucket.set(rate, self._clock())
        when = f"; here it is {self._local():%a %H:%M}" if len(self._table.rows) > 1 else ""
        _log.info("bandwidth limit: %s%s", in_words(rate), when)

    def _local(self) -> datetime:
        return datetime.fromtimestamp(self._wall())


def pace_for(limit: str | None) -> Pace | None:
    """The pace that a `--bandwidth_limit` asks for; None = it asks for none. Raises ValueError as `parse` does."""
    table = parse(limit) if limit is not None else None
    return None if table is None or table.slowest is None else Pace(table)


def fitting(chunk_size: int, pace: Pace | None) -> int:
    """The size of chunks, ``chunk_size`` at most, with which ``pace`` can be held: no more than go in a second.

    A record goes whole: with larger ones, a minute would be too short for an even flow, and others would wait for them.
    """
    if pace is None:
        return chunk_size
    return int(min(chunk_size, max(_SMALLEST_CHUNK, pace.slowest // 1024 * 1024)))
