"""Chunks in, complete files out: which chunks of which generation have come. Pure: no I/O, no clock of its own.

Memory is a few hundred bytes an open file when its chunks come in order, and about 60 bytes more for each chunk that
came ahead of a missing one; nothing that a sender merely claims (total, offset) reserves any.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from openmsi_core.chunk import Chunk
from openmsi_core.generation import Generation, Version


@dataclass(slots=True)
class OpenFile:
    """A generation of which some chunks have come."""

    generation: Generation
    version: Version
    touched: float
    """Clock reading of the newest chunk, seconds."""
    size: int = 0
    """Bytes of file data received."""
    prefix: int = 0
    """Chunks 1 … ``prefix`` have all come."""
    beyond: set[int] = field(default_factory=set)
    """Chunks after a missing one that have come."""
    delivering: bool = False
    """Complete, and handed on for delivery."""

    @property
    def missing(self) -> int:
        """How many chunks are yet to come."""
        return self.generation.total - self.prefix - len(self.beyond)

    def has(self, index: int) -> bool:
        """Whether chunk ``index`` has come."""
        return index <= self.prefix or index in self.beyond

    def note(self, index: int) -> None:
        """Chunk ``index`` has come."""
        self.beyond.add(index)
        while self.prefix + 1 in self.beyond:
            self.prefix += 1
            self.beyond.remove(self.prefix)


class Assembly:
    """The open files of one receiver.

    A file leaves by `close` only (delivered, superseded, in quarantine, or no longer ours), so chunks that come again
    while it is being delivered are still known.
    """

    def __init__(self) -> None:
        self._open: dict[Generation, OpenFile] = {}
        self._by_path: dict[str, set[Generation]] = {}
        self.bytes = 0
        """Bytes of file data received for the open files."""

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[OpenFile]:
        """All open files; none may be opened or closed meanwhile."""
        return iter(self._open.values())

    def find(self, generation: Generation) -> OpenFile | None:
        """The open file of ``generation``, if it has any chunk."""
        return self._open.get(generation)

    def open(self, file: OpenFile) -> None:
        """Begin a file, with no chunk yet or adopted with some."""
        self._open[file.generation] = file
        self.bytes += file.size
        self._by_path.setdefault(file.generation.path.text, set()).add(file.generation)

    def add(self, file: OpenFile, chunk: Chunk, now: float) -> None:
        """Note that ``chunk``'s bytes are staged.

        The caller asks `OpenFile.has` first: a chunk is added once.
        """
        file.note(chunk.index)
        file.size += len(chunk.data)
        self.bytes += len(chunk.data)
        file.touched = now

    def close(self, generation: Generation) -> OpenFile | None:
        """Forget a generation; returns what was known of it."""
        file = self._open.pop(generation, None)
        if file is not None:
            self.bytes -= file.size
            path = file.generation.path.text
            self._by_path[path].discard(file.generation)
            if not self._by_path[path]:
                del self._by_path[path]
        return file

    def others(self, generation: Generation) -> list[OpenFile]:
        """The other open generations of the same path."""
        return [self._open[g] for g in self._by_path.get(generation.path.text, ()) if g != generation]

    def idle(self, before: float) -> list[OpenFile]:
        """Incomplete files whose newest chunk came earlier than clock reading ``before``."""
        return [file for file in self._open.values() if file.touched < before and file.missing > 0]
