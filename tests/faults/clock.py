"""A clock that a test can step under running programs.

It is Python's: what the programs read with `time.time`. (libfaketime is no use here: it moves what librdkafka reads,
but not what it waits for, so that its threads spin or sleep for a day, as they never would.)
"""

from collections.abc import Mapping
from pathlib import Path

_SITE = """\
import time
from pathlib import Path

_truth, _steps = time.time_ns, Path({steps!r})
time.time_ns = lambda: _truth() + int(_steps.read_text())
time.time = lambda: time.time_ns() / 1e9
"""


class Clock:
    """What some programs think that the time is; durations are left alone."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        site = folder / "site"  # Python runs what lies there before any program
        site.mkdir(parents=True)
        self.step(0)
        (site / "sitecustomize.py").write_text(_SITE.format(steps=str(self._file)))
        self.env: Mapping[str, str] = {"PYTHONPATH": str(site)}
        """The environment of those programs."""

    def step(self, seconds: int) -> None:
        """Set it to so many seconds from the truth."""
        beside = self._file.with_suffix(".new")
        beside.write_text(str(seconds * 1_000_000_000))
        beside.replace(self._file)
