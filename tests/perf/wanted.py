"""What is wanted of the figures, and whether it was reached."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tests.perf import ratios
from tests.perf.ratios import to_theirs
from tests.perf.results import Results, Who
from tests.perf.runs import percentile

QUIET, BUSY = "2 files/s", "2 files/s while a large file passes"
LIMITED = f"{BUSY}, limited to 100 MiB/s"
FIRST_NEW, RESCAN, PER_FILE, BEHIND = (
    "start to the first new file sent, s",
    "rescan, CPU s",
    "memory for a known file, bytes",
    "others later by a 200 GiB sparse file, s",
)
_FLAT = 1.25
"""How much dearer a file of the most may be than one of ten thousand: above what two runs differ by."""

_RATIOS = (
    ("large", ratios.UP_BOUND, 0.95),
    ("medium", ratios.UP_PRODUCE, 0.85),
    ("large", ratios.DOWN_SLOWER, 0.75),
    *((name, ratios.THROUGH, 0.8) for name in ("large", "medium", "small", "records", "day", "deep")),
    ("medium", ratios.TWO, 1.6),
    ("small", ratios.TWO, 1.6),
)
_RATES = ((Who.UP, 5000.0), (Who.DOWN, 4000.0))
_THEIRS = (
    ("large", "up ÷ OpenMSIStream", 2.0),
    ("medium", "up ÷ OpenMSIStream", 2.0),
    ("small", "up ÷ OpenMSIStream", 200.0),
    ("large", "down ÷ OpenMSIStream", 2.0),
    ("medium", "down ÷ OpenMSIStream", 2.0),
    ("small", "down ÷ OpenMSIStream", 2.0),
)
_LATENCIES = ((QUIET, 0.5, 0.060), (QUIET, 0.95, 0.120), (BUSY, 0.99, 1.0), (LIMITED, 0.99, 1.0))
_FIGURES = ((FIRST_NEW, 30.0), (RESCAN, 10.0), (PER_FILE, 300.0), (BEHIND, 1.0))


@dataclass(frozen=True)
class Verdict:
    """One target."""

    what: str
    value: float
    sign: Literal["≥", "≤"]
    bound: float

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.value >= self.bound if self.sign == "≥" else self.value <= self.bound


def verdicts(results: Results) -> list[Verdict]:
    """All targets for which there are figures."""
    return [*_of_rounds(results), *_of_theirs(results), *_of_latency(results), *_of_scale(results)]


def _of_rounds(results: Results) -> Iterator[Verdict]:
    for name, ratio, bound in _RATIOS:
        if (value := ratio.median(results, name)) is not None:
            yield Verdict(f"{results.titles[name]}: {ratio.name}", value, "≥", bound)
    for who, bound in _RATES:
        if runs := results.of("small", who):
            value = statistics.median(run.files / run.seconds for run in runs)
            yield Verdict(f"{results.titles['small']}: {who}, files/s", value, "≥", bound)


def _of_theirs(results: Results) -> Iterator[Verdict]:
    for name, what, bound in _THEIRS:
        if (value := to_theirs(results, name, *ratios.THEIRS[what])) is not None:
            yield Verdict(f"{results.titles[name]}: {what}", value, "≥", bound)


def _of_latency(results: Results) -> Iterator[Verdict]:
    for name, share, bound in _LATENCIES:
        if values := results.latencies.get(name):
            yield Verdict(f"close to visible, {name}: p{share * 100:.0f}, s", percentile(values, share), "≤", bound)


def _of_scale(results: Results) -> Iterator[Verdict]:
    for name, bound in _FIGURES:
        if name in results.figures:
            yield Verdict(name, results.figures[name], "≤", bound)
    counts = sorted(results.costs)
    few = [count for count in counts if count <= 10_000]
    if not few or counts[-1] == few[-1]:
        return
    for who in (Who.UP, Who.DOWN):
        many, base = (results.costs[count][who] for count in (counts[-1], few[-1]))
        value = (many.cpu["own"] / many.files) / (base.cpu["own"] / base.files)
        yield Verdict(f"{who}: CPU for one of {counts[-1]:,} files ÷ one of {few[-1]:,}", value, "≤", _FLAT)
