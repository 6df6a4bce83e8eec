"""The processes that run user code: who is free, who takes too long, who must be replaced."""

import contextlib
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from openmsi_core.errors import ConfigError, Retryable
from openmsi_core.retry import Backoff
from openmsi_processor.worker_process import Died, Message, WorkerProcess

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 4.0  # less than a receiver gives its deliveries to come to an end


class _Seat:
    """The place of one worker; another takes it when the first has ended."""

    def __init__(self, number: int) -> None:
        self.name = f"worker {number}"
        self.lock = threading.Lock()
        self.worker: WorkerProcess | None = None
        self.backoff = Backoff()
        self.users = 0
        self.changed = threading.Condition()

    @contextlib.contextmanager
    def used(self, alone: bool) -> Iterator[None]:
        """Use it with others, or ``alone``."""
        with self.changed:
            self.changed.wait_for(lambda: self.users == 0 if alone else self.users >= 0)
            self.users = -1 if alone else self.users + 1
        try:
            yield
        finally:
            with self.changed:
                self.users = 0 if alone else self.users - 1
                self.changed.notify_all()


class Crew:
    """``size`` workers. Safe for use by several threads."""

    def __init__(
        self,
        start: Callable[[str], WorkerProcess],
        size: int,
        seconds: float,
        stop: threading.Event,
    ) -> None:
        """``start`` starts a worker with a name; ``seconds`` is what it may take for one file.

        Once ``stop`` is set, what is being worked on gets a few seconds more.
        """
        self._start = start
        self._seconds = seconds
        self._stop = stop
        self._seats = [_Seat(number) for number in range(1, size + 1)]
        self._free: queue.SimpleQueue[_Seat] = queue.SimpleQueue()
        # The kernel ends a worker together with the *thread* that has started it: this one lives as long as we do.
        self._starter = ThreadPoolExecutor(1, "start")
        self._closed = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="watch workers", daemon=True)

    def begin(self) -> Mapping[str, Any]:
        """Start the first worker; returns what it says of the user's file. Blocks. Raises ConfigError."""
        self._watching.start()
        seat = self._seats[0]
        try:
            ready = self._new_worker(seat)
        except (Died, OSError) as error:
            raise ConfigError(f"the processor cannot be started: it {error}") from None
        for each, _ in itertools.product(self._seats, range(int(ready.get("slots", 1)))):
            self._free.put(each)
        return ready

    def call(
        self, head: Mapping[str, Any], blobs: Sequence[bytes | memoryview], path: str, alone: bool = False
    ) -> Message:
        """Have user code work on the file called ``path``; blocks until a worker is free and has answered.

        ``alone`` keeps others out of the same worker meanwhile. Raises Died, and Retryable when the program stops or no
        worker can be started.
        """
        seat = self._wait_for_seat()
        try:
            with seat.used(alone):
                return self._worker(seat).call(head, blobs, path, self._seconds)
        except Died:
            if self._stop.is_set():
                raise Retryable("the program stops before this file is done: the next start begins it anew") from None
            raise
        finally:
            self._free.put(seat)

    def replace(self, path: str) -> None:
        """End the workers that are idle: after ``path`` they are not to be trusted."""
        for seat in self._seats:
            worker = seat.worker
            if worker is not None and not worker.busy:
                worker.kill(f"was replaced after {path}")

    def close(self) -> None:
        """End all workers. Never raises."""
        self._closed.set()
        for seat in self._seats:
            with seat.lock:
                if seat.worker is not None:
                    seat.worker.kill("was stopped")
                    seat.worker.wait()
        self._starter.shutdown()

    def _wait_for_seat(self) -> _Seat:
        while True:
            with contextlib.suppress(queue.Empty):
                return self._free.get(timeout=_LOOK_SECONDS)
            if self._stop.is_set():
                raise Retryable("the program stops")

    def _worker(self, seat: _Seat) -> WorkerProcess:
        with seat.lock:
            if seat.worker is not None and not seat.worker.ended:
                return seat.worker
            if seat.backoff.waiting:
                raise Retryable(f"no worker can be started: {seat.backoff.reason}")
            try:
                self._new_worker(seat)
            except (Died, OSError, ConfigError) as error:
                seat.backoff.failed(str(error))
                raise Retryable(f"no worker can be started: {error}") from None
            seat.backoff.succeeded()
            assert seat.worker is not None
            return seat.worker

    def _new_worker(self, seat: _Seat) -> Mapping[str, Any]:
        worker = self._starter.submit(self._start, seat.name).result()
        if self._closed.is_set():
            worker.kill("was stopped")
        hello, _ = worker.hello()
        if hello["is"] == "mistake":
            worker.kill("was not needed")
            raise ConfigError(hello["text"])
        seat.worker = worker
        return hello

    def _watch(self) -> None:
        until = None
        while not self._closed.wait(_LOOK_SECONDS):
            now = time.monotonic()
            if self._stop.is_set():
                until = until or now + _GRACE_SECONDS
            for seat in self._seats:
                worker = seat.worker
                if worker is None or worker.ended:
                    continue
                if path := worker.overdue(now):
                    worker.kill(f"took longer than {self._seconds:g} s (--processing_timeout)", path)
                elif until and now > until and worker.busy:
                    worker.kill("was stopped")
