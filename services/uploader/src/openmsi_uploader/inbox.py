"""How the other threads talk to the one that decides: messages, and paths to look at again."""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

M = TypeVar("M")

_MOST_LOOKS = 20_000


@dataclass(frozen=True, slots=True)
class Taken(Generic[M]):
    """What had come in."""

    messages: list[M]
    looks: list[str]
    """Paths that something happened to, each once."""
    overflowed: bool
    """More paths came than are kept: only a walk through everything finds them."""


class Inbox(Generic[M]):
    """A mailbox of bounded size (its messages are bounded by what is in flight); any thread may put."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._messages: deque[M] = deque()
        self._looks: dict[str, None] = {}
        self._overflowed = False
        self._woken = False

    def put(self, message: M) -> None:
        """Hand over a message."""
        with self._changed:
            self._messages.append(message)
            self._changed.notify()

    def look(self, path: str) -> None:
        """Ask for a look at ``path``; asking twice before it is taken is asking once."""
        with self._changed:
            if len(self._looks) < _MOST_LOOKS:
                self._looks[path] = None
            else:
                self._overflowed = True
            self._changed.notify()

    def wake(self) -> None:
        """Make `take` return."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def take(self, timeout: float) -> Taken[M]:
        """Everything that came in; waits up to ``timeout`` seconds for something."""
        with self._changed:
            if timeout > 0:
                self._changed.wait_for(lambda: self._messages or self._looks or self._woken, timeout)
            taken = Taken(list(self._messages), list(self._looks), self._overflowed)
            self._messages.clear()
            self._looks.clear()
            self._overflowed = self._woken = False
        return taken
