"""Files written to a topic and the offsets of what they were made of: at the broker together, or not at all.

One transaction after the other, each with the files that several threads have written; each thread waits until its
file is committed. The offsets never pass an unfinished file, so after a restart the records of files that were finished
meanwhile are read once more. Which these are is remembered with the offsets (`written`). Sources: KIP-98
(transactions), KIP-447 (offsets in them).
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from openmsi_core.errors import OpenMSIError, Undone
from openmsi_core.generation import Generation, Version
from openmsi_core.kafka_errors import translate_in_transaction
from openmsi_core.paths import RelativePath
from openmsi_core.watermark import Watermark
from openmsi_core.written import MOST, Written

_log = logging.getLogger(__name__)

_CROWD = 150  # far below `MOST`: files that wait to be written stand in the way as well, and cannot give way
_ANSWER_SECONDS = 10.0
_BEGIN_SECONDS = 60.0
_WAIT_SECONDS = 0.2
_PATIENCE_SECONDS = 0.5  # of files that are written, with those that are being written

Write = Callable[[str, bytes, bytes, int, list[tuple[str, bytes]]], None]
"""Writes a record: topic, key, value, partition, headers. May block while the producer's queue is full."""


class Transaction:
    """The transactions of one producer. Many threads write, the receiver's thread does everything else."""

    def __init__(self, producer: Producer, purpose: str) -> None:
        """``purpose`` says where to, see `Written`.

        Blocks until transactions of an earlier process with the same transactional.id have ended. Raises ConfigError
        when the broker refuses, Undone when it does not answer.
        """
        self._producer = producer
        self._written = Written(purpose)
        self._gate = threading.Condition()
        self._number = 0  # of the open transaction
        self._writers = 0
        self._waiting: list[float] = []  # since when each file that is written waits for the commit
        self._closing = self._begun = False
        self._over: OpenMSIError | None = None
        self._committed: dict[int, int] = {}
        self._call(producer.init_transactions, _BEGIN_SECONDS)

    def close(self) -> None:
        """Give up what is not committed, so that nobody who reads the topic waits for it. Never raises.

        Whoever waits for a commit gets Undone.
        """
        self._ended_by(Undone("the transaction was given up"))
        if self._begun:
            with contextlib.suppress(KafkaException):
                self._producer.abort_transaction(_ANSWER_SECONDS)
            self._begun = False

    def has(self, path: RelativePath, version: Version) -> bool:
        """Whether this version was written, and some record of it may be read again."""
        with self._gate:
            return self._written.has(path, version)

    @contextlib.contextmanager
    def writing(self, path: RelativePath, version: Version, partition: int) -> Iterator[Write]:
        """Write one file inside; ``partition`` is one that its records were read from.

        Blocks until the file is committed, which may need other files to be written first. After an error inside
        nothing is committed any more, for a part of the file is there. Raises Undone.
        """
        with self._gate:
            self._gate.wait_for(lambda: not self._closing or self._over)
            self._check()
            self._begin()
            self._writers += 1
            number = self._number
        try:
            yield self._write
        except KafkaException as error:
            if error.args[0].code() == KafkaError._FATAL:  # produce() does not say what it was; this does
                self._call(self._producer.abort_transaction, _ANSWER_SECONDS)
            raise self._ended_by(translate_in_transaction(error.args[0])) from None
        except Exception as error:
            raise self._ended_by(Undone(f"{path} was written in part ({error})")) from error
        with self._gate:
            self._written.add(path, version, partition)
            self._writers -= 1
            self._waiting.append(time.monotonic())
            self._gate.notify_all()
            self._gate.wait_for(lambda: self._number > number or self._over)
            if self._number == number:
                self._check()

    def begin(self, consumer: Consumer, places: Sequence[TopicPartition]) -> None:
        """As `Commits.begin`: learn what was written of these partitions by whoever read them before.

        Raises Undone when the broker does not say.
        """
        until = time.monotonic() + _BEGIN_SECONDS
        while True:
            try:
                committed = consumer.committed(list(places), timeout=_ANSWER_SECONDS)
                break
            except KafkaException as error:
                if time.monotonic() > until:
                    raise self._ended_by(translate_in_transaction(error.args[0])) from None
        self._committed |= {place.partition: max(0, place.offset) for place in committed}
        if count := self._written.restore({place.partition: place.metadata for place in committed}):
            _log.info("%d files that were finished before are not written again", count)

    @property
    def eager(self) -> bool:
        """As `Commits.eager`."""
        with self._gate:
            if not self._waiting:
                return False
            return not self._writers or time.monotonic() - self._waiting[0] > _PATIENCE_SECONDS

    @property
    def crowded(self) -> bool:
        """As `Commits.crowded`."""
        with self._gate:
            return self._written.most >= _CROWD

    def later(self, consumer: Consumer, topic: str, watermark: Watermark[Generation]) -> bool:
        """As `Commits.later`; waits a moment for the file that is being written. Raises Undone and ConfigError."""
        return self._commit(consumer, topic, watermark, _WAIT_SECONDS)

    def now(
        self, consumer: Consumer, topic: str, watermark: Watermark[Generation], _partitions: Collection[int]
    ) -> None:
        """As `Commits.now`, for all partitions; raises Undone and ConfigError as well."""
        if not self._commit(consumer, topic, watermark, _ANSWER_SECONDS):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the last transaction was not committed"))

    def _commit(self, consumer: Consumer, topic: str, watermark: Watermark[Generation], wait: float) -> bool:
        with self._gate:
            self._check()
            self._closing = True  # so that no further file begins, however long the others take
            if not self._gate.wait_for(lambda: not self._writers, wait):
                return False
        if self._begun or watermark.advanced():
            offsets = self._send(consumer, topic, watermark)
            self._call(self._producer.commit_transaction, _ANSWER_SECONDS)
            watermark.committed(offsets)
            self._committed |= offsets
            self._begun = False
        with self._gate:
            self._number += 1
            self._waiting.clear()
            self._closing = False
            self._gate.notify_all()
        return True

    def _send(self, consumer: Consumer, topic: str, watermark: Watermark[Generation]) -> dict[int, int]:
        """Offsets into the open transaction; returns them."""
        reached = watermark.reached()
        offsets = watermark.committables(reached)
        self._written.close_batch(reached)
        self._written.forget(self._committed | offsets)
        if self._written.most > MOST:  # crowded for long: a partition is not being read
            raise self._ended_by(Undone("too many files were finished after one that was not"))
        texts = self._written.texts(reached)
        places = [TopicPartition(topic, p, offset, texts[p]) for p, offset in offsets.items()]
        self._begin()
        group = consumer.consumer_group_metadata()
        self._call(self._producer.send_offsets_to_transaction, places, group, _ANSWER_SECONDS)
        return offsets

    def _check(self) -> None:
        if self._over is not None:
            raise self._over

    def _ended_by(self, error: OpenMSIError) -> OpenMSIError:
        """Wake all who wait for a commit; returns the first reason there was."""
        with self._gate:
            self._over = self._over or error
            self._gate.notify_all()
            return self._over

    def _begin(self) -> None:
        if not self._begun:
            self._call(self._producer.begin_transaction)
            self._begun = True

    def _write(self, topic: str, key: bytes, value: bytes, partition: int, headers: list[tuple[str, bytes]]) -> None:
        while True:
            try:
                self._producer.produce(topic, key=key, value=value, partition=partition, headers=dict(headers))
                self._producer.poll(0)
                return
            except BufferError:
                self._producer.poll(0.05)

    def _call(self, step: Callable[..., object], *arguments: object) -> None:
        """Take one step with the broker. Raises ConfigError and Undone, also when there is no answer in time.

        The step could be taken once more then, but librdkafka (2.16) may wait for ever in a second try. What has become
        of it is seen by the next who begins.
        """
        try:
            step(*arguments)
        except KafkaException as error:
            raise self._ended_by(translate_in_transaction(error.args[0])) from None
