"""Lines and tables for people."""

import statistics
from collections.abc import Iterable, Sequence

from tests.perf import ratios
from tests.perf.ratios import rate, to_theirs
from tests.perf.results import Calls, Results, Who
from tests.perf.runs import GB, MB, Run, percentile
from tests.perf.wanted import Verdict
from tests.perf.workloads import Workload

_HEAD = ("", "s", "MB/s", "files/s", "CPU s/GB", "broker s/GB", "CPU ms/file", "peak MB", "calls/file", "calls/MB")


def say(workload: Workload, who: Who, run: Run) -> None:
    """One run, as it comes."""
    rates = f"{run.size / run.seconds / MB:7.1f} MB/s {run.files / run.seconds:8.1f} files/s"
    part = "" if run.files >= len(workload.files) else f"  only {run.files} of {len(workload.files)} files"
    cost = "  ".join(f"{name} {seconds / run.size * GB:.2f}" for name, seconds in run.cpu.items()) if run.size else "–"
    peak = f"  peak {run.peak_bytes / MB:.0f} MB" if run.peak_bytes else ""
    print(f"{workload.name:8} {who:28} {run.seconds:7.2f} s {rates}  CPU s/GB: {cost}{peak}{part}", flush=True)


def tables(results: Results) -> str:
    """Medians of everything, in Markdown."""
    parts = [f"**{results.titles[name]}**\n\n{_workload(results, name)}" for name in results.runs]
    if results.runs:
        parts.append(f"**Speeds side by side** (medians of ratios within a round)\n\n{_ratios(results)}")
    if results.latencies:
        parts.append(f"**Close to visible, beyond the settle time**\n\n{_latencies(results)}")
    if results.costs:
        rows = [
            _row(f"{who}, {count:,} files", [run]) for count, each in results.costs.items() for who, run in each.items()
        ]
        parts.append(f"**Files of 4 KiB, by their number**\n\n{table(_HEAD, rows)}")
    if results.figures:
        rows = [(name, f"{value:.4g}") for name, value in results.figures.items()]
        parts.append(table(("measured once", ""), rows))
    return "\n\n".join(parts)


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    """What was wanted, and what came of it."""
    rows = [(v.what, f"{v.value:.3g}", f"{v.sign} {v.bound:g}", "yes" if v.met else "NO") for v in verdicts]
    return table(("", "measured", "wanted", "met"), rows)


def compared(old: Results, new: Results) -> str:
    """New against old; the bare loops say how much of a difference is the machine's."""
    rows = []
    for name, each in new.runs.items():
        for who, runs in each.items():
            if before := old.of(name, who):
                rates, costs = [rate(before), rate(runs)], [_cpu(before), _cpu(runs)]
                cost = f"{costs[1] / costs[0]:.2f}" if all(costs) else "–"
                speeds = (f"{value / MB:.1f}" for value in rates)
                rows.append((name, who, *speeds, f"{rates[1] / rates[0]:.2f}", cost))
    head = ("", "", "old MB/s", "new MB/s", "speed new ÷ old", "CPU new ÷ old")
    return f"**{old.version} → {new.version}**\n\n{table(head, rows)}"


def compared_verdicts(old: Iterable[Verdict], new: Iterable[Verdict]) -> str:
    """The same of what is wanted."""
    before = {verdict.what: verdict.value for verdict in old}
    rows = [
        (v.what, f"{before[v.what]:.3g}", f"{v.value:.3g}", f"{v.sign} {v.bound:g}", "yes" if v.met else "NO")
        for v in new
        if v.what in before
    ]
    return table(("", "old", "new", "wanted", "met"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown, with columns that line up."""
    lines = [tuple(head), *map(tuple, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    texts = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    rule = "|".join("-" * (width + 2) for width in widths)
    return "\n".join([f"| {texts[0]} |", f"|{rule}|", *(f"| {text} |" for text in texts[1:])])


def _workload(results: Results, name: str) -> str:
    calls = results.calls.get(name, {})
    files, _ = results.sizes[name]
    rows = []
    for who, runs in results.runs[name].items():
        part = (
            "" if runs[0].files == files else f": only {runs[0].files:,} of {files:,} files in {runs[0].seconds:.0f} s"
        )
        rows.append(_row(f"{who}{part}", runs, calls.get(who)))
    return table(_HEAD, rows)


def _row(what: str, runs: Sequence[Run], calls: Calls | None = None) -> tuple[str, ...]:
    def middle(figure: list[float], digits: int) -> str:
        return f"{statistics.median(figure):,.{digits}f}" if figure else "–"

    whole = [run for run in runs if run.size]
    return (
        what,
        middle([run.seconds for run in runs], 2),
        middle([run.size / run.seconds / MB for run in runs], 1),
        middle([run.files / run.seconds for run in runs], 1),
        middle([run.cpu["own"] / run.size * GB for run in whole], 2),
        middle([run.cpu["broker"] / run.size * GB for run in whole if "broker" in run.cpu], 2),
        middle([run.cpu["own"] / run.files * 1000 for run in runs if run.files], 2),
        middle([run.peak_bytes / MB for run in runs if run.peak_bytes], 0),
        f"{calls.per_file:.1f}" if calls else "–",
        f"{calls.per_mb:.1f}" if calls else "–",
    )


def _ratios(results: Results) -> str:
    def cell(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}" if value < 10 else f"{value:.0f}"

    rows = [(each.name, *(cell(each.median(results, name)) for name in results.runs)) for each in ratios.ALL]
    rows += [
        (what, *(cell(to_theirs(results, name, *pair)) for name in results.runs))
        for what, pair in ratios.THEIRS.items()
    ]
    return table(("", *results.runs), rows)


def _latencies(results: Results) -> str:
    rows = [
        (name, str(len(each)), *(f"{percentile(each, share) * 1000:.0f}" for share in (0.5, 0.95, 0.99, 1.0)))
        for name, each in results.latencies.items()
    ]
    return table(("", "files", "p50 ms", "p95 ms", "p99 ms", "most ms"), rows)


def _cpu(runs: Sequence[Run]) -> float:
    return (
        statistics.median(run.cpu["own"] / run.size for run in runs if run.size) if any(r.size for r in runs) else 0.0
    )
