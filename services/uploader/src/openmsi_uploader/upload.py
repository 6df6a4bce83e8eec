"""One settled file becomes records at the broker, all of them acknowledged, or a reason why not."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException

from openmsi_core.chunk import Chunk, Upload, encode_headers, encode_key, encode_value
from openmsi_core.errors import OpenMSIError
from openmsi_core.kafka_errors import translate
from openmsi_core.paths import partition_of
from openmsi_uploader.flight import Flight
from openmsi_uploader.outcome import Job, NotSent, Outcome, Same, Sent, Stopped, Unreadable
from openmsi_uploader.reading import Content, read


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
class Target:
    """Where records go, and what is the same in all of them."""

    topic: str
    partitions: int
    source: str
    """Id of this uploader instance."""
    chunk_size: int


class Uploader:
    """Sends files with one producer; `upload` may be called from several threads at once.

    Some thread must go on calling `poll`.
    """

    def __init__(self, root: Path, producer: SendsRecords, report: Callable[[Outcome], None]) -> None:
        self._root = root
        self._producer = producer
        self._report = report
        self._room = threading.Condition()
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
            with self._room:
                self._room.notify_all()

    def upload(self, job: Job, target: Target) -> None:
        """Read the file and hand all its records to the producer; blocks while the producer's queue is full.

        Exactly one outcome is reported for each job, from here or from the thread that polls, but not before the
        broker has answered for every record that was handed over.
        """
        flight = Flight(job, target.topic, self._report)
        try:
            content = read(self._root / job.path.text, job.stat, target.chunk_size, self._check_stop)
            outcome = self._send(job, content, target, flight)
        except OpenMSIError as error:
            outcome = NotSent(job, error)
        except OSError as error:
            outcome = NotSent(job, Unreadable(_in_words(error)))
        flight.complete(outcome)

    def _send(self, job: Job, content: Content, target: Target, flight: Flight) -> Outcome:
        if job.before is not None and content.sha512 == job.before[0]:
            return Same(job, *job.before)
        partition = partition_of(job.path, target.partitions)
        headers = encode_headers(Upload(job.upload_id, target.source, content.size))
        total = max(1, -(-content.size // target.chunk_size))
        for index, piece in enumerate(content.pieces(), 1):
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

    def _produce(
        self, chunk: Chunk, topic: str, partition: int, headers: list[tuple[str, bytes]], flight: Flight
    ) -> None:
        key, value = encode_key(chunk), encode_value(chunk)
        while True:
            self._check_stop()
            flight.check()
            try:
                self._producer.produce(
                    topic, value=value, key=key, partition=partition, headers=headers, on_delivery=flight.landed
                )
            except BufferError:
                with self._room:
                    self._room.wait(0.05)
            except KafkaException as error:
                raise translate(error.args[0], topic) from None
            else:
                flight.launched += 1
                return

    def _check_stop(self) -> None:
        if self._stopping:
            raise Stopped("the program is stopping")


def _in_words(error: OSError) -> str:
    if isinstance(error, PermissionError) and hasattr(os, "getuid"):
        return f"user id {os.getuid()} may not read it: give it the right to read this file"
    return f"it cannot be read: {error.strerror or error}"
