"""Measures our programs against bare loops over the same broker and disk, alternately, in one run.

Run with ``make bench`` on a machine that does nothing else. Only ratios and bounds mean anything; the report is a
table on standard output. ``--quick`` takes smaller files, to try the bench itself.
"""

import argparse
import hashlib
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.perf import bare
from tests.perf.bench_broker import bench_broker
from tests.perf.watching import cpu_seconds, peak_memory
from tests.support.broker import Broker
from tests.support.running import Program, wait_for

_MB = 1_000_000


@dataclass(frozen=True)
class Sizes:
    """How much is moved."""

    large: int
    small_files: int
    latency_files: int
    known_files: int
    idle_seconds: float
    runs: int


FULL = Sizes(2 << 30, 20_000, 100, 50_000, 120.0, 3)
QUICK = Sizes(256 << 20, 2_000, 20, 5_000, 15.0, 1)


class Bench:
    """One run: a broker, a folder, and the programs under test."""

    def __init__(self, folder: Path, broker: Broker, sizes: Sizes) -> None:
        self._folder = folder
        self._broker = broker
        self._sizes = sizes
        self._serial = 0

    @contextmanager
    def _program(self, *command: str) -> Iterator[Program]:
        self._serial += 1
        program = Program(self._folder / f"run{self._serial}", self._broker.bootstrap, *command)
        try:
            yield program
        finally:
            program.stop()

    def large(self) -> None:
        """One large file: upload and download as a ratio to the bare loops, peak memory, identity."""
        total = self._sizes.large
        source, data, downloads = self._folder / "large", self._folder / "in", self._folder / "out"
        _write(source, total)
        ratios: dict[str, list[float]] = {"upload": [], "download": []}
        for _ in range(self._sizes.runs):
            topic = self._broker.create_topic(partitions=1)
            os.sync()  # so that nobody pays for what the one before left to be written
            bound = bare.produce(self._broker.bootstrap, self._broker.create_topic(partitions=1), total)
            os.sync()
            seconds, memory = self._upload(source, data, topic)
            ratios["upload"].append(bound / seconds)
            _say("upload, one large file", total / seconds / _MB, "MB/s", f"bare {total / bound / _MB:.0f}", memory)
            os.sync()
            bound = bare.consume_and_write(self._broker.bootstrap, topic, total, self._folder / "bare")
            os.sync()
            seconds, memory = self._download(downloads, topic, 1)
            ratios["download"].append(bound / seconds)
            _say("download, one large file", total / seconds / _MB, "MB/s", f"bare {total / bound / _MB:.0f}", memory)
            assert _sha512(downloads / "large") == _sha512(source), "the large file is not identical"
            shutil.rmtree(data)
            shutil.rmtree(downloads)
        for name, values in ratios.items():
            print(f"  {name}: median ratio to the bare loop {statistics.median(values):.2f}")
        source.unlink()
        (self._folder / "bare").unlink()

    def small(self) -> None:
        """Many files of 4 KiB each way."""
        count = self._sizes.small_files
        data, downloads = self._folder / "in", self._folder / "out"
        _write_many(data, count)
        topic = self._broker.create_topic()
        options = ("--upload_existing", "--watchdog_lag_time", "0.1")
        with self._program("DataFileUploadDirectory", str(data), "--topic_name", topic, *options) as program:
            program.says("reached")
            begin = time.perf_counter()
            wait_for(lambda: self._end_offsets(topic) >= count, "all small files at the broker", 600)
            seconds = time.perf_counter() - begin
            _say("upload, 4 KiB files", count / seconds, "files/s", "", peak_memory(program.process.pid))
        seconds, memory = self._download(downloads, topic, count)
        _say("download, 4 KiB files", count / seconds, "files/s", "", memory)
        same = all((downloads / p.relative_to(data)).read_bytes() == p.read_bytes() for p in data.rglob("f*"))
        assert same, "small files are not identical"
        shutil.rmtree(data)
        shutil.rmtree(downloads)

    def latency(self) -> None:
        """Close of a file to visible under its name at the destination, beyond the settle time."""
        settle = 0.5
        data, downloads = self._folder / "in", self._folder / "out"
        data.mkdir()
        topic = self._broker.create_topic()
        up = ("DataFileUploadDirectory", str(data), "--topic_name", topic, "--watchdog_lag_time", str(settle))
        with (
            self._program(*up) as a,
            self._program("DataFileDownloadDirectory", str(downloads), "--topic_name", topic) as b,
        ):
            a.says("reached")
            b.says("reading partitions")
            _passage(data, downloads, "first")  # finds offsets and makes connections
            beyond = sorted(_passage(data, downloads, f"f{i}") - settle for i in range(self._sizes.latency_files))
        p95 = beyond[int(len(beyond) * 0.95)]
        _say("close to visible, median", statistics.median(beyond) * 1000, "ms", f"p95 {p95 * 1000:.0f} ms", 0)
        shutil.rmtree(data)
        shutil.rmtree(downloads)

    def idle(self) -> None:
        """Processor time of an uploader over many known files."""
        data = self._folder / "in"
        _write_many(data, self._sizes.known_files, 16)
        topic = self._broker.create_topic()
        with self._program("DataFileUploadDirectory", str(data), "--topic_name", topic) as program:
            program.says("reached")
            time.sleep(10)
            pid = program.process.pid
            before = cpu_seconds(pid)
            time.sleep(self._sizes.idle_seconds)
            share = (cpu_seconds(pid) - before) / self._sizes.idle_seconds
            _say("idle uploader, of one core", share * 100, "%", f"{self._sizes.known_files} files", peak_memory(pid))
        shutil.rmtree(data)

    def _upload(self, source: Path, data: Path, topic: str) -> tuple[float, int]:
        data.mkdir()
        with self._program(
            "DataFileUploadDirectory", str(data), "--topic_name", topic, "--watchdog_lag_time", "0.1"
        ) as p:
            p.says("reached")
            os.link(source, data / "large")
            begin = time.perf_counter()
            p.says("sent large", 600)
            return time.perf_counter() - begin - 0.1, peak_memory(p.process.pid)

    def _download(self, target: Path, topic: str, count: int) -> tuple[float, int]:
        with self._program("DataFileDownloadDirectory", str(target), "--topic_name", topic) as program:
            program.says("reading partitions")
            begin = time.perf_counter()
            wait_for(lambda: _count(target) >= count, "all files", 600)
            return time.perf_counter() - begin, peak_memory(program.process.pid)

    def _end_offsets(self, topic: str) -> int:
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({"bootstrap.servers": self._broker.bootstrap, "group.id": "bench"})
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ends = [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in partitions]
        consumer.close()
        return sum(ends)


def _passage(data: Path, downloads: Path, name: str) -> float:
    (data / name).write_bytes(os.urandom(4096))
    closed = time.perf_counter()
    while not (downloads / name).exists():
        time.sleep(0.001)
    return time.perf_counter() - closed


def _write(path: Path, total: int) -> None:
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for number in range(total >> 20):
            file.write(number.to_bytes(8, "big") + block[8:])


def _write_many(folder: Path, count: int, size: int = 4096) -> None:
    for number in range(count):
        path = folder / f"d{number // 1000}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))


def _count(folder: Path) -> int:
    """Delivered files below ``folder``."""
    if not folder.exists():
        return 0
    top = [entry for entry in os.scandir(folder) if entry.name != ".openmsi"]
    return sum(1 if entry.is_file() else len(os.listdir(entry)) for entry in top)  # noqa: PTH208 - counts fast


def _sha512(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").digest()


def _say(what: str, value: float, unit: str, beside: str, memory: int) -> None:
    peak = f"peak {memory / _MB:.0f} MB" if memory else ""
    print(f"{what:28} {value:9.1f} {unit:8} {beside:20} {peak}", flush=True)


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller files")
    parser.add_argument("parts", nargs="*", default=["large", "small", "latency", "idle"])
    arguments = parser.parse_args()
    with bench_broker() as (folder, broker):
        bench = Bench(folder, broker, QUICK if arguments.quick else FULL)
        for part in arguments.parts:
            getattr(bench, part)()


if __name__ == "__main__":
    main()
