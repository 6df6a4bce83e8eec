"""A selector names the bytes of a file that are sent."""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmsi_core.paths import RelativePath
from openmsi_uploader import reading
from openmsi_uploader.outcome import Unreadable
from openmsi_uploader.ranges import Range, Selector
from openmsi_uploader.reading import Content, read
from openmsi_uploader.source import look_at

CONTENT = bytes(range(256)) * 40


def content(folder: Path, selector: Selector | None, chunk_size: int = 1000) -> Content:
    """What is sent of a file with ``CONTENT``."""
    (folder / "run").mkdir(exist_ok=True)
    (folder / "run" / "a").write_bytes(CONTENT)
    stat = look_at(folder / "run" / "a")
    assert stat is not None
    return read(folder, RelativePath("run/a"), stat, chunk_size, lambda: None, selector)


def pieces(read: Content) -> list[tuple[int, bytes]]:
    """Offsets and bytes; each is held against its hash."""
    found = []
    for piece in read.pieces():
        assert hashlib.sha512(piece.data).digest() == piece.sha512
        found.append((piece.offset, bytes(piece.data)))
    return found


@pytest.mark.parametrize("small", [0, 8 << 20])
@settings(deadline=None)  # 30,000 chunks of one byte take their time on a busy machine
@given(data=st.data())
def test_what_is_sent_are_the_ranges_joined(small: int, data: st.DataObject) -> None:
    bounds = st.tuples(st.integers(0, len(CONTENT)), st.integers(0, len(CONTENT))).map(lambda ends: tuple(sorted(ends)))
    ranges: list[Range] = data.draw(st.lists(bounds, max_size=5))  # type: ignore[arg-type]  # sorted() of two gives two
    chunk_size = data.draw(st.integers(1, 3000))
    expected = b"".join(CONTENT[start:end] for start, end in ranges)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(reading, "SMALL_BYTES", small)
        patch.setattr(reading, "_READ_BYTES", 4096)
        result = content(Path(folder), lambda _path, _file: ranges, chunk_size)
        sent = pieces(result)
    assert (result.size, result.sha512) == (len(expected), hashlib.sha512(expected).digest())
    assert b"".join(data for _, data in sent) == expected
    assert [offset for offset, _ in sent] == list(range(0, len(expected) or 1, chunk_size))


def test_the_selector_sees_the_path_and_the_file(tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []

    def header_only(path: str, file: BinaryIO) -> Sequence[Range]:
        file.seek(10)
        seen.append((path, file.read(5)))
        return [(0, 10)]

    assert pieces(content(tmp_path, header_only)) == [(0, CONTENT[:10])]
    assert seen == [("run/a", CONTENT[10:15])]


@pytest.mark.parametrize(
    "ranges", [[(0, len(CONTENT) + 1)], [(-1, 5)], [(7, 5)], [(0, 5), (3,)], None, ["ab"], [(0.5, 2)]]
)
def test_ranges_that_cannot_be_are_refused(tmp_path: Path, ranges: Sequence[Range]) -> None:
    with pytest.raises(Unreadable, match="selector"):
        content(tmp_path, lambda _path, _file: ranges)


def test_a_selector_that_fails_fails_the_file(tmp_path: Path) -> None:
    def broken(_path: str, _file: BinaryIO) -> Sequence[Range]:
        raise RuntimeError("not an oscilloscope")

    with pytest.raises(Unreadable, match="the selector failed: RuntimeError: not an oscilloscope"):
        content(tmp_path, broken)
