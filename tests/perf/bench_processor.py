"""Measures `StreamProcessor` with functions that do nothing against the downloader, over the same topic, alternately.

Run with ``make bench-processor`` on a machine that does nothing else. Only ratios and bounds mean anything. ``--quick``
takes less, to try the bench itself.
"""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from tests.perf.bench_broker import bench_broker
from tests.perf.lab import empty
from tests.perf.runs import MB, Lines, median_ratio, percentile, until
from tests.perf.watching import peak_memory
from tests.support.broker import Broker
from tests.support.running import Program
from tests.support.sending import Sender, chunks, upload

_WORKERS = 4
_LIMIT = 300.0
_CHUNK = 524_288

_NOTHING = """\
from openmsi_processor import processor

@processor
def nothing(file):
    return None
"""
_RESULT = _NOTHING.replace("return None", 'return {"size": file.size}')
_TIMES = """\
import time
from openmsi_processor import processor

begun = 0.0

@processor
def times(file):
    global begun
    ended, begun = begun, time.time()
    return f"{ended} {begun}"
"""


@dataclass(frozen=True)
class Tree:
    """Files of one size."""

    name: str
    files: int
    size: int


FULL = (Tree("4 KiB", 10_000, 4096), Tree("64 MiB", 16, 64 << 20))
QUICK = (Tree("4 KiB", 2000, 4096), Tree("64 MiB", 3, 64 << 20))


class Bench:
    """One broker, and topics that are full before anything is measured."""

    def __init__(self, folder: Path, broker: Broker, rounds: int) -> None:
        self._folder = folder
        self._broker = broker
        self._rounds = rounds
        self._serial = 0

    def throughput(self, tree: Tree) -> None:
        """Files a second of the downloader, of a function that returns nothing, and of one that returns a result."""
        topic = self._fill(tree)
        rates: dict[str, list[float]] = {"downloader": [], "nothing": [], "result": []}
        for _ in range(self._rounds):
            for who, line in rates.items():
                with self._running(who, topic, "--n_threads", str(_WORKERS)) as program:
                    program.says("reading partitions", 60)
                    begin = time.perf_counter()
                    done = until(self._done.count, tree.files, _LIMIT, [program.process])
                    assert done >= tree.files, program.output[-2000:]
                    line.append(tree.files / (time.perf_counter() - begin))
                    self._say(tree, who, line[-1], peak_memory(program.process.pid))
        for who in ("nothing", "result"):
            ratio = median_ratio(rates[who], rates["downloader"])
            print(f"{tree.name:7} {who}: median ratio to the downloader {ratio:.2f}", flush=True)

    def overhead(self, count: int) -> None:
        """Between the calls of one worker that is never without work, and from complete to called."""
        with self._running("times", self._fill(Tree("times", count, 4096)), "--n_threads", "1") as program:
            results = self._results(program, count)
        _say_delays("between two calls", [begun - ended for ended, begun in results if ended])

    def latency(self, count: int) -> None:
        """From the moment in which a bare consumer has a file to the call of the function, one file at a time."""
        topic = self._broker.create_topic()
        sender, late = Sender(self._broker.bootstrap, topic), []
        with self._running("times", topic, "--n_threads", str(_WORKERS)) as program, self._bare(topic) as bare:
            program.says("reading partitions", 60)
            results = self._reader()
            for number in range(count + 1):
                sender.file(f"f{number}", os.urandom(900))
                assert bare.poll(30.0) is not None
                complete = time.time()
                message = results.poll(30.0)
                assert message is not None
                called = float((message.value() or b"").split()[1])
                late += [called - complete] if number else []
            results.close()
        _say_delays("complete to called", late)

    def _fill(self, tree: Tree) -> str:
        topic = self._broker.create_topic(config={"retention.bytes": "-1"})
        sender = Sender(self._broker.bootstrap, topic)
        block = os.urandom(tree.size)
        for number in range(tree.files):
            content = number.to_bytes(8, "big") + block[8:]
            sender.chunks(chunks(f"d{number % 100}/f{number}", content, size=_CHUNK), upload(content))
        return topic

    @contextmanager
    def _running(self, who: str, topic: str, *options: str) -> Iterator[Program]:
        self._serial += 1
        os.sync()  # so that nobody pays for what the one before left to be written
        folder = self._folder / f"run{self._serial}"
        folder.mkdir()
        if who == "downloader":
            command = ["DataFileDownloadDirectory", str(folder / "out"), "--topic_name", topic]
        else:
            code = folder / f"{who}.py"
            code.write_text({"nothing": _NOTHING, "result": _RESULT, "times": _TIMES}[who])
            self._target = self._broker.create_topic()
            options = (*options, "--producer_topic_name", self._target, "--output_dir", str(folder / "out"))
            command = ["StreamProcessor", str(code), "--topic_name", topic]
        program = Program(folder, self._broker.bootstrap, *command, *options)
        self._done = Lines(program.log, "INFO  placed " if who == "downloader" else "INFO  processed ")
        try:
            yield program
        finally:
            program.stop()
            empty(folder)

    @contextmanager
    def _bare(self, topic: str) -> Iterator[Consumer]:
        consumer = Consumer({"bootstrap.servers": self._broker.bootstrap, "group.id": "bench"})
        consumer.assign([TopicPartition(topic, number, OFFSET_END) for number in range(4)])
        consumer.poll(3.0)
        yield consumer
        consumer.close()

    def _reader(self) -> Consumer:
        consumer = Consumer({"bootstrap.servers": self._broker.bootstrap, "group.id": "bench"})
        consumer.assign([TopicPartition(self._target, number, 0) for number in range(4)])
        return consumer

    def _results(self, program: Program, count: int) -> list[tuple[float, float]]:
        program.says("reading partitions", 60)
        consumer = self._reader()
        found: list[tuple[float, float]] = []
        while len(found) < count:
            message = consumer.poll(30.0)
            assert message is not None, program.output[-2000:]
            ended, begun = (message.value() or b"").split()
            found.append((float(ended), float(begun)))
        consumer.close()
        return found

    @staticmethod
    def _say(tree: Tree, who: str, rate: float, memory: int) -> None:
        speed = f"{rate:8.0f} files/s" if tree.size < MB else f"{rate * tree.size / MB:8.0f} MB/s"
        print(f"{tree.name:7} {who:10} {speed:16} peak {memory / MB:.0f} MB", flush=True)


def _say_delays(what: str, seconds: list[float]) -> None:
    median, p95 = (percentile(seconds, share) * 1000 for share in (0.5, 0.95))
    print(f"{what}: median {median:.2f} ms, p95 {p95:.2f} ms", flush=True)


def main() -> None:
    """Run everything and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--rounds", type=int, default=0, help="runs of each (default: 3, quick: 1)")
    given = parser.parse_args()
    with bench_broker() as (folder, broker):
        bench = Bench(folder, broker, given.rounds or (1 if given.quick else 3))
        bench.overhead(500 if given.quick else 3000)
        bench.latency(50 if given.quick else 300)
        for tree in QUICK if given.quick else FULL:
            bench.throughput(tree)


if __name__ == "__main__":
    main()
