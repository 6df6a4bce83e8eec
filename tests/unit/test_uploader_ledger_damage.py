"""A ledger that is damaged, whenever that comes to light."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsi_uploader.ledger import Ledger, open_ledger
from openmsi_uploader.source import FileStat
from openmsi_uploader.target import Target
from openmsi_uploader.unfinished import Unfinished
from openmsi_uploader.upload_id import UploadIds

FOLDER = Path("/data")
HASH = bytes(range(64))
LOOKS = FileStat(1, 2, 3, 4)
PATHS = [f"path-{number:05}" for number in range(20_000)]


def begun(prefix: int = 1) -> Unfinished:
    return Unfinished(LOOKS, HASH, "id-1", Target("topic", 4, "us", 1000, "topic-id"), prefix, 0, 0, 1.0, 2.0)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """With many rows, in the database itself."""
    ledger = open_ledger(tmp_path, "topic", FOLDER)
    ledger.belongs_to("cluster")
    ledger.begin([])
    for path in PATHS:
        ledger.record(path, LOOKS, HASH, "id")
    ledger.commit()
    ledger.note("unfinished", begun())
    ledger.commit()
    ledger.close()
    ledger = open_ledger(tmp_path, "topic", FOLDER)
    yield ledger
    ledger.close()


def database(folder: Path) -> Path:
    (path,) = folder.glob("ledger-*.sqlite")
    return path


def spoil(path: Path, how: str) -> None:
    size = path.stat().st_size
    match how:
        case "garbage inside":
            with path.open("r+b") as file:
                file.seek(8192)
                file.write(os.urandom(size - 16_384))
        case "all garbage":
            path.write_bytes(os.urandom(size))
        case "all zero":
            path.write_bytes(bytes(size))
        case cut:
            os.truncate(path, {"half": size // 2 + 100, "page": 4096, "header": 50, "empty": 0}[cut])


DAMAGES = ["garbage inside", "all garbage", "all zero", "half", "page", "header", "empty"]


def is_begun_anew(ledger: Ledger, folder: Path, log: str) -> None:
    assert log.count("sent again") == 1
    assert str(database(folder)) in log
    assert len(list(folder.glob("*.damaged-*"))) >= 1
    assert not ledger.is_new  # or files that came while we were stopped would count as not wanted
    assert ledger.lost
    assert ledger.unfinished("unfinished") is None
    assert not ledger.find(PATHS)


@pytest.mark.parametrize("how", DAMAGES)
def test_damage_that_is_found_at_the_start(
    ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    UploadIds(tmp_path, 1).next()
    ledger.close()
    spoil(database(tmp_path), how)
    again = open_ledger(tmp_path, "topic", FOLDER)
    is_begun_anew(again, tmp_path, caplog.text)
    again.close()


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("what", ["find", "commit"])
def test_damage_that_is_found_later(
    ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str, what: str
) -> None:
    spoil(database(tmp_path), how)
    if what == "find":
        ledger.find(PATHS)
    ledger.record("new", LOOKS, HASH, "id-new")
    ledger.note("large", begun())
    ledger.commit()
    if what == "commit":
        ledger.find(PATHS)
    is_begun_anew(ledger, tmp_path, caplog.text)
    ledger.record("newer", LOOKS, HASH, "id-newer")
    ledger.commit()
    ledger.close()
    again = open_ledger(tmp_path, "topic", FOLDER)
    assert "newer" in again.find(["new", "newer"])
    assert not again.is_new
    assert not again.belongs_to("another")  # it knows to whom it belonged
    again.close()


def test_what_is_gathered_survives_the_damage(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record("new", LOOKS, HASH, "id-new")
    spoil(database(tmp_path), "all garbage")
    ledger.find(PATHS)
    ledger.commit()
    assert list(ledger.find(["new"])) == ["new"]


@pytest.mark.parametrize("whose", ["garbage", "another ledger"])
def test_a_log_of_other_content_beside_the_database(
    ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture, whose: str
) -> None:
    ledger.close()
    wal = Path(f"{database(tmp_path)}-wal")
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    other = open_ledger(other_folder, "other", FOLDER)
    other.begin([(path, LOOKS) for path in PATHS])
    other.want_all()
    for path in PATHS:
        other.record(path, LOOKS, HASH, "of another topic")
    other.commit()
    (theirs,) = other_folder.glob("*-wal")
    shutil.copy(theirs, wal)
    if whose == "garbage":
        wal.write_bytes(os.urandom(100_000))
    other.close()
    again = open_ledger(tmp_path, "topic", FOLDER)
    assert {row.upload_id for row in again.find(PATHS).values()} <= {"id"}
    assert ("sent again" in caplog.text) == (whose != "garbage")
    assert not again.is_new
    again.close()


def test_whoever_loses_the_log_beside_it_has_no_first_start_again(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, "topic", FOLDER)
    ledger.begin([])
    ledger.record("a", LOOKS, HASH, "id")
    ledger.commit()
    (tmp_path / "killed").mkdir()
    shutil.copy(database(tmp_path), tmp_path / "killed")  # as it is after a kill, but without the log
    ledger.close()
    again = open_ledger(tmp_path / "killed", "topic", FOLDER)
    assert not again.is_new
    again.close()


def test_a_kill_while_a_damaged_one_is_moved_aside_makes_no_first_start(ledger: Ledger, tmp_path: Path) -> None:
    ledger.close()
    path = database(tmp_path)
    path.rename(f"{path}.damaged-1")
    again = open_ledger(tmp_path, "topic", FOLDER)
    assert not again.is_new
    again.close()
