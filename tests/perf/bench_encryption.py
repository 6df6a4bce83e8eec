"""Measures encrypted transport against plain transport and against the encryption itself, alternately, in one run.

Run with ``make bench-encryption`` on a machine that does nothing else. Only ratios mean anything. ``--quick`` takes
less, to try the bench itself.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.perf.bench_broker import bench_broker
from tests.perf.runs import MB, Lines, until
from tests.perf.watching import cpu_seconds, peak_memory
from tests.perf.workloads import write
from tests.support.broker import Broker
from tests.support.encrypting import Nodes, section
from tests.support.running import Program, wait_for

_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "67108864", "MALLOC_TRIM_THRESHOLD_": "268435456"}  # as in the images
_LOOP = """\
import sys, time, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from openmsi_core.encryption.crypto import KafkaCryptoCipher
from openmsi_core.encryption.node import Node
folder, name, bootstrap, total = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
cipher = KafkaCryptoCipher(Node(folder, name), {"bootstrap.servers": bootstrap}, False)
serializer, value = cipher._keys.getValueSerializer(), bytes(524_288)
serializer.serialize("bench", value)
begin = time.perf_counter()
for _ in range(total // 524_288):
    serializer.serialize("bench", value)
print(time.perf_counter() - begin)
"""


@dataclass(frozen=True)
class Sizes:
    """How much is moved."""

    files: int
    size: int
    starts: int
    rounds: int


FULL = Sizes(24, 64 << 20, 10, 3)
QUICK = Sizes(6, 64 << 20, 3, 1)


class Bench:
    """One broker, and nodes for its topics."""

    def __init__(self, folder: Path, broker: Broker, sizes: Sizes) -> None:
        self._folder = folder
        self._broker = broker
        self._sizes = sizes
        self._nodes = Nodes(folder / "nodes")
        self._serial = 0

    def throughput(self) -> None:
        """MB/s of uploader and downloader, plain and encrypted, and of the library's loop on one core."""
        ratios: dict[str, list[float]] = {"upload": [], "download": []}
        for _ in range(self._sizes.rounds):
            loop = self._loop()
            print(f"library, one core       {loop:7.0f} MB/s", flush=True)
            rates = {kind: self._both_ways(encrypted=kind == "encrypted") for kind in ("plain", "encrypted")}
            for number, way in enumerate(ratios):
                plain, encrypted = rates["plain"][number], rates["encrypted"][number]
                ratios[way].append(encrypted / min(plain, loop))
        for way, values in ratios.items():
            print(f"{way}: median ratio to the slower of plain and library {statistics.median(values):.2f}", flush=True)

    def first(self) -> None:
        """Seconds until a downloader that starts has decrypted its first file."""
        topic = self._broker.create_topic()
        data = self._folder / "first"
        data.mkdir()
        (data / "f").write_bytes(b"content")
        up = section(self._nodes.make(self._name("up"), "producer", topic))
        down = section(self._nodes.make(self._name("down"), "consumer", topic))
        since_start, since_assigned = [], []
        options = ("--upload_existing", "--watchdog_lag_time", "0.1")
        with self._running("DataFileUploadDirectory", str(data), topic, up, *options) as uploader:
            uploader.says("sent f")
            for number in range(self._sizes.starts):
                out = self._folder / f"first-out{number}"
                begin = time.perf_counter()
                with self._running("DataFileDownloadDirectory", str(out), topic, down) as program:
                    program.says("reading partitions")
                    assigned = time.perf_counter()
                    wait_for(lambda out=out: (out / "f").exists(), "the first file", 120)  # type: ignore[misc]
                    since_start.append(time.perf_counter() - begin)
                    since_assigned.append(time.perf_counter() - assigned)
        for what, values in (("program start", since_start), ("partitions assigned", since_assigned)):
            print(f"first file after {what}: median {statistics.median(values):.1f} s, worst {max(values):.1f} s")

    def _both_ways(self, *, encrypted: bool) -> tuple[float, float]:
        """MB/s of an upload and of a download, each from the first file to the last."""
        topic, sizes = self._broker.create_topic(config={"retention.bytes": "-1"}), self._sizes
        up = down = ""
        if encrypted:
            up = section(self._nodes.make(self._name("up"), "producer", topic))
            down = section(self._nodes.make(self._name("down"), "consumer", topic))
        data, out = self._folder / "data", self._folder / "out"
        data.mkdir()
        with self._running("DataFileUploadDirectory", str(data), topic, up, "--watchdog_lag_time", "0.1") as uploader:
            uploader.says("reached")
            source = self._folder / "source"
            write(source, [(f"f{number}", sizes.size) for number in range(sizes.files)])
            os.sync()
            lines = Lines(uploader.log, "INFO  sent ")
            for path in source.iterdir():
                path.rename(data / path.name)
            sent = self._rate(lines, uploader)
            with self._running("DataFileDownloadDirectory", str(out), topic, down) as downloader:
                placed = self._rate(Lines(downloader.log, "INFO  placed "), downloader)
        for folder in (source, data, out):
            shutil.rmtree(folder)
        for what, (rate, cpu, memory) in (("upload", sent), ("download", placed)):
            kind = "encrypted" if encrypted else "plain"
            print(f"{what:9} {kind:10} {rate:10.0f} MB/s  {cpu:5.1f} s CPU/GB  peak {memory / MB:.0f} MB", flush=True)
        return sent[0], placed[0]

    def _rate(self, lines: Lines, program: Program) -> tuple[float, float, int]:
        """MB/s between the first and the last of all files, CPU seconds a GB, and the peak of memory."""
        sizes, pid = self._sizes, program.process.pid
        first = until(lines.count, 1, 120, [program.process])
        before, cpu = time.perf_counter(), cpu_seconds(pid)
        assert until(lines.count, sizes.files, 300, [program.process]) == sizes.files, "not all files"
        moved = (sizes.files - first) * sizes.size / MB
        seconds = time.perf_counter() - before
        return moved / seconds, (cpu_seconds(pid) - cpu) / moved * 1000, peak_memory(pid)

    def _loop(self) -> float:
        total = self._sizes.files * self._sizes.size
        node = self._nodes.make(self._name("loop"), "producer", "bench")
        command = [sys.executable, "-c", _LOOP, str(node.folder), node.name, self._broker.bootstrap, str(total)]
        done = subprocess.run(command, env={**os.environ, **_MALLOC}, capture_output=True, text=True, check=True)
        return total / float(done.stdout) / MB

    def _name(self, stem: str) -> str:
        self._serial += 1
        return f"{stem}{self._serial}"

    @contextmanager
    def _running(self, program: str, folder: str, topic: str, config: str, *options: str) -> Iterator[Program]:
        command = (program, folder, "--topic_name", topic, *options)
        run = Program(self._folder / self._name("run"), self._broker.bootstrap, *command, config=config, env=_MALLOC)
        try:
            yield run
        finally:
            run.stop()


def main() -> None:
    """Run everything and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("parts", nargs="*", default=["first", "throughput"])
    given = parser.parse_args()
    with bench_broker() as (folder, broker):
        bench = Bench(folder, broker, QUICK if given.quick else FULL)
        for part in given.parts:
            getattr(bench, part)()


if __name__ == "__main__":
    main()
