"""Time that a test turns by hand, for what waits for a `Pace`."""

import threading
from collections.abc import Callable
from datetime import datetime

from openmsi_core.pace import Pace
from openmsi_core.timetable import parse

MONDAY = datetime(2026, 11, 2).timestamp()
"""At midnight, in local time, whatever that is here."""


class Clocks:
    """A clock that goes on by waiting alone, and one at the wall that can be turned, too."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.ahead = MONDAY - self.now
        """What the wall clock shows more."""
        self.meanwhile: Callable[[], None] = lambda: None
        """Called at each wait."""

    def pace(self, limit: str) -> Pace:
        """One that goes by these clocks."""
        return Pace(parse(limit), lambda: self.now, lambda: self.now + self.ahead, self._pause)

    def _pause(self, _condition: threading.Condition, seconds: float) -> None:
        assert 0 < seconds <= 0.25, "it must wait in small steps"
        self.now += seconds
        self.meanwhile()
