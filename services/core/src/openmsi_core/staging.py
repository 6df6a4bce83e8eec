"""Bytes of files that are not complete yet, under hidden names on the destination's file system.

The SHA-512 of a staged file is taken of what the file holds: each byte is read back (from the page cache, as a rule)
once all bytes before it are there. So a damaged staged file is never mistaken for a good one, and little is left to
hash when the last chunk comes.
"""

import contextlib
import errno
import math
import os
import shutil
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO
from uuid import uuid4

from openmsi_core.chunk import Chunk
from openmsi_core.durable import CREATE, REOPEN, disk_errors, write_all
from openmsi_core.errors import BadFile, Retryable, StagedBytesLost
from openmsi_core.generation import Generation
from openmsi_core.journal import JOURNAL
from openmsi_core.locks import try_lock
from openmsi_core.partial import Partial
from openmsi_core.paths import RESERVED

_OPEN_FILES = 64
_CATCH_UP_BYTES = 16 << 20  # hashed with each chunk, where a file was taken over: about 15 ms
_SEAL_BYTES = 128 << 20
_KEEP_SECONDS = 7 * 86400  # what a dead process left
_TOO_FAR = (errno.EFBIG, errno.EINVAL, errno.EOVERFLOW)  # how file systems say that no file of theirs is so long


class Staging:
    """The staged files of one process, in a folder of its own below the destination ``root``. Not thread-safe.

    Folders of processes that are gone are removed at the start, unless they have a journal (see `resume`): their
    offsets were never committed, so what they held is read again.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / RESERVED / "staging"
        self._device = 0
        self.own = self._folder
        self._partials: dict[Generation, Partial] = {}
        self._files: OrderedDict[Generation, int] = OrderedDict()
        self._lock: IO[str] | None = None
        self.written = 0
        """Bytes that were ever staged."""

    def start(self) -> None:
        """Make this process' folder and clear away dead ones that have no journal.

        Raises Retryable when the disk refuses.
        """
        with disk_errors(self._root):
            self._device = self._root.stat().st_dev
            while self._lock is None:
                self.own = self._folder / uuid4().hex
                self._make_own()
            for other in self._folder.iterdir():
                if other != self.own and _age(other) > _KEEP_SECONDS:
                    _remove_if_dead(other)

    def heal(self) -> None:
        """Make this process' folder again if somebody removed it; what was staged there is noticed file by file.

        Raises Retryable when the root is gone. Another disk at its place (as after an unmount) is left alone.
        """
        with disk_errors(self._root):
            away = self._root.stat().st_dev != self._device
            if not away and (self._lock is None or not self.own.exists()):
                self._make_own()

    def write(self, generation: Generation, chunk: Chunk) -> None:
        """Put ``chunk``'s bytes at their place, once. May block on the disk; not durable on return.

        Raises BadFile for an offset beyond any file, StagedBytesLost, and Retryable when the disk refuses (full,
        read-only, gone); then the same call may be made again.
        """
        partial = self._partials.get(generation)
        if partial is None:
            partial = self._create(generation)
        with disk_errors(self._root):
            file = self._file(generation, partial)
            try:
                write_all(file, chunk.data, chunk.offset)
            except OSError as error:
                if error.errno in _TOO_FAR:
                    raise BadFile(f"no file here can be as long as its offset {chunk.offset} says") from None
                raise
            partial.note(chunk.offset, chunk.offset + len(chunk.data))
            with contextlib.suppress(OSError):  # the chunk is there; `seal` reads what cannot be read now
                partial.hash_forward(file, _CATCH_UP_BYTES)
            self.written += len(chunk.data)

    def seal(self, generation: Generation) -> Path | None:
        """Close a complete file and check it: no gaps, no overlap, the SHA-512 it should have.

        Returns the staged file's path, which now belongs to the caller, or None when there is still much to hash (a
        file that was taken over): then call again, as often as it takes. Raises BadFile when the content is wrong
        (the file stays for `discard`), StagedBytesLost, and Retryable when the disk cannot be read.
        """
        partial = self._partials[generation]
        with disk_errors(self._root):
            file = self._file(generation, partial)
            if not partial.hash_forward(file, _SEAL_BYTES):
                return None
            size = os.fstat(file).st_size
        self._close(generation)
        if partial.ahead or size != partial.hashed:
            raise BadFile("its chunks overlap or leave a gap")
        if partial.digest.digest() != generation.file_hash:
            raise BadFile("its SHA-512 is not the one that its sender gave")
        del self._partials[generation]
        return partial.path

    def partial(self, generation: Generation) -> Partial | None:
        """What is staged of a file, if anything; closed, so that it can be moved on Windows too."""
        self._close(generation)
        return self._partials.get(generation)

    def discard(self, generation: Generation) -> None:
        """Give up a file and what is staged of it. Never raises: what cannot be removed now goes at the next start."""
        self._close(generation)
        partial = self._partials.pop(generation, None)
        if partial is not None:
            self.remove(partial.path)

    def remove(self, staged: Path) -> None:
        """Remove a file that `seal` returned, unless it was borrowed. Never raises."""
        if staged.parent == self.own:
            with contextlib.suppress(OSError):
                staged.unlink(missing_ok=True)

    def borrow(self, generation: Generation, content: Path, extents: dict[int, int]) -> None:
        """Go on with ``content``, which holds ``extents`` (start → end, bytes) of ``generation``, where it lies.

        Raises StagedBytesLost when they are no longer there, Retryable when the disk refuses.
        """
        with disk_errors(content):
            try:
                size = content.stat().st_size
            except FileNotFoundError:
                size = -1
        if size < max(extents.values(), default=0):
            raise StagedBytesLost(f"the staged file {content} was cut short or removed")
        self._partials[generation] = Partial(content, ahead=dict(extents))

    def take_over(self, generation: Generation, content: Path, extents: dict[int, int]) -> None:
        """As `borrow`, and ``content`` becomes a staged file of this process."""
        own = self.own / uuid4().hex
        self.borrow(generation, content, extents)
        try:
            with disk_errors(self._root):
                content.rename(own)
        except Retryable:
            del self._partials[generation]
            raise
        self._partials[generation].path = own

    @contextlib.contextmanager
    def hand_over(self, generations: Iterable[Generation]) -> Iterator[Path]:
        """Give up these files, but not their bytes: move them to a folder of their own, which is locked while inside.

        Raises Retryable when the disk refuses; some may have been moved then, and are lost with their folder.
        """
        folder = self._folder / uuid4().hex
        with disk_errors(self._root):
            folder.mkdir(parents=True)
            lock = try_lock(folder / "lock")
            if lock is None:
                raise Retryable("the folder was taken for dead before it was locked")
        with lock, disk_errors(self._root):
            for generation in list(generations):
                self._close(generation)
                content = self._partials.pop(generation).path
                content.rename(folder / content.name)
            yield folder

    def dead(self) -> Iterator[Path]:
        """Folders of processes that are gone, those with the newest journals first, each locked while it is looked at.

        Raises nothing: what cannot be read is left out.
        """
        with contextlib.suppress(OSError):
            others = [(_age(folder), folder) for folder in self._folder.iterdir() if folder != self.own]
            for age, folder in sorted(others):
                has_lock = age < _KEEP_SECONDS and (folder / "lock").exists()
                lock = try_lock(folder / "lock") if has_lock else None
                if lock is not None:
                    with lock:
                        yield folder

    def close(self) -> None:
        """Remove this process' folder and all that is still staged, unless there is a journal of it."""
        for generation in list(self._files):
            self._close(generation)
        if self._lock is not None:  # first, because Windows removes no open file
            self._lock.close()
            self._lock = None
            if not (self.own / JOURNAL).exists():
                shutil.rmtree(self.own, ignore_errors=True)

    def _make_own(self) -> None:
        if self._lock is not None:
            self._lock.close()
        self.own.mkdir(parents=True, exist_ok=True)
        self._lock = try_lock(self.own / "lock")
        if self._lock is not None and not (self.own / "lock").exists():  # taken for dead before it was locked
            self._lock.close()
            self._lock = None

    def _create(self, generation: Generation) -> Partial:
        partial = Partial(self.own / uuid4().hex)
        with disk_errors(self._root):
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


def _remove_if_dead(folder: Path) -> None:
    with contextlib.suppress(OSError):  # gone meanwhile
        lock = try_lock(folder / "lock") if (folder / "lock").exists() else None
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            lock.close()


def _age(folder: Path) -> float:
    """Seconds since the journal of ``folder`` was written; infinite when it has none."""
    try:
        return time.time() - (folder / JOURNAL).stat().st_mtime
    except OSError:
        return math.inf
