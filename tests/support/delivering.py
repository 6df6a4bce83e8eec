"""Deliveries with a clock that stands, and files to deliver."""

import threading
from collections.abc import Callable

from openmsi_core.chunk import Upload
from openmsi_core.deliveries import CompleteFile, Deliveries, Finished
from openmsi_core.generation import Generation, version_of
from tests.support.sending import chunks

Deliver = Callable[[CompleteFile], str]


class World:
    """Deliveries with a clock that stands, and a function to deliver with that tests replace."""

    def __init__(self) -> None:
        self.now = 100.0
        self.log: list[tuple[str, int]] = []
        self.act: Deliver = lambda _: "done"
        self.deliveries = Deliveries[str](self._deliver, 2, 1000, lambda: self.now)

    def _deliver(self, file: CompleteFile) -> str:
        self.log.append((file.generation.path.text, int(file.generation.upload_id)))
        return self.act(file)

    def collect(self, count: int) -> list[Finished[str]]:
        """Wait until ``count`` have ended; while one is put off, time goes on."""
        done: list[Finished[str]] = []
        for _ in range(1000):
            done += self.deliveries.collect(0.01)
            if len(done) >= count:
                return done
            self.now += 31.0
        raise AssertionError(f"only {len(done)} of {count} ended")


def file(path: str = "a", number: int = 1, data: bytes = b"data") -> CompleteFile:
    (chunk,) = chunks(path, data, size=10_000)
    by = Upload(str(number), "source", len(data))
    return CompleteFile(Generation.of(chunk, by), version_of(chunk, by, (1, number)), len(data), data, None, 0)


class Gate:
    """Lets the first version of each path wait in its thread."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Semaphore(0), threading.Event()

    def __call__(self, _: CompleteFile) -> str:
        self.entered.release()
        assert self.open.wait(10)
        return "done"
