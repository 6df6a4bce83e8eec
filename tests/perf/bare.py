"""Bare loops over the same broker and disk: what the parts can do without us."""

import hashlib
import os
import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

RECORD = 524_288


def produce(bootstrap: str, topic: str, total: int) -> float:
    """Seconds to have ``total`` bytes acknowledged: idempotent, 512 KiB records, partition 0."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "queue.buffering.max.kbytes": 65_536,
            "message.max.bytes": RECORD + 10_240,
        }
    )
    value = os.urandom(RECORD)
    producer.list_topics(topic, timeout=10)
    begin = time.perf_counter()
    for _ in range(total // RECORD):
        while True:
            try:
                producer.produce(topic, value, partition=0)
                break
            except BufferError:
                producer.poll(0.01)
    producer.flush()
    return time.perf_counter() - begin


def consume_and_write(bootstrap: str, topic: str, total: int, target: Path) -> float:
    """Seconds to read ``total`` bytes of values from partition 0, write them to ``target`` and fsync it."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bare", "fetch.queue.backoff.ms": 10})
    consumer.assign([TopicPartition(topic, 0, 0)])
    left = total
    begin = time.perf_counter()
    with target.open("wb") as file:
        while left > 0:
            for message in consumer.consume(16, timeout=1):
                error = message.error()
                assert error is None or error.code() == KafkaError._PARTITION_EOF, error
                value = message.value() or b""
                file.write(value)
                left -= len(value)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - begin
    consumer.close()
    return seconds


def sha512(total: int) -> float:
    """Seconds to hash ``total`` bytes in memory, one thread."""
    block = os.urandom(1 << 20)
    digest = hashlib.sha512()
    begin = time.perf_counter()
    for _ in range(total >> 20):
        digest.update(block)
    digest.digest()
    return time.perf_counter() - begin
