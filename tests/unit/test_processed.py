"""What was processed is remembered, whenever a process dies; what was not is not."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import ConfigError, Retryable, Undone
from openmsi_core.generation import Generation, Version
from openmsi_core.paths import RelativePath
from openmsi_processor.processed import Processed

PATH = RelativePath("a")


def file(content: str, offset: int, partition: int = 0, path: RelativePath = PATH) -> CompleteFile:
    """The ``offset``-th upload of one source, completed by the record there; its newest record is another."""
    digest, upload = content.encode(), f"{offset:04}"
    version = Version(digest, upload, "source", 1.0, (5, offset + 7))
    return CompleteFile(Generation(path, digest, 1, upload), version, 1, b"x", None, partition, offset)


def nothing(_partition: int, _offset: int) -> bool:
    return False


def everything(_partition: int, _offset: int) -> bool:
    return True


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "processed.sqlite"


def opened(database: Path, log: str = "log") -> Processed:
    made = Processed(str(database), log)
    made.begin()
    return made


def test_what_is_committed_is_remembered(database: Path) -> None:
    processed = opened(database)
    assert processed.version(PATH) is None
    one = file("one", 3)
    processed.note(one)
    assert processed.version(PATH) == one.version
    processed.flush()
    assert processed.version(PATH) == one.version
    processed.confirm()
    assert processed.version(PATH) == one.version
    assert opened(database).version(PATH) == one.version
    assert opened(database, "another").version(PATH) is None
    processed.close()


def test_what_is_not_committed_when_work_begins_anew_is_not_done(database: Path) -> None:
    processed = opened(database)
    processed.record(file("before", 1))
    processed.note(file("one", 3))
    processed.flush()
    processed.begin()
    processed.settle({0}, nothing)
    assert processed.version(PATH) == file("before", 1).version
    processed.settle({0}, everything)
    assert processed.version(PATH) == file("before", 1).version, "it was decided before"


def test_what_a_dead_process_left_is_decided_by_its_offset(database: Path) -> None:
    left = opened(database)
    paths = {offset: RelativePath(f"file {offset}") for offset in range(4)}
    for offset, path in paths.items():
        left.note(file("x", offset, offset % 2, path))
    left.flush()
    after = opened(database)
    assert [after.version(path) for path in paths.values()] == [None] * 4
    after.settle({0}, lambda partition, offset: (partition, offset) in {(0, 2), (1, 1), (0, 9)})
    assert [after.version(path) is not None for path in paths.values()] == [False, False, True, False]
    after.settle({1}, lambda _, offset: offset == 1)
    assert [after.version(path) is not None for path in paths.values()] == [False, True, True, False]


def test_who_was_frozen_changes_nothing_that_another_has_gone_on_with(database: Path) -> None:
    frozen = opened(database)
    frozen.note(file("one", 1))
    frozen.flush()
    other = opened(database)
    other.settle({0}, everything)  # its commit has come through
    other.note(file("two", 2))
    other.flush()
    frozen.confirm()
    third = opened(database)
    assert third.version(PATH) == file("one", 1).version, "the second is not committed"
    other.confirm()
    assert third.version(PATH) == file("two", 2).version
    frozen.confirm()
    assert third.version(PATH) == file("two", 2).version


def test_who_was_frozen_writes_nothing_of_what_another_reads_by_now(database: Path) -> None:
    frozen, other = opened(database), opened(database)
    frozen.settle({0, 1}, nothing)
    frozen.note(file("one", 1))
    other.settle({0}, nothing)
    with pytest.raises(Retryable, match="another process"):
        frozen.flush()
    with pytest.raises(Retryable, match="another process"):
        frozen.record(file("one", 1))
    frozen.record(file("x", 1, partition=1, path=RelativePath("b")))
    assert other.version(RelativePath("b")) is not None
    other.settle({0}, everything)
    assert other.version(PATH) is None
    frozen.begin()
    frozen.settle({0}, nothing)
    with pytest.raises(Retryable, match="another process"):
        other.record(file("one", 1))


def test_several_processes_write_at_once(database: Path) -> None:
    many = [opened(database) for _ in range(3)]
    for number, each in enumerate(many):
        each.note(file("x", number, path=RelativePath(str(number))))
        each.flush()
    for each in many:
        each.confirm()
    assert all(many[0].version(RelativePath(str(number))) for number in range(3))


class Refusing:
    """A database whose writes fail, as on a full disk."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self.real = real

    def execute(self, text: str, *arguments: Any) -> sqlite3.Cursor:
        if text.startswith("BEGIN"):
            raise sqlite3.OperationalError("database or disk is full")
        return self.real.execute(text, *arguments)


def test_a_disk_that_refuses_loses_nothing(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processed = opened(database)
    real = processed._database
    assert real is not None
    processed.note(file("one", 1))
    monkeypatch.setattr(processed, "_database", Refusing(real))
    with pytest.raises(Retryable, match="cannot be kept"):
        processed.flush()
    with pytest.raises(Retryable):
        processed.record(file("two", 2))
    monkeypatch.setattr(processed, "_database", real)
    processed.flush()
    monkeypatch.setattr(processed, "_database", Refusing(real))
    processed.confirm()
    assert processed.version(PATH) == file("one", 1).version
    monkeypatch.setattr(processed, "_database", real)
    processed.confirm()
    assert opened(database).version(PATH) == file("one", 1).version


def test_nothing_is_processed_while_nothing_can_be_remembered(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(database).close()
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("openmsi_processor.processed._WAIT_SECONDS", 0.01)
    with pytest.raises(Undone, match="locked"):
        opened(database)
    holder.close()
    opened(database).close()


def test_a_damaged_file_is_named(database: Path) -> None:
    database.write_bytes(b"no database" * 100)
    with pytest.raises(ConfigError, match=r"processed\.sqlite.*delete it"):
        opened(database)
