"""How fast one thing is beside others, in the same rounds."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.perf.results import Results, Who
from tests.perf.runs import Run


@dataclass(frozen=True)
class Ratio:
    """The speed of ``of``, divided by that of what takes ``by`` (sum, max) of the times of ``against``."""

    name: str
    of: Who
    against: tuple[Who, ...]
    by: Callable[[Iterable[float]], float] = sum

    def median(self, results: Results, workload: str) -> float | None:
        """Over all rounds, each formed of neighbours in time: the machine's speed drifts. None: it was not measured."""
        rounds = results.seconds(workload, self.of, *self.against)
        found = [self.by(against) / own for own, *against in rounds]
        return statistics.median(found) if found else None


UP_BOUND = Ratio("up ÷ (SHA-512, then bare produce)", Who.UP, (Who.HASH, Who.PRODUCE))
UP_PRODUCE = Ratio("up ÷ bare produce", Who.UP, (Who.PRODUCE,))
UP_WINDOW = Ratio("up ÷ bare produce, 6 in flight", Who.UP, (Who.WINDOW,))
DOWN_SLOWER = Ratio("down ÷ slower of bare consume and write", Who.DOWN, (Who.CONSUME, Who.WRITE), max)
DOWN_KEEP = Ratio("down ÷ bare consume + write", Who.DOWN, (Who.KEEP,))
THROUGH = Ratio("both at once ÷ slower alone", Who.THROUGH, (Who.UP, Who.DOWN), max)
TWO = Ratio("2 downloaders ÷ 1", Who.DOWN_2, (Who.DOWN,))
FOUR = Ratio("4 downloaders ÷ 1", Who.DOWN_4, (Who.DOWN,))
RCLONE = Ratio("both at once ÷ rclone copy", Who.THROUGH, (Who.RCLONE,))
CP = Ratio("both at once ÷ cp -r", Who.THROUGH, (Who.CP,))

ALL = (UP_BOUND, UP_PRODUCE, UP_WINDOW, DOWN_SLOWER, DOWN_KEEP, THROUGH, TWO, FOUR, RCLONE, CP)
THEIRS = {"up ÷ OpenMSIStream": (Who.UP, Who.THEIR_UP), "down ÷ OpenMSIStream": (Who.DOWN, Who.THEIR_DOWN)}


def rate(runs: Iterable[Run]) -> float:
    """Median of the bytes a second."""
    return statistics.median(run.size / run.seconds for run in runs)


def to_theirs(results: Results, workload: str, own: Who, their: Who) -> float | None:
    """Median rate by median rate, for theirs does not run in each round; None: it was not measured, or did nothing."""
    ours, theirs = results.of(workload, own), results.of(workload, their)
    return rate(ours) / rate(theirs) if ours and theirs and rate(theirs) else None
