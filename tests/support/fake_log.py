"""A topic without Kafka: records that a test writes, as they come out of `decode`."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from confluent_kafka import Message

from openmsi_core.chunk import Chunk, Upload, encode_headers, encode_key, encode_value
from openmsi_core.records import Arrival, Locked, Piece, Poison, decode


@dataclass(slots=True)
class FakeMessage:
    """What `decode` asks of a message."""

    in_partition: int
    at: int
    time: int
    raw: bytes | None
    named: list[tuple[str, bytes]] = field(default_factory=list)
    raw_key: bytes | None = b"key"

    def partition(self) -> int:
        return self.in_partition

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return (1, self.time)

    def key(self) -> bytes | None:
        return self.raw_key

    def value(self) -> bytes | None:
        return self.raw

    def headers(self) -> list[tuple[str, bytes]]:
        return self.named

    def error(self) -> None:
        return None

    def __len__(self) -> int:
        return len(self.raw or b"")


def arrival(
    chunk: Chunk | bytes | None, by: Upload | None = None, *, partition: int = 0, offset: int = 0, time: int = 1
) -> Piece | Poison:
    """A record as it comes out of `decode`: a chunk, or any bytes."""
    raw = encode_value(chunk) if isinstance(chunk, Chunk) else chunk
    key = encode_key(chunk) if isinstance(chunk, Chunk) else b"key"
    message = FakeMessage(partition, offset, time, raw, encode_headers(by) if by else [], key)
    return unlocked(decode(cast(Message, message)))


def unlocked(arrival: Arrival) -> Piece | Poison:
    """What came out of a plain topic."""
    assert not isinstance(arrival, Locked)
    return arrival


class Log:
    """A topic: arrivals by partition, and what the group has committed."""

    def __init__(self, partitions: int) -> None:
        self.partitions: list[list[Piece | Poison]] = [[] for _ in range(partitions)]
        self.committed = dict.fromkeys(range(partitions), 0)
        self._time = itertools.count(1)

    def append(self, partition: int, chunk: Chunk | bytes | None, by: Upload | None = None) -> None:
        """Write one record."""
        records = self.partitions[partition]
        records.append(arrival(chunk, by, partition=partition, offset=len(records), time=next(self._time)))

    def __iter__(self) -> Iterator[Piece | Poison]:
        """All records as they were written."""
        return iter(sorted(itertools.chain(*self.partitions), key=lambda each: each.record.timestamp))
