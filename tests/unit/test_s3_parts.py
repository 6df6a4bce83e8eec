"""The S3 transfer's small parts: keys, metadata, part sizes, windows, the note of unfinished uploads."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import BadFile
from openmsi_core.generation import Generation, Version
from openmsi_core.paths import RelativePath
from openmsi_s3_transfer.keys import content_type, key_of
from openmsi_s3_transfer.marks import marked_version, marks_of
from openmsi_s3_transfer.multipart import part_size
from openmsi_s3_transfer.unfinished import Unfinished
from openmsi_s3_transfer.window import Window


def test_keys_are_topic_and_path() -> None:
    assert key_of("T", RelativePath.parse("a/b c/ü.tif")) == "T/a/b c/ü.tif"
    assert key_of("T", RelativePath.parse("f")) == "T/f"
    longest = "/".join(["k" * 255] * 3) + "/" + "k" * 254
    assert len(key_of("T", RelativePath.parse(longest))) == 1024
    with pytest.raises(BadFile, match="1025 bytes long, and S3 allows 1024"):
        key_of("T", RelativePath.parse(longest + "k"))
    with pytest.raises(BadFile):
        key_of("T", RelativePath.parse("/".join(["ü" * 120] * 5)))


def test_content_types_are_guessed() -> None:
    kinds = {name: content_type(RelativePath.parse(name)) for name in ("a.CSV", "d/b.json", "c.csv.gz", "d", "e.xyz9")}
    other = "application/octet-stream"
    assert kinds == {
        "a.CSV": "text/csv",
        "d/b.json": "application/json",
        "c.csv.gz": other,
        "d": other,
        "e.xyz9": other,
    }


@given(st.text(max_size=80), st.floats(0, 1e11), st.integers(0, 2**62), st.integers(0, 2**62))
def test_metadata_say_again_what_was_put(source: str, mtime: float, timestamp: int, offset: int) -> None:
    source = source.encode(errors="ignore").decode()
    digest = hashlib.sha512(b"x").digest()
    version = Version(digest, "01890000-0000-7000-8000-000000000001", source, mtime, (timestamp, offset))
    generation = Generation(RelativePath.parse("f"), digest, 1, version.upload_id)
    marks = marks_of(CompleteFile(generation, version, 1, b"x", None, 3), "T" * 249)
    assert marked_version(marks) == version
    assert marked_version({name.upper(): value for name, value in marks.items()}) == version
    assert all(value.isascii() for value in marks.values())


def test_metadata_always_fit() -> None:
    digest = bytes(64)
    version = Version(digest, "0" * 36, "紙" * 85, 1.7e9 + 1 / 3, (2**62, 2**62))  # a source has at most 255 bytes
    generation = Generation(RelativePath.parse("f"), digest, 1, "")
    marks = marks_of(CompleteFile(generation, version, 1, b"x", None, 10**6), "T" * 249)
    assert sum(len(name) + len(value) for name, value in marks.items()) <= 2048


def test_objects_of_others_carry_no_marks() -> None:
    assert marked_version({}) is None
    assert marked_version({"mtime": "1700000000.5", "sha512": "no hash"}) is None


@given(st.integers(1, 5 * 2**40))
def test_parts_are_few_enough_and_large_enough(size: int) -> None:
    step = part_size(size)
    assert step >= 8 << 20
    assert -(-size // step) <= 9000


def test_a_window_is_a_part_of_a_file(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "f").write_bytes(content)
    with (tmp_path / "f").open("rb") as file:
        window = Window(file.fileno(), 1000, 2_500_000)
        assert len(window) == 2_500_000
        assert b"".join(window.pieces()) == content[1000:2_501_000]
        assert window.read() == content[1000:2_501_000]
        assert window.read(1) == b""
        assert window.seek(-5, os.SEEK_END) == 2_499_995
        assert window.read(100) == content[2_500_995:2_501_000]
        assert Window(file.fileno(), 2_999_999, 10).read() == content[-1:]


def test_only_uploads_of_the_dead_are_aborted(tmp_path: Path) -> None:
    aborted: list[tuple[str, str]] = []
    living, dead = Unfinished(tmp_path), Unfinished(tmp_path)
    living.add("living", "1")
    dead.add("k", "2")
    dead.add("k" * 100, "3")
    dead.remove("k" * 100, "3")
    dead.close()  # as a kill does: what it holds open is closed
    after = Unfinished(tmp_path)
    assert after.abort_dead(lambda key, upload: aborted.append((key, upload))) == 1
    assert aborted == [("k", "2")]
    assert after.abort_dead(lambda key, upload: aborted.append((key, upload))) == 0
    living.remove("living", "1")
    living.close()
    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_cannot_be_aborted_is_kept_for_the_next_start(tmp_path: Path) -> None:
    def refuse(_key: str, _upload: str) -> None:
        raise OSError("away")

    dead, aborted = Unfinished(tmp_path), list[str]()
    dead.add("k", "1")
    dead.close()
    assert Unfinished(tmp_path).abort_dead(refuse) == 0
    assert Unfinished(tmp_path).abort_dead(lambda _, upload: aborted.append(upload)) == 1
    assert aborted == ["1"]


def test_a_damaged_note_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "note").write_bytes(b'[["k", "1')
    assert Unfinished(tmp_path).abort_dead(lambda *_: None) == 0
    (tmp_path / "note").write_bytes(b'[["k", "1"]]longer before"]]')
    assert Unfinished(tmp_path).abort_dead(lambda *_: None) == 1
