"""Transactions of a process that shares partitions with others: what it has lost it does not commit."""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from openmsi_core.errors import Doubted, Retryable, Undone
from openmsi_core.transaction import Transaction
from tests.support.running import wait_for
from tests.support.transacting import LONG, FakeConsumer, FakeProducer, Relay, file


class Remembering:
    """Notes when it is told of something; may refuse."""

    def __init__(self, steps: list[str]) -> None:
        self.steps = steps
        self.refuses = ""

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name == self.refuses:
            raise Retryable("the disk is full")

    def settle(self, partitions: Collection[int], is_done: Callable[[int, int], bool]) -> None:
        self._step(f"settle {sorted(partitions)} {[is_done(p, 4) for p in sorted(partitions)]}")

    def flush(self) -> None:
        self._step("flush")

    def confirm(self) -> None:
        self._step("confirm")


@pytest.fixture
def relay() -> Iterator[Relay]:
    with ThreadPoolExecutor(8) as pool:
        made = Relay(pool)
        made.begin((5, None), (3, None))
        yield made
        made.transaction.close()


@pytest.fixture
def remembering(relay: Relay) -> Remembering:
    made = Remembering(relay.producer.steps)
    relay.transaction = Transaction(cast(Producer, relay.producer), "target", memory=made)
    relay.watermark = relay.transaction.watermark
    relay.producer.steps.clear()
    return made


def test_what_was_left_to_another_is_not_written_but_its_twin_is(relay: Relay) -> None:
    """The partition came back while the first of them was being worked on."""
    first, twin = file("a"), file("a")
    relay.transaction.leave({first})
    with pytest.raises(Doubted):
        relay.transaction.check(first)
    with pytest.raises(Doubted), relay.transaction.writing(first):
        raise AssertionError("must not begin")
    relay.transaction.check(twin)
    relay.watermark.hold(0, 5, twin.generation)
    writing = relay.write("a")
    assert relay.later()
    writing.result(LONG)
    assert relay.producer.steps == ["init", "begin", "produce a", "offsets", "commit"]


def test_what_is_written_and_left_to_another_is_given_up(relay: Relay) -> None:
    other, written = relay.write("other"), file("a")
    writing = relay.pool.submit(relay.write_this, written)
    relay.wait_until_written("a", writing)
    with pytest.raises(Undone, match="another process"):
        relay.transaction.leave({written})
    for each in (other, writing):
        with pytest.raises(Undone):
            each.result(LONG)
    with pytest.raises(Undone):
        relay.later()
    relay.transaction.close()
    assert relay.producer.steps[-1] == "abort"


def test_what_was_committed_before_may_be_left(relay: Relay) -> None:
    written = file("a")
    writing = relay.pool.submit(relay.write_this, written)
    relay.wait_until_written("a", writing)
    assert relay.later()
    relay.transaction.leave({written})
    writing.result(LONG)


def test_who_was_thrown_out_of_the_group_commits_nothing(relay: Relay) -> None:
    """A broker takes the offsets of whoever names no member."""
    file_written = relay.write("a")
    consumer = FakeConsumer()
    consumer.member = None
    with pytest.raises(Undone, match="has given the partitions"):
        relay.transaction.later(cast(Consumer, consumer), "source")
    with pytest.raises(Undone):
        file_written.result(LONG)
    assert "offsets" not in relay.producer.steps


def test_who_reads_without_a_group_commits_without_being_a_member() -> None:
    consumer, producer = FakeConsumer((5, None)), FakeProducer()
    consumer.member = None
    transaction = Transaction(cast(Producer, producer), "target")
    transaction.begin(cast(Consumer, consumer), [TopicPartition("source", 0)])
    transaction.watermark.done(0, 7)
    assert transaction.later(cast(Consumer, consumer), "source")
    assert producer.offsets == {0: 8}


def test_what_is_kept_beside_kafka_is_told_of_each_commit(relay: Relay, remembering: Remembering) -> None:
    relay.begin((5, None), (3, None))
    writing = relay.write("a")
    assert relay.later()
    writing.result(LONG)
    told = ["settle [0, 1] [True, False]", "begin", "produce a", "flush", "offsets", "commit", "confirm"]
    assert remembering.steps == told


@pytest.mark.parametrize("refused", ["flush", "confirm"])
def test_what_cannot_be_kept_beside_kafka_is_the_end(relay: Relay, remembering: Remembering, refused: str) -> None:
    remembering.refuses = refused
    writing = relay.write("a")
    with pytest.raises(Undone, match="full"):
        relay.later()
    with pytest.raises(Undone):
        writing.result(LONG)
    assert ("commit" in remembering.steps) == (refused == "confirm")


def test_what_cannot_be_kept_at_the_beginning_is_the_end(relay: Relay, remembering: Remembering) -> None:
    remembering.refuses = "settle [0] [True]"
    with pytest.raises(Undone, match="full"):
        relay.begin((5, None))


def test_a_transaction_that_is_large_enough_is_not_made_larger(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmsi_core.transaction._LINGER_SECONDS", LONG)
    relay.transaction = Transaction(cast(Producer, relay.producer), "target", enough=10)
    writing = [relay.pool.submit(relay.write_whole, name) for name in ("01234", "56789")]
    wait_for(lambda: relay.transaction.eager, "enough", LONG)
    assert relay.later()
    for each in writing:
        each.result(LONG)
    assert not relay.transaction.eager
