"""Encrypted records whose keys come late, or never, with crashes, rebalances, losses: nothing is lost or passed over.

The model is the one of `test_intake_model`: what a receiver makes of the same records when nothing is encrypted.
"""

import random
import threading
import time
from pathlib import Path

import pytest

from openmsi_core import receive, resume, retry, staging, waiting
from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import StagedBytesLost
from openmsi_core.exact import ExactWatermark, _from_text
from openmsi_core.generation import Verdict, judge, unfinished
from openmsi_core.records import Piece, Poison, Record
from tests.support.locked_log import LockedLog, LockedMember
from tests.support.receiving import MemoryDestination
from tests.unit.test_intake_model import KINDS, PARTITIONS, Sent, check_versions, write

KEYS = 5
DEAD = KEYS - 1
"""The key that nobody gives before the end."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything small and quick."""
    monkeypatch.setattr(resume, "_EVERY_BYTES", 1)
    monkeypatch.setattr(resume, "_SMALLEST", 1)
    monkeypatch.setattr(staging, "_CATCH_UP_BYTES", 1500)
    monkeypatch.setattr(staging, "_SEAL_BYTES", 1500)
    monkeypatch.setattr(retry, "_FIRST_SECONDS", 0.001)
    monkeypatch.setattr(waiting, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(waiting, "_SHORT_SECONDS", 0.01)
    monkeypatch.setattr(waiting, "_AT_ONCE_BYTES", 5000)
    monkeypatch.setattr(receive, "_LOOK_AROUND_SECONDS", 0.01)
    monkeypatch.setattr(
        receive, "start_of", lambda consumer, place, *_: (consumer.committed([place], timeout=1)[0].offset, 0)
    )


class Locking(MemoryDestination):
    """One that can be looked at while threads deliver."""

    def __init__(self) -> None:
        super().__init__()
        self.at_rest = threading.Lock()

    def deliver(self, file: CompleteFile) -> Verdict:
        with self.at_rest:
            try:
                return super().deliver(file)
            except FileNotFoundError:
                raise StagedBytesLost("wiped meanwhile") from None


def encrypted_log(kind: str, count: int, dice: random.Random) -> tuple[LockedLog, list[Sent]]:
    """As `write`; each upload has a key of its own, some change it on their way."""
    plain, sent = write(kind, count, dice)
    log = LockedLog(PARTITIONS)
    by = {each.generation: (each.by, dice.randrange(KEYS)) for each in sent}
    for partition, arrivals in enumerate(plain.partitions):
        for arrival in arrivals:
            if isinstance(arrival, Piece):
                upload, key = by[arrival.generation]
                log.append(partition, key if dice.random() < 0.8 else dice.randrange(KEYS), arrival.chunk, upload)
            else:
                log.append(partition, 0, arrival.value)
    return log, sent


def check_commit(member: LockedMember, destination: Locking, *, exact: bool) -> None:
    """Whatever is committed is done with: delivered, beaten, or in quarantine."""
    with destination.at_rest:
        _check_commit(member, destination, exact=exact)


def _check_commit(member: LockedMember, destination: Locking, *, exact: bool) -> None:
    for partition, offset in member.log.committed.items():
        done = set(range(offset))
        if exact and (text := member.log.texts.get(partition)):
            purpose = member.commits.watermark
            assert isinstance(purpose, ExactWatermark)
            left = _from_text(text, purpose._purpose)
            done |= {offset + number for number, bit in enumerate(left) if not bit}
        for each in sorted(done):
            arrival = member.log.truth[partition][each]
            if (member.quarantine.folder / f"topic-{partition}-{each}" / "reason.json").exists():
                continue
            assert not isinstance(arrival, Poison)
            if arrival.generation not in destination.delivered:
                placed = destination.placed.get(arrival.generation.path.text)
                version = arrival.version if arrival.generation.total == 1 else unfinished(arrival.version)
                beaten = placed is not None and judge(version, placed[0]) is not Verdict.NEWER
                assert beaten or member.quarantine.parked(arrival.generation) is not None, (partition, each)


def check_room(member: LockedMember) -> None:
    """A record waits in one place, and holds its offset; nothing else of what waited does."""
    room, watermark = member.room, member.commits.watermark
    waiting = [each for records in (*room._locked.values(), room._openable, room._opened) for each in records]
    records = [each.locked.record for each in waiting]
    assert len(records) == len(set(records)) == len(room)
    assert room._bytes == sum(each.size for each in waiting)
    assert all(watermark.holds(record) == {record.partition: record.offset} for record in records)
    tokens = {token for token in watermark.holders(range(PARTITIONS)) if isinstance(token, Record)}
    assert tokens == set(records)
    if isinstance(watermark, ExactWatermark):
        assert not any(watermark.is_done(record.partition, record.offset) for record in records)
    read_so_far = {
        p: member.consumer.position.get(p, 0) for p in range(PARTITIONS)
    } | member.receiver._membership._rewinds
    assert all(record.offset < read_so_far[record.partition] for record in records), "it comes again"


def step(member: LockedMember, dice: random.Random) -> None:
    match dice.choice(["turn"] * 20 + ["key"] * 2 + ["revoked", "lost", "wipe", "wait"]):
        case "turn":
            member.turn()
        case "key":
            member.cipher.here.add(dice.randrange(KEYS - 1))
        case "wipe":
            member.wipe()
        case "wait":
            time.sleep(0.003)
        case how:
            member.consumer.to_come.append((how, dice.randrange(PARTITIONS)))


def drain(member: LockedMember) -> None:
    until = time.monotonic() + 20
    while not member.idle:
        member.turn()
        assert time.monotonic() < until, "it does not come to its end"
    member.turn()


@pytest.fixture(params=range(60))
def dice(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.param)


@pytest.mark.parametrize("exact", [False, True], ids=["plain", "exact"])
def test_every_file_is_there_at_the_end_or_comes_with_its_key(dice: random.Random, tmp_path: Path, exact: bool) -> None:
    log, sent = encrypted_log(dice.choice(KINDS[:3]), dice.randrange(2, 7), dice)
    destination = Locking()
    seconds = dice.choice([0.0, 0.01, 0.05])

    def begin() -> LockedMember:
        return LockedMember(log, tmp_path, destination, dice, exact=exact, seconds=seconds)

    member = begin()
    try:
        for _ in range(dice.randrange(150)):
            step(member, dice)
            check_commit(member, destination, exact=exact)
            check_room(member)
            if dice.random() < 0.05:
                member.end()
                member = begin()
        member.cipher.here |= set(range(KEYS - 1))
        drain(member)
        check_commit(member, destination, exact=exact)
        assert (len(member.room), member.room._bytes) == (0, 0)
        for partition, _, value, headers in member.undecryptable():  # as `openmsi quarantine retry` does
            log.raw(partition, value, headers)
        member.cipher.here.add(DEAD)
        drain(member)
        check_commit(member, destination, exact=exact)
    finally:
        member.end()
    check_versions(destination, sent)
