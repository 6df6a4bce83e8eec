"""What is written and what it was made of are committed together, or not at all; and nobody waits for ever."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from openmsi_core import transaction as module
from openmsi_core.errors import ConfigError, Undone
from openmsi_core.transaction import Transaction
from tests.support.running import wait_for
from tests.support.transacting import LONG, FakeConsumer, FakeProducer, Relay, generation


def failure(code: int) -> KafkaException:
    return KafkaException(KafkaError(code, "said the broker"))


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    monkeypatch.setattr(module, "_BEGIN_SECONDS", 0.3)
    with ThreadPoolExecutor(8) as pool:
        made = Relay(pool)
        yield made
        made.producer.over.set()
        made.transaction.close()


def read(relay: Relay, name: str, *offsets: int, partition: int = 0) -> None:
    """Records of a file."""
    for offset in offsets:
        relay.watermark.hold(partition, offset, generation(name))
        relay.watermark.done(partition, offset)


def after(before: Relay, pool: ThreadPoolExecutor) -> Relay:
    """Who begins anew with what was committed."""
    made, producer = Relay(pool), before.producer
    made.begin(*[(producer.offsets[p], producer.texts[p]) for p in sorted(producer.offsets)])
    return made


def test_files_and_offsets_go_together(relay: Relay) -> None:
    read(relay, "held", 4)
    read(relay, "a", 5, 6)
    read(relay, "b", 7)
    files = [relay.write("a"), relay.write("b")]
    read(relay, "held", 8)
    assert relay.transaction.eager
    assert not any(file.done() for file in files)
    assert relay.later()
    assert [file.result(LONG) for file in files] == [None, None]
    assert relay.producer.steps == ["init", "begin", "produce a", "produce b", "offsets", "commit"]
    assert relay.producer.offsets == {0: 4}
    assert not relay.transaction.eager
    second = after(relay, relay.pool)
    assert [second.watermark.is_done(0, offset) for offset in range(4, 10)] == [False, True, True, True, False, False]
    file = relay.write("held")
    assert relay.later()
    file.result(LONG)
    assert relay.producer.offsets == {0: 9}


def test_nothing_is_committed_when_there_is_nothing_to_commit(relay: Relay) -> None:
    assert relay.later()
    relay.watermark.done(0, 3)
    assert relay.later()
    assert relay.later()
    assert relay.producer.steps == ["init", "begin", "offsets", "commit"]


def test_offsets_are_committed_anew_before_a_broker_forgets_them(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Relay(relay.pool)
    read(before, "held", 3, partition=1)
    read(before, "a", 4, partition=1)
    before.write("a")
    assert before.later()
    relay.begin((5, None), (3, before.producer.texts[1]), (-1001, None))
    assert relay.later()
    assert relay.producer.steps == ["init"]
    monkeypatch.setattr(relay.transaction, "_renew", 0.0)
    assert relay.later()
    assert relay.producer.offsets == {0: 5, 1: 3}
    assert relay.later()
    assert relay.producer.steps.count("commit") == 1
    assert after(relay, relay.pool).watermark.is_done(1, 4)


def test_what_is_not_sent_yet_is_waited_for(relay: Relay) -> None:
    file = relay.write("a")
    relay.producer.unsent = 1
    assert not relay.later()
    with pytest.raises(KafkaException):
        relay.transaction.now(cast(Consumer, FakeConsumer()), "source", {0})
    assert "offsets" not in relay.producer.steps
    relay.producer.unsent = 0
    assert relay.later()
    file.result(LONG)


@pytest.mark.parametrize(
    ("step", "code", "kind"),
    [
        (step, code, kind)
        for step in ("flush", "offsets", "commit")
        for code, kind in ((KafkaError._FENCED, ConfigError), (KafkaError.INVALID_TXN_STATE, Undone))
    ]
    + [("offsets", None, Undone), ("commit", None, Undone)],
)
def test_a_step_that_fails_or_never_ends_is_the_end(
    relay: Relay, step: str, code: int | None, kind: type[Exception]
) -> None:
    file = relay.write("a")
    if code is None:
        relay.producer.hanging.add(step)
    else:
        relay.producer.errors[step] = failure(code)
    with pytest.raises(kind):
        relay.later()
    with pytest.raises(kind):
        file.result(LONG)
    with pytest.raises(kind):
        relay.later()
    relay.transaction.close()
    relay.transaction.close()
    assert relay.producer.steps.count("abort") == 1


def test_a_file_written_in_part_is_the_end(relay: Relay) -> None:
    whole = relay.write("whole")
    relay.producer.errors["produce part"] = OSError("the disk")
    with pytest.raises(Undone, match="part was written in part"):
        relay.write("part").result(LONG)
    with pytest.raises(Undone):
        whole.result(LONG)
    with pytest.raises(Undone):
        relay.later()
    assert "commit" not in relay.producer.steps


def test_who_waits_for_room_in_the_queue_hears_of_the_end(relay: Relay) -> None:
    relay.producer.errors["produce a"] = BufferError()
    file = relay.pool.submit(relay.write_whole, "a")
    wait_for(lambda: relay.producer.steps.count("produce a") > 2, "tries", LONG)
    assert not relay.later(), "a file is being written"
    relay.transaction.close()
    with pytest.raises(Undone):
        file.result(LONG)


def test_another_that_took_over_is_named_by_who_writes(relay: Relay) -> None:
    relay.producer.errors = {"produce a": failure(KafkaError._FATAL), "abort": failure(KafkaError._FENCED)}
    with pytest.raises(ConfigError, match="another process"):
        relay.write("a").result(LONG)


def test_another_that_took_over_is_named_to_all_who_write_at_that_moment(relay: Relay) -> None:
    """librdkafka refuses to abort twice at a time, and does not say why there is nothing left to abort."""
    relay.producer.errors = {f"produce {name}": failure(KafkaError._FATAL) for name in "ab"}
    relay.producer.errors["abort"] = failure(KafkaError._FENCED)
    relay.producer.hanging.add("abort")
    writing = [relay.pool.submit(relay.write_whole, name) for name in "ab"]
    wait_for(lambda: {"produce a", "produce b", "abort"} <= set(relay.producer.steps), "both to fail", LONG)
    relay.producer.over.set()
    for each in writing:
        with pytest.raises(ConfigError, match="another process"):
            each.result(LONG)
    assert relay.producer.steps.count("abort") == 1


def test_a_broker_that_does_not_answer_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BEGIN_SECONDS", 0.1)
    producer = FakeProducer()
    producer.hanging.add("init")
    with pytest.raises(Undone):
        Transaction(cast(Producer, producer), "target")
    producer.over.set()


def test_offsets_that_cannot_be_read_are_the_end(relay: Relay) -> None:
    with pytest.raises(Undone):
        relay.begin((-1001, None), error=KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT))


@pytest.mark.parametrize(("limit", "crowded"), [(1000, False), (100, True), (70, None)])
def test_a_crowd_is_told_and_more_than_can_be_remembered_is_the_end(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, limit: int, crowded: bool | None
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", limit)
    chance = random.Random(1)
    for number in range(300):
        read(relay, f"held {number}", number) if chance.random() < 0.5 else relay.watermark.done(0, number)
    whole = relay.write("whole")
    if crowded is None:
        with pytest.raises(Undone, match="remembered"):
            relay.later()
        with pytest.raises(Undone):
            whole.result(LONG)
        return
    assert relay.later()
    assert relay.transaction.crowded == crowded
    for number in range(300):
        relay.watermark.release(generation(f"held {number}"))
    assert relay.later()
    assert not relay.transaction.crowded
    assert relay.producer.offsets == {0: 300}
