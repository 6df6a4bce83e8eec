"""Measures our programs beside bare loops, OpenMSIStream, rclone and cp over the same broker and disk, in one run.

Run with ``make bench`` on a machine that does nothing else. Only ratios mean anything. Parts by name:
``make bench ARGS="small latency"``; ``scale`` stands for costs, open and sparse, which take half an hour and are left
out by default; ``all`` for everything.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.interop.openmsistream import install
from tests.perf import latency
from tests.perf.bench_broker import bench_broker
from tests.perf.costs import costs
from tests.perf.idle import idle
from tests.perf.lab import Lab
from tests.perf.machine import begin_results, measure_machine
from tests.perf.open_at_once import open_at_once
from tests.perf.plot import plot
from tests.perf.report import compared, compared_verdicts, tables, verdict_table
from tests.perf.results import Results, load, save
from tests.perf.rounds import measure
from tests.perf.sparse import sparse
from tests.perf.wanted import verdicts
from tests.perf.workloads import FULL, QUICK, Workload
from tests.support.stores import rclone

# Topics of earlier runs leave the disk before the next run; members of a group that start at the same time get their
# partitions at the same time.
_BROKER = "log.segment.delete.delay.ms=500\ngroup.initial.rebalance.delay.ms=1000\n"
_SCALE = ("costs", "open", "sparse")


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    rounds: int
    workloads: Sequence[Workload]
    latency_files: int
    busy_size: int
    idle_files: int
    idle_seconds: float
    counts: Sequence[int]
    open_files: int
    disk_size: int


_FULL = Plan(5, FULL, 60, 4 << 30, 50_000, 60.0, (1000, 10_000, 100_000, 1_000_000), 10_000, 1 << 30)
_QUICK = Plan(1, QUICK, 8, 256 << 20, 5000, 3.0, (100, 1000, 3000), 500, 128 << 20)

Part = Callable[[Lab, Results], None]


def parts(plan: Plan, rounds: int) -> dict[str, Part]:
    """Everything that can be measured, by name."""

    def delays(lab: Lab, results: Results) -> None:
        for _ in range(rounds):
            latency.quiet(lab, results, plan.latency_files)
        for _ in range(rounds):  # afterwards: the disk frees what a large file has taken for a while longer
            latency.busy(lab, results, plan.busy_size)
            latency.limited(lab, results, plan.busy_size)

    found: dict[str, Part] = {each.name: partial(measure, workload=each, rounds=rounds) for each in plan.workloads}
    return found | {
        "latency": delays,
        "idle": partial(idle, files=plan.idle_files, seconds=plan.idle_seconds),
        "costs": partial(costs, counts=plan.counts),
        "open": partial(open_at_once, count=plan.open_files),
        "sparse": sparse,
    }


def main() -> None:
    """Run what is asked for and print the tables; what was measured is kept also when a part fails."""
    given = _arguments()
    plan = _QUICK if given.quick else _FULL
    known = parts(plan, given.rounds or plan.rounds)
    groups = {"all": tuple(known), "scale": _SCALE, "default": tuple(name for name in known if name not in _SCALE)}
    names = [part for name in given.parts or ["default"] for part in groups.get(name, (name,))]
    if unknown := set(names) - set(known):
        raise SystemExit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join((*groups, *known))}")
    install()
    rclone()
    results = begin_results(quick=given.quick)
    try:
        with bench_broker(_BROKER) as (folder, broker):
            lab = Lab(folder, broker)
            measure_machine(lab, results, plan.disk_size)
            lab.warm_up(plan.disk_size)
            for name in names:
                known[name](lab, results)
    finally:
        if given.json:
            save(results, given.json)
    _tell(results, given.compare)
    if given.plot:
        plot(results, given.plot)


def _tell(results: Results, older: Path | None) -> None:
    print(f"\n{tables(results)}\n")
    if results.quick:
        print("These are the figures of a quick run: its files are too few to say much.\n")
    print(verdict_table(verdicts(results)))
    if older:
        old = load(older)
        print(f"\n{compared(old, results)}\n\n{compared_verdicts(verdicts(old), verdicts(results))}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, to try the bench itself")
    parser.add_argument("--rounds", type=int, default=0, help="runs of each (default: 5, quick: 1)")
    parser.add_argument("--json", type=Path, help="write everything that was measured to this file")
    parser.add_argument("--compare", type=Path, metavar="OLD.json", help="also print new against old")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw it")
    parser.add_argument("parts", nargs="*", help="what to measure (default: everything but scale)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
