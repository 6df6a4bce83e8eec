"""Reads a topic back the plain way: the other side for tests of uploaders."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from confluent_kafka import Consumer, TopicPartition

from openmsi_core.chunk import Chunk, Upload, decode_headers, decode_value


@dataclass(slots=True)
class Arrived:
    """One upload of one file: its chunks as they came."""

    path: str
    partition: int
    upload: Upload
    chunks: dict[int, Chunk] = field(default_factory=dict)

    @property
    def data(self) -> bytes | None:
        """The content, proven by its hash; None while chunks are missing."""
        first = next(iter(self.chunks.values()))
        if len(self.chunks) < first.total:
            return None
        data = b"".join(bytes(chunk.data) for _, chunk in sorted(self.chunks.items()))
        assert hashlib.sha512(data).digest() == first.file_hash
        assert len(data) == self.upload.size
        return data


class Receiver:
    """Everything that is in a topic, from its beginning."""

    def __init__(self, bootstrap: str, topic: str, partitions: int = 4) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False})
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        self._uploads: dict[str, Arrived] = {}
        self.records = 0

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    @property
    def uploads(self) -> list[Arrived]:
        """Complete uploads in the order in which they began."""
        return [arrived for arrived in self._uploads.values() if arrived.data is not None]

    @property
    def files(self) -> dict[str, bytes]:
        """What a receiver would have in its folder: the latest complete upload of each path."""
        latest = sorted(self.uploads, key=lambda arrived: arrived.upload.upload_id)
        return {arrived.path: arrived.data or b"" for arrived in latest}

    def versions(self, path: str) -> list[bytes]:
        """The contents that were sent of ``path``, in order."""
        return [arrived.data or b"" for arrived in self.uploads if arrived.path == path]

    def until(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        """Read on until ``condition`` holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"not within {seconds:g} s; arrived: {sorted(self.files)}"
            self._read(min(left, 0.2))

    def until_files(self, expected: dict[str, bytes], seconds: float = 30.0) -> None:
        """Read on until exactly these files are there."""
        self.until(lambda: self.files == expected, seconds)

    def nothing_new(self, seconds: float) -> None:
        """Read for some time, in which no record may come."""
        before, deadline = self.records, time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)
            assert self.records == before, f"unexpected; arrived: {sorted(self.files)}"

    def _read(self, timeout: float) -> None:
        for message in self._consumer.consume(500, timeout):
            assert message.error() is None, message.error()
            self.records += 1
            chunk, upload = decode_value(message.value()), decode_headers(message.headers())
            partition = message.partition()
            assert upload is not None
            assert partition is not None
            path = chunk.path.text
            arrived = self._uploads.setdefault(upload.upload_id, Arrived(path, partition, upload))
            assert (arrived.path, arrived.partition) == (path, partition)
            arrived.chunks[chunk.index] = chunk
