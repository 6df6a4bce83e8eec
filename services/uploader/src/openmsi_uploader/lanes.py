"""The threads that read and send files, and the two lines they take work from.

As long as a small file takes less than a millisecond, one thread at a time takes them: two would hand the interpreter's
lock to each other at every system call, which costs a quarter of the speed. With a slower disk, all of them do.
"""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from openmsi_uploader.priority import Line, Rank

J = TypeVar("J")

_LARGE_AHEAD = 1
_SMALL_AHEAD = 256  # what is read until the answers of the broker, which come in bursts, bring more

_QUICK_SECONDS = 0.001
_STUCK_SECONDS = 0.01
_SMOOTHING = 1 / 32


class Alone:
    """Whether the thread that is at a small job is so quick that no other one should help it.

    Pure; times are monotonic seconds, handed in.
    """

    def __init__(self) -> None:
        self._mean = 0.0
        self._until = 0.0

    def __call__(self, now: float) -> bool:
        return self._mean < _QUICK_SECONDS and now < self._until

    def begun(self, now: float) -> None:
        """A thread begins a small job."""
        self._until = now + _STUCK_SECONDS

    def ended(self, seconds: float) -> None:
        """A small job has taken so long."""
        self._mean += _SMOOTHING * (seconds - self._mean)
        self._until = 0.0


class Lanes(Generic[J]):
    """``count`` threads that call ``work`` for each job; in both lines, the one with the lowest ``rank`` is next.

    They take large jobs first. Where they are several, there is one more, which takes small ones only: so these never
    wait behind large ones. While a thread takes less than a millisecond for each of its small jobs, no other one takes
    any.
    """

    def __init__(self, count: int, work: Callable[[J], None], rank: Callable[[J], Rank] = lambda _: (0, 0)) -> None:
        self._work = work
        self._rank = rank
        self._changed = threading.Condition()
        self._small = Line[J]()
        self._large = Line[J]()
        self._alone = Alone()
        self._looking = 0
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, args=(number <= count,), name=f"reader-{number}", daemon=True)
            for number in range(1, count + (count > 1) + 1)
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

    def _run(self, takes_large: bool) -> None:
        while True:
            with self._changed:
                while (taken := self._take(takes_large)) is None and not self._closed:
                    self._wait()
            if taken is None:
                return
            job, is_small = taken
            begun = time.monotonic()
            self._work(job)
            if is_small:
                with self._changed:
                    self._alone.ended(time.monotonic() - begun)

    def _take(self, takes_large: bool) -> tuple[J, bool] | None:
        """The next job, and whether it is a small one."""
        if takes_large and (job := self._large.take()) is not None:
            return job, False
        now = time.monotonic()
        if self._alone(now) or (job := self._small.take()) is None:
            return None
        self._alone.begun(now)
        if self._small and not self._looking:
            self._changed.notify()  # somebody must see whether this one takes longer than expected
        return job, True

    def _wait(self) -> None:
        looks = len(self._small) > 0
        self._looking += looks
        self._changed.wait(_STUCK_SECONDS if looks else None)
        self._looking -= looks
