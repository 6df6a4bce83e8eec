"""What one file costs among a thousand and among a million, and what it costs to know a million files."""

import time
from collections.abc import Sequence
from pathlib import Path

from tests.perf import ours
from tests.perf.lab import Lab
from tests.perf.ours import LIMIT, SETTLE, Place, Started, cpu_at_rest, uploader
from tests.perf.report import say
from tests.perf.results import Results, Who
from tests.perf.runs import Lines, until
from tests.perf.wanted import FIRST_NEW, PER_FILE, RESCAN
from tests.perf.watching import memory, peak_memory
from tests.perf.workloads import Workload, check_same, equal

_SIZE = 4096
_OPTIONS = ("--upload_existing", "--watchdog_lag_time", str(SETTLE))


def costs(lab: Lab, results: Results, counts: Sequence[int]) -> None:
    """Each number of files up and down; of the last ones, what the uploader needs that knows them all."""
    for count in counts:
        workload = Workload(f"{count}", f"{count:,} × 4 KiB", equal(count, _SIZE))
        with lab.source(workload.files) as source, lab.topic(workload.partitions) as topic, lab.room() as room:
            place = Place(lab.broker, topic, room)
            up = ours.upload(place, source, workload)
            say(workload, Who.UP, up)
            with lab.room() as other:
                down = ours.download(Place(lab.broker, topic, other), other / "out", workload)
                check_same(source, other / "out", workload.files)
            say(workload, Who.DOWN, down)
            results.costs[count] = {Who.UP: up, Who.DOWN: down}
            if count == counts[-1]:
                _known(lab, place, source, count, results)


def _known(lab: Lab, place: Place, source: Path, count: int, results: Results) -> None:
    """Start an uploader that has sent all of ``source`` before, with its state in ``place``, and one new file."""
    base, figures = _memory_without_files(lab, place.topic), results.figures
    figures["known files"] = count
    (source / "new").write_bytes(b"new")
    began = time.perf_counter()
    with uploader(place, source, *_OPTIONS) as started:
        process = started.program.process
        assert until(started.done.count, 1, LIMIT, [process]), "the new file was not sent"
        figures[FIRST_NEW] = time.perf_counter() - began
        figures["start with known files, CPU s"] = cpu_at_rest(process.pid)
        figures[PER_FILE] = (peak_memory(process.pid) - base) / count
        figures["the same after the start, bytes"] = (memory(process.pid) - base) / count
        figures[RESCAN] = _rescan(started, source)
        assert started.done.count() == 1, "known files were sent again"
    for name in ("known files", FIRST_NEW, PER_FILE, RESCAN):
        print(f"{name}: {figures[name]:.4g}", flush=True)


def _rescan(started: Started, source: Path) -> float:
    """CPU seconds of one walk through everything, which a folder needs that was away for a while."""
    process, away = started.program.process, source.with_name("away")
    gone, back = Lines(started.program.log, " is away ("), Lines(started.program.log, " is back")
    source.rename(away)
    try:
        assert until(gone.count, 1, LIMIT, [process]), "it did not see that its folder was away"
        before = cpu_at_rest(process.pid)
    finally:
        away.rename(source)
    assert until(back.count, 1, LIMIT, [process]), "it did not see that its folder was back"
    return cpu_at_rest(process.pid) - before


def _memory_without_files(lab: Lab, topic: str) -> int:
    with (
        lab.source([]) as source,
        lab.room() as room,
        uploader(Place(lab.broker, topic, room), source, *_OPTIONS) as started,
    ):
        cpu_at_rest(started.program.process.pid)
        return peak_memory(started.program.process.pid)
