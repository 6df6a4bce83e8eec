"""Reading a settled file, once or twice, and noticing every change on the way."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openmsi_core.paths import RelativePath
from openmsi_uploader import reading
from openmsi_uploader.reading import Content, read
from openmsi_uploader.source import ContentChanged, FileStat, look_at

SIZES = [0, 1, 999, 1000, 1001, 5000, 5001]


@pytest.fixture(params=["small", "large"])
def limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test runs the way of small files and the way of large ones."""
    monkeypatch.setattr(reading, "SMALL_BYTES", 10_000 if request.param == "small" else 0)
    monkeypatch.setattr(reading, "_READ_BYTES", 2500)
    monkeypatch.setattr(reading, "_MOST_HASHES", 3)
    return str(request.param)


def stat_of(path: Path) -> FileStat:
    stat = look_at(path)
    assert stat
    return stat


def content_of(path: Path, check: Callable[[], None] = lambda: None) -> Content:
    return read(path.parent, RelativePath(path.name), stat_of(path), 1000, check)


@pytest.mark.parametrize("size", SIZES)
def test_pieces_are_the_file_and_the_hash_is_that_of_the_whole(tmp_path: Path, limits: str, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    content = content_of(tmp_path / "a")
    pieces = [(piece.offset, piece.sha512, bytes(piece.data)) for piece in content.pieces()]
    assert b"".join(piece for _, _, piece in pieces) == data
    assert [offset for offset, _, _ in pieces] == list(range(0, size or 1, 1000))
    assert all(sha512 == hashlib.sha512(piece).digest() for _, sha512, piece in pieces)
    assert (content.sha512, content.size) == (hashlib.sha512(data).digest(), size)


def test_a_file_that_is_not_what_was_found_still_is_not_read(tmp_path: Path, limits: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 3000)
    stat = stat_of(path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(ContentChanged):
        read(path.parent, RelativePath(path.name), stat, 1000, lambda: None)
    path.unlink()
    with pytest.raises(ContentChanged):
        read(path.parent, RelativePath(path.name), stat, 1000, lambda: None)


def test_a_link_or_pipe_in_place_of_the_file_is_not_read(tmp_path: Path, limits: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 3000)
    stat = stat_of(path)
    path.rename(tmp_path / "b")
    path.symlink_to(tmp_path / "b")
    with pytest.raises(ContentChanged):
        read(path.parent, RelativePath(path.name), stat, 1000, lambda: None)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ContentChanged):
        read(path.parent, RelativePath(path.name), stat, 1000, lambda: None)


@pytest.mark.parametrize("size", [2999, 3001, 0])
def test_a_change_while_it_is_hashed_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: str, size: int
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 3000)
    real = reading._filler
    hits = iter([True])

    def fill_then_write(*arguments: Any) -> Callable[[memoryview], None]:
        fill = real(*arguments)

        def filled(buffer: memoryview) -> None:
            fill(buffer)
            if next(hits, False):
                path.write_bytes(b"y" * size)

        return filled

    monkeypatch.setattr(reading, "_filler", fill_then_write)
    with pytest.raises(ContentChanged):
        content_of(path)


def test_a_change_between_the_two_readings_is_noticed_although_the_stat_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SMALL_BYTES", 0)
    monkeypatch.setattr(reading, "_READ_BYTES", 1000)
    monkeypatch.setattr("openmsi_uploader.source._check", lambda *_: None)  # a file system that lies
    path = tmp_path / "a"
    path.write_bytes(b"x" * 3000)
    content = content_of(path)
    path.write_bytes(b"x" * 1999 + b"y" + b"x" * 1000)
    pieces = content.pieces()
    assert bytes(next(pieces).data) == b"x" * 1000
    with pytest.raises(ContentChanged):
        next(pieces)


def test_a_change_after_the_last_piece_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SMALL_BYTES", 0)
    path = tmp_path / "a"
    path.write_bytes(b"x" * 1000)
    pieces = content_of(path).pieces()
    next(pieces)
    path.write_bytes(b"y" * 1000)
    with pytest.raises(ContentChanged):
        next(pieces)


def test_reading_a_large_file_can_be_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SMALL_BYTES", 0)
    (tmp_path / "a").write_bytes(b"x")

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        content_of(tmp_path / "a", stop)


def test_nothing_is_opened_for_writing_and_nothing_stays_open(tmp_path: Path, limits: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 3000)
    before = path.stat()
    list(content_of(path).pieces())
    after = path.stat()
    assert (before.st_mtime_ns, before.st_ctime_ns) == (after.st_mtime_ns, after.st_ctime_ns)
    opened = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert path not in opened
