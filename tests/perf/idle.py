"""Processor time of an uploader over many known files."""

import time

from tests.perf.lab import Lab
from tests.perf.ours import Place, cpu_at_rest, uploader
from tests.perf.results import Results
from tests.perf.runs import MB
from tests.perf.watching import cpu_of_family, peak_memory
from tests.perf.workloads import equal


def idle(lab: Lab, results: Results, files: int, seconds: float) -> None:
    """Share of one core, in ``seconds`` after it has settled."""
    with (
        lab.source(equal(files, 16)) as data,
        lab.topic(4) as topic,
        lab.room() as room,
        uploader(Place(lab.broker, topic, room), data) as started,
    ):
        pid = started.program.process.pid
        before = cpu_at_rest(pid)
        time.sleep(seconds)
        share = (cpu_of_family(pid) - before) / seconds
        results.figures[f"idle uploader over {files:,} files, % of a core"] = share * 100
        print(f"idle uploader: {share * 100:.2f} % of a core, peak {peak_memory(pid) / MB:.0f} MB", flush=True)
