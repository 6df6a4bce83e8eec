"""Staged bytes: any order of chunks, damage and loss noticed, disks that refuse, folders of dead processes."""

import contextlib
import errno
import hashlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openmsi_core import staging
from openmsi_core.chunk import Chunk
from openmsi_core.errors import BadFile, StagedBytesLost
from openmsi_core.generation import Generation
from openmsi_core.staging import Staging
from tests.support.sending import chunks

CONTENT = random.Random(1).randbytes(10_500)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Staging]:
    made = Staging(tmp_path)
    made.folder.start()
    yield made
    made.close()


def cut(content: bytes = CONTENT, path: str = "a", size: int = 1000) -> tuple[Generation, list[Chunk]]:
    pieces = list(chunks(path, content, size=size))
    return Generation.of(pieces[0], None), pieces


def write(stage: Staging, generation: Generation, pieces: list[Chunk]) -> None:
    for piece in pieces:
        stage.write(generation, piece)


def open_below(folder: Path) -> int:
    """How many files below ``folder`` this process has open."""
    targets = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # other threads open and close
            targets.append(each.readlink())
    return sum(target.is_relative_to(folder) for target in targets)


@pytest.mark.parametrize("seed", range(20))
def test_chunks_in_any_order(stage: Staging, seed: int) -> None:
    generation, pieces = cut()
    random.Random(seed).shuffle(pieces)
    write(stage, generation, pieces)
    assert stage.seal(generation).path.read_bytes() == CONTENT


def test_chunks_of_unequal_lengths(stage: Staging) -> None:
    generation, pieces = cut()
    parts, start = [], 0
    for length in (1, 0, 4000, 37, 6462):
        data = CONTENT[start : start + length]
        parts.append(replace(pieces[0], offset=start, data=data))
        start += length
    write(stage, generation, parts[::-1])
    assert stage.seal(generation).path.read_bytes() == CONTENT


def test_little_is_left_to_hash_at_the_end(stage: Staging) -> None:
    generation, pieces = cut()
    write(stage, generation, pieces[:5] + pieces[7:])
    partial = stage.partial(generation)
    assert partial is not None
    assert partial.hashed == 5000
    assert partial.extents == {0: 5000} | {start: start + 1000 for start in (7000, 8000, 9000)} | {10_000: 10_500}


Damage = Callable[[list[Chunk]], list[Chunk]]
DAMAGE: dict[str, Damage] = {
    "a chunk is missing": lambda pieces: pieces[:3] + pieces[4:],
    "the first is missing": lambda pieces: pieces[1:],
    "two overlap": lambda pieces: [*pieces[:3], replace(pieces[3], offset=2990), *pieces[4:]],
    "one lies inside another": lambda pieces: [*pieces, replace(pieces[3], offset=3100, data=b"x" * 10)],
    "one lies far out": lambda pieces: [*pieces[:-1], replace(pieces[-1], offset=1 << 40)],
    "two changed places": lambda pieces: [
        replace(pieces[1], offset=0), replace(pieces[0], offset=1000), *pieces[2:]
    ],
    "one has other bytes": lambda pieces: [*pieces[:3], replace(pieces[3], data=bytes(1000)), *pieces[4:]],
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("order", [1, -1])
def test_a_file_that_does_not_fit_together_is_bad(stage: Staging, damage: Damage, order: int) -> None:
    generation, pieces = cut()
    write(stage, generation, damage(pieces)[::order])
    for _ in range(2):  # asking again gives the same answer
        with pytest.raises(BadFile):
            stage.seal(generation)
    partial = stage.partial(generation)
    assert partial is not None
    assert partial.path.exists()
    stage.discard(generation)
    assert not partial.path.exists()


def test_a_bit_that_flips_on_disk_before_it_is_hashed(stage: Staging) -> None:
    generation, pieces = cut()
    write(stage, generation, pieces[1:])
    partial = stage.partial(generation)
    assert partial is not None
    with partial.path.open("r+b") as file:
        file.seek(5555)
        byte = file.read(1)[0]
        file.seek(5555)
        file.write(bytes([byte ^ 4]))
    stage.write(generation, pieces[0])
    with pytest.raises(BadFile, match="SHA-512"):
        stage.seal(generation)


def test_a_huge_offset_takes_no_space(stage: Staging) -> None:
    generation, pieces = cut()
    stage.write(generation, replace(pieces[0], offset=1 << 43))
    partial = stage.partial(generation)
    assert partial is not None
    assert partial.path.stat().st_blocks * 512 < 100_000


@pytest.mark.parametrize("code", [errno.EFBIG, errno.EINVAL])
def test_an_offset_beyond_any_file_is_bad(stage: Staging, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(_file: int, _data: bytes, _offset: int) -> None:
        raise OSError(code, "too far")

    monkeypatch.setattr(staging, "write_all", refuse)  # some file systems would take 2⁶² bytes
    generation, pieces = cut()
    with pytest.raises(BadFile, match="offset"):
        stage.write(generation, replace(pieces[0], offset=2**62))


def test_more_files_than_may_be_open(stage: Staging, tmp_path: Path) -> None:
    before = open_below(tmp_path)
    files = [cut(os.urandom(3000), f"file{i}") for i in range(200)]
    for number in range(3):
        for generation, pieces in files:
            stage.write(generation, pieces[number])
    assert 32 <= open_below(tmp_path) - before <= 64
    for generation, _ in files:
        assert hashlib.sha512(stage.seal(generation).path.read_bytes()).digest() == generation.file_hash
    assert open_below(tmp_path) == before


def test_borrowed_bytes_are_checked_and_never_removed(stage: Staging, tmp_path: Path) -> None:
    generation, pieces = cut()
    kept = tmp_path / "kept"
    kept.write_bytes(CONTENT[:3000] + bytes(1000) + CONTENT[4000:6000])
    stage.borrow(generation, kept, {0: 3000, 4000: 6000})
    stage.discard(generation)
    assert kept.exists()
    stage.borrow(generation, kept, {0: 3000, 4000: 6000})
    write(stage, generation, [pieces[3], *pieces[6:]])
    assert stage.seal(generation).path == kept
    assert kept.read_bytes() == CONTENT
    stage.remove(kept)
    assert kept.exists()


def test_borrowed_bytes_that_were_cut_off(stage: Staging, tmp_path: Path) -> None:
    generation, _ = cut()
    kept, before = tmp_path / "kept", open_below(tmp_path)
    kept.write_bytes(CONTENT[:2000])
    with pytest.raises(StagedBytesLost):
        stage.borrow(generation, kept, {0: 3000})
    assert open_below(tmp_path) == before
    assert stage.partial(generation) is None
