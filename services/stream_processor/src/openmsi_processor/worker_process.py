"""One process that runs user code: start it, have it work, end it."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any
from uuid import uuid4

from openmsi_processor.died import Died, exit_in_words, place_in
from openmsi_processor.environment import environment_in, temporary_folder
from openmsi_processor.prints import Prints
from openmsi_processor.shelter import MARK, end_all
from openmsi_processor.worker.answer import MOST_BYTES
from openmsi_processor.worker.channel import CUT_OFF, Channel

__all__ = ["Died", "Message", "WorkerProcess"]

Message = tuple[dict[str, Any], list[bytes]]

_START_SECONDS = 300.0  # slow imports from a network share
_LAST_WORDS_SECONDS = 0.5
_END_SECONDS = 5.0  # after SIGKILL: one that hangs in the kernel takes longer


class WorkerProcess:
    """A worker. `call` may be used by several threads if the worker serves several files at once."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], name: str) -> None:
        """Start it. Does not wait until it is ready. Raises OSError."""
        self._command = command
        self._mark = uuid4().hex
        self._folder = temporary_folder()
        self._process = subprocess.Popen(
            [*command, f"parent={os.getpid()}"],
            env={**environment_in(self._folder, environment), MARK: self._mark},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # what it starts ends with it
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr  # noqa: PT018
        self._channel = Channel(self._process.stdout, self._process.stdin, 2 * MOST_BYTES)
        self._lock = threading.Lock()
        self._calls: dict[int, tuple[Future[Message], str, float]] = {}
        self._next = 0
        self._first: Future[Message] = Future()
        self._why = self._culprit = ""
        self._until: float | None = None
        self.ended = False
        """Whether it can do nothing more."""
        self.on_message: Callable[[dict[str, Any]], None] = lambda _: None
        """Called with messages that answer no call."""
        self._prints = Prints(self._process.stderr, name, lambda: self.busy)
        self._reader = threading.Thread(target=self._read, name=f"{name} answers", daemon=True)
        self._reader.start()

    @property
    def ready(self) -> bool:
        """Whether it has said `hello`."""
        return self._first.done()

    def hello(self) -> Message:
        """The first thing it says: that it is ready, or what is wrong with the user's file. Blocks; raises Died."""
        try:
            return self._first.result(_START_SECONDS)
        except TimeoutError:
            self.kill(f"was not ready within {_START_SECONDS:g} s")
            return self._first.result()

    def send(self, head: Mapping[str, Any], blobs: Sequence[bytes | memoryview] = ()) -> None:
        """Tell it something that has no answer. Never raises."""
        with contextlib.suppress(OSError, ValueError):
            self._channel.send(head, blobs)

    def call(self, head: Mapping[str, Any], blobs: Sequence[bytes | memoryview], path: str, seconds: float) -> Message:
        """Have it work on the file called ``path``; blocks until it answers, or until `look` has ended it.

        Raises Died.
        """
        self._prints.catch_up()  # what comes from now on was printed for this file
        answer: Future[Message] = Future()
        with self._lock:
            number = self._next = self._next + 1
            if self.ended:
                raise Died("had ended before", culprit="")
            self._calls[number] = answer, path, time.monotonic() + seconds
        try:
            self._channel.send({**head, "id": number}, blobs)
        except (OSError, ValueError):
            self._wait_for_end()
            self.kill("does not read what it is told")
        try:
            return answer.result()
        finally:
            with self._lock:
                self._calls.pop(number, None)

    @property
    def busy(self) -> list[str]:
        """The files that it works on."""
        with self._lock:
            return [path for _, path, _ in self._calls.values()]

    def look(self, now: float, too_slow: str) -> None:
        """End it when it has taken longer for a file than it may (``too_slow`` says that in words). Never blocks.

        Call it often. It gets half a second to say where it was.
        """
        if self.ended:
            return
        if self._until is not None:
            if now > self._until:
                self.kill("")
            return
        with self._lock:
            late = next((path for _, path, until in self._calls.values() if now > until), "")
        if self._process.poll() is not None:  # what it has started may hold the pipe that would tell us
            self._until = now + _LAST_WORDS_SECONDS
        elif late:
            self._blame(too_slow, late)
            self._until = now + _LAST_WORDS_SECONDS
            with contextlib.suppress(OSError, ValueError):  # on Windows there is no such signal
                self._process.send_signal(signal.SIGABRT)

    def dismiss(self, seconds: float) -> None:
        """Tell it that no more files come, and give it ``seconds`` to end of its own. Never raises."""
        self.send({"do": "stop"})
        self._reader.join(seconds)

    def kill(self, why: str, culprit: str = "") -> None:
        """End it and all that it has started, at once; calls end with Died (``why``, ``culprit``). Never raises."""
        if self.ended:  # its number may belong to another process by now
            return
        self._blame(why, culprit)
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        end_all(self._mark)

    def wait(self) -> None:
        """Wait until it has ended, after `kill`; some seconds at most."""
        self._reader.join(_END_SECONDS + 1.0)

    def _blame(self, why: str, culprit: str) -> None:
        if not self._why:
            self._why, self._culprit = why, culprit

    def _read(self) -> None:
        try:
            while (message := self._channel.receive()) is not None:
                self._take(message)
        except Exception:  # whatever comes of what user code may have sent costs this worker, and not the service
            self._blame("sent what is no answer: does the code write to file descriptors that are not its own?", "")
        self._wait_for_end()
        if self._process.poll() is None:
            self._blame(exit_in_words(CUT_OFF), "")
        self.kill("")  # and what it has started
        self._end()

    def _take(self, message: Message) -> None:
        head = message[0]
        number = head.get("id")
        call = self._calls.get(number) if isinstance(number, int) else None
        if call is not None:
            self._prints.catch_up()
            if not call[0].done():
                call[0].set_result(message)
        elif not self._first.done() and head.get("is") in ("ready", "mistake"):
            self._first.set_result(message)
        else:
            self.on_message(head)

    def _wait_for_end(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS_SECONDS)

    def _end(self) -> None:
        try:
            how = exit_in_words(self._process.wait(_END_SECONDS))
        except subprocess.TimeoutExpired:
            how = "hangs in the operating system"
        last_words = self._prints.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._channel.close()
        with self._lock:
            self.ended = True
            waiting = {path: answer for answer, path, _ in self._calls.values() if not answer.done()}
        culprit = self._culprit or (next(iter(waiting)) if len(waiting) == 1 else "")
        error = Died((self._why or how) + place_in(last_words, self._command), culprit, last_words)
        for answer in [*waiting.values(), self._first]:
            if not answer.done():
                answer.set_exception(error)
