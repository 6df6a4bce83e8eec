"""A staged file that is not complete yet: what of it is there, and its SHA-512 so far."""

import hashlib
import os
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xxhash import xxh3_128

from openmsi_core.errors import StagedBytesLost

_READ_BYTES = 1 << 20
_SMALL_BYTES = 32 << 10  # to have them hashed by another thread would cost more than to hash them


@dataclass(slots=True)
class Partial:
    """The bytes of ``path`` that have come, as far as they are known to be right."""

    path: Path
    hashed: int = 0
    """Bytes from the start that are there without a gap and are in `digest`."""
    digest: Any = field(default_factory=hashlib.sha512)
    check: Any = field(default_factory=xxh3_128)
    """XXH3 of the same bytes, which is quick to take once more."""
    ahead: dict[int, int] = field(default_factory=dict)
    """Start → end of what lies beyond the first gap, bytes."""
    hashing: Future[None] | None = None
    """What takes the newest bytes into `digest` and `check`, which nobody else may touch until it is done."""

    @property
    def extents(self) -> dict[int, int]:
        """Start → end of all that is there, bytes."""
        return ({0: self.hashed} if self.hashed else {}) | self.ahead

    def note(self, start: int, end: int) -> None:
        """Bytes ``start`` … ``end`` were written."""
        self.ahead[start] = max(self.ahead.get(start, 0), end)

    def goes_on_with(self, start: int) -> bool:
        """Whether a chunk at ``start`` is the next one to be hashed."""
        return start == self.hashed and start not in self.ahead

    def extend(self, data: bytes | memoryview, pool: Executor) -> None:
        """Hash ``data``, which was written and `goes_on_with` this, in ``pool``; blocks for the chunk before it."""
        self.finish_hashing()
        self.hashed += len(data)
        if len(data) < _SMALL_BYTES:
            self._update(data)
        else:
            self.hashing = pool.submit(self._update, data)

    def finish_hashing(self) -> None:
        """Wait until all of `hashed` is in `digest` and `check`."""
        if self.hashing is not None:
            self.hashing.result()
            self.hashing = None

    def _update(self, data: bytes | memoryview) -> None:
        self.digest.update(data)
        self.check.update(data)

    def hash_forward(self, file: int, most: int) -> bool:
        """Extend the hash over the bytes that now follow without a gap, at most ``most``, read from ``file``.

        Returns whether there is no more to hash now. Raises StagedBytesLost when the bytes are not there, OSError
        when they cannot be read now: then call again.
        """
        self.finish_hashing()
        while (end := self.ahead.get(self.hashed)) is not None:
            if most <= 0:
                return False
            start = read = self.hashed
            stop = min(end, start + most)
            # Take in all up to `stop` or, when the disk fails on the way, nothing.
            digest, check = self.digest.copy(), self.check.copy()
            os.lseek(file, start, os.SEEK_SET)
            while read < stop:
                block = os.read(file, min(_READ_BYTES, stop - read))
                if not block:
                    raise StagedBytesLost(f"the staged file {self.path} was cut short, reading it again")
                digest.update(block)
                check.update(block)
                read += len(block)
            most -= stop - start
            self.digest, self.check, self.hashed = digest, check, stop
            del self.ahead[start]
            if stop < end:
                self.note(stop, end)
        return True
