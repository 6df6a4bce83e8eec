"""What cannot be used is kept whole, with where it came from and why, and once."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from openmsi_core.errors import Retryable
from openmsi_core.generation import Generation, version_of
from openmsi_core.quarantine import Quarantine
from openmsi_core.records import Record
from tests.support.sending import chunks

RECORD = Record(partition=3, offset=77, timestamp=5, key=b"key \xff")
PIECES = list(chunks("sub/a", b"0123456789" * 100, size=100))
GENERATION = Generation.of(PIECES[0], None)
VERSION = version_of(PIECES[0], None, (5, 9))


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return Quarantine(tmp_path, "topic")


def reason(entry: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((entry / "reason.json").read_text())
    return facts


def the_entry(quarantine: Quarantine) -> Path:
    (entry,) = quarantine.folder.iterdir()
    return entry


def test_a_record(quarantine: Quarantine) -> None:
    quarantine.record(RECORD, b"bytes", "because ü")
    entry = the_entry(quarantine)
    assert entry.name == "topic-3-77"
    assert ((entry / "key").read_bytes(), (entry / "value").read_bytes()) == (b"key \xff", b"bytes")
    assert reason(entry) == {"topic": "topic", "reason": "because ü", "partition": 3, "offset": 77}


def test_a_tombstone_without_a_key(quarantine: Quarantine) -> None:
    quarantine.record(Record(0, 1, 0, None), None, "tombstone")
    assert [path.name for path in the_entry(quarantine).iterdir()] == ["reason.json"]


def test_reading_a_record_again_makes_no_second_entry(quarantine: Quarantine) -> None:
    for _ in range(2):
        quarantine.record(RECORD, b"bytes", "because")
    assert len(list(the_entry(quarantine).iterdir())) == 3


def test_text_that_is_no_text_is_shown_somehow(quarantine: Quarantine) -> None:
    quarantine.record(RECORD, None, "the name '\ud800' is bad\n")
    assert "is bad" in reason(the_entry(quarantine))["reason"]


@pytest.mark.parametrize("staged", [True, False])
def test_a_file(quarantine: Quarantine, tmp_path: Path, staged: bool) -> None:
    content = tmp_path / "staged"
    content.write_bytes(b"content")
    quarantine.file(GENERATION, content if staged else b"content", 1, VERSION, "because")
    entry = the_entry(quarantine)
    assert (entry / "content").read_bytes() == b"content"
    assert content.exists() != staged
    expected = {
        "topic": "topic",
        "reason": "because",
        "path": "sub/a",
        "partition": 1,
        "offset": 9,
        "timestamp": 5,
        "upload": "",
        "source": "",
        "mtime": 1.7e9,
    }
    assert reason(entry) == expected | {"sha512": GENERATION.file_hash.hex()}


def test_the_same_call_again_after_the_disk_was_full(
    quarantine: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = tmp_path / "staged"
    content.write_bytes(b"content")

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        for _ in range(2):
            with pytest.raises(Retryable, match="full"):
                quarantine.file(GENERATION, content, 1, VERSION, "because")
    assert not list(quarantine.folder.glob("*/reason.json"))
    quarantine.file(GENERATION, content, 1, VERSION, "because")
    assert (the_entry(quarantine) / "content").read_bytes() == b"content"
    assert reason(the_entry(quarantine))["reason"] == "because"
    assert len(list(the_entry(quarantine).iterdir())) == 2


def test_long_names_of_topics(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, "t" * 249)
    quarantine.record(RECORD, b"x", "because")
    quarantine.file(GENERATION, b"x", 0, VERSION, "because")
    assert len(list(quarantine.folder.iterdir())) == 2


def test_a_missing_root_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Retryable, match="bring the folder back"):
        Quarantine(tmp_path / "gone", "topic").record(RECORD, b"x", "because")
    assert not (tmp_path / "gone").exists()
