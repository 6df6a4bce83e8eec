"""Runs of our programs as users start them, from the moment in which they could begin to the last file."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.perf.runs import Costs, Lines, Run, until
from tests.perf.watching import cpu_of_children, cpu_of_family, peak_memory
from tests.perf.workloads import Workload
from tests.support.broker import Broker, unique
from tests.support.running import Program

LIMIT = 1800.0
"""Seconds after which a run has failed."""
SETTLE = 0.1
SENT, PLACED = "INFO  sent ", "INFO  placed "
_REACHED, _READING = " reached: topic ", "reading partitions ["
_START_SECONDS = 60.0
_QUIET_SHARE = 0.05


@dataclass(frozen=True)
class Place:
    """A broker, a topic, and a folder for what the programs keep and print."""

    broker: Broker
    topic: str
    folder: Path
    prefix: tuple[str, ...] = ()


@dataclass(frozen=True)
class Started:
    """A program that could begin."""

    program: Program
    done: Lines
    """Files that it has sent or placed."""
    start_seconds: float


@contextmanager
def uploader(place: Place, source: Path, *options: str) -> Iterator[Started]:
    """One `DataFileUploadDirectory` that has reached its topic; stopped in order afterwards."""
    command = ("DataFileUploadDirectory", str(source), "--topic_name", place.topic, *options)
    with _running(place, {"up": command}, _REACHED, SENT) as (started,):
        yield started


@contextmanager
def downloaders(place: Place, out: Path, count: int = 1) -> Iterator[Sequence[Started]]:
    """A group of so many `DataFileDownloadDirectory` that all have partitions; stopped in order afterwards."""
    group = ("--consumer_group_id", unique("bench"))
    command = ("DataFileDownloadDirectory", str(out), "--topic_name", place.topic, *group)
    with _running(place, {f"down{n}": command for n in range(count)}, _READING, PLACED) as started:
        yield started


def upload(place: Place, source: Path, workload: Workload) -> Run:
    """All that is in ``source``, until the ledger knows that the broker has acknowledged it."""
    with uploader(place, source, "--upload_existing", "--watchdog_lag_time", str(SETTLE)) as started:
        return measured([started], [started], workload)


def download(place: Place, out: Path, workload: Workload, count: int = 1) -> Run:
    """All that is in the topic, by so many downloaders of one group, until it is durably in place."""
    with downloaders(place, out, count) as started:
        return measured(started, started, workload)


def through(place: Place, source: Path, out: Path, workload: Workload) -> Run:
    """Both at once: from the moment in which the uploader could begin to the last file in place."""
    options = ("--upload_existing", "--watchdog_lag_time", str(SETTLE))
    with downloaders(place, out) as below, uploader(place, source, *options) as above:
        return measured(below, [above, *below], workload)


def measured(counted: Sequence[Started], running: Sequence[Started], workload: Workload) -> Run:
    """From now until the ``counted`` have done all files; fails after `LIMIT`."""
    processes = [each.program.process for each in running]
    own = [process.pid for process in processes]
    costs = Costs(own=lambda: sum(map(cpu_of_family, own)), broker=lambda: cpu_of_children("java"))
    begin = time.perf_counter()
    count = until(lambda: sum(each.done.count() for each in counted), len(workload.files), LIMIT, processes)
    seconds = time.perf_counter() - begin
    assert count >= len(workload.files), f"only {count} of {len(workload.files)} files in {LIMIT:.0f} s"
    start = max(each.start_seconds for each in running)
    return Run(seconds, count, workload.size, start, max(map(peak_memory, own)), costs.so_far())


def cpu_at_rest(pid: int) -> float:
    """CPU seconds of a program so far, as soon as it does next to nothing for two seconds; fails after `LIMIT`."""
    before, limit = -1.0, time.monotonic() + LIMIT
    while (now := cpu_of_family(pid)) - before > 2 * _QUIET_SHARE:
        assert time.monotonic() < limit, "it does not come to rest"
        before = now
        time.sleep(2.0)
    return now


@contextmanager
def _running(
    place: Place, commands: Mapping[str, tuple[str, ...]], ready: str, done: str
) -> Iterator[Sequence[Started]]:
    spawned, programs, marks = time.perf_counter(), [], []
    try:
        for name, command in commands.items():
            folder = place.folder / name
            log = folder / "output.txt"
            marks.append((Lines(log, ready), Lines(log, done)))
            programs.append(Program(folder, place.broker.bootstrap, *command, prefix=place.prefix))
        processes = [program.process for program in programs]
        all_ready = until(lambda: sum(r.count() > 0 for r, _ in marks), len(marks), _START_SECONDS, processes)
        assert all_ready == len(marks), [program.output[-2000:] for program in programs]
        start = time.perf_counter() - spawned
        yield [Started(program, each, start) for program, (_, each) in zip(programs, marks, strict=True)]
        assert not [code for program in programs if (code := program.stop())], "it did not end in order"
    finally:
        for program in programs:
            program.kill()
