"""Files that stopped coming are put aside and taken up again, and nothing of them is lost on the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_log import Log, arrival
from tests.support.receiving import Member, MemoryDestination
from tests.support.sending import chunks, upload

CONTENT = bytes(range(256)) * 20


@pytest.fixture
def destination() -> MemoryDestination:
    return MemoryDestination()


@pytest.fixture
def log() -> Log:
    return Log(2)


@pytest.fixture
def member(tmp_path: Path, log: Log, destination: MemoryDestination) -> Iterator[Member]:
    made = Member(log, tmp_path, destination)
    yield made
    made.staging.close()


def test_a_parked_file_survives_any_number_of_crashes(tmp_path: Path, log: Log, destination: MemoryDestination) -> None:
    pieces, by = list(chunks("a", CONTENT)), upload(CONTENT)
    for piece in pieces[:3]:
        log.append(0, piece, by)
    for count in range(3, len(pieces)):
        member = Member(log, tmp_path, destination)
        member.drain()
        member.kill()  # with what was adopted still open
        member = Member(log, tmp_path, destination)
        member.drain()
        member.park()
        assert member.commit()[0] == count
        member.kill()
        log.append(0, pieces[count], by)
    member = Member(log, tmp_path, destination)
    member.drain()
    assert destination.tree == {"a": CONTENT}
    assert list(member.quarantine.folder.iterdir()) == []
    member.staging.close()


def test_parked_bytes_outlive_a_rebalance(member: Member, destination: MemoryDestination) -> None:
    pieces, by = list(chunks("a", CONTENT)), upload(CONTENT)
    for piece in pieces[:3]:
        member.log.append(0, piece, by)
    member.drain()
    member.park()
    member.commit()
    for piece in pieces[3:]:
        member.log.append(0, piece, by)
    while member.read(0):
        pass
    member.leave(0)  # complete, waiting for its delivery
    member.drain()
    assert destination.tree == {"a": CONTENT}


def test_a_parked_file_keeps_its_place_in_the_log(member: Member, destination: MemoryDestination) -> None:
    """Two programs that give no times: the one whose last chunk came later wins, also when that one was parked."""
    late = list(chunks("a", CONTENT, mtime=0.0))
    early = list(chunks("a", b"early" * 300, mtime=0.0))
    for chunk in early:
        member.log.append(0, chunk)
    for chunk in late[1:]:
        member.log.append(1, chunk)
    while member.read(1):
        pass
    member.park()
    member.log.append(0, late[0])
    records = member.log.partitions[0]
    records[-1] = arrival(late[0], offset=len(records) - 1, time=0)  # written first, read last
    member.drain()
    assert destination.tree == {"a": CONTENT}
