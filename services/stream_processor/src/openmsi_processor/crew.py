"""The processes that run user code: who is free, who takes too long, who must be replaced."""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from openmsi_core.errors import ConfigError, Retryable
from openmsi_core.records import Locked
from openmsi_processor.answers import checked
from openmsi_processor.died import Died
from openmsi_processor.seat import Seat
from openmsi_processor.shelter import close_to_others
from openmsi_processor.worker_process import Message, WorkerProcess

_LOOK_SECONDS = 0.1
_FAREWELL_SECONDS = 5.0
_GRACE_SECONDS = 4.0  # less than a receiver gives its deliveries to come to an end


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
        self._too_slow = f"took longer than {seconds:g} s (--processing_timeout)"
        self._seconds = seconds
        self._stop = stop
        self._seats = [Seat(f"worker {number}") for number in range(1, size + 1)]
        self._free: queue.SimpleQueue[Seat] = queue.SimpleQueue()
        self._interrupts = 0
        self._code: object = None
        self._lasting = False
        """Whether workers come to an end of their own when they are told to."""
        # The kernel ends a worker together with the *thread* that has started it: this one lives as long as we do.
        self._starter = ThreadPoolExecutor(1, "start")
        self._closed = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="watch workers", daemon=True)

    def begin(self) -> Mapping[str, Any]:
        """Start the first worker; returns what it says of the user's file. Blocks. Raises ConfigError.

        Nobody but root can look into this process from now on. Raises Retryable when the program stops meanwhile.
        """
        close_to_others()
        self._watching.start()
        try:
            ready = self._new_worker(self._seats[0])
        except (Died, OSError) as error:
            if self._stop.is_set():
                raise Retryable("the program stops") from None
            raise ConfigError(f"the processor cannot be started: it {error}") from None
        self._code = ready.get("code")
        self._lasting = "slots" in ready
        for each, _ in itertools.product(self._seats, range(int(ready.get("slots", 1)))):
            self._free.put(each)
        return ready

    def call(
        self, head: Mapping[str, Any], blobs: Sequence[bytes | memoryview], path: str, alone: bool = False
    ) -> Message:
        """Have user code work on the file called ``path``; blocks until a worker is free and has answered.

        ``alone`` keeps others out of the same worker meanwhile. The answer is as `checked` has it. Raises Died, and
        Retryable when the program stops or no worker can be started.
        """
        interrupts = self._interrupts
        seat = self._wait_for_seat(interrupts)
        try:
            with seat.used(alone or seat.worn) as mine:
                if mine and seat.worn:
                    seat.vacate(f"was replaced after {path}")
                return self._ask(seat, head, blobs, path)
        except Died:
            if self._stop.is_set() or self._interrupts != interrupts:
                raise Retryable("it ended before this file was done, which is begun anew") from None
            raise
        finally:
            self._free.put(seat)

    def tell_of_wrong_file(self, content: Path, facts: Mapping[str, Any]) -> None:
        """A file that has not the bytes of its source was put aside, where ``content`` is. Scripts may want to know."""
        worker = self._seats[0].worker
        if self._lasting and worker is not None and "processor" not in facts:  # else the code has seen it itself
            worker.send({"do": "wrong", "facts": {"path": facts["path"]}, "content": str(content)})

    def tell_of_undecryptable(self, locked: Locked) -> None:
        """A record whose key never came was put aside. Scripts may want to know."""
        worker, record = self._seats[0].worker, locked.record
        if not self._lasting or worker is None:
            return
        place = {"partition": record.partition, "offset": record.offset, "timestamp": record.timestamp or None}
        headers = [(name, text) for name, text in dict(locked.named).items() if isinstance(text, bytes)]
        facts = place | {"headers": [name for name, _ in headers], "keyed": record.key is not None}
        contents = [record.key or b"", locked.value, *(text for _, text in headers)]
        worker.send({"do": "undecryptable", "facts": facts}, contents)

    def interrupt(self) -> None:
        """Nobody waits any more for what is being worked on: end it. Calls raise Retryable."""
        self._interrupts += 1
        for seat in self._seats:
            worker = seat.worker
            if worker is not None and worker.busy:
                worker.kill("was interrupted")

    def close(self) -> None:
        """End all workers. Never raises; takes a few seconds at most."""
        self._closed.set()
        for seat in self._seats:
            if self._lasting and seat.worker is not None:
                seat.worker.dismiss(_FAREWELL_SECONDS)
            seat.vacate("was stopped")
        self._starter.shutdown()

    def _ask(self, seat: Seat, head: Mapping[str, Any], blobs: Sequence[bytes | memoryview], path: str) -> Message:
        worker = self._worker(seat)
        answer, contents = worker.call(head, blobs, path, self._seconds)
        try:
            answer = checked(answer, contents, Path(head["scratch"]))
        except ValueError as error:
            worker.kill("sent what is no answer", path)
            worker.wait()
            raise Died(f"sent what is no answer ({error})", path) from None
        # A script keeps on its objects what it has learnt: only what is worn is replaced.
        failed = answer["is"] == "failed" and not self._lasting
        seat.note(path, failed, answer.get("worn", False))
        return answer, contents

    def _wait_for_seat(self, interrupts: int) -> Seat:
        while True:
            try:
                seat = self._free.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if self._stop.is_set() or self._interrupts != interrupts:
                    raise Retryable("the program stops, or begins anew") from None
                continue
            if self._interrupts != interrupts:
                self._free.put(seat)
                raise Retryable("it is begun anew")
            return seat

    def _worker(self, seat: Seat) -> WorkerProcess:
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

    def _new_worker(self, seat: Seat) -> Mapping[str, Any]:
        worker = seat.worker = self._starter.submit(self._start, seat.name).result()
        if self._closed.is_set():
            worker.kill("was stopped")
        hello, _ = worker.hello()
        text = hello.get("text", "") if hello["is"] == "mistake" else ""
        if self._code is not None and hello.get("code", self._code) != self._code and not text:
            text = "the code was changed since the start, and results must not come of two versions: start again"
        if text:
            worker.kill("was not needed")
            worker.wait()
            raise ConfigError(text)
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
                worker.look(now, self._too_slow)
                if until and ((now > until and worker.busy) or not worker.ready):
                    worker.kill("was stopped")
