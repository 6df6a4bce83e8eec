"""How long to wait before the next try."""

import random
import time
from collections.abc import Callable

_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 30.0


def delay_before(attempt: int) -> float:
    """Seconds to wait before try ``attempt`` (1 = the first repetition).

    Doubles from 0.5 s to 30 s, with a random part so that many programs do not come back at once.
    """
    return float(min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** min(attempt - 1, 10))) * random.uniform(0.75, 1.25)


class Backoff:
    """The state of one thing that is tried again and again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._until = 0.0
        self.reason: str | None = None
        """Why the last try failed; None = it did not."""
        self.since: float | None = None
        """Clock reading of the first failure since the last success."""

    def failed(self, reason: str) -> None:
        """Note a failure: `waiting` holds for a while, longer each time."""
        self._failures += 1
        self._until = self._clock() + delay_before(self._failures)
        self.reason = reason
        if self.since is None:
            self.since = self._clock()

    def succeeded(self) -> None:
        """Note a success: the next failure waits briefly again."""
        if self._failures:
            self._failures = 0
            self._until = 0.0
            self.reason = self.since = None

    @property
    def waiting(self) -> bool:
        """Whether it is too early for the next try."""
        return self._failures > 0 and self._clock() < self._until
