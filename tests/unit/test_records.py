"""From messages to arrivals: nothing is lost, nothing raises, batches stay small."""

from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError
from hypothesis import given, settings
from hypothesis import strategies as st

from openmsi_core.chunk import encode_value
from openmsi_core.pace import BESIDE_VALUE, Pace
from openmsi_core.records import Piece, Poison, Reader, decode
from tests.support.clocks import Clocks
from tests.support.fake_log import FakeMessage, arrival
from tests.support.sending import chunks, upload


def test_a_good_record() -> None:
    (chunk,) = chunks("sub/a", b"hello")
    by = upload(b"hello")
    piece = arrival(chunk, by, partition=3, offset=7, time=99)
    assert isinstance(piece, Piece)
    assert (piece.chunk, piece.upload, piece.generation.path.text) == (chunk, by, "sub/a")
    assert (piece.version.logged, piece.version.upload_id, piece.generation.upload_id) == (
        (99, 7),
        by.upload_id,
        by.upload_id,
    )


@pytest.mark.parametrize("value", [None, b"", b"garbage"])
def test_poison_keeps_what_it_was(value: bytes | None) -> None:
    poison = arrival(value, partition=3, offset=7)
    assert isinstance(poison, Poison)
    assert (poison.value, poison.record.key, poison.record.partition, poison.record.offset) == (value, b"key", 3, 7)
    assert poison.reason


def test_an_unsafe_path_is_poison() -> None:
    (chunk,) = chunks("a", b"x")
    poison = decode(cast(Any, FakeMessage(0, 0, 0, encode_value(chunk).replace(b"\xa1a", b"\xa2.."))))
    assert isinstance(poison, Poison)
    assert ".." in poison.reason


def test_a_record_without_a_time_counts_as_old() -> None:
    assert arrival(b"", time=-1).record.timestamp == 0


@settings(deadline=None, max_examples=200)
@given(
    st.none() | st.binary(max_size=300), st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=40)))
)
def test_nothing_raises(value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
    assert isinstance(decode(cast(Any, FakeMessage(0, 0, 0, value, headers))), Poison)


class FakeFailure(FakeMessage):
    """What Kafka delivers instead of a record."""

    def error(self) -> Any:
        return KafkaError(KafkaError._AUTO_OFFSET_RESET)


class FakeConsumer:
    """Gives ``messages``, and notes how many were asked for."""

    def __init__(self, messages: list[FakeMessage]) -> None:
        self.messages = messages
        self.asked: list[int] = []

    def poll(self, _timeout: float) -> FakeMessage | None:
        return self.messages.pop(0) if self.messages else None

    def consume(self, count: int, timeout: float) -> list[FakeMessage]:
        assert timeout == 0
        self.asked.append(count)
        taken, self.messages = self.messages[:count], self.messages[count:]
        return taken


def read_all(consumer: FakeConsumer) -> tuple[list[int], list[int]]:
    """Offsets and partitions with errors, in the order of their arrival."""
    offsets: list[int] = []
    failures: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        reader = Reader(cast(Consumer, consumer), pool)
        while consumer.messages:
            incoming, errors = reader.read(0.1)
            offsets += [each.arrival().record.offset for each in incoming]
            failures += [partition for _, partition in errors]
        assert reader.read(0.0) == ([], [])
    return offsets, failures


def test_order_is_kept_and_errors_lose_nothing() -> None:
    messages = [FakeMessage(0, i, 0, b"x" * (i % 7)) for i in range(300)]
    messages[::50] = [FakeFailure(i, 0, 0, b"") for i in range(6)]
    offsets, failures = read_all(FakeConsumer(messages))
    assert offsets == [i for i in range(300) if i % 50]
    assert failures == list(range(6))


@pytest.mark.parametrize(("size", "least", "most"), [(100, 500, 1000), (524_288, 10, 16), (20 << 20, 1, 1)])
def test_a_batch_is_some_8_mb(size: int, least: int, most: int) -> None:
    value = bytes(size)
    consumer = FakeConsumer([FakeMessage(0, i, 0, value) for i in range(2500 if size < 1000 else 60)])
    read_all(consumer)
    assert least <= max(consumer.asked) <= most


def turns_of(data: bytes, pace: Pace | None = None) -> list[set[type]]:
    """What each read finds in 200 parts of damaged files and one damaged file of a single record."""
    damaged = [replace(chunk, data=bytes(len(chunk.data))) for chunk in chunks("a", data * 20, size=len(data))]
    lone = [replace(chunk, data=bytes(len(chunk.data))) for chunk in chunks("b", data, size=len(data))]
    values = [encode_value(chunk) for chunk in damaged * 10 + lone]
    consumer = FakeConsumer([FakeMessage(0, i, 0, value) for i, value in enumerate(values)])
    turns: list[set[type]] = []
    with ThreadPoolExecutor(2) as pool:
        reader = Reader(cast(Consumer, consumer), pool, pace=pace)
        while consumer.messages:
            turns.append({type(each.arrival()) for each in reader.read(0.1)[0]})
    return turns


def test_while_there_is_more_than_it_can_take_parts_of_files_come_unchecked() -> None:
    turns = turns_of(b"x" * 100_000)
    assert turns == [{Poison}, {Piece}, {Piece}, {Poison}]  # at first it does not know; at last it has caught up


def test_what_a_pace_lets_through_is_checked() -> None:
    turns = turns_of(b"x" * 100_000, Clocks().pace("5M"))
    assert len(turns) > 10
    assert set.union(*turns) == {Poison}


def test_a_file_of_one_record_is_always_checked() -> None:
    (chunk,) = chunks("b", b"x" * 100_000, size=100_000)
    message = FakeMessage(0, 0, 0, encode_value(replace(chunk, data=bytes(100_000))))
    assert isinstance(decode(cast(Any, message), part_unchecked=True), Poison)


def test_nothing_but_errors() -> None:
    assert read_all(FakeConsumer([FakeFailure(2, 0, 0, b"")])) == ([], [2])


def reading(consumer: FakeConsumer, pace: Pace, clocks: Clocks) -> Reader:
    return Reader(cast(Consumer, consumer), _Never(), pace=pace, clock=lambda: clocks.now)


class _Never(Executor):
    """Decodes nothing."""

    def submit(self, *_args: Any, **_more: Any) -> Any:
        return None


@pytest.mark.parametrize(("limit", "size"), [("50k", 16_384), ("300k", 524_288), ("20M", 524_288), ("2M", 300)])
def test_a_paced_reader_reads_as_much_as_it_may(limit: str, size: int) -> None:
    clocks = Clocks()
    pace = clocks.pace(limit)
    consumer = FakeConsumer([FakeMessage(0, i, 0, bytes(size)) for i in range(int(100 * pace.slowest / size) + 2)])
    reader, total, biggest = reading(consumer, pace, clocks), 0, 0
    began = clocks.now
    while clocks.now < began + 60:
        count = len(reader.read(0.25)[0])
        biggest = max(biggest, count)
        total += count * (size + BESIDE_VALUE)
        clocks.now += 0.001
    assert total == pytest.approx(pace.slowest * 60, rel=max(0.05, size / pace.slowest / 60))
    assert biggest * size <= max(pace.portion + size, size)


def test_a_paced_reader_asks_nothing_of_the_consumer_while_it_waits_but_not_for_too_long() -> None:
    clocks = Clocks()
    pace = clocks.pace("10k")
    consumer = FakeConsumer([FakeMessage(0, i, 0, bytes(16 << 20)) for i in range(3)])
    reader = reading(consumer, pace, clocks)
    assert len(reader.read(0.25)[0]) == 1
    began = clocks.now
    assert reader.read(0.25) == ([], [])
    assert clocks.now == pytest.approx(began + 0.25)
    assert len(consumer.messages) == 2
    while not reader.read(0.25)[0]:
        pass
    assert clocks.now == pytest.approx(began + 300, abs=1)  # half of max.poll.interval.ms
    assert len(consumer.messages) == 1


def test_without_a_pace_the_batches_are_as_ever() -> None:
    consumer = FakeConsumer([FakeMessage(0, i, 0, bytes(524_288)) for i in range(40)])
    clocks = Clocks()
    unlimited = clocks.pace("08:00,1M 20:00,off")  # it is midnight
    reader = reading(consumer, unlimited, clocks)
    while consumer.messages:
        reader.read(0.0)
    assert max(consumer.asked) == 15
