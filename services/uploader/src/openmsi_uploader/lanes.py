"""The threads that read and send files, and the two lines they take work from."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from openmsi_uploader.priority import Line, Rank

J = TypeVar("J")

_LARGE_AHEAD = 1
_SMALL_AHEAD = 256  # what is read until the answers of the broker, which come in bursts, bring more


class Lanes(Generic[J]):
    """``count`` threads that call ``work`` for each job; in both lines, the one with the lowest ``rank`` is next.

    Every thread takes small jobs; all but one (of several) take large ones first. So a small job never waits behind
    large ones, unless there is one thread only.
    """

    def __init__(self, count: int, work: Callable[[J], None], rank: Callable[[J], Rank] = lambda _: (0, 0)) -> None:
        self._work = work
        self._rank = rank
        self._changed = threading.Condition()
        self._small = Line[J]()
        self._large = Line[J]()
        self._closed = False
        takes = [self._take_any] * max(1, count - 1) + [self._take_small] * min(1, count - 1)
        self._threads = [
            threading.Thread(target=self._run, args=(take,), name=f"reader-{number}", daemon=True)
            for number, take in enumerate(takes, 1)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def small_room(self) -> int:
        """How many more small jobs may be put now."""
        return _SMALL_AHEAD - len(self._small)

    def large_room(self, rank: Rank | None) -> int:
        """How many more large jobs may be put now, the next of ``rank``: one that overtakes all in line always may."""
        with self._changed:
            best = self._large.best
        overtakes = rank is not None and best is not None and rank < best
        return max(_LARGE_AHEAD - len(self._large), int(overtakes))

    def put_small(self, job: J) -> None:
        """Line up a small job."""
        with self._changed:
            self._small.put(job, self._rank(job))
            self._changed.notify()

    def put_large(self, job: J) -> None:
        """Line up a large job."""
        with self._changed:
            self._large.put(job, self._rank(job))
            self._changed.notify_all()  # the thread woken by a single notify may be the one for small jobs

    def close(self, timeout: float) -> None:
        """Drop what no thread has begun and wait up to ``timeout`` seconds for the rest."""
        with self._changed:
            self._closed = True
            self._small.clear()
            self._large.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout)

    def _run(self, take: Callable[[], J | None]) -> None:
        while True:
            with self._changed:
                while (job := take()) is None and not self._closed:
                    self._changed.wait()
            if job is None:
                return
            self._work(job)

    def _take_any(self) -> J | None:
        job = self._large.take()
        return self._take_small() if job is None else job

    def _take_small(self) -> J | None:
        return self._small.take()
