"""The room in which encrypted records wait for their keys: what it holds, for how long, and what it says."""

import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from openmsi_core import waiting
from openmsi_core.chunk import encode_value
from openmsi_core.encryption.cipher import Missing
from openmsi_core.errors import BadFile, Retryable
from openmsi_core.exact import ExactWatermark
from openmsi_core.quarantine import Quarantine
from openmsi_core.records import Holder, Locked, Piece, Poison, Record
from openmsi_core.waiting import WaitingRoom
from openmsi_core.watermark import Watermark
from tests.support.locked_log import LateCipher, sealed
from tests.support.sending import chunks

(CHUNK,) = chunks("a", b"content")
KEYS = range(1, 5)


class Room(WaitingRoom):
    """One with a clock of its own."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor, seconds: float = 600) -> None:
        self.now = 0.0
        self.cipher = LateCipher()
        self.watermark = Watermark[Holder]()
        self.quarantine = Quarantine(folder, "topic")
        super().__init__(self.cipher, "topic", seconds, pool, self.watermark, self.quarantine, lambda: self.now)

    def come(self, key: int, offset: int, content: bytes | None = None) -> Record:
        """A record comes, and its key has not."""
        value = sealed(key, encode_value(CHUNK) if content is None else content)
        missing = self.cipher.decrypt("topic", "value", value)
        assert isinstance(missing, Missing)
        record = Record(0, offset, 1_700_000_000_000, b"key")
        self.hold(Locked(record, value, [("name", b"text")], missing))
        self.watermark.done(0, offset)
        return record

    def after(self, seconds: float) -> list[int]:
        """Look after some time; the offsets that go to quarantine."""
        self.now += seconds
        return [each.record.offset for each in self.look()]

    @property
    def aside(self) -> list[str]:
        return sorted(entry.name for entry in self.quarantine.folder.glob("*"))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


@pytest.fixture
def room(tmp_path: Path, pool: ThreadPoolExecutor) -> Room:
    return Room(tmp_path, pool)


def test_a_record_opens_once_its_key_comes_and_others_go_on(room: Room) -> None:
    first, other = room.come(1, 0), room.come(2, 1)
    assert room.after(1) == []
    assert room.opened() is None
    room.cipher.here.add(1)
    room.after(1)
    opened = room.opened()
    assert isinstance(opened, Piece)
    assert (opened.record, opened.chunk) == (first, CHUNK)
    assert room.watermark.committable(0) == 0
    with room.admit():
        assert room.watermark.committable(0) == 1
    assert room.opened() is None
    assert (len(room), room.watermark.holders([0])) == (1, {other})


@pytest.mark.parametrize("error", [Retryable("full"), BadFile("odd"), RuntimeError("not yet")])
def test_what_cannot_be_taken_in_waits_on(room: Room, error: Exception) -> None:
    record = room.come(1, 0)
    room.cipher.here.add(1)
    room.after(1)
    for _ in range(2):
        assert room.opened()
        with pytest.raises(type(error)), room.admit():
            raise error
        assert room.watermark.holds(record) == {0: 0}


def test_after_the_time_it_goes_to_quarantine_and_its_offset_is_free(room: Room) -> None:
    room.come(1, 0)
    room.come(2, 1)
    assert room.after(599) == []
    assert room.after(2) == [0, 1]
    assert room.watermark.committable(0) == 2
    assert (len(room), room.cipher.asked, room.aside) == (0, set(), ["topic-0-0", "topic-0-1"])


def test_a_key_that_comes_at_the_last_moment_counts(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_MOST_TRIES", 0)
    room.come(1, 0)
    room.cipher.here.add(1)
    assert room.after(601) == []
    room.after(1)
    assert room.opened()


def test_of_a_key_that_was_given_up_records_wait_shortly_until_it_comes(room: Room) -> None:
    room.come(1, 0)
    assert room.after(601) == [0]
    room.come(1, 1)
    assert room.after(14) == []
    assert room.after(2) == [1]
    room.come(1, 2)
    room.cipher.here.add(1)
    room.after(1)
    assert room.opened()
    room.cipher.here.clear()
    room.come(1, 3)
    assert room.after(16) == []


def test_what_stands_in_the_way_waits_shortly(room: Room) -> None:
    room.come(1, 0)
    room.hurried = True
    assert room.after(14) == []
    assert room.after(2) == [0]


def test_a_disk_that_refuses_loses_nothing_and_is_named(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_locked: Locked, _reason: str) -> None:
        raise Retryable("the disk is full")

    record = room.come(1, 0)
    with monkeypatch.context() as patch:
        patch.setattr(room.quarantine, "undecryptable", refuse)
        assert room.after(601) == []
        assert room.after(601) == []
    assert (room.trouble, room.watermark.holds(record)) == ("the disk is full", {0: 0})
    assert room.after(60) == [0]
    assert room.trouble is None


def test_a_partition_that_goes_takes_its_records_along(room: Room) -> None:
    room.come(1, 0)
    room.come(2, 1)
    room.cipher.here.add(2)
    room.after(1)
    assert room.busy
    room.forget([1])
    assert len(room) == 2
    room.forget([0])
    assert (len(room), room._bytes, room.busy, room.opened(), room.cipher.asked) == (0, 0, False, None, set())


def test_what_is_read_again_waits_once(room: Room) -> None:
    records = [room.come(key, offset) for offset, key in enumerate(KEYS)]
    room.cipher.here.add(KEYS[2])
    room.after(1)
    room.watermark.hold(0, 1, "a file whose bytes were lost")  # type: ignore[arg-type]  # any token
    offsets = room.watermark.rewind("a file whose bytes were lost")  # type: ignore[arg-type]
    room.read_again(offsets)
    assert room.watermark.holders([0]) == {records[0], "a file whose bytes were lost"}
    assert len(room) == 1
    assert room.opened() is None
    again = room.come(KEYS[1], 1)
    assert room.watermark.holds(again) == {0: 1}


def test_what_is_read_again_is_not_done_where_each_record_is_known(room: Room) -> None:
    watermark = ExactWatermark[Holder]("target")
    room.watermark = room._watermark = watermark
    lost = Record(0, 0, 0, None)  # any token
    watermark.hold(0, 0, lost)
    watermark.done(0, 0)
    room.come(1, 1)
    watermark.done(0, 2)
    room.read_again(watermark.rewind(lost))
    assert [watermark.is_done(0, offset) for offset in range(4)] == [False, False, True, False]


def test_a_damaged_record_is_poison_once_its_key_is_there(room: Room) -> None:
    room.come(1, 0, b"no chunk")
    room.cipher.here.add(1)
    room.after(1)
    assert isinstance(room.opened(), Poison)


def test_after_half_a_minute_it_names_the_topic_and_what_to_do(room: Room) -> None:
    for offset in range(3):
        room.come(1, offset)
    room.after(29)
    assert room.trouble is None
    room.after(2)
    assert room.trouble == (
        "nobody answers for the key of 3 records of topic topic: see that the uploader that sent them runs,"
        " or start openmsi key-server for its node"
    )


def test_it_is_full_by_bytes_whatever_they_are(room: Room) -> None:
    big = b"x" * (22 << 20)
    room.come(1, 0, big)
    assert not room.full
    record = Record(0, 1, 0, big)
    room.hold(Locked(record, b"", [("name", big)], Missing(2)))
    assert room.full
    room.forget([0])
    assert not room.full


def test_so_many_keys_are_a_flood_that_flows_off_at_the_end(tmp_path: Path, room: Room) -> None:
    locked = Locked(Record(0, 0, 0, b"key"), sealed(9, b""), [], Missing(0))
    for offset in range(waiting._MOST_KEYS - 1):
        room.hold(replace(locked, record=Record(0, offset, 0, b"key"), missing=Missing(offset)))
    assert not room.full
    assert room.after(16) == []
    room.hold(replace(locked, record=Record(0, 99_999, 0, b"key"), missing=Missing(99_999)))
    assert room.full
    aside = room.after(1)
    assert len(aside) == waiting.AT_A_TIME, "the others have time again"
    assert not room.full
    assert room.after(1) == []


@pytest.mark.parametrize("keys", [1, 20_000])
def test_memory_is_what_it_says(room: Room, monkeypatch: pytest.MonkeyPatch, keys: int) -> None:
    monkeypatch.setattr(waiting, "_MOST_KEYS", 1 << 30)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for offset in range(20_000):
            value, index = sealed(0, b"x" * 150), offset.to_bytes(32)
            record = Record(0, offset, 1_700_000_000_000 + offset, b"%100d" % offset)
            missing = Missing(index if keys > 1 else b"the only one")
            room.hold(Locked(record, value, [("name", b"%50d" % offset)], missing))
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert used < 1.1 * room._bytes
