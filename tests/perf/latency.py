"""From the close of a file to its name at the destination, beyond the settle time."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.perf.lab import Lab
from tests.perf.ours import LIMIT, Place, downloaders, uploader
from tests.perf.results import Results
from tests.perf.runs import percentile
from tests.perf.wanted import BUSY, LIMITED, QUIET
from tests.perf.workloads import Files, check_same

_SETTLE = 0.5
_SIZE = 4096
_INTERVAL = 0.5


def quiet(lab: Lab, results: Results, count: int) -> None:
    """Two files a second, and nothing else."""
    _measure(lab, QUIET, [], results, (), lambda sent, _: sent < count)


def busy(lab: Lab, results: Results, size: int) -> None:
    """The same, as long as a file of so many bytes is on its way through both programs."""
    _beside_large(lab, BUSY, size, results)


def limited(lab: Lab, results: Results, size: int) -> None:
    """The same as `busy`, with an uploader that sends no more than 100 MiB/s, which the downloader can take."""
    _beside_large(lab, LIMITED, size, results, "--bandwidth_limit", "100M")


def _beside_large(lab: Lab, name: str, size: int, results: Results, *options: str) -> None:
    _measure(lab, name, [("large", size)], results, options, lambda _, out: not (out / "large").exists())


def _measure(
    lab: Lab,
    name: str,
    beside: Files,
    results: Results,
    options: Sequence[str],
    go_on: Callable[[int, Path], bool],
) -> None:
    with lab.source(beside) as source, lab.topic(4) as topic, lab.room() as room:
        data, out = room / "in", room / "out"
        data.mkdir()
        place = Place(lab.broker, topic, room)
        with downloaders(place, out), uploader(place, data, "--watchdog_lag_time", str(_SETTLE), *options):
            passed(data, out, lambda sent: sent < 1)  # finds offsets and makes connections
            for path, _ in beside:
                os.link(source / path, data / path)
            found = passed(data, out, lambda sent: go_on(sent, out))
        check_same(data, out, [(path.name, path.stat().st_size) for path in data.iterdir()])
    results.latencies.setdefault(name, []).extend(found)
    shown = ", ".join(f"p{share * 100:.0f} {percentile(found, share) * 1000:.0f} ms" for share in (0.5, 0.95, 0.99))
    print(f"close to visible, {name}: {shown} ({len(found)} files)", flush=True)


def passed(data: Path, out: Path, go_on: Callable[[int], bool]) -> list[float]:
    """Write two small files a second while ``go_on(number so far)``; seconds that each of them took."""
    waiting: dict[str, float] = {}
    found: list[float] = []
    sent, due, limit = 0, time.perf_counter(), time.perf_counter() + LIMIT
    while (more := go_on(sent)) or waiting:
        now = time.perf_counter()
        assert now < limit, f"still not there: {sorted(waiting)}"
        if more and now >= due:
            name = f"f{time.monotonic_ns()}"
            (data / name).write_bytes(os.urandom(_SIZE))
            waiting[name] = time.perf_counter()
            sent, due = sent + 1, due + _INTERVAL
        for name in [name for name in waiting if (out / name).exists()]:
            found.append(time.perf_counter() - waiting.pop(name) - _SETTLE)
        time.sleep(0.001)
    return found
