"""Bare loops over the same broker and disk: what the parts can do without us. All return seconds."""

import functools
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from tests.perf.workloads import Files

RECORD = 524_288
WINDOW = 6 * RECORD
_BLOCK = os.urandom(RECORD)
_AT_ONCE = 8 << 20

Records = Sequence[tuple[int, int]]
"""Bytes and partition of each record."""


def records(files: Files, partitions: int) -> Records:
    """The records that such files make: 512 KiB, all of a file in one partition."""
    return [
        (min(RECORD, size - at), number % partitions)
        for number, (_, size) in enumerate(files)
        for at in range(0, size or 1, RECORD)
    ]


def produce(bootstrap: str, topic: str, those: Records) -> float:
    """Until all are acknowledged: idempotent, all replicas; as much queued as the client takes."""
    producer = _producer(bootstrap, topic)
    begin = time.perf_counter()
    for size, partition in those:
        while True:
            try:
                producer.produce(topic, _BLOCK[:size], partition=partition)
                break
            except BufferError:
                producer.poll(0.01)
    producer.flush()
    return time.perf_counter() - begin


def produce_in_window(bootstrap: str, topic: str, those: Records) -> float:
    """The same with never more than 3 MiB in flight, which is six full records.

    librdkafka turns in a busy loop while more is queued than may be in flight, so on few cores this is faster.
    """
    producer = _producer(bootstrap, topic)
    in_flight = 0

    def landed(error: KafkaError | None, message: Message) -> None:
        nonlocal in_flight
        assert error is None, error
        in_flight -= len(message)

    begin = time.perf_counter()
    for size, partition in those:
        while in_flight and in_flight + size > WINDOW:
            producer.poll(1.0)
        producer.produce(topic, _BLOCK[:size], partition=partition, on_delivery=landed)
        in_flight += size
        producer.poll(0)
    producer.flush()
    return time.perf_counter() - begin


def consume(bootstrap: str, topic: str, those: Records) -> float:
    """Until as many records as those have come."""
    begin = time.perf_counter()
    for _ in _messages(bootstrap, topic, those):
        pass
    return time.perf_counter() - begin


def consume_and_write(bootstrap: str, topic: str, those: Records, target: Path) -> float:
    """The same, with all values written to one file, and one fsync."""
    begin = time.perf_counter()
    with target.open("wb") as file:
        for message in _messages(bootstrap, topic, those):
            file.write(message.value() or b"")
        _sync(file)
    return time.perf_counter() - begin


def write(folder: Path, files: Files) -> float:
    """Until such files are written, one after the other, each with an fsync of its own."""
    begin = time.perf_counter()
    for parent in {(folder / path).parent for path, _ in files}:
        parent.mkdir(parents=True, exist_ok=True)
    for path, size in files:
        with (folder / path).open("wb") as file:
            for at in range(0, size, RECORD):
                file.write(_BLOCK[: size - at])
            _sync(file)
    return time.perf_counter() - begin


def sha512(total: int) -> float:
    """To hash so many bytes in memory, one thread."""
    digest, block = hashlib.sha512(), memoryview(_BLOCK)
    begin = time.perf_counter()
    for at in range(0, total, RECORD):
        digest.update(block[: total - at])
    digest.digest()
    return time.perf_counter() - begin


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _producer(bootstrap: str, topic: str) -> Producer:
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "queue.buffering.max.kbytes": 65_536,
            "message.max.bytes": RECORD + 10_240,
            "log_level": 3,
        }
    )
    producer.list_topics(topic, timeout=10)
    return producer


def _messages(bootstrap: str, topic: str, those: Records) -> Iterator[Message]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bare", "fetch.queue.backoff.ms": 10})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in {partition for _, partition in those}])
    left, mean = len(those), sum(size for size, _ in those) // len(those)
    fetch = functools.partial(consumer.consume, timeout=1)
    try:
        while left > 0:
            for message in fetch(min(left, max(16, min(500, _AT_ONCE // max(1, mean))))):
                error = message.error()
                assert error is None or error.code() == KafkaError._PARTITION_EOF, error
                left -= error is None
                yield message
    finally:
        consumer.close()
