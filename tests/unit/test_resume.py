"""A receiver goes on where one that is gone left off, and anything that does not fit only costs time."""

import errno
import os
import threading
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from openmsi_core import resume, staging
from openmsi_core.errors import StagedBytesLost
from openmsi_core.journal import JOURNAL, Journal, load, save, write
from tests.support.fake_log import Log
from tests.support.receiving import Member, MemoryDestination
from tests.support.sending import chunks, upload

CONTENT = bytes(range(256)) * 40  # 11 chunks
LAST = 10


class Start(Protocol):
    """Makes a member."""

    def __call__(self, of: Log = ..., root: Path = ..., partitions: Collection[int] | None = None) -> Member: ...


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals of small files."""
    monkeypatch.setattr(resume, "_EVERY_BYTES", 1)
    monkeypatch.setattr(resume, "_SMALLEST", 1)


@pytest.fixture
def log() -> Log:
    """A file in partition 0 of two, after a small one."""
    log = Log(2)
    for path, content in (("small", b"small"), ("large", CONTENT)):
        by = upload(content)
        for chunk in chunks(path, content):
            log.append(0, chunk, by)
    return log


@pytest.fixture
def place() -> MemoryDestination:
    return MemoryDestination()


@pytest.fixture
def start(log: Log, place: MemoryDestination, tmp_path: Path) -> Iterator[Start]:
    """Starts members that end with the test."""
    started: list[Member] = []

    def start(of: Log = log, root: Path = tmp_path, partitions: Collection[int] | None = None) -> Member:
        root.mkdir(exist_ok=True)
        started.append(Member(of, root, place, partitions))
        return started[-1]

    yield start
    for member in started:
        if member.staging.folder._lock is not None:
            member.stop()


@pytest.fixture
def dead(log: Log, place: MemoryDestination, tmp_path: Path) -> Member:
    """Killed when it had the small file delivered, eight chunks of the large one, and six of them in its journal."""
    member = Member(log, tmp_path, place)
    member.commit()
    read(member, 7)
    member.deliver()
    member.collect()
    member.commit()
    member.note()
    read(member, 2)
    member.kill()
    return member


def read(member: Member, records: int, partition: int = 0) -> None:
    for _ in range(records):
        assert member.read(partition)


def test_only_what_the_journal_does_not_know_is_read_again(
    start: Start, dead: Member, place: MemoryDestination
) -> None:
    member = start()
    assert member.position == {0: 7, 1: 0}
    assert member.commit() == {0: 1, 1: 0}
    member.drain()
    assert place.tree == {"small": b"small", "large": CONTENT}
    assert member.commit() == {0: 12, 1: 0}
    member.stop()
    assert list(member.staging.own.parent.iterdir()) == []


@pytest.mark.parametrize("lost", ["journal", "staged file", "lock", "everything"])
def test_what_is_lost_is_read_again(start: Start, dead: Member, place: MemoryDestination, lost: str) -> None:
    for file in dead.staging.own.iterdir():
        kind = {JOURNAL: "journal", "lock": "lock"}.get(file.name, "staged file")
        if lost in (kind, "everything"):
            file.unlink()
    member = start()
    assert member.position[0] == 1
    member.drain()
    assert place.tree == {"small": b"small", "large": CONTENT}


@pytest.mark.parametrize("cut", [0, 3000, 5999])
def test_a_staged_file_that_was_cut_short(start: Start, dead: Member, place: MemoryDestination, cut: int) -> None:
    (staged,) = [file for file in dead.staging.own.iterdir() if file.name not in (JOURNAL, "lock")]
    os.truncate(staged, cut)
    member = start()
    assert member.position[0] == 1
    member.drain()
    assert place.tree["large"] == CONTENT


def test_a_staged_file_that_was_damaged_is_read_again(start: Start, dead: Member, place: MemoryDestination) -> None:
    (staged,) = [file for file in dead.staging.own.iterdir() if file.name not in (JOURNAL, "lock")]
    with staged.open("r+b") as file:
        file.seek(1234)
        file.write(b"!")
    member = start()
    assert member.position[0] == 7
    member.drain()
    assert place.tree["large"] == CONTENT
    assert not member.quarantine.folder.exists()


def test_any_flipped_bit_makes_the_journal_worthless(dead: Member) -> None:
    path = dead.staging.own / JOURNAL
    good = path.read_bytes()
    assert load(path.parent) is not None
    for place in range(0, len(good) * 8, 7):
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        path.write_bytes(bad)
        assert load(path.parent) is None


@pytest.mark.parametrize("committed", [0, 9])
def test_offsets_that_somebody_moved_count(
    start: Start, dead: Member, place: MemoryDestination, committed: int
) -> None:
    dead.log.committed[0] = committed
    member = start()
    assert member.position[0] == committed


def test_offsets_that_nobody_can_ask_for_leave_everything_where_it_is(
    start: Start, dead: Member, tmp_path: Path
) -> None:
    other = start(Log(2), tmp_path / "elsewhere")
    stage = staging.Staging(tmp_path)
    stage.folder.start()
    early = resume.Resume(other.intake, stage, other.watermark, "topic and group")
    assert early.begin({0}, lambda _: {}) == {}
    stage.close()
    assert start().position[0] == 7


@pytest.mark.parametrize("name", ["another", ""])
def test_another_group_or_topic_leaves_it_alone(start: Start, dead: Member, tmp_path: Path, name: str) -> None:
    other = start(Log(2), tmp_path / "elsewhere")
    stage = staging.Staging(tmp_path)
    stage.folder.start()
    theirs = resume.Resume(other.intake, stage, other.watermark, name)
    assert theirs.begin({0, 1}, lambda _: dead.log.committed) == {}
    stage.close()
    assert start().position[0] == 7


def test_a_living_process_keeps_its_own(start: Start, log: Log, place: MemoryDestination, tmp_path: Path) -> None:
    alive = start()
    alive.commit()
    read(alive, 7)
    alive.deliver()
    alive.collect()
    alive.commit()
    alive.note()
    assert start().position[0] == 1
    alive.drain()
    assert place.tree["large"] == CONTENT


def test_a_newer_version_came_meanwhile(start: Start, dead: Member, place: MemoryDestination) -> None:
    by = upload(b"newer")
    (chunk,) = chunks("large", b"newer")
    other = start(Log(2), dead.root / "elsewhere")
    other.log.append(0, chunk, by)
    other.drain()
    member = start()
    assert member.position[0] == 7
    member.drain()
    assert place.tree["large"] == b"newer"
    assert member.commit()[0] == 12
    member.stop()
    assert list(member.staging.own.parent.iterdir()) == []


def test_each_reader_takes_up_its_own_partitions(start: Start, place: MemoryDestination, tmp_path: Path) -> None:
    log = Log(2)
    for partition, path in enumerate(["a", "b"]):
        by = upload(CONTENT)
        for chunk in chunks(path, CONTENT):
            log.append(partition, chunk, by)
    dead = Member(log, tmp_path, place)
    for partition in (0, 1):
        read(dead, 5, partition)
    dead.commit()
    dead.note()
    dead.kill()
    for partition in (0, 1):
        member = start(log, partitions={partition})
        assert member.position[partition] == 5
        member.drain()
    assert place.tree == {"a": CONTENT, "b": CONTENT}


def test_an_orderly_end_keeps_all_that_has_come(
    start: Start, log: Log, place: MemoryDestination, tmp_path: Path
) -> None:
    member = start()
    member.commit()
    read(member, 9)
    member.deliver()
    member.collect()
    member.stop()
    member = start()
    assert member.position[0] == 9
    member.drain()
    assert place.tree["large"] == CONTENT


def test_a_journal_that_can_be_of_no_use_is_cleared_away(start: Start, dead: Member) -> None:
    journal = load(dead.staging.own)
    assert journal is not None
    save(dead.staging.own, replace(journal, partitions={}))
    assert start().position[0] == 1
    assert not dead.staging.own.exists()


def test_nothing_is_noted_before_anything_was_committed(
    start: Start, log: Log, place: MemoryDestination, tmp_path: Path
) -> None:
    """Such a note could not be used, and would be left behind."""
    member = Member(log, tmp_path, place)
    read(member, 7)
    member.note()
    member.resume.hand_over({0, 1})
    member.kill()
    assert not list(member.staging.own.parent.glob(f"*/{JOURNAL}"))


def test_what_is_old_is_removed(start: Start, dead: Member) -> None:
    old = time.time() - 8 * 86400
    os.utime(dead.staging.own / JOURNAL, (old, old))
    assert start().position[0] == 1
    assert not dead.staging.own.exists()


def test_it_does_not_run_ahead_of_a_slow_disk(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = threading.Event()

    def slow(folder: Path, journal: Journal, opened: dict[Path, int]) -> set[Path]:
        assert synced.wait(30)
        return write(folder, journal, opened)

    monkeypatch.setattr(resume, "write", slow)
    member = start()
    read(member, 7)
    member.commit()
    member.resume.note()
    assert member.resume.note() == []  # nothing has come since: it is not waited for
    read(member, 2)
    with ThreadPoolExecutor(1) as pool:
        noting = pool.submit(member.resume.note)
        with pytest.raises(TimeoutError):
            noting.result(0.3)
        synced.set()
        assert noting.result(30) == []


def test_a_failed_fsync_is_not_forgotten(
    start: Start, place: MemoryDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def refuse_once(_file: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        raise OSError(errno.EIO, "Input/output error")

    member = start()
    read(member, 2)
    member.commit()
    read(member, 9)
    (partial,) = [member.staging.partial(file.generation) for file in member.intake.files if file.generation.total > 1]
    assert partial is not None
    monkeypatch.setattr(os, "fsync", refuse_once)
    assert member.resume.note() == []
    assert member.resume._writing is not None
    member.resume._writing.lost.result()
    assert load(member.staging.own) is None
    read(member, 1)  # complete, before the loop has heard of it
    with pytest.raises(StagedBytesLost):
        member.resume.wait(partial.path)
    assert member.resume.note() == []  # it is being delivered: the delivery says so
    with pytest.raises(StagedBytesLost):
        member.resume.wait(partial.path)
    member.drain()
    assert place.tree["large"] == CONTENT


def test_a_large_file_is_hashed_in_steps(
    start: Start, dead: Member, place: MemoryDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "_CATCH_UP_BYTES", 100)
    monkeypatch.setattr(staging, "_SEAL_BYTES", 1000)
    member = start()
    read(member, 5)
    position, steps = member.position[0], 0
    while not member.waiting:
        steps += 1
        read(member, 1)
    assert steps > 3
    assert member.position[0] <= position + 1
    member.drain()
    assert place.tree["large"] == CONTENT
