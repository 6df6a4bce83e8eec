"""The way from a processor's script to the service that has started it."""

import contextlib
import os
import threading
from collections.abc import Mapping, Sequence
from queue import SimpleQueue
from typing import Any

from openmsi_processor.worker.channel import Channel
from openmsi_processor.worker.guard import guard

Message = tuple[dict[str, Any], list[bytes]]


class Connection:
    """Any thread may use it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._answers: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._asking = threading.Lock()
        self.files: SimpleQueue[Message | None] = SimpleQueue()
        """Files to work on; None = no more will come, for one thread each."""
        self.ending = threading.Event()
        """Set when no more files come: the script may go on to its end."""
        self.serving = False
        """Whether the script has come so far that files may come."""
        self.constructed = False
        """Whether there has been a processor."""
        threading.Thread(target=self._receive, name="service", daemon=True).start()

    def tell(self, head: Mapping[str, Any], blobs: Sequence[bytes | memoryview] = ()) -> None:
        """Tell the service something. Never raises: when it is gone, nobody needs to know."""
        with contextlib.suppress(OSError, ValueError):
            self._channel.send(head, blobs)

    def wait_for_answer(self) -> dict[str, Any]:
        """The next thing that the service says that is no file; empty when it is gone. Blocks."""
        return self._answers.get()

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The service's answer; empty when it is gone. Blocks."""
        with self._asking:
            self.tell(question)
            return self.wait_for_answer()

    def _receive(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while (message := self._channel.receive()) is not None:
                match message[0]["do"]:
                    case "file" | "wrong" | "undecryptable":
                        self.files.put(message)
                    case "stop":
                        self.ending.set()
                    case "limit":
                        guard([f"memory={message[0]['memory']}", f"parent={os.getppid()}"])
                    case _:
                        self._answers.put(message[0])
        self.ending.set()
        self._answers.put({})


class _Current:
    """The connection of this process, where the service has started it."""

    def __init__(self) -> None:
        self.connection: Connection | None = None


_current = _Current()
_place = threading.local()


def connect(channel: Channel) -> Connection:
    """From now on this process serves the service at the other end of ``channel``."""
    _current.connection = Connection(channel)
    return _current.connection


def current() -> Connection | None:
    """None = this process was not started by the service."""
    return _current.connection


@contextlib.contextmanager
def working_on(path: str) -> Any:
    """What this thread logs inside belongs to the file called ``path``."""
    _place.path = path
    try:
        yield
    finally:
        _place.path = ""


def path_here() -> str:
    """The file that this thread works on; empty = none."""
    return str(getattr(_place, "path", ""))
