"""Rounds of one workload: everything that is compared runs in each of them, one directly after the other."""

import os
from collections.abc import Callable
from pathlib import Path

from tests.perf import bare, copies, ours, theirs
from tests.perf.lab import Lab
from tests.perf.ours import Place
from tests.perf.report import say
from tests.perf.results import Results, Who
from tests.perf.runs import Costs, Run
from tests.perf.system_calls import count_calls
from tests.perf.watching import cpu_of_children, cpu_seconds
from tests.perf.workloads import Workload, check_same

_GROUPS = {2: Who.DOWN_2, 4: Who.DOWN_4}

Step = tuple[Who, Callable[[Path], Run]]
"""What to measure, in a new folder."""


def measure(lab: Lab, results: Results, workload: Workload, rounds: int) -> None:
    """All rounds, then OpenMSIStream once, then system calls; prints each run as it comes."""
    results.titles[workload.name] = workload.title
    results.sizes[workload.name] = (len(workload.files), workload.size)
    with lab.source(workload.files) as source:
        bench = _Bench(lab, workload, source, results)
        for number in range(rounds):
            bench.round(number)
        if workload.their_seconds:
            bench.theirs()
    if workload.traced_files:
        results.calls[workload.name] = count_calls(lab, workload.sample())


class _Bench:
    def __init__(self, lab: Lab, workload: Workload, source: Path, results: Results) -> None:
        self._lab = lab
        self._bootstrap = lab.broker.bootstrap
        self._workload = workload
        self._source = source
        self._results = results
        self._records = bare.records(workload.files, workload.partitions)

    def round(self, number: int) -> None:
        """Sending, receiving, both, copying. Every second round goes backwards through each of these."""
        with self._lab.topic(self._workload.partitions) as topic:
            for steps in (self._sending(topic), self._receiving(topic), self._beside()):
                for who, measured in steps if number % 2 == 0 else reversed(steps):
                    with self._lab.room() as folder:
                        self._keep(who, measured(folder))

    def theirs(self) -> None:
        """OpenMSIStream up and down; its topics are its own, and ours for what it is to download."""
        workload = self._workload
        with self._lab.topic(workload.partitions) as topic, self._lab.room() as folder:
            place = Place(self._lab.broker, topic, folder)
            self._keep(Who.THEIR_UP, theirs.upload(place, self._source, workload, len(self._records)))
        with self._lab.topic(workload.partitions) as topic, self._lab.room() as folder:
            place, out = Place(self._lab.broker, topic, folder), folder / "out"
            ours.upload(place, self._source, workload)
            os.sync()
            run = theirs.download(place, out, workload)
            if run.files == len(workload.files) and run.size == workload.size:
                check_same(self._source, out, workload.files)
            self._keep(Who.THEIR_DOWN, run)

    def _sending(self, topic: str) -> list[Step]:
        return [
            (Who.PRODUCE, lambda _: self._into_another_topic(bare.produce)),
            (Who.WINDOW, lambda _: self._into_another_topic(bare.produce_in_window)),
            (Who.HASH, lambda _: self._bare(lambda: bare.sha512(self._workload.size))),
            (Who.UP, lambda folder: ours.upload(Place(self._lab.broker, topic, folder), self._source, self._workload)),
        ]

    def _receiving(self, topic: str) -> list[Step]:
        records, boot = self._records, self._bootstrap
        downs = [self._down(topic, who, count) for count, who in _GROUPS.items() if count in self._workload.groups]
        return [
            (Who.CONSUME, lambda _: self._bare(lambda: bare.consume(boot, topic, records))),
            (Who.WRITE, lambda folder: self._bare(lambda: bare.write(folder / "out", self._workload.files))),
            (Who.KEEP, lambda at: self._bare(lambda: bare.consume_and_write(boot, topic, records, at / "out"))),
            self._down(topic, Who.DOWN, 1),
            *downs,
        ]

    def _down(self, topic: str, who: Who, count: int) -> Step:
        def down(folder: Path) -> Run:
            place, out = Place(self._lab.broker, topic, folder), folder / "out"
            return self._checked(out, ours.download(place, out, self._workload, count))

        return who, down

    def _beside(self) -> list[Step]:
        source, workload = self._source, self._workload

        def through(folder: Path) -> Run:
            with self._lab.topic(workload.partitions) as topic:
                place, out = Place(self._lab.broker, topic, folder), folder / "out"
                return self._checked(out, ours.through(place, source, out, workload))

        return [
            (Who.THROUGH, through),
            (Who.CP, lambda at: self._checked(at / "out", copies.cp(source, at / "out", workload))),
            (Who.RCLONE, lambda at: self._checked(at / "out", copies.rclone_copy(source, at / "out", workload))),
        ]

    def _checked(self, out: Path, run: Run) -> Run:
        check_same(self._source, out, self._workload.files)
        return run

    def _into_another_topic(self, loop: Callable[[str, str, bare.Records], float]) -> Run:
        with self._lab.topic(self._workload.partitions) as topic:
            return self._bare(lambda: loop(self._bootstrap, topic, self._records))

    def _bare(self, loop: Callable[[], float]) -> Run:
        own = os.getpid()
        costs = Costs(own=lambda: cpu_seconds(own), broker=lambda: cpu_of_children("java"))
        seconds = loop()
        return Run(seconds, len(self._workload.files), self._workload.size, cpu=costs.so_far())

    def _keep(self, who: Who, run: Run) -> None:
        self._results.keep(self._workload.name, who, run)
        say(self._workload, who, run)
