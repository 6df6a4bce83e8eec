"""Bytes of files that are not complete yet, under hidden names on the destination's file system.

A staged file is hashed while it comes: chunks in their order as they are written, by another thread; what came ahead of
a missing chunk is read back (from the page cache, as a rule) once all bytes before it are there. So little is left to
hash when the last chunk comes. A second, much quicker look at the file right before it gets its name (`Sealed.verify`)
proves that it holds what was hashed.
"""

import contextlib
import errno
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from xxhash import xxh3_128

from openmsi_core.chunk import Chunk
from openmsi_core.durable import CREATE, REOPEN, disk_errors, write_all
from openmsi_core.errors import BadFile, Retryable, StagedBytesLost
from openmsi_core.generation import Generation
from openmsi_core.partial import Partial
from openmsi_core.staging_folder import LOCK, StagingFolder

_OPEN_FILES = 64
_HASHERS = 2  # each file is hashed by one thread at a time
_READ_BYTES = 256 << 10
_CATCH_UP_BYTES = 16 << 20  # hashed with each chunk, where a file was taken over: about 15 ms
_SEAL_BYTES = 128 << 20
_TOO_FAR = (errno.EFBIG, errno.EINVAL, errno.EOVERFLOW)  # how file systems say that no file of theirs is so long


class NotYet(Exception):
    """A call did a part of its work, so as not to hold up everything else: call again."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A complete staged file, whose SHA-512 was the right one while it came."""

    path: Path
    check: bytes
    """XXH3 (128 bits) of what was hashed then."""

    def verify(self) -> None:
        """See that it still holds just that. Blocks: the whole file is read, from the page cache as a rule.

        Raises as `blocks`.
        """
        for _ in self.blocks(_READ_BYTES):
            pass

    def blocks(self, size: int) -> Iterator[bytes]:
        """What it holds, ``size`` bytes at a time.

        Raises StagedBytesLost, at the end at the latest, when that is not what it held; Retryable when the disk cannot
        be read now.
        """
        check = xxh3_128()
        with disk_errors(self.path):
            try:
                file = os.open(self.path, REOPEN)
            except FileNotFoundError:
                raise StagedBytesLost(f"the staged file {self.path} was removed, reading it again") from None
            with os.fdopen(file, "rb") as stream:
                while block := stream.read(size):
                    check.update(block)
                    yield block
        if check.digest() != self.check:
            raise StagedBytesLost(f"the staged file {self.path} has changed on the disk, reading it again")


class Staging:
    """The staged files of one process, in a `StagingFolder` below the destination ``root``. Not thread-safe."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.folder = StagingFolder(root)
        self._partials: dict[Generation, Partial] = {}
        self._files: OrderedDict[Generation, int] = OrderedDict()
        self._hashers = ThreadPoolExecutor(_HASHERS, "hash")
        self.written = 0
        """Bytes that were ever staged."""

    @property
    def own(self) -> Path:
        """The folder of this process."""
        return self.folder.path

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
                if error.errno in _TOO_FAR and chunk.offset > partial.hashed:  # else it is a limit of the disk
                    raise BadFile(f"no file here can be as long as its offset {chunk.offset} says") from None
                raise
            if partial.goes_on_with(chunk.offset):
                partial.extend(chunk.data, self._hashers)
            else:
                partial.note(chunk.offset, chunk.offset + len(chunk.data))
            if partial.ahead:
                with contextlib.suppress(OSError):  # the chunk is there; `seal` reads what cannot be read now
                    partial.hash_forward(file, _CATCH_UP_BYTES)
            self.written += len(chunk.data)

    def seal(self, generation: Generation) -> Sealed:
        """Close a complete file and check it: no gaps, no overlap, the SHA-512 it should have.

        Returns the staged file, which now belongs to the caller. Raises BadFile when the content is wrong
        (the file stays for `discard`), NotYet when there is still much to hash (of a file that was taken over),
        StagedBytesLost, and Retryable when the disk cannot be read.
        """
        partial = self._partials[generation]
        with disk_errors(self._root):
            file = self._file(generation, partial)
            if not partial.hash_forward(file, _SEAL_BYTES):
                raise NotYet
            size = os.fstat(file).st_size
        self._close(generation)
        if partial.ahead or size != partial.hashed:
            raise BadFile("its chunks overlap or leave a gap")
        if partial.digest.digest() != generation.file_hash:
            raise BadFile("its SHA-512 is not the one that its sender gave")
        del self._partials[generation]
        return Sealed(partial.path, partial.check.digest())

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
        with self.folder.another() as folder:
            for generation in list(generations):
                self._close(generation)
                content = self._partials.pop(generation).path
                content.rename(folder / content.name)
            yield folder

    def clear(self) -> None:
        """Give up everything, for all of it is read again. Nobody may use a file of `own` any more. Never raises."""
        for generation in list(self._partials):
            self.discard(generation)
        with contextlib.suppress(OSError):
            for path in self.own.iterdir():
                if path.is_file() and path.name != LOCK:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close all files; see `StagingFolder.close`."""
        for generation in list(self._files):
            self._close(generation)
        self._hashers.shutdown()
        self.folder.close()

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
