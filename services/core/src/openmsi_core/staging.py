"""Bytes of files that are not complete yet, under hidden names on the destination's file system.

The SHA-512 of a staged file is taken of what the file holds: each byte is read back (from the page cache, as a rule)
once all bytes before it are there. So a damaged staged file is never mistaken for a good one, and little is left to
hash when the last chunk comes.
"""

import contextlib
import hashlib
import os
import shutil
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from openmsi_core.chunk import Chunk
from openmsi_core.durable import CREATE, REOPEN, disk_errors, write_all
from openmsi_core.errors import BadFile, StagedBytesLost
from openmsi_core.generation import Generation
from openmsi_core.locks import try_lock

_OPEN_FILES = 64
_READ_BYTES = 1 << 20


@dataclass(slots=True)
class Partial:
    """A staged file: what of it is there and how far it is hashed."""

    path: Path
    hashed: int = 0
    """Bytes from the start that are there without a gap and are in `digest`."""
    digest: Any = field(default_factory=hashlib.sha512)
    ahead: dict[int, int] = field(default_factory=dict)
    """Start → end of what lies beyond the first gap, bytes."""

    @property
    def extents(self) -> dict[int, int]:
        """Start → end of all that is there, bytes."""
        return ({0: self.hashed} if self.hashed else {}) | self.ahead


class Staging:
    """The staged files of one process, in a folder of its own below ``folder``. Not thread-safe.

    Folders of processes that are gone are removed at the start: their offsets were never committed, so what they
    held is read again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.own = folder
        self._partials: dict[Generation, Partial] = {}
        self._files: OrderedDict[Generation, int] = OrderedDict()
        self._lock: IO[str] | None = None

    def start(self) -> None:
        """Make this process' folder and clear away dead ones. Raises Retryable when the disk refuses."""
        with disk_errors(self._folder):
            while self._lock is None:  # another process may take a folder for dead before its lock is held
                self.own = self._folder / uuid4().hex
                self.own.mkdir(parents=True)
                self._lock = try_lock(self.own / "lock")
            for other in self._folder.iterdir():
                if other != self.own:
                    _remove_if_dead(other)

    def write(self, generation: Generation, chunk: Chunk) -> None:
        """Put ``chunk``'s bytes at their place. May block on the disk; not durable on return.

        Raises StagedBytesLost, and Retryable when the disk refuses (full, read-only, gone); then the same call may
        be made again.
        """
        partial = self._partials.get(generation)
        if partial is None:
            partial = self._create(generation)
        with disk_errors(partial.path):
            file = self._file(generation, partial)
            write_all(file, chunk.data, chunk.offset)
            end = chunk.offset + len(chunk.data)
            partial.ahead[chunk.offset] = max(partial.ahead.get(chunk.offset, 0), end)
            _hash_forward(file, partial)

    def seal(self, generation: Generation) -> Path:
        """Close a complete file and check it: no gaps, no overlap, the SHA-512 it should have.

        Returns the staged file's path, which now belongs to the caller. Raises BadFile when the content is wrong
        (the file stays for `release`), StagedBytesLost, and Retryable when the disk cannot be read.
        """
        partial = self._partials[generation]
        with disk_errors(partial.path):
            size = os.fstat(self._file(generation, partial)).st_size
        self._close(generation)
        if partial.ahead or size != partial.hashed:
            raise BadFile("its chunks overlap or leave a gap")
        if partial.digest.digest() != generation.file_hash:
            raise BadFile("its SHA-512 is not the one that its sender gave")
        del self._partials[generation]
        return partial.path

    def partial(self, generation: Generation) -> Partial | None:
        """What is staged of a file, if anything."""
        return self._partials.get(generation)

    def discard(self, generation: Generation) -> None:
        """Give up a file and what is staged of it. Never raises: what cannot be removed now goes at the next start."""
        self._close(generation)
        partial = self._partials.pop(generation, None)
        if partial is not None:
            with contextlib.suppress(OSError):
                partial.path.unlink(missing_ok=True)

    def adopt(self, generation: Generation, staged: Path, extents: dict[int, int]) -> None:
        """Take over ``staged``, which holds ``extents`` (start → end, bytes) of ``generation``.

        Reads and hashes the gapless part again. Raises Retryable when the disk refuses.
        """
        partial = Partial(self.own / uuid4().hex, ahead=dict(extents))
        with disk_errors(staged):
            staged.replace(partial.path)
            self._partials[generation] = partial
            _hash_forward(self._file(generation, partial), partial)

    def close(self) -> None:
        """Remove this process' folder and all that is still staged."""
        for generation in list(self._files):
            self._close(generation)
        shutil.rmtree(self.own, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _create(self, generation: Generation) -> Partial:
        partial = Partial(self.own / uuid4().hex)
        with disk_errors(partial.path):
            self._keep(generation, os.open(partial.path, CREATE, 0o666))
        self._partials[generation] = partial
        return partial

    def _file(self, generation: Generation, partial: Partial) -> int:
        file = self._files.pop(generation, None)
        if file is None:
            try:  # never O_CREAT: a removed file must be noticed, not begun again with a hole
                file = os.open(partial.path, REOPEN)
            except FileNotFoundError:
                raise StagedBytesLost(f"the staged file {partial.path} was removed, reading it again") from None
        self._keep(generation, file)
        return file

    def _keep(self, generation: Generation, file: int) -> None:
        if len(self._files) >= _OPEN_FILES:
            os.close(self._files.popitem(last=False)[1])
        self._files[generation] = file

    def _close(self, generation: Generation) -> None:
        file = self._files.pop(generation, None)
        if file is not None:
            os.close(file)


def _hash_forward(file: int, partial: Partial) -> None:
    """Extend the hash over all bytes that now follow without a gap."""
    while (end := partial.ahead.get(partial.hashed)) is not None:
        start = partial.hashed
        os.lseek(file, start, os.SEEK_SET)
        while partial.hashed < end:
            block = os.read(file, min(_READ_BYTES, end - partial.hashed))
            if not block:
                raise StagedBytesLost("a staged file was cut short, reading it again")
            partial.digest.update(block)
            partial.hashed += len(block)
        del partial.ahead[start]


def _remove_if_dead(folder: Path) -> None:
    lock = try_lock(folder / "lock") if (folder / "lock").exists() else None
    if lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()
