"""Which of the files that wait is sent first. Pure."""

import heapq
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from openmsi_uploader.filters import globs, matches

T = TypeVar("T")

Rank = tuple[int, int]
"""Lower goes first; of equals, the one that came first."""
SMALL = "small"
"""Instead of a last pattern: all files that match none, smallest first."""


@dataclass(frozen=True, slots=True)
class Priority:
    """An order of files by patterns, each of globs for whole paths and for names; see `prioritised`."""

    patterns: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = ()
    small_first: bool = False

    def rank(self, path: str, size: int) -> Rank:
        """The place of a file of ``size`` bytes: that of the first pattern it matches, or behind all patterns."""
        name = path.rpartition("/")[2]
        for number, pattern in enumerate(self.patterns):
            if matches(pattern, path, name):
                return number, 0
        return len(self.patterns), size if self.small_first else 0

    def names(self, path: str) -> bool:
        """Whether it matches a pattern."""
        return self.rank(path, 0)[0] < len(self.patterns)


FIRST_COME = Priority()


def prioritised(words: Iterable[str]) -> Priority:
    """The order that a list of globs asks for, as `Selection` reads them: those that match the first one go first.

    Files that match none go last. `SMALL` may be the last word. Raises ValueError when it is another.
    """
    patterns = list(words)
    small_first = patterns[-1:] == [SMALL]
    if small_first:
        patterns.pop()
    if SMALL in patterns:
        raise ValueError(f"{SMALL} must be the last word: it stands for all files that match no pattern")
    return Priority(tuple(globs([pattern]) for pattern in patterns), small_first)


class Line(Generic[T]):
    """Things that wait, each with a rank."""

    def __init__(self) -> None:
        self._heap: list[tuple[Rank, int, T]] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, item: T, rank: Rank) -> None:
        """Let ``item`` wait behind all of its rank. Time: logarithmic."""
        heapq.heappush(self._heap, (rank, next(self._numbers), item))

    def take(self) -> T | None:
        """Take out the first; None when nothing waits. Time: logarithmic."""
        return heapq.heappop(self._heap)[2] if self._heap else None

    @property
    def best(self) -> Rank | None:
        """The rank of the first; None when nothing waits."""
        return self._heap[0][0] if self._heap else None

    def clear(self) -> None:
        """Forget all."""
        self._heap.clear()
