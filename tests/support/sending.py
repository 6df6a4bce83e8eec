"""Writes files to a topic the plain way, chunk by chunk: the other side for tests of receivers."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator

from confluent_kafka import KafkaError, Producer

from openmsi_core.chunk import Chunk, Upload, encode_headers, encode_key, encode_value
from openmsi_core.paths import RelativePath, partition_of

_serial = itertools.count(1)


def upload(content: bytes, source: str = "source-a") -> Upload:
    """Headers of a new upload; later calls give later ids."""
    return Upload(f"01890000-0000-7000-8000-{next(_serial):012x}", source, len(content))


def chunks(path: str, content: bytes, *, size: int = 1000, mtime: float = 1.7e9) -> Iterator[Chunk]:
    """The chunks of a file, in order."""
    where = RelativePath.parse(path)
    digest = hashlib.sha512(content).digest()
    starts = range(0, len(content), size) or range(1)
    for index, start in enumerate(starts, 1):
        data = content[start : start + size]
        own = hashlib.sha512(data).digest()
        yield Chunk(where.name, digest, own, start, index, len(starts), where.subdir, "", data, mtime)


class Sender:
    """Sends records to one topic; every method returns when the broker has them."""

    def __init__(self, bootstrap: str, topic: str, partitions: int = 4) -> None:
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 0, "log_level": 0}
        )
        self._errors: list[KafkaError] = []
        self.topic = topic
        self._partitions = partitions

    def file(
        self, path: str, content: bytes, *, size: int = 1000, mtime: float = 1.7e9, by: Upload | None = None
    ) -> None:
        """A whole file, as our uploader sends it."""
        self.chunks(chunks(path, content, size=size, mtime=mtime), by or upload(content))

    def chunks(self, pieces: Iterable[Chunk], by: Upload | None) -> None:
        """These chunks: with headers in the partition of their path, without spread over all partitions."""
        for chunk in pieces:
            partition = partition_of(chunk.path, self._partitions) if by else chunk.index % self._partitions
            headers = encode_headers(by) if by else []
            self.record(encode_key(chunk), encode_value(chunk), partition, headers, flush=False)
        self.flush()

    def record(
        self,
        key: bytes | None,
        value: bytes | None,
        partition: int = 0,
        headers: Iterable[tuple[str, bytes]] = (),
        *,
        flush: bool = True,
    ) -> None:
        """Any record at all."""
        self._producer.produce(self.topic, value, key, partition, headers=list(headers), on_delivery=self._landed)
        self._producer.poll(0)
        if flush:
            self.flush()

    def _landed(self, error: KafkaError | None, _message: object) -> None:
        if error is not None:
            self._errors.append(error)

    def flush(self) -> None:
        """Return when the broker has all that was handed over."""
        self._producer.flush()
        assert not self._errors, f"the broker did not take what the test sent: {self._errors[0]}"

    def partition(self, path: str) -> int:
        """Where our uploader sends ``path``."""
        return partition_of(RelativePath.parse(path), self._partitions)
