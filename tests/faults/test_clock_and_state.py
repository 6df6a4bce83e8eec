"""Clocks that are stepped and state that is lost or damaged: one round of each kind, several beside each other."""

import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, Producer, TopicPartition

from tests.faults.scenarios.clock_and_state import SCENARIOS
from tests.faults.world import World
from tests.support.broker import Broker, unique

_ROUNDS = [(name, 1) for name in sorted(SCENARIOS)] + [("ledger_damaged", 3), ("offsets_lost", 3), ("staging_wiped", 2)]


def test_one_round_of_each(world: World) -> None:
    def play(name: str, seed: int) -> None:
        SCENARIOS[name](World(world.folder / f"{name}-{seed}", world.broker, world.tally), Random(seed))

    with ThreadPoolExecutor(4) as pool:
        rounds = [pool.submit(play, name, seed) for name, seed in _ROUNDS]
    failed = {name: error for (name, _), each in zip(_ROUNDS, rounds, strict=True) if (error := each.exception())}
    assert not failed, failed
    done = set(world.tally)
    assert done >= {"clock steps", "states lost", "ledgers damaged", "upload ids damaged", "folders wiped"}


def test_the_broker_takes_records_of_a_wrong_clock(kafka: Broker, topic: str) -> None:
    """An instrument's clock may be years from the truth: its records are neither refused nor too old to be kept."""
    year = 365 * 86_400_000
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    errors: list[object] = []
    for wrong in (-20 * year, year):
        when = time.time_ns() // 1_000_000 + wrong
        producer.produce(topic, b"x", partition=0, timestamp=when, on_delivery=lambda error, _: errors.append(error))
    producer.flush(30)
    assert errors == [None, None]
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": unique("group")})
    consumer.assign([TopicPartition(topic, 0, 0)])
    kinds = [message.timestamp()[0] for message in consumer.consume(2, 30)]
    consumer.close()
    assert kinds == [TIMESTAMP_LOG_APPEND_TIME] * 2
