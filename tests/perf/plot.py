"""Draws what was measured: ``python -m tests.perf.plot FILE.json FILE.png``."""

import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.perf import panels
from tests.perf.panels import Panel
from tests.perf.results import Results, Who, load


def plot(results: Results, file: Path) -> None:
    """Write a PNG with a panel for everything that was measured."""
    drawn = list(_panels(results))
    rows = max(1, -(-len(drawn) // 2))
    style = mpl.rc_context(
        {"font.size": 9, "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left"}
    )
    with style:
        figure = Figure(figsize=(12, 3.7 * rows + 0.8), layout="constrained")
        every = figure.subplots(rows, 2, squeeze=False).ravel()
        for panel, axes in zip(drawn, every, strict=False):
            panel(results, axes)
            axes.spines[["top", "right"]].set_visible(False)
        for axes in every[len(drawn) :]:
            axes.set_visible(False)
        quick = ", QUICK RUN" if results.quick else ""
        machine = ", ".join(f"{name} {value}" for name, value in results.machine.items())
        figure.suptitle(f"Version {results.version}, {results.began[:10]}{quick}\n{machine}", fontsize=8)
        if results.runs:
            figure.legend(handles=panels.symbols(), loc="outside lower center", ncols=5, fontsize=8, frameon=False)
        figure.savefig(file, dpi=130)


def _panels(results: Results) -> Iterator[Panel]:
    if any(name in results.runs for name in panels.LARGE):
        yield panels.large
        yield panels.processor_time
    if any(name in results.runs for name in panels.SMALL):
        yield panels.small
    if results.latencies:
        yield panels.delays
    if any(Who.DOWN_2 in each for each in results.runs.values()):
        yield panels.groups
    if len(results.costs) > 1:
        yield panels.costs


if __name__ == "__main__":
    plot(load(Path(sys.argv[1])), Path(sys.argv[2]))
