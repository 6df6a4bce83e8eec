"""Measures the S3 transfer against bare loops of boto3, rclone and OpenMSIStream over the same store, alternately.

Run with ``make bench-s3`` on a machine that does nothing else. Only ratios mean anything. ``--quick`` takes less, to
try the bench itself; ``--json FILE`` keeps everything that was measured, to compare versions.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.perf import bare_s3, ours, s3_runs
from tests.perf.bench_broker import bench_broker
from tests.perf.lab import empty
from tests.perf.runs import MB, Run, median_ratio
from tests.perf.s3_runs import Place
from tests.perf.workloads import Workload, write
from tests.support.broker import Broker
from tests.support.store import Store

_THREADS = 2  # what the transfer takes by default
_LIMIT = 300.0


@dataclass(frozen=True)
class Tree:
    """Files of one size, and how long OpenMSIStream may take for them."""

    name: str
    files: int
    size: int
    least: float
    """The ratio to the bare loop that is wanted."""
    their_seconds: float


FULL = (
    Tree("1 GiB", 1, 1 << 30, 0.5, 120.0),
    Tree("64 MiB", 20, 64 << 20, 0.8, 60.0),
    Tree("4 KiB", 2000, 4096, 0.8, 40.0),
)
QUICK = (
    Tree("1 GiB", 1, 256 << 20, 0.5, 15.0),
    Tree("64 MiB", 4, 64 << 20, 0.8, 15.0),
    Tree("4 KiB", 400, 4096, 0.8, 15.0),
)


class Bench:
    """One broker, one store, and trees of files that are in a topic before anything is measured."""

    def __init__(self, folder: Path, broker: Broker, store: Store, rounds: int) -> None:
        self._folder = folder
        self._broker = broker
        self._store = store
        self._client = store.client()
        self._rounds = rounds
        self._serial = 0

    def measure(self, tree: Tree) -> dict[str, list[Run]]:
        """All runs with this tree, by who did them; prints them as they come."""
        data = self._folder / tree.name.replace(" ", "")
        workload = Workload(tree.name, tree.name, [(f"f{number}", tree.size) for number in range(tree.files)])
        write(data, workload.files)
        files = [data / path for path, _ in workload.files]
        topic = self._broker.create_topic()
        ours.upload(ours.Place(self._broker, topic, self._folder / f"send{topic}"), data, workload)
        runs: dict[str, list[Run]] = {}

        def run(who: str, measured: Callable[[Place], Run]) -> None:
            with self._place(topic) as place:
                runs.setdefault(who, []).append(result := measured(place))
                _say(tree, who, result)
                if who == "ours":
                    self._compare(place.bucket, topic, files)

        for _ in range(self._rounds):
            run("bare", lambda place: s3_runs.bare(lambda: self._bare(place.bucket, files, tree), tree.files))
            run("ours", lambda place: s3_runs.ours(place, tree.files, _LIMIT))
            run("rclone", lambda place: s3_runs.bare(lambda: self._rclone(place, data, tree), tree.files))
        run("theirs", lambda place: s3_runs.theirs(place, tree.files, tree.their_seconds))
        empty(data)
        return runs

    def _bare(self, bucket: str, files: list[Path], tree: Tree) -> float:
        if tree.size >= bare_s3.PART:
            return bare_s3.upload_files(self._client, bucket, files)
        return bare_s3.put_objects(self._client, bucket, files, _THREADS)

    def _rclone(self, place: Place, data: Path, tree: Tree) -> float:
        at_once = 1 if tree.size >= bare_s3.PART else _THREADS
        return bare_s3.rclone_copy(self._store, place.bucket, data, at_once)

    @contextmanager
    def _place(self, topic: str) -> Iterator[Place]:
        self._serial += 1
        os.sync()  # so that nobody pays for what the one before left to be written
        bucket, folder = self._store.bucket().name, self._folder / f"run{self._serial}"
        yield Place(self._broker, topic, self._store, bucket, folder)
        empty(self._store.folder / bucket)
        empty(folder)

    def _compare(self, bucket: str, topic: str, files: list[Path]) -> None:
        for file in files:
            digest = hashlib.sha512()
            for piece in self._client.get_object(Bucket=bucket, Key=f"{topic}/{file.name}")["Body"].iter_chunks(
                1 << 20
            ):
                digest.update(piece)
            with file.open("rb") as source:
                assert digest.digest() == hashlib.file_digest(source, "sha512").digest(), f"{file} is not identical"


def _say(tree: Tree, who: str, run: Run) -> None:
    rate = run.files * tree.size / run.seconds / MB if tree.size >= bare_s3.PART else run.files / run.seconds
    unit = "MB/s" if tree.size >= bare_s3.PART else "files/s"
    done = "" if run.files >= tree.files else f"  only {run.files} of {tree.files} in {run.seconds:.0f} s"
    gigabytes = run.files * tree.size / 1e9
    cpu = " ".join(f"{name} {seconds / gigabytes:.1f}" for name, seconds in run.cpu.items()) if run.files else "–"
    beside = f"  start {run.start_seconds:.1f} s" if run.start_seconds else ""
    beside += f"  peak {run.peak_bytes / MB:.0f} MB" if run.peak_bytes else ""
    print(f"{tree.name:7} {who:7} {rate:8.1f} {unit:8} CPU s/GB: {cpu}{beside}{done}", flush=True)


def _sum_up(tree: Tree, runs: dict[str, list[Run]]) -> None:
    ratio = median_ratio([run.seconds for run in runs["bare"]], [run.seconds for run in runs["ours"]])
    print(f"{tree.name:7} ratio to the bare loop: median {ratio:.2f}, wanted {tree.least}")
    for who in ("rclone", "theirs"):
        if who in runs:
            rate = statistics.median(run.files / run.seconds for run in runs[who])
            own = statistics.median(run.files / run.seconds for run in runs["ours"])
            print(f"{'':7} ratio to {who}: {own / rate:.2f}" if rate else f"{'':7} {who}: no file at all")
    peak = max(run.peak_bytes for run in runs["ours"])
    print(f"{'':7} peak memory: {peak / MB:.0f} MB, at most 250 wanted", flush=True)


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--rounds", type=int, default=0, help="runs of each (default: 3, quick: 1)")
    parser.add_argument("--only", choices=[tree.name for tree in FULL], help="one tree only")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    given = parser.parse_args()
    everything = {}
    with bench_broker() as (folder, broker):
        store = Store(folder / "store")
        try:
            store.start()
            bench = Bench(folder, broker, store, given.rounds or (1 if given.quick else 3))
            for tree in QUICK if given.quick else FULL:
                if given.only in (None, tree.name):
                    runs = bench.measure(tree)
                    _sum_up(tree, runs)
                    as_dicts = {who: [dataclasses.asdict(run) for run in each] for who, each in runs.items()}
                    everything[tree.name] = as_dicts
        finally:
            store.kill()
    if given.json:
        given.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
