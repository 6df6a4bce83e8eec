"""Staged bytes on disks that refuse, and under the hands of people who remove them."""

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsi_core.chunk import Chunk
from openmsi_core.errors import Retryable, StagedBytesLost
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


def test_a_removed_file_is_noticed_when_it_is_opened_again(stage: Staging) -> None:
    generation, pieces = cut()
    stage.write(generation, pieces[0])
    stage.partial(generation).path.unlink()  # type: ignore[union-attr]  # a failing test says so as well
    for i in range(64):
        other, others = cut(os.urandom(3000), f"file{i}")
        stage.write(other, others[0])
    with pytest.raises(StagedBytesLost):
        stage.write(generation, pieces[1])
    stage.discard(generation)
    write(stage, generation, pieces)
    assert stage.seal(generation).path.read_bytes() == CONTENT


def test_a_file_that_was_cut_short_is_noticed(stage: Staging) -> None:
    generation, pieces = cut()
    write(stage, generation, pieces[1:])
    partial = stage.partial(generation)
    assert partial is not None
    os.truncate(partial.path, 4000)
    with pytest.raises(StagedBytesLost):
        stage.write(generation, pieces[0])


def test_a_full_disk_and_the_same_chunk_again(stage: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    generation, pieces = cut()
    write(stage, generation, pieces[:3])
    write_really, room = os.write, [400]

    def write_some(file: int, data: bytes) -> int:
        if not room:
            raise OSError(errno.ENOSPC, "full")
        return write_really(file, bytes(data)[: room.pop()])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write_some)
        for _ in range(2):
            with pytest.raises(Retryable, match="is full: free some space"):
                stage.write(generation, pieces[3])
    write(stage, generation, pieces[3:])
    assert stage.seal(generation).path.read_bytes() == CONTENT


def test_a_disk_that_cannot_be_read_for_a_moment(stage: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is hashed twice, and nothing left out, wherever a read fails."""
    content = os.urandom(5 << 20)
    read_really = os.read
    for failing in range(6):
        generation, pieces = cut(content, f"file{failing}", size=2 << 20)
        reads = iter(range(99))

        def read(file: int, count: int, reads: Iterator[int] = reads, failing: int = failing) -> bytes:
            if next(reads) == failing:
                raise OSError(errno.EIO, "broken")
            return read_really(file, count)

        monkeypatch.setattr(os, "read", read)
        write(stage, generation, pieces[::-1])
        while True:
            try:
                staged = stage.seal(generation).path
                break
            except Retryable:
                continue
        assert staged.read_bytes() == content
