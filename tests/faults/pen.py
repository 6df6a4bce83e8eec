"""Pens write one file each and know the truth about it: which contents stood still, for how long.

::

    pen = Pen(way, "run/a.dat")           # several names: hard links of one file
    pen.create()                          # the judge hears of every content that stood still long enough ...
    pen.append(b"half")
    time.sleep(1)
    pen.append(b"other half", last=True)  # ... and that this one is owed
"""

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import uuid4

from openmsi_uploader.reading import SMALL_BYTES
from tests.faults.world import SETTLE_SECONDS, Route

_MARGIN = 0.1
"""Seconds that the uploader's clock may be read before it looks at the file."""
STILL_SECONDS = float(SETTLE_SECONDS) - _MARGIN
"""Contents that stood still for less may never be seen at a destination."""


class Pen:
    """Holds one file in its hand; one thread uses it. A write is one system call, so there is nothing in between."""

    def __init__(self, way: Route, *names: str) -> None:
        self._judge = way.judge
        self._spare = way.world.folder / "spare"
        self._names = names
        self._file = -1
        self._since = 0.0
        self._allowed: bytes | None = None
        self.paths = [way.source / name for name in names]
        self.content: bytes | None = None
        """What stands there now; None = nothing."""

    @contextlib.contextmanager
    def making(self, content: bytes | None, *, last: bool = False) -> Iterator[None]:
        """The block makes ``content`` of what stands there, in one step. ``last``: it stays, and is owed."""
        if last:
            assert content is not None
            self._tell(self._judge.owe, content)
        begin = time.monotonic()
        yield
        stood = time.monotonic() - self._since
        if self.content is not None and stood >= STILL_SECONDS and self.content != self._allowed:
            self._allowed = self.content  # again after a while of something else, it is no news to the destination
            self._tell(self._judge.allow, self.content)
        self.content, self._since = content, begin

    def create(self, *, last: bool = False) -> None:
        """An empty file, or one cut to nothing if there is one; it stays open."""
        self.close()
        self.paths[0].parent.mkdir(parents=True, exist_ok=True)
        with self.making(b"", last=last):
            self._file = os.open(self.paths[0], os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            for other in self.paths[1:]:
                if not other.exists():
                    other.hardlink_to(self.paths[0])

    def open(self) -> None:
        """Take the file that stands there into the hand again."""
        self._file = os.open(self.paths[0], os.O_RDWR)

    def append(self, piece: bytes, *, last: bool = False) -> None:
        """Write at the end."""
        assert self.content is not None
        self.overwrite(len(self.content), piece, last=last)

    def overwrite(self, at: int, piece: bytes, *, last: bool = False) -> None:
        """Write ``piece`` at ``at``, beyond the end if need be."""
        assert self.content is not None
        with self.making(self.content[:at].ljust(at, b"\0") + piece + self.content[at + len(piece) :], last=last):
            assert os.pwrite(self._file, piece, at) == len(piece)

    def cut(self, size: int, *, last: bool = False) -> None:
        """Make it so long: cut it, or put a hole at its end."""
        assert self.content is not None
        with self.making(self.content[:size].ljust(size, b"\0"), last=last):
            os.truncate(self._file, size)

    def replace(self, content: bytes, *, last: bool = False) -> None:
        """Another file with ``content`` is renamed to the first name."""
        self.close()
        self.paths[0].parent.mkdir(parents=True, exist_ok=True)
        spare = self._spare / uuid4().hex
        spare.write_bytes(content)
        with self.making(content, last=last):
            spare.replace(self.paths[0])

    def remove(self) -> None:
        """Nothing stands there any more."""
        self.close()
        with self.making(None):
            for path in self.paths:
                path.unlink()

    def close(self) -> None:
        """Let go of the open file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @property
    def file(self) -> int:
        """The open file."""
        return self._file

    def _tell(self, what: Callable[[str, bytes], None], content: bytes) -> None:
        for name in self._names:
            what(name, content)


@dataclass(frozen=True, slots=True)
class Hand:
    """What a writer works with."""

    way: Route
    folder: str
    random: Random
    left_out: Counter[str] = field(default_factory=Counter)
    """What the uploader must say it has left out, by reason."""
    keep: list[object] = field(default_factory=list)
    """What is not to be closed."""
    others_done: threading.Event = field(default_factory=threading.Event)

    @property
    def here(self) -> Path:
        """The writer's own folder; not made."""
        return self.way.source / self.folder

    def pen(self, *names: str) -> Pen:
        """For a file in the writer's own folder."""
        return Pen(self.way, *(f"{self.folder}/{name}" for name in names))

    def piece(self, most: int = 30_000) -> bytes:
        """Something to write."""
        return self.random.randbytes(self.random.randrange(1, most))

    def large(self) -> bytes:
        """Sometimes so large that it is read twice."""
        return self.random.randbytes(self.random.choice((100_000, 300_000, SMALL_BYTES + 100_000)))

    def below(self) -> None:
        """Wait for less than the settle time."""
        time.sleep(self.random.uniform(0.0, 0.18))

    def about(self) -> None:
        """Wait for about the settle time."""
        time.sleep(self.random.uniform(0.15, 0.5))

    def above(self) -> None:
        """Wait until it may be sent, or is being sent, or has been sent."""
        time.sleep(self.random.uniform(0.35, 0.9))
