"""How many system calls our programs make for a file, in runs that are not timed: counting slows them down a lot."""

import time
from pathlib import Path

from tests.perf import ours
from tests.perf.lab import Lab
from tests.perf.ours import Place
from tests.perf.results import Calls, Who
from tests.perf.workloads import Workload

_SECONDS = 10.0


def count_calls(lab: Lab, workload: Workload) -> dict[Who, Calls]:
    """Those of the uploader and of the downloader, less those of the same programs with nothing to carry."""
    nothing = Workload("nothing", "", [], workload.partitions)
    full, empty = _counted(lab, workload), _counted(lab, nothing)
    return {
        who: Calls(
            len(workload.files),
            workload.size,
            {name: count for name in full[who] if (count := full[who][name] - empty[who].get(name, 0)) > 0},
        )
        for who in full
    }


def _counted(lab: Lab, workload: Workload) -> dict[Who, dict[str, int]]:
    with lab.source(workload.files) as source, lab.topic(workload.partitions) as topic, lab.room() as folder:
        up, down = folder / "up.txt", folder / "down.txt"
        ours.upload(Place(lab.broker, topic, folder, _tracer(up)), source, workload)
        ours.download(Place(lab.broker, topic, folder, _tracer(down)), folder / "out", workload)
        return {Who.UP: read(up), Who.DOWN: read(down)}


def _tracer(file: Path) -> tuple[str, ...]:
    # -D: the program is our own child, so that signals go to it.
    return ("strace", "-D", "-f", "-c", "-o", str(file))


def read(file: Path) -> dict[str, int]:
    """Name → calls; waits for the tracer, which ends after the program."""
    until = time.monotonic() + _SECONDS
    while "total" not in (text := file.read_text() if file.exists() else ""):
        assert time.monotonic() < until, f"strace has not written {file}"
        time.sleep(0.05)
    # % time, seconds, usecs/call, calls, errors (often empty), name
    rows = [row for line in text.splitlines() if len(row := line.split()) >= 5 and row[3].isdigit()]
    return {row[-1]: int(row[3]) for row in rows if row[-1] != "total"}
