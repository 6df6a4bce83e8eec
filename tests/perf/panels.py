"""The single panels of the plot."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tests.perf import ratios
from tests.perf.results import Results, Who
from tests.perf.runs import GB, MB, Run
from tests.perf.wanted import BUSY, LIMITED, QUIET

LARGE = ("large", "medium", "records", "day")
SMALL = ("small", "deep")

Panel = Callable[[Results, Axes], None]

_UP, _DOWN, _BOTH = "up", "down", "end to end"
_BLUE, _RED, _GREY, _GREEN, _YELLOW = "#0060a8", "#c8324a", "#444444", "#4d9070", "#e09f1f"


@dataclass(frozen=True)
class _Kind:
    """One symbol of the panels that compare, and whose runs it stands for in each kind of row."""

    label: str
    marker: str
    color: str
    runs: dict[str, Who]


_KINDS = (
    _Kind("bare loop: produce (6 in flight), consume + write + fsync", "|", _GREY, {_UP: Who.WINDOW, _DOWN: Who.KEEP}),
    _Kind("OpenMSIStream 1.8.8", "X", _RED, {_UP: Who.THEIR_UP, _DOWN: Who.THEIR_DOWN}),
    _Kind("rclone copy, no Kafka", "D", _YELLOW, {_BOTH: Who.RCLONE}),
    _Kind("cp -r, no Kafka", "s", _GREEN, {_BOTH: Who.CP}),
    _Kind("this product", "o", _BLUE, {_UP: Who.UP, _DOWN: Who.DOWN, _BOTH: Who.THROUGH}),
)


def large(results: Results, axes: Axes) -> None:
    """MB/s of everything with files that are not small."""
    _compare(results, axes, LARGE, lambda run: run.size / run.seconds / MB)
    axes.set_title("Speed, large files: MB/s (right is better)")


def small(results: Results, axes: Axes) -> None:
    """Files/s of everything with small files."""
    _compare(results, axes, SMALL, lambda run: run.files / run.seconds)
    axes.set_title("Speed, small files: files/s (right is better)")


def processor_time(results: Results, axes: Axes) -> None:
    """CPU seconds per GB, without the broker's."""
    _compare(results, axes, LARGE, lambda run: run.cpu["own"] / run.size * GB if run.size else 0.0)
    axes.set_title("Processor time: CPU s/GB, without the broker (left is better)")


def delays(results: Results, axes: Axes) -> None:
    """How many files were there after how long."""
    colors = {QUIET: _BLUE, BUSY: _RED, LIMITED: _GREEN}
    for name, values in results.latencies.items():
        milliseconds = [max(1.0, value * 1000) for value in values]
        axes.ecdf(milliseconds, label=f"{name} ({len(values)} files)", color=colors[name])
    wanted = {QUIET: ((60, 0.5), (120, 0.95)), BUSY: ((1000, 0.99),)}
    for name, points in wanted.items():
        color = colors[name]
        for number, point in enumerate(points if name in results.latencies else ()):
            label = "wanted: left of this" if name == QUIET and not number else None
            axes.plot(*point, marker="<", color=color, markerfacecolor="white", markersize=9, linestyle="", label=label)
    axes.set_xscale("log")
    _few_numbers(axes.xaxis)
    axes.set_xlabel("ms from close to visible, beyond the settle time")
    axes.set_ylabel("share of files")
    axes.set_ylim(0, 1.04)
    axes.set_title("Latency, files of 4 KiB")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)


def groups(results: Results, axes: Axes) -> None:
    """Speed of one, two and four downloaders, and their processor time, as multiples of one."""
    for name, color in (("medium", _BLUE), ("small", _RED)):
        speeds, times = [(1, 1.0)], [(1, 1.0)]
        for count, ratio in ((2, ratios.TWO), (4, ratios.FOUR)):
            if (speed := ratio.median(results, name)) is not None:
                speeds.append((count, speed))
                times.append((count, _cpu(results.of(name, ratio.of)) / _cpu(results.of(name, Who.DOWN))))
        if len(speeds) > 1:
            axes.plot(*zip(*speeds, strict=True), "o-", color=color, label=f"{results.titles[name]}: speed")
            axes.plot(*zip(*times, strict=True), "s:", color=color, label="… CPU seconds", markerfacecolor="white")
    axes.set_xticks([1, 2, 4])
    axes.set_xlim(0.8, 4.2)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("downloaders in one group")
    axes.set_title(f"Several downloaders on {results.machine.get('cores', '?')} cores, as multiples of one")
    axes.grid(alpha=0.3)
    axes.legend(loc="best", fontsize=8)


def costs(results: Results, axes: Axes) -> None:
    """What a file costs, by the number of files."""
    counts = sorted(results.costs)
    for who, color in ((Who.UP, _BLUE), (Who.DOWN, _RED)):
        runs = [results.costs[count][who] for count in counts]
        cpu = [run.cpu["own"] / run.files * 1000 for run in runs]
        axes.plot(counts, cpu, "o-", color=color, label=f"{who}: CPU")
        wall = [run.seconds / run.files * 1000 for run in runs]
        axes.plot(counts, wall, "s:", color=color, label=f"{who}: time", markerfacecolor="white")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    _few_numbers(axes.yaxis)
    axes.set_xlabel("files of 4 KiB in the folder")
    axes.set_ylabel("ms per file")
    axes.set_title("What one file costs among how many (flat is good)")
    axes.grid(alpha=0.3)
    axes.legend(loc="best", fontsize=8)


def _compare(results: Results, axes: Axes, names: Sequence[str], value: Callable[[Run], float]) -> None:
    """Of each workload a row for each way; a symbol at the median, a line from the least to the most of the rounds."""
    labels: list[str] = []
    for name in (name for name in names if name in results.runs):
        labels.append(results.titles[name].partition(":")[0])
        axes.axhline(len(labels) - 1, color="black", linewidth=0.5, alpha=0.3)
        for way in (_UP, _DOWN, _BOTH):
            for kind in _KINDS:
                runs = results.of(name, kind.runs[way]) if way in kind.runs else []
                if values := [each for run in runs if (each := value(run))]:
                    axes.hlines(len(labels), min(values), max(values), color=kind.color, linewidth=1.5, alpha=0.5)
                    axes.plot(statistics.median(values), len(labels), color=kind.color, **_symbol(kind))
            labels.append(way)
    axes.set_yticks(range(len(labels)), labels)
    for text in axes.get_yticklabels():
        text.set_fontweight("normal" if text.get_text() in (_UP, _DOWN, _BOTH) else "bold")
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xscale("log")
    _few_numbers(axes.xaxis)
    axes.grid(axis="x", alpha=0.3)
    axes.tick_params(axis="y", length=0)


def symbols() -> list[Line2D]:
    """What the symbols of the panels that compare stand for."""
    return [Line2D([], [], linestyle="", color=kind.color, label=kind.label, **_symbol(kind)) for kind in _KINDS]


def _symbol(kind: _Kind) -> dict[str, Any]:
    tall = kind.marker == "|"
    return {"marker": kind.marker, "markersize": 12 if tall else 7, "markeredgewidth": 2.5 if tall else 0.5}


def _few_numbers(axis: Axis) -> None:
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(_plain))
    axis.set_minor_formatter(NullFormatter())


def _cpu(runs: Sequence[Run]) -> float:
    return statistics.median(run.cpu["own"] for run in runs)


def _plain(value: float, _: object) -> str:
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:,.6g}"
