"""One measured run, and what measuring takes: waiting, counting lines of a log, processor time."""

import math
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MB = 1_000_000
GB = 1_000_000_000


@dataclass(frozen=True)
class Run:
    """What was measured."""

    seconds: float
    """From the moment in which it could begin (programs: they have reached broker or topic) to the last file."""
    files: int
    """That had arrived by then."""
    size: int = 0
    """Bytes that had arrived by then."""
    start_seconds: float = 0.0
    """From the start of the program to the moment in which it could begin."""
    peak_bytes: int = 0
    """Of memory, of the largest process; 0 = not measured."""
    cpu: dict[str, float] = field(default_factory=dict)
    """Processor seconds by who spent them, in ``seconds``."""


class Costs:
    """Processor seconds since it was made, by who spends them."""

    def __init__(self, **clocks: Callable[[], float]) -> None:
        self._clocks = clocks
        self._before = self._now()

    def so_far(self) -> dict[str, float]:
        """Who → seconds."""
        return {name: seconds - self._before[name] for name, seconds in self._now().items()}

    def _now(self) -> dict[str, float]:
        return {name: clock() for name, clock in self._clocks.items()}


class Lines:
    """Counts a mark in a log that grows; reads each byte once, from where the log ends when it is made."""

    def __init__(self, log: Path, mark: str) -> None:
        self._log = log
        self._mark = mark.encode()
        self._at = log.stat().st_size if log.exists() else 0
        self._rest = b""
        self._count = 0

    def count(self) -> int:
        """How often it was written so far."""
        if self._log.exists() and self._log.stat().st_size > self._at:
            with self._log.open("rb") as file:
                file.seek(self._at)
                new = file.read()
            self._at += len(new)
            text = self._rest + new
            self._count += text.count(self._mark)
            self._rest = text[max(0, len(text) - len(self._mark) + 1) :]
        return self._count


def until(
    there: Callable[[], int],
    wanted: int,
    limit: float,
    processes: Iterable["subprocess.Popen[bytes]"],
    pause: float = 0.005,
) -> int:
    """Wait until ``there()`` is ``wanted``, or ``limit`` seconds are over; the last answer.

    Fails when one of the ``processes`` ends meanwhile.
    """
    watched, end = list(processes), time.monotonic() + limit
    while (count := there()) < wanted and time.monotonic() < end:
        for process in watched:
            assert process.poll() is None, f"it has ended by itself: {process.args!r}"
        time.sleep(pause)
    return count


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest of the values that at least this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * share) - 1]


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Median of the ratios of neighbours: the speed of a machine drifts, so only they can be compared."""
    return statistics.median(a / b for a, b in zip(above, below, strict=False))
