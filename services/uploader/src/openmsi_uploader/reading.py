"""Reading a settled file: its SHA-512, and its chunks, which are proven to be those that were hashed.

The hash of the whole file stands in its first record, so a file is read before anything of it is sent. A small one is
kept in memory; a large one is read a second time, and each chunk is held against a 64-bit mark (XXH3) noted
the first time. The hashes of its chunks are also made the first time, in parallel, while nothing else is to be done.
Each block of a large file is read while the one before it is hashed or sent.
"""

import hashlib
import itertools
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import NamedTuple, TypeVar

from xxhash import xxh3_64_intdigest

from openmsi_core.paths import RelativePath
from openmsi_uploader.ranges import Range, Selector, chosen
from openmsi_uploader.source import ContentChanged, FileStat, opened

SMALL_BYTES = 8 * 1024 * 1024
"""Files up to this size are read once and kept in memory until they are handed to the producer."""

_READ_BYTES = 4 * 1024 * 1024
_MOST_HASHES = 65_536  # about 6 MB; chunks beyond are hashed when they are sent

T = TypeVar("T")


class Piece(NamedTuple):
    """A chunk of a file."""

    offset: int
    """In bytes."""
    sha512: bytes
    data: memoryview
    """Only valid until the next piece is asked for."""


@dataclass(frozen=True, slots=True)
class Content:
    """A version of a file that has been read and hashed."""

    sha512: bytes
    size: int
    pieces: Callable[[], Iterator[Piece]]
    """The chunks in order, at least one (an empty one for an empty file). Raises ContentChanged and OSError."""


def read(
    root: Path,
    path: RelativePath,
    stat: FileStat,
    chunk_size: int,
    check: Callable[[], None],
    selector: Selector | None = None,
) -> Content:
    """Read and hash the file below ``root`` that looks like ``stat``; blocks for as long as its disk takes.

    With ``selector``, only the ranges of bytes that it names, joined. ``check`` is called every few megabytes and may
    raise. Raises ContentChanged when the file is not what it was, Unreadable as `chosen` does, and OSError. Memory: the
    content itself up to `SMALL_BYTES`, else about 16 MB and 8 bytes a chunk.
    """
    with opened(root, path, stat) as file:
        ranges = chosen(selector, path, file, stat.size)
        size = sum(end - start for start, end in ranges)
        if size <= SMALL_BYTES:
            return _read_small(file, path, ranges, size, chunk_size)
        marks, hashes, whole = _read_large(file, path, ranges, size, chunk_size, check)

    def pieces() -> Iterator[Piece]:
        with opened(root, path, stat) as file, ThreadPoolExecutor(max_workers=1) as helper:
            blocks = _blocks(file, path, ranges, size, chunk_size)
            for proven in _ahead(helper, _proven(path, blocks, chunk_size, marks, hashes)):
                yield from proven

    return Content(whole, size, pieces)


def _read_small(file: int, path: RelativePath, ranges: Sequence[Range], size: int, chunk_size: int) -> Content:
    data = bytearray(size)
    _filler(file, path, ranges)(memoryview(data))
    view, whole = memoryview(data), hashlib.sha512(data).digest()

    def pieces() -> Iterator[Piece]:
        for offset in range(0, size or 1, chunk_size):
            piece = view[offset : offset + chunk_size]
            yield Piece(offset, whole if size <= chunk_size else hashlib.sha512(piece).digest(), piece)

    return Content(whole, size, pieces)


def _read_large(
    file: int, path: RelativePath, ranges: Sequence[Range], size: int, chunk_size: int, check: Callable[[], None]
) -> "tuple[array[int], list[bytes], bytes]":
    """The marks and hashes of all chunks, and the hash of all of it."""
    whole, marks, hashes = hashlib.sha512(), array("Q"), list[bytes]()
    with ThreadPoolExecutor(max_workers=2) as helpers:
        for _, block in _ahead(helpers, _blocks(file, path, ranges, size, chunk_size)):
            check()
            chunks = _cut(block, chunk_size)
            chunk_hashes = helpers.submit(_hash_each, chunks if len(hashes) < _MOST_HASHES else [])
            whole.update(block)
            marks.extend(map(xxh3_64_intdigest, chunks))
            hashes += chunk_hashes.result()
    return marks, hashes, whole.digest()


def _proven(
    path: RelativePath,
    blocks: Iterable[tuple[int, memoryview]],
    chunk_size: int,
    marks: Iterable[int],
    hashes: Iterable[bytes],
) -> Iterator[list[Piece]]:
    """The chunks of each block. Raises ContentChanged when they are not those of which there are ``marks``."""
    expected, known_hashes = iter(marks), iter(hashes)
    for offset, block in blocks:
        pieces = []
        for number, data in enumerate(_cut(block, chunk_size)):
            if xxh3_64_intdigest(data) != next(expected):
                raise ContentChanged(f"{path} changed between two readings, although its times did not")
            sha512 = next(known_hashes, None) or hashlib.sha512(data).digest()
            pieces.append(Piece(offset + number * chunk_size, sha512, data))
        yield pieces


def _ahead(helper: Executor, items: Iterator[T]) -> Iterator[T]:
    """The same items, each made by ``helper`` while the one before it is used."""
    coming = helper.submit(next, items, None)
    while (item := coming.result()) is not None:
        coming = helper.submit(next, items, None)
        yield item


def _cut(block: memoryview, chunk_size: int) -> list[memoryview]:
    return [block[start : start + chunk_size] for start in range(0, len(block), chunk_size)]


def _hash_each(chunks: Iterable[memoryview]) -> list[bytes]:
    return [hashlib.sha512(chunk).digest() for chunk in chunks]


def _blocks(
    file: int, path: RelativePath, ranges: Sequence[Range], size: int, chunk_size: int
) -> Iterator[tuple[int, memoryview]]:
    """The content in blocks of several whole chunks, each with its offset and good until the next but one is made."""
    fill = _filler(file, path, ranges)
    length = max(1, _READ_BYTES // chunk_size) * chunk_size
    buffers = itertools.cycle([memoryview(bytearray(length)), memoryview(bytearray(length))])
    for offset in range(0, size, length):
        block = next(buffers)[: size - offset]
        fill(block)
        yield offset, block


def _filler(file: int, path: RelativePath, ranges: Sequence[Range]) -> Callable[[memoryview], None]:
    """What fills one buffer after the other with the bytes of ``ranges``."""
    rest = iter(ranges)
    stream = FileIO(file, closefd=False)
    left = 0

    def fill(buffer: memoryview) -> None:
        nonlocal left
        filled = 0
        while filled < len(buffer):
            if left == 0:
                start, end = next(rest)
                stream.seek(start)
                left = end - start
                continue
            count = stream.readinto(buffer[filled : filled + left])
            if not count:
                raise ContentChanged(f"{path} became shorter while it was read")
            filled += count
            left -= count

    return fill
