"""Reads heartbeats and log lines back the way tools written for OpenMSIStream do: a text key, JSON as text."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One heartbeat."""

    program: str
    at: datetime
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class LogMessage:
    """One message of log lines."""

    program: str
    at: float
    lines: list[str]
    size: int


def records(bootstrap: str, topic: str) -> list[Message]:
    """All that is in ``topic`` now, each partition in order."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none"})
    found = list[Message]()
    for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
        place = TopicPartition(topic, number, OFFSET_BEGINNING)
        try:
            _, end = consumer.get_watermark_offsets(place, timeout=10)
        except KafkaException:  # the partition was made just now, and has no leader yet
            continue
        consumer.assign([place])
        while end > 0 and not (found and found[-1].partition() == number and (found[-1].offset() or 0) >= end - 1):
            for message in consumer.consume(500, 0.1):
                assert message.error() is None, message.error()
                found.append(message)
    consumer.close()
    return found


def heartbeats(bootstrap: str, topic: str) -> list[Heartbeat]:
    """All heartbeats in ``topic``; fails for anything else."""
    found = []
    for message in records(bootstrap, topic):
        program, value = _parts(message, "_heartbeat")
        at = datetime.fromisoformat(value.pop("timestamp"))
        assert at.utcoffset() == timedelta(0)
        assert all(type(count) is int and count >= 0 for count in value.values())
        found.append(Heartbeat(program, at, value))
    return found


def total(beats: Iterable[Heartbeat]) -> dict[str, int]:
    """What they tell together."""
    counts: Counter[str] = Counter()
    for beat in beats:
        counts.update(beat.counts)
    return dict(counts)


def log_messages(bootstrap: str, topic: str) -> list[LogMessage]:
    """All messages of log lines in ``topic``; fails for anything else."""
    found = []
    for message in records(bootstrap, topic):
        program, value = _parts(message, "_log")
        assert value.keys() == {"timestamp", "messages"}
        assert type(value["timestamp"]) is float
        found.append(LogMessage(program, value["timestamp"], value["messages"], len(message)))
    return found


def _parts(message: Message, suffix: str) -> tuple[str, dict[str, Any]]:
    key, value = message.key(), message.value()
    assert isinstance(key, bytes)
    assert isinstance(value, bytes)
    program, middle, rest = key.decode().rpartition(suffix)
    assert (middle, rest) == (suffix, ""), key
    found = json.loads(value.decode())
    assert isinstance(found, dict)
    return program, found
