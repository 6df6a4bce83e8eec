"""One process that runs user code: start it, have it work, end it."""

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from openmsi_processor.worker.channel import Channel

_user_log = logging.getLogger("openmsi_processor.user")

Message = tuple[dict[str, Any], list[bytes]]

_LONGEST_LINE = 8192
_START_SECONDS = 300.0  # slow imports from a network share


class Died(Exception):
    """The process has ended before it answered; the text says how, for the log."""

    def __init__(self, text: str, culprit: str) -> None:
        """``culprit`` is the file that it died of; empty when it worked on several and nobody knows."""
        super().__init__(text)
        self.culprit = culprit


class WorkerProcess:
    """A worker. `call` may be used by several threads if the worker serves several files at once."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], name: str) -> None:
        """Start it. Does not wait until it is ready. Raises OSError."""
        self._name = name
        self._process = subprocess.Popen(
            [*command, f"parent={os.getpid()}"],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # what it starts ends with it
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._channel = Channel(self._process.stdout, self._process.stdin)
        self._lock = threading.Lock()
        self._calls: dict[int, tuple[Future[Message], str, float]] = {}
        self._next = 0
        self._first: Future[Message] = Future()
        self._why = self._culprit = ""
        self.ended = False
        """Whether it can do nothing more."""
        self.on_message: Callable[[dict[str, Any]], None] = lambda _: None
        """Called with messages that answer no call."""
        self._prints = threading.Thread(target=self._log_prints, name=f"{name} prints", daemon=True)
        self._prints.start()
        self._reader = threading.Thread(target=self._read, name=f"{name} answers", daemon=True)
        self._reader.start()

    def hello(self) -> Message:
        """The first thing it says: that it is ready, or what is wrong with the user's file. Blocks; raises Died."""
        try:
            return self._first.result(_START_SECONDS)
        except TimeoutError:
            self.kill(f"was not ready within {_START_SECONDS:g} s")
            return self._first.result()

    def send(self, head: Mapping[str, Any]) -> None:
        """Tell it something that has no answer. Never raises."""
        with contextlib.suppress(OSError, ValueError):
            self._channel.send(head)

    def call(self, head: Mapping[str, Any], blobs: Sequence[bytes | memoryview], path: str, seconds: float) -> Message:
        """Have it work on the file called ``path``; blocks until it answers, or until `overdue` is heeded.

        Raises Died.
        """
        answer: Future[Message] = Future()
        with self._lock:
            number = self._next = self._next + 1
            if self.ended:
                raise Died("had ended before", culprit="")
            self._calls[number] = answer, path, time.monotonic() + seconds
        try:
            self._channel.send({**head, "id": number}, blobs)
        except (OSError, ValueError):
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

    def overdue(self, now: float) -> str:
        """The file for which it has taken longer than it may; empty when there is none."""
        with self._lock:
            return next((path for _, path, until in self._calls.values() if now > until), "")

    def kill(self, why: str, culprit: str = "") -> None:
        """End it and all that it has started, at once; calls end with Died (``why``, ``culprit``). Never raises."""
        if self.ended:  # its number may belong to another process by now
            return
        if not self._why:
            self._why, self._culprit = why, culprit
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def wait(self) -> None:
        """Wait until it has ended, after `kill`."""
        self._reader.join()
        self._prints.join(1.0)

    def _read(self) -> None:
        try:
            while (message := self._channel.receive()) is not None:
                head = message[0]
                call = self._calls.get(head.get("id", -1))
                if call is not None:
                    call[0].set_result(message)
                elif not self._first.done() and head.get("is") in ("ready", "mistake"):
                    self._first.set_result(message)
                else:
                    self.on_message(head)
        except (OSError, ValueError):
            self.kill("sent what is no answer: did the code write to the file descriptors of others?")
        self.kill("")  # what it has started may still run
        code = self._process.wait()
        self._prints.join(1.0)
        self._channel.close()
        with self._lock:
            self.ended = True
            waiting = {path: answer for answer, path, _ in self._calls.values() if not answer.done()}
        culprit = self._culprit or (next(iter(waiting)) if len(waiting) == 1 else "")
        error = Died(self._why or _in_words(code), culprit)
        for answer in [*waiting.values(), self._first]:
            if not answer.done():
                answer.set_exception(error)

    def _log_prints(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            while line := stream.readline(_LONGEST_LINE):
                text = line.decode(errors="replace").rstrip()
                if text:
                    busy = self.busy
                    _user_log.info("%s: %s", ", ".join(busy) if busy else self._name, text)


def _in_words(code: int) -> str:
    if code == -signal.SIGSEGV:
        return "crashed (segmentation fault)"
    if code < 0:
        name = signal.Signals(-code).name
        more = ": probably it took more memory than there is" if name == "SIGKILL" else ""
        return f"was ended by {name}{more}"
    return f"ended itself (exit code {code})"
