"""Complete files on their way to the destination: several at once, one at a time for each path, retried for ever."""

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from openmsi_core.errors import Doubted, Retryable, StagedBytesLost
from openmsi_core.generation import Generation, Version
from openmsi_core.retry import delay_before
from openmsi_core.staging import Sealed

Outcome = TypeVar("Outcome")

_STAGED_BYTES = 8 << 30
"""Of complete files that wait on disk: a destination that is away must not fill it."""

_REFUSED_FILES = 1000
"""That many may wait while others get through: their bytes wait on disk."""


@dataclass(frozen=True, slots=True, eq=False)
class CompleteFile:
    """A verified file: its bytes are either in ``data`` (files of one chunk) or in ``sealed``."""

    generation: Generation
    version: Version
    size: int
    data: bytes | memoryview | None
    sealed: Sealed | None
    partition: int
    """Where the chunk was read that completed it."""
    offset: int = 0
    """The same."""

    @property
    def staged(self) -> Path | None:
        """Where its bytes are staged."""
        return None if self.sealed is None else self.sealed.path


@dataclass(frozen=True, slots=True)
class Finished(Generic[Outcome]):
    """A delivery that came to its end."""

    file: CompleteFile
    outcome: Outcome | None
    error: Exception | None
    """StagedBytesLost, or what is no fault of the file and must end the program."""
    ours: bool = True
    """Whether the file was not taken back meanwhile: what is known of it elsewhere may be a later one's."""


@dataclass(frozen=True, slots=True)
class Together(Generic[Outcome]):
    """How a destination takes many small files at once, for hardly more than one costs."""

    most: int
    """Files in a group."""
    deliver: Callable[[Sequence[CompleteFile]], Sequence[Outcome | Exception]]
    """Takes files of one chunk and of different paths, which are on disk nowhere; returns what became of each."""


class Deliveries(Generic[Outcome]):
    """Runs ``deliver(file)`` in ``workers`` threads, and what ``together`` is for in groups: all that waits just then.

    A Retryable is tried again after a back-off, as often as it takes. Two files of one path are delivered in the
    order of `submit`. All methods belong to the receiver's thread.
    """

    def __init__(
        self,
        deliver: Callable[[CompleteFile], Outcome],
        workers: int,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        together: Together[Outcome] | None = None,
    ) -> None:
        self._deliver = deliver
        self._together = together
        self._max_files = (8 if together is None else 4 * together.most) * workers
        self._max_bytes = max_bytes
        self._clock = clock
        self._ready: queue.SimpleQueue[CompleteFile | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[list[Finished[Outcome]]] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"deliver-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()
        self._by_path: dict[str, deque[CompleteFile]] = {}
        self._since: dict[CompleteFile, float] = {}
        self._bytes = 0
        self._staged_bytes = 0
        self._retries: dict[CompleteFile, float] = {}
        self._refused: set[CompleteFile] = set()
        """Tried in vain before another got through: it is they that are refused, so they keep nobody from it."""
        self._failures: dict[CompleteFile, int] = {}
        self.orphans: set[CompleteFile] = set()
        """Taken back while a thread worked on them, which it still does."""
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why the destination refuses at the moment."""
        return self._trouble if self._failures else None

    @property
    def full(self) -> bool:
        """Whether no more should be submitted for now."""
        refused = len(self._refused)
        too_many = len(self._since) - refused >= self._max_files or refused >= _REFUSED_FILES
        return too_many or self._bytes >= self._max_bytes or self._staged_bytes >= _STAGED_BYTES

    @property
    def oldest(self) -> float | None:
        """Clock reading at which the longest-waiting file was submitted."""
        return next(iter(self._since.values()), None)

    def __len__(self) -> int:
        return len(self._since)

    def submit(self, file: CompleteFile) -> None:
        """Deliver ``file`` when its turn comes. Does not block."""
        self._since[file] = self._clock()
        self._bytes += len(file.data or b"")
        self._staged_bytes += file.size if file.sealed is not None else 0
        waiting = self._by_path.setdefault(file.generation.path.text, deque())
        waiting.append(file)
        if len(waiting) == 1:
            self._ready.put(file)

    def collect(self, timeout: float = 0.0) -> list[Finished[Outcome]]:
        """Deliveries that ended; blocks up to ``timeout`` seconds for the first while any is under way."""
        self._retry_due()
        done: list[Finished[Outcome]] = []
        try:
            while True:
                group = self._results.get(timeout=timeout) if timeout > 0 else self._results.get_nowait()
                timeout = 0.0
                for finished in group:
                    self._sort(finished, done)
        except queue.Empty:
            return done

    def cancel(self, generations: Collection[Generation]) -> list[CompleteFile]:
        """Take back ``generations``; returns those that no thread works on, the others are `orphans` from now on.

        Orphans are not tried again, and end with StagedBytesLost at the latest then.
        """
        taken = [file for file in self._retries if file.generation in generations]
        for waiting in list(self._by_path.values()):
            taken += [file for file in list(waiting)[1:] if file.generation in generations]
            if waiting[0] not in self._retries and waiting[0].generation in generations:
                self.orphans.add(waiting[0])
        for file in reversed(taken):  # the head of a path's line last: ending it would begin the next
            self._retries.pop(file, None)
            self._end(file)
        return taken

    def close(self) -> None:
        """Wait for the threads and forget the rest. Nothing new is begun."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._ready.get_nowait()
        for _ in self._threads:
            self._ready.put(None)
        for thread in self._threads:
            thread.join()
        for books in (self._by_path, self._since, self._retries, self._failures, self._refused, self.orphans):
            books.clear()

    def _sort(self, finished: Finished[Outcome], done: list[Finished[Outcome]]) -> None:
        if finished.file in self.orphans:
            done.append(self._end_orphan(finished))
        elif isinstance(finished.error, Retryable) and not isinstance(finished.error, StagedBytesLost):
            self._put_off(finished.file, finished.error)
        else:
            self._end(finished.file)
            if finished.error is None and self._failures:
                self._refused |= self._failures.keys()
            done.append(finished)

    def _work(self) -> None:
        while (file := self._ready.get()) is not None:
            group = [file]
            with contextlib.suppress(queue.Empty):
                while self._together is not None and len(group) < self._together.most:
                    if (another := self._ready.get_nowait()) is None:
                        self._ready.put(None)
                        break
                    group.append(another)
            small = [each for each in group if each.data is not None]
            if self._together is not None and len(small) > 1:
                self._results.put(self._run_together(self._together, small))
                group = [each for each in group if each.data is None]
            for each in group:
                self._results.put([self._run(each)])

    def _run_together(self, together: Together[Outcome], files: list[CompleteFile]) -> list[Finished[Outcome]]:
        orphans = [file for file in files if file in self.orphans]
        files = [file for file in files if file not in self.orphans]
        try:
            endings = together.deliver(files)
        except Exception as error:
            endings = [error] * len(files)
        return [self._run(orphan) for orphan in orphans] + [
            Finished(file, None, ending) if isinstance(ending, Exception) else Finished(file, ending, None)
            for file, ending in zip(files, endings, strict=True)
        ]

    def _run(self, file: CompleteFile) -> Finished[Outcome]:
        try:
            if file in self.orphans:  # since before a thread was free
                raise Doubted("it was taken back")
            return Finished(file, self._deliver(file), None)
        except Exception as error:  # the receiver's thread sorts it
            return Finished(file, None, error)

    def _put_off(self, file: CompleteFile, error: Retryable) -> None:
        self._trouble = str(error)
        failures = self._failures[file] = self._failures.get(file, 0) + 1
        delay = delay_before(failures) if error.after is None else error.after
        self._retries[file] = self._clock() + delay

    def _retry_due(self) -> None:
        now = self._clock()
        for file, due in list(self._retries.items()):
            if due <= now:
                del self._retries[file]
                self._ready.put(file)

    def _end_orphan(self, finished: Finished[Outcome]) -> Finished[Outcome]:
        self.orphans.discard(finished.file)
        self._end(finished.file)
        error = Doubted(str(finished.error)) if isinstance(finished.error, Retryable) else finished.error
        return Finished(finished.file, finished.outcome, error, ours=False)

    def _end(self, file: CompleteFile) -> None:
        self._failures.pop(file, None)
        self._refused.discard(file)
        self._since.pop(file, None)
        self._bytes -= len(file.data or b"")
        self._staged_bytes -= file.size if file.sealed is not None else 0
        waiting = self._by_path[file.generation.path.text]
        first = waiting[0] is file
        waiting.remove(file)
        if not waiting:
            del self._by_path[file.generation.path.text]
        elif first:
            self._ready.put(waiting[0])
