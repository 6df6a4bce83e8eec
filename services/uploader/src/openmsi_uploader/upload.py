"""One settled file becomes records at the broker, all of them acknowledged, or a reason why not."""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException

from openmsi_core.chunk import Chunk, Upload, encode_headers, encode_key, encode_value
from openmsi_core.counters import Counters
from openmsi_core.encryption.cipher import PLAIN, Cipher
from openmsi_core.errors import OpenMSIError
from openmsi_core.kafka_errors import translate
from openmsi_core.pace import BESIDE_VALUE, Pace
from openmsi_core.paths import partition_of
from openmsi_core.status import size
from openmsi_uploader.at_broker import Extent, check_still_there
from openmsi_uploader.flight import Flight
from openmsi_uploader.outcome import Job, NotSent, Outcome, Progress, Same, Sent, Stopped, Unreadable
from openmsi_uploader.ranges import Selector
from openmsi_uploader.reading import Content, read
from openmsi_uploader.target import Target
from openmsi_uploader.unfinished import WORTH_BYTES, Unfinished
from openmsi_uploader.window import Window

_log = logging.getLogger(__name__)

_FULL_SECONDS = 0.01
_SILENT_SECONDS = 2.0


class SendsRecords(Protocol):
    """What is used of a `confluent_kafka.Producer`."""

    def __len__(self) -> int:
        """Records that the broker has not answered yet."""

    def produce(
        self,
        topic: str,
        *,
        value: bytes,
        key: bytes,
        partition: int,
        headers: Any,
        on_delivery: Callable[[KafkaError | None, object], None],
    ) -> None:
        """Queue a record; raises BufferError when the queue is full."""

    def poll(self, timeout: float, /) -> int:
        """Call delivery callbacks; returns how many events there were."""


@dataclass(frozen=True, slots=True)
class Continuing:
    """What it takes to continue large uploads."""

    note: Callable[[Progress], None]
    """Keeps what the broker has acknowledged so far."""
    ask: Callable[[str, int], Extent]
    """What the broker holds of a topic's partition (`at_broker.ask_extent`)."""


class Uploader:
    """Sends files with one producer; `upload` may be called from several threads at once.

    Some thread must go on calling `poll`. Without ``continuing``, no upload is noted or continued; without
    ``selector``, all bytes of a file are sent; without ``pace``, as fast as they can be.
    """

    def __init__(
        self,
        root: Path,
        producer: SendsRecords,
        report: Callable[[Outcome], None],
        continuing: Continuing | None = None,
        counts: Counters | None = None,
        selector: Selector | None = None,
        cipher: Cipher = PLAIN,
        pace: Pace | None = None,
    ) -> None:
        self._root = root
        self._cipher = cipher
        self._pace = pace
        self._producer = producer
        self._report = report
        self._continuing = continuing
        self._counts = counts or Counters()
        self._selector = selector
        self._windows: dict[int, Window] = {}
        self._stopping = False
        self._answered_at = time.monotonic()

    def silent_for(self) -> float:
        """Seconds for which records have waited without any answer of the broker."""
        if not len(self._producer):
            self._answered_at = time.monotonic()
        return time.monotonic() - self._answered_at

    def stop(self) -> None:
        """Make every `upload` that still reads or waits end soon, with `Stopped`."""
        self._stopping = True

    def poll(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for the broker's answers and hand them out."""
        if self._producer.poll(timeout):
            self._answered_at = time.monotonic()

    def upload(self, job: Job, target: Target) -> None:
        """Read the file and hand all its records to the producer; blocks while too much of its partition is unanswered.

        Exactly one outcome is reported for each job, from here or from the thread that polls, but not before the
        broker has answered for every record that was handed over.
        """
        partition = partition_of(job.path, target.partitions)
        window = self._windows.setdefault(partition, Window())
        flight = Flight(job, target.topic, window, self._report, self._counts)
        try:
            content = read(self._root, job.path, job.stat, target.chunk_size, self._check_stop, self._selector)
            outcome = self._send(job, content, target, partition, flight)
        except OpenMSIError as error:
            outcome = NotSent(job, error)
        except OSError as error:
            outcome = NotSent(job, Unreadable(_in_words(error)))
        flight.complete(outcome)

    def _send(self, job: Job, content: Content, target: Target, partition: int, flight: Flight) -> Outcome:
        if job.before is not None and content.sha512 == job.before[0]:
            return Same(job, *job.before)
        headers = encode_headers(Upload(job.upload_id, target.source, content.size))
        total = max(1, -(-content.size // target.chunk_size))
        there = self._track(job, content, target, partition, flight)
        for index, piece in enumerate(content.pieces(), 1):
            if index <= there:  # it was read to be held against the first reading, as all pieces are
                self._check_stop()
                continue
            chunk = Chunk(
                filename=job.path.name,
                file_hash=content.sha512,
                chunk_hash=piece.sha512,
                offset=piece.offset,
                index=index,
                total=total,
                subdir=job.path.subdir,
                append="",
                data=piece.data,
                mtime=job.stat.mtime,
            )
            self._produce(chunk, target.topic, partition, headers, flight)
        return Sent(job, content.sha512, partition)

    def _track(self, job: Job, content: Content, target: Target, partition: int, flight: Flight) -> int:
        """Have the progress of a large upload noted; returns how many of its chunks are at the broker already."""
        begun = job.unfinished
        if self._continuing is None:
            return 0
        if begun is not None:
            check_still_there(begun, content.sha512, self._continuing.ask(target.topic, partition))
            there = min(content.size, begun.prefix * target.chunk_size)
            text = "going on with %s: %s of it are at the broker since an earlier try, %s are sent now"
            _log.info(text, job.path, size(there), size(content.size - there))
        elif target.topic_id and content.size > WORTH_BYTES:
            begun = Unfinished(job.stat, content.sha512, job.upload_id, target, 0, 0, 0, time.time(), 0.0)
        else:
            return 0
        flight.track(begun, self._continuing.note)
        return begun.prefix

    def _produce(
        self, chunk: Chunk, topic: str, partition: int, headers: list[tuple[str, bytes]], flight: Flight
    ) -> None:
        key = self._cipher.encrypt(topic, "key", encode_key(chunk))
        value = self._cipher.encrypt(topic, "value", encode_value(chunk))
        if self._pace is not None:
            self._pace.take(len(value) + BESIDE_VALUE, lambda: self._hold_back(flight))
        landed = flight.launch(chunk.index, len(value), self._check_stop)
        try:
            while not self._took(topic, value=value, key=key, partition=partition, headers=headers, on_delivery=landed):
                time.sleep(_FULL_SECONDS)
                self._check_stop()
                flight.check()
        except OpenMSIError:
            flight.take_back(len(value))
            raise

    def _took(self, topic: str, **record: Any) -> bool:
        """Hand a record to the producer; False = its queue, which is that of all partitions, is full."""
        try:
            self._producer.produce(topic, **record)
        except BufferError:
            return False
        except KafkaException as error:
            raise translate(error.args[0], topic) from None
        return True

    def _hold_back(self, flight: Flight) -> bool:
        """Whether nothing may go, because the broker does not answer: when it does, all that waits goes at once."""
        self._check_stop()
        flight.check()
        return self.silent_for() > _SILENT_SECONDS

    def _check_stop(self) -> None:
        if self._stopping:
            raise Stopped("the program is stopping")


def _in_words(error: OSError) -> str:
    if isinstance(error, PermissionError) and hasattr(os, "getuid"):
        return f"user id {os.getuid()} may not read it: give it the right to read this file"
    return f"it cannot be read: {error.strerror or error}"
