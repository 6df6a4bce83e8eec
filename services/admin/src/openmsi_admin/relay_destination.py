"""A topic as the destination of files: each is written as one run of records, in the partition of its path."""

import contextlib
import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator

from openmsi_core.chunk import Chunk, Upload, encode_headers, encode_key, encode_value
from openmsi_core.counters import Counters
from openmsi_core.deliveries import CompleteFile
from openmsi_core.generation import Verdict, Version, judge
from openmsi_core.paths import RelativePath, partition_of
from openmsi_core.transaction import Transaction

_log = logging.getLogger(__name__)

_LARGE = 16 << 20
_LARGE_AT_ONCE = 8
"""Files of that many bytes: all that have begun must end before anything is committed."""

_REMEMBERED = 10_000
"""Paths of which the last version is known, so that an older one is not begun. Readers of the target judge anew."""


class TopicDestination:
    """``topic`` with its ``partitions``, written in ``transaction``. Safe to use from several threads."""

    def __init__(
        self, transaction: Transaction, topic: str, partitions: int, chunk_size: int, counts: Counters | None = None
    ) -> None:
        self._transaction = transaction
        self._counts = counts or Counters()
        self._topic = topic
        self._partitions = partitions
        self._chunk_size = chunk_size
        self._last: OrderedDict[RelativePath, Version] = OrderedDict()
        self._lock = threading.Lock()
        self._large = threading.Semaphore(_LARGE_AT_ONCE)

    def verdict(self, path: RelativePath, version: Version) -> Verdict:
        """As `Destination.verdict`."""
        return judge(version, self._last.get(path))

    def deliver(self, file: CompleteFile) -> Verdict:
        """As `Destination.deliver`: on return the file is committed. Raises Undone."""
        path, version = file.generation.path, file.version
        verdict = self.verdict(path, version)
        if verdict is Verdict.NEWER:
            with self._large if file.size >= _LARGE else contextlib.nullcontext():
                self._write(file)
            self._remember(path, version)
        if file.staged is not None:
            with contextlib.suppress(OSError):
                file.staged.unlink(missing_ok=True)
        return verdict

    def _remember(self, path: RelativePath, version: Version) -> None:
        with self._lock:
            self._last[path] = version
            self._last.move_to_end(path)
            if len(self._last) > _REMEMBERED:
                self._last.popitem(last=False)

    def _write(self, file: CompleteFile) -> None:
        path, version = file.generation.path, file.version
        partition = partition_of(path, self._partitions)
        # Of a file that comes from an uploader of ours, everything that says which of two versions wins stays as it is.
        headers = encode_headers(Upload(version.upload_id, version.source, file.size)) if version.upload_id else []
        sizes: list[int] = []
        with self._transaction.writing(file) as write:
            for chunk in self._chunks(file):
                value = encode_value(chunk)
                write(self._topic, encode_key(chunk), value, partition, headers)
                sizes.append(len(value))
        for size in sizes:
            self._counts.produced(size)
        _log.info("relayed %s (%d bytes, partition %d)", path, file.size, partition)

    def _chunks(self, file: CompleteFile) -> Iterator[Chunk]:
        path, version = file.generation.path, file.version
        total = max(1, -(-file.size // self._chunk_size))
        for index, data in enumerate(_pieces(file, self._chunk_size), 1):
            yield Chunk(
                filename=path.name,
                file_hash=version.file_hash,
                chunk_hash=hashlib.sha512(data).digest(),
                offset=(index - 1) * self._chunk_size,
                index=index,
                total=total,
                subdir=path.subdir,
                append="",
                data=data,
                mtime=version.mtime,
            )


def _pieces(file: CompleteFile, size: int) -> Iterator[bytes | memoryview]:
    if file.sealed is not None:
        yield from file.sealed.blocks(size)
        return
    whole = memoryview(file.data or b"")
    for start in range(0, len(whole) or 1, size):
        yield whole[start : start + size]
