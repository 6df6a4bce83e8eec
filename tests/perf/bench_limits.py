"""Measures how well `--bandwidth_limit` is held, on the wire, over a minute.

Run with ``make bench-limits``. All that a program exchanges with the broker goes through a relay that counts it, after
five seconds, so that the first connection and the first reading of a large file are over. ``--rates`` without a rate
measures what is on the wire for each byte of a file.
"""

import argparse
import contextlib
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.perf.bench_broker import bench_broker
from tests.support.broker import Broker
from tests.support.doors import Door
from tests.support.running import Program, wait_for

_MIB = 1 << 20
_WARM_SECONDS = 5.0


class Relay:
    """Passes everything on between clients and a broker's door, and counts it."""

    def __init__(self, door: Door) -> None:
        self.sent = 0
        """Bytes to the broker."""
        self.received = 0
        self._inside = door.inside.partition(":")
        host, _, port = door.outside.partition(":")
        self._listener = socket.create_server((host, int(port)))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Let nobody in any more."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client = self._listener.accept()[0]
                broker = socket.create_connection((self._inside[0], int(self._inside[2])))
                threading.Thread(target=self._pass_on, args=(client, broker, "sent"), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(broker, client, "received"), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, counter: str) -> None:
        buffer = memoryview(bytearray(1 << 18))
        with contextlib.suppress(OSError), source, target:
            while count := source.recv_into(buffer):
                setattr(self, counter, getattr(self, counter) + count)
                target.sendall(buffer[:count])


class Bench:
    """One broker, and programs that reach it through a relay."""

    def __init__(self, folder: Path, broker: Broker, seconds: float) -> None:
        self._folder = folder
        self._broker = broker
        self._seconds = seconds
        self._serial = 0
        self._door = broker.doors.get()
        self.relay = Relay(self._door)

    def upload(self, rate: int, files: dict[str, int]) -> None:
        """Upload at ``rate`` bytes a second; ``files`` holds names and sizes, more than fit into the time."""
        with self._topic_and_data(files) as (topic, data), self._uploader(data, topic, *_limit(rate)) as program:
            program.says("reached")
            self._watch("upload", "sent", rate)

    def download(self, rate: int, files: dict[str, int]) -> None:
        """The same for a download."""
        with self._topic_and_data(files) as (topic, data):
            with self._uploader(data, topic) as program:
                wait_for(lambda: program.output.count("INFO  sent ") >= len(files), "the upload", 600)
            with self._downloader(topic, *_limit(rate)) as program:
                program.says("reading partitions")
                self._watch("download", "received", rate)

    def beside(self, name: str, files: dict[str, int]) -> None:
        """What is on the wire for each byte of a file, without a limit."""
        total = sum(files.values())
        with self._topic_and_data(files) as (topic, data):
            before = self.relay.sent
            with self._uploader(data, topic) as program:
                wait_for(lambda: program.output.count("INFO  sent ") >= len(files), "the upload", 600)
                sent = self.relay.sent - before
            before = self.relay.received
            with self._downloader(topic) as program:
                wait_for(lambda: program.output.count("INFO  placed ") >= len(files), "the download", 600)
                received = self.relay.received - before
        each = (sent - total) / len(files)
        print(f"{name}: sent {sent / total:.4f}, received {received / total:.4f} of {total:,} bytes; {each:.0f} a file")

    def _watch(self, what: str, counter: str, rate: int) -> None:
        wait_for(lambda: getattr(self.relay, counter) > rate, "the first second", 120)
        time.sleep(_WARM_SECONDS)
        marks = [getattr(self.relay, counter)]
        began = time.monotonic()
        while len(marks) <= self._seconds:
            time.sleep(began + len(marks) - time.monotonic())
            marks.append(getattr(self.relay, counter))
        whole = (marks[-1] - marks[0]) / self._seconds / rate
        tens = [(later - earlier) / 10 / rate for earlier, later in zip(marks, marks[10:], strict=False)]
        print(
            f"{what:9}{rate / _MIB:8.3f} MiB/s  held to {whole:.4f} over {self._seconds:.0f} s,"
            f" {min(tens):.3f} … {max(tens):.3f} over 10 s",
            flush=True,
        )

    @contextlib.contextmanager
    def _topic_and_data(self, files: dict[str, int]) -> Iterator[tuple[str, Path]]:
        data = self._folder / "data"
        data.mkdir()
        for name, size in files.items():
            with (data / name).open("wb") as file:
                file.write(os.urandom(32))  # or receivers would know the content
                file.truncate(size)
        try:
            yield self._broker.create_topic(), data
        finally:
            shutil.rmtree(data)

    def _uploader(self, data: Path, topic: str, *options: str) -> contextlib.AbstractContextManager[Program]:
        always = ("--upload_existing", "--watchdog_lag_time", "0.1", "--queue_max_size", "48")
        return self._program("DataFileUploadDirectory", str(data), "--topic_name", topic, *always, *options)

    def _downloader(self, topic: str, *options: str) -> contextlib.AbstractContextManager[Program]:
        out = str(self._folder / "out")
        return self._program("DataFileDownloadDirectory", out, "--topic_name", topic, *options)

    @contextlib.contextmanager
    def _program(self, *command: str) -> Iterator[Program]:
        self._serial += 1
        program = Program(self._folder / f"run{self._serial}", self._door.outside, *command)
        try:
            yield program
        finally:
            program.stop()
            shutil.rmtree(self._folder / "out", ignore_errors=True)


def _limit(rate: int) -> tuple[str, str]:
    return "--bandwidth_limit", f"{rate}B"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rates", type=float, nargs="*", default=[0.1, 1.0, 20.0], help="MiB/s")
    parser.add_argument("--file_bytes", type=int, help="size of the files (default: all in one)")
    parser.add_argument("--only", choices=["upload", "download"])
    given = parser.parse_args()
    with bench_broker() as (folder, broker):
        bench = Bench(folder, broker, given.seconds)
        if not given.rates:
            bench.beside("512 KiB records", {"large": 256 * _MIB})
            bench.beside("4 KiB files", {f"{number:05}": 4096 for number in range(5000)})
        for megabytes in given.rates:
            rate = int(megabytes * _MIB)
            total = int(rate * (given.seconds + 4 * _WARM_SECONDS))
            size = given.file_bytes or total
            files = {f"{number:06}": size for number in range(-(-total // size))}
            if given.only != "download":
                bench.upload(rate, files)
            if given.only != "upload":
                bench.download(rate, files)
        bench.relay.close()


if __name__ == "__main__":
    main()
