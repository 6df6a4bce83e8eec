"""A file of 200 GiB, most of which nobody has written, beside small ones: those must not wait for it."""

import os
import statistics
import time
from pathlib import Path

from tests.perf.lab import Lab
from tests.perf.ours import LIMIT, SETTLE, Place, uploader
from tests.perf.results import Results
from tests.perf.runs import until
from tests.perf.wanted import BEHIND
from tests.perf.workloads import equal

_SIZE = 200 << 30
_OTHERS = 200
_ROUNDS = 3


def sparse(lab: Lab, results: Results) -> None:
    """How much later the others are all sent because of it, and how long it takes to stop in the midst of it."""
    later, stops = [], []
    with lab.source(equal(_OTHERS, 4096)) as source:
        large = source / "d0" / "0-large"
        for _ in range(_ROUNDS):
            without, _ = _seconds(lab, source)
            with large.open("wb") as file:
                os.ftruncate(file.fileno(), _SIZE)
            beside, stop = _seconds(lab, source)
            large.unlink()
            later.append(beside - without)
            stops.append(stop)
    figures = {BEHIND: statistics.median(later), "stop in the midst of 200 GiB, s": statistics.median(stops)}
    print(", ".join(f"{name}: {value:.2f}" for name, value in figures.items()), flush=True)
    results.figures |= figures


def _seconds(lab: Lab, source: Path) -> tuple[float, float]:
    """From the start until the small ones are sent, and to stop."""
    with lab.topic(4) as topic, lab.room() as room:
        begin = time.perf_counter()
        options = ("--upload_existing", "--watchdog_lag_time", str(SETTLE))
        with uploader(Place(lab.broker, topic, room), source, *options) as started:
            assert until(started.done.count, _OTHERS, LIMIT, [started.program.process]) == _OTHERS, "others wait"
            sent = time.perf_counter()
        return sent - begin, time.perf_counter() - sent
