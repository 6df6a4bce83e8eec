"""Files that stopped coming wait in quarantine for the rest, whatever happens meanwhile."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from openmsi_core.assembly import OpenFile
from openmsi_core.chunk import Chunk
from openmsi_core.errors import Retryable, StagedBytesLost
from openmsi_core.generation import Generation, version_of
from openmsi_core.partial import Partial
from openmsi_core.quarantine import Quarantine
from tests.support.sending import chunks

PIECES = list(chunks("sub/a", b"0123456789" * 100, size=100))
GENERATION = Generation.of(PIECES[0], None)


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return Quarantine(tmp_path, "topic")


def the_entry(quarantine: Quarantine) -> Path:
    (entry,) = quarantine.folder.iterdir()
    return entry


def half(tmp_path: Path, come: tuple[Chunk, ...] = (*PIECES[:3], PIECES[6])) -> tuple[OpenFile, Partial]:
    """A file of which ``come`` is staged."""
    staged = tmp_path / "staged"
    file = OpenFile(GENERATION, version_of(PIECES[0], None, (5, 7)), touched=0.0)
    content = bytearray(1000)
    for piece in come:
        content[piece.offset : piece.offset + 100] = piece.data
        file.note(piece.index)
        file.size += 100
    staged.write_bytes(content)
    return file, Partial(staged, hashed=300, ahead={600: 700})


def test_a_half_file_waits_and_is_found_again(quarantine: Quarantine, tmp_path: Path) -> None:
    assert quarantine.parked(GENERATION) is None
    quarantine.park(*half(tmp_path), "6 of 10 chunks have not come")
    parked = quarantine.parked(GENERATION)
    assert parked is not None
    assert (parked.size, parked.prefix, parked.beyond, parked.logged) == (400, 3, frozenset({7}), (5, 7))
    assert parked.extents == {0: 300, 600: 700}
    assert parked.content.read_bytes()[600:700] == PIECES[6].data
    assert Quarantine(tmp_path, "topic").parked(GENERATION) == parked
    assert Quarantine(tmp_path, "other").parked(GENERATION) is None
    assert quarantine.parked(Generation(GENERATION.path, GENERATION.file_hash, 10, "an id")) is None


def test_a_half_file_that_is_parked_again_where_it_lies(quarantine: Quarantine, tmp_path: Path) -> None:
    file, partial = half(tmp_path)
    quarantine.park(file, partial, "because")
    parked = quarantine.parked(GENERATION)
    assert parked is not None
    partial.path, partial.hashed, file.prefix = parked.content, 400, 4
    quarantine.park(file, partial, "because")
    again = quarantine.parked(GENERATION)
    assert again is not None
    assert (again.prefix, again.extents, again.content) == (4, {0: 400, 600: 700}, parked.content)


def test_parking_again_after_the_disk_was_full(
    quarantine: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, partial = half(tmp_path)

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(Retryable, match="full"):
            quarantine.park(file, partial, "because")
    quarantine.park(file, partial, "because")
    assert quarantine.parked(GENERATION) is not None


def test_an_entry_is_removed_when_its_file_is_done(quarantine: Quarantine, tmp_path: Path) -> None:
    quarantine.unpark(GENERATION)
    quarantine.park(*half(tmp_path), "because")
    quarantine.unpark(GENERATION)
    assert list(quarantine.folder.iterdir()) == []


def test_an_entry_whose_content_was_taken_is_removed_too(quarantine: Quarantine, tmp_path: Path) -> None:
    quarantine.park(*half(tmp_path), "because")
    (the_entry(quarantine) / "content").unlink()
    assert quarantine.parked(GENERATION) is None
    quarantine.unpark(GENERATION)
    assert list(quarantine.folder.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"size": 1, "logged": []}'])
def test_an_entry_that_was_damaged_is_none(quarantine: Quarantine, tmp_path: Path, text: str) -> None:
    quarantine.park(*half(tmp_path), "because")
    (the_entry(quarantine) / "reason.json").write_text(text)
    assert quarantine.parked(GENERATION) is None


def test_an_entry_that_cannot_be_read_now_is_not_taken_for_none(
    quarantine: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine.park(*half(tmp_path), "because")

    def broken(_: Path) -> bytes:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(Path, "read_bytes", broken)
    with pytest.raises(Retryable):
        quarantine.parked(GENERATION)


def test_staged_bytes_that_are_gone_are_read_again(quarantine: Quarantine, tmp_path: Path) -> None:
    file, partial = half(tmp_path)
    partial.path.unlink()
    with pytest.raises(StagedBytesLost):
        quarantine.park(file, partial, "because")
    assert quarantine.parked(GENERATION) is None


def test_a_sync_that_failed_is_never_tried_again(
    quarantine: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, partial = half(tmp_path)
    sync = os.fsync

    def fail_once(number: int) -> None:
        if Path(f"/proc/self/fd/{number}").readlink() == partial.path:
            raise OSError(errno.EIO, "broken")
        sync(number)

    monkeypatch.setattr(os, "fsync", fail_once)
    with pytest.raises(StagedBytesLost):
        quarantine.park(file, partial, "because")


def test_long_names_of_topics(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, "t" * 249)
    quarantine.park(*half(tmp_path), "because")
    assert quarantine.parked(GENERATION) is not None
