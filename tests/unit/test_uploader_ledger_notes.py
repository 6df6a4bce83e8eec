"""What the ledger keeps of unfinished uploads, and what it makes of a ledger that knew of none."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openmsi_uploader.ledger import Ledger, open_ledger
from openmsi_uploader.source import FileStat
from openmsi_uploader.target import Target
from openmsi_uploader.unfinished import Unfinished

FOLDER = Path("/data")
HASH = bytes(range(64))
LOOKS = FileStat(1, 2, 3, 4)
VERSION_1 = """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE file (
        path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('sent', 'not wanted')),
        sha512 BLOB, upload_id TEXT, noted_at REAL NOT NULL -- seconds since 1970, UTC
    ) WITHOUT ROWID;
    INSERT INTO meta VALUES ('topic', 'topic'), ('folder', '/data'), ('begun', 'then'), ('cluster_id', 'cluster');
    INSERT INTO file VALUES ('sent', 1, 2, 3, 4, 'sent', x'00', 'id', 5.0),
        ('old', 1, 2, 3, 4, 'not wanted', NULL, NULL, 5.0);
    PRAGMA user_version = 1;
"""


def begun(prefix: int = 1) -> Unfinished:
    return Unfinished(LOOKS, HASH, "id-1", Target("topic", 4, "us", 1000, "topic-id"), prefix, 0, 0, 1.0, 2.0)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """With one unfinished upload."""
    ledger = open_ledger(tmp_path, "topic", FOLDER)
    ledger.note("unfinished", begun())
    ledger.commit()
    yield ledger
    ledger.close()


def database(folder: Path) -> Path:
    (path,) = folder.glob("ledger-*.sqlite")
    return path


def test_a_ledger_of_version_1_keeps_all_it_knows(tmp_path: Path) -> None:
    open_ledger(tmp_path, "topic", FOLDER).close()
    path = database(tmp_path)
    path.unlink()
    first = sqlite3.connect(path)
    first.executescript(VERSION_1)
    first.close()
    for _ in range(2):
        ledger = open_ledger(tmp_path, "topic", FOLDER)
        assert {path: row.state for path, row in ledger.find(["sent", "old"]).items()} == {
            "sent": "sent",
            "old": "not wanted",
        }
        assert not ledger.is_new
        ledger.note("large", begun())
        ledger.commit()
        ledger.close()
    ledger = open_ledger(tmp_path, "topic", FOLDER)
    assert ledger.unfinished("large") == begun()
    ledger.close()


@pytest.mark.parametrize("change", ["note = replace(note, 'id-1', 'id-2')", "path = 'other'", "digest = x'00'"])
def test_a_note_that_was_changed_is_not_believed(ledger: Ledger, tmp_path: Path, change: str) -> None:
    assert ledger.unfinished("unfinished") == begun()
    ledger.close()
    changing = sqlite3.connect(database(tmp_path))
    with changing:
        changing.execute(f"UPDATE unfinished SET {change}")
    changing.close()
    ledger = open_ledger(tmp_path, "topic", FOLDER)
    assert ledger.unfinished("unfinished") is ledger.unfinished("other") is None
    ledger.close()


def test_the_note_goes_in_the_transaction_in_which_the_row_comes(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record("unfinished", LOOKS, HASH, "id-1")
    ledger.note("another", begun(2))
    path = database(tmp_path)
    other = sqlite3.connect(path)
    other.execute("CREATE TRIGGER full BEFORE DELETE ON unfinished BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(sqlite3.Error, match="disk full"):
        ledger.commit()
    assert other.execute("SELECT count(*) FROM file WHERE path = 'unfinished'").fetchone() == (0,)
    assert other.execute("SELECT path FROM unfinished").fetchall() == [("unfinished",)]
    other.execute("DROP TRIGGER full")
    ledger.commit()
    assert other.execute("SELECT path FROM unfinished").fetchall() == [("another",)]
    other.close()


def test_an_id_is_never_gone_on_with_after_it_or_a_later_one_was_sent() -> None:
    note = replace(begun(), began=100.0, noted=100.0)
    for sent_id, may in (("", True), ("id-0", True), ("id-1", False), ("id-2", False)):
        assert note.may_go_on(LOOKS, note.target, sent_id, 101.0) is may


def test_another_cluster_forgets_unfinished_uploads(ledger: Ledger, tmp_path: Path) -> None:
    assert ledger.belongs_to("cluster-1")
    ledger.note("unfinished", begun())
    ledger.commit()
    assert not ledger.belongs_to("cluster-2")
    assert ledger.unfinished("unfinished") is None
    ledger.close()
    again = open_ledger(tmp_path, "topic", FOLDER)
    assert again.unfinished("unfinished") is None
    again.close()
