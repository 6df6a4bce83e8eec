"""What the ledger remembers, and what it does when it cannot."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openmsi_core.errors import ConfigError
from openmsi_uploader.ledger import Ledger, open_ledger
from openmsi_uploader.ledger_rows import Row
from openmsi_uploader.source import FileStat

FOLDER = Path("/data")
HASH = bytes(range(64))


def looks(size: int) -> FileStat:
    return FileStat(size, 1_700_000_000_123_456_789, 1_700_000_000_987_654_321, 2**63 - 1)


Open = Callable[..., Ledger]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the ledger (again), and closes all of them in the end; what was not committed is lost."""
    ledgers: list[Ledger] = []

    def open_again(topic: str = "topic", folder: Path = FOLDER) -> Ledger:
        for ledger in ledgers:
            ledger.close()
        ledgers.append(open_ledger(tmp_path, topic, folder))
        return ledgers[-1]

    yield open_again
    for ledger in ledgers:
        ledger.close()


def test_what_was_committed_is_there_again_and_what_was_not_is_not(opened: Open) -> None:
    ledger = opened()
    ledger.record("a/b.tif", looks(1), HASH, "id-1")
    assert ledger.find(["a/b.tif"]) == {"a/b.tif": Row(looks(1), "sent", HASH, "id-1")}
    ledger.commit()
    assert ledger.unsaved == 0
    ledger.record("c", looks(2), HASH, "id-2")
    ledger = opened()
    assert ledger.find(["a/b.tif", "c"]) == {"a/b.tif": Row(looks(1), "sent", HASH, "id-1")}


def test_a_later_version_replaces_the_row(opened: Open) -> None:
    ledger = opened()
    for number in (1, 2):
        ledger.record("a", looks(number), HASH, f"id-{number}")
        ledger.commit()
    assert opened().find(["a"])["a"].upload_id == "id-2"


def test_thousands_of_paths_are_found_at_once(opened: Open) -> None:
    ledger = opened()
    paths = [f"f{number}" for number in range(3000)]
    for path in paths[:2000]:
        ledger.record(path, looks(1), HASH, "id")
    ledger.commit()
    assert ledger.find(paths).keys() == set(paths[:2000])


def test_what_paths_looked_like_is_found_whether_it_is_durable_or_not(opened: Open) -> None:
    ledger = opened()
    ledger.begin([("not wanted", looks(1)), ("changed", looks(2))])
    ledger.record("changed", looks(3), HASH, "id")
    ledger.record("new", looks(4), HASH, "id")
    for _ in range(2):
        found = ledger.find_stats(["new", "not wanted", "never seen", "changed"])
        assert found == {"not wanted": looks(1), "changed": looks(3), "new": looks(4)}
        assert all(isinstance(stat, FileStat) for stat in found.values())
        ledger.commit()


def test_the_first_start_is_remembered_with_what_is_not_wanted(opened: Open) -> None:
    ledger = opened()
    assert ledger.is_new
    assert ledger.begin([("a", looks(1)), ("b", looks(2))]) == 2
    ledger = opened()
    assert not ledger.is_new
    assert ledger.find(["a"]) == {"a": Row(looks(1), "not wanted", None, None)}


def test_a_first_start_that_is_interrupted_leaves_nothing(opened: Open) -> None:
    ledger = opened()
    with pytest.raises(ZeroDivisionError):
        ledger.begin(("x" * (number // number), looks(1)) for number in (1, 2, 0))
    ledger = opened()
    assert ledger.is_new
    assert ledger.find(["x"]) == {}


def test_all_can_be_wanted_later(opened: Open) -> None:
    ledger = opened()
    ledger.begin([("old", looks(1))])
    ledger.record("new", looks(2), HASH, "id")
    ledger.commit()
    assert ledger.want_all() == 1
    assert list(ledger.find(["old", "new"])) == ["new"]


def test_another_cluster_forgets_what_was_sent_but_not_what_is_not_wanted(opened: Open) -> None:
    ledger = opened()
    ledger.begin([("old", looks(1))])
    assert ledger.belongs_to("cluster-1")
    ledger.record("saved", looks(2), HASH, "id")
    ledger.commit()
    ledger.record("unsaved", looks(2), HASH, "id")
    assert ledger.belongs_to("cluster-1")
    ledger = opened()
    ledger.record("unsaved", looks(2), HASH, "id")
    assert not ledger.belongs_to("cluster-2")
    ledger.commit()
    assert list(ledger.find(["old", "saved", "unsaved"])) == ["old"]
    assert ledger.belongs_to("cluster-2")


def test_two_folders_or_topics_never_share_a_ledger(opened: Open) -> None:
    first = opened()
    first.record("a", looks(1), HASH, "id")
    first.commit()
    assert opened("topic", Path("/other")).find(["a"]) == {}
    assert opened("other").find(["a"]) == {}


@pytest.mark.parametrize("damage", [b"no database at all" * 1000, b""], ids=["garbage", "inside"])
def test_a_damaged_ledger_is_named_moved_aside_and_begun_anew(
    opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    ledger = opened()
    ledger.begin([(f"path-{number}", looks(number)) for number in range(2000)])
    ledger.close()
    (file,) = tmp_path.glob("ledger-*.sqlite")
    if damage:
        file.write_bytes(damage)
    else:
        content = bytearray(file.read_bytes())
        content[8192:40960] = bytes(32768)
        file.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        ledger = opened()
    assert str(file) in caplog.text
    assert "sent again" in caplog.text
    assert len(list(tmp_path.glob("ledger-*.damaged-*"))) == 1
    assert not ledger.is_new  # otherwise files that came while we were stopped would count as not wanted
    assert ledger.find(["path-1"]) == {}
    ledger.record("a", looks(1), HASH, "id")
    ledger.commit()


def test_a_ledger_of_a_newer_version_is_left_alone(opened: Open, tmp_path: Path) -> None:
    opened().close()
    (file,) = tmp_path.glob("ledger-*.sqlite")
    database = sqlite3.connect(file)
    database.execute("PRAGMA user_version = 3")
    database.close()
    with pytest.raises(ConfigError, match="newer version"):
        opened()


def test_a_ledger_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be opened .*unable to open"):
        open_ledger(tmp_path / "missing", "topic", FOLDER)


def test_rows_that_cannot_be_written_are_kept_for_the_next_try(opened: Open, tmp_path: Path) -> None:
    ledger = opened()
    (file,) = tmp_path.glob("ledger-*.sqlite")
    other = sqlite3.connect(file)
    other.execute("CREATE TRIGGER full BEFORE INSERT ON file BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    ledger.record("a", looks(1), HASH, "id")
    with pytest.raises(sqlite3.Error, match="disk full"):
        ledger.commit()
    assert ledger.unsaved == 1
    other.execute("DROP TRIGGER full")
    other.close()
    ledger.commit()
    assert list(opened().find(["a"])) == ["a"]
