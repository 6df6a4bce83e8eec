"""Files written to a topic and the offsets of what they were made of: at the broker together, or not at all.

One transaction after the other, each with the files that several threads have written; each thread waits until its
file is committed. Partitions may be shared with other processes of the group, each with transactions of its own. The
offsets never pass an unfinished file, so after a restart the records of files that were finished meanwhile are read
once more. Which these are is kept with the offsets (`exact`). Sources: KIP-98 (transactions),
KIP-447 (offsets in them).
"""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from openmsi_core.deliveries import CompleteFile
from openmsi_core.encryption.cipher import PLAIN, Cipher
from openmsi_core.errors import Doubted, Fatal, OpenMSIError, Retryable, Undone
from openmsi_core.exact import MOST_BYTES, ExactWatermark
from openmsi_core.gate import Gate
from openmsi_core.in_time import in_time
from openmsi_core.kafka_errors import translate_in_transaction
from openmsi_core.memory import Memory, NoMemory
from openmsi_core.records import Holder

_log = logging.getLogger(__name__)

_BEGIN_SECONDS = 15.0  # for an answer at the beginning: whoever comes anew would have to wait from the start
_ANSWER_SECONDS = 8.0
_LAST_SECONDS = 1.0  # for an answer at the end: a program that was told to stop has 10 s in all
_WAIT_SECONDS = 0.2
_LINGER_SECONDS = 0.01  # of the first file that is written, for others that are about to be
_PATIENCE_SECONDS = 0.5  # of files that are written, with those that are being written
_RENEW_SECONDS = 3600.0  # brokers forget offsets, and what is noted with them, that nobody commits for some days

_NO_MEMORY = NoMemory()

Write = Callable[[str, bytes, bytes, int, list[tuple[str, bytes]]], None]
"""Writes a record: topic, key, value, partition, headers. May block while the producer's queue is full."""


class Transaction:
    """The transactions of one producer. Many threads write, the receiver's thread does everything else."""

    pause = 0.003  # to write a few small files
    crowded = False
    resumes = False

    def __init__(
        self,
        producer: Producer,
        purpose: str,
        *,
        patience: float = _BEGIN_SECONDS,
        memory: Memory = _NO_MEMORY,
        enough: float = math.inf,
        on_close: Callable[[], None] = lambda: None,
        cipher: Cipher = PLAIN,
    ) -> None:
        """``purpose`` says where to, see `ExactWatermark`.

        Whoever read a partition before may have left a transaction open: its end is waited for, ``patience`` seconds
        at most. With ``enough`` bytes in a transaction no further file is let in: a slow line must get them through in
        time. ``memory`` is told of each commit, before and after it; between the two nothing is written. ``on_close``
        is called once no file can be written any more. All that is written goes through ``cipher``.

        Blocks until transactions of an earlier process with the same transactional.id have ended. Raises ConfigError
        when the broker refuses, Undone when it does not answer.
        """
        self._producer = producer
        self.watermark = ExactWatermark[Holder](purpose)
        self._gate = Gate()
        self._aborting = threading.Lock()
        self._begun = False
        self._patience = patience
        self._memory = memory
        self._in_group = False
        self._enough = enough
        self._on_close = on_close
        self._cipher = cipher
        self._bytes = 0
        self._written: set[CompleteFile] = set()  # in this transaction, or being written
        self._left: set[CompleteFile] = set()  # begun by us, and read by another process since
        self._renew = time.monotonic() + _RENEW_SECONDS
        self._seconds = _BEGIN_SECONDS
        self._call(producer.init_transactions)

    def close(self) -> None:
        """Give up what is not committed, so that nobody who reads the topic waits for it. Never raises.

        Whoever waits for a commit gets Undone.
        """
        self._gate.end(Undone("the transaction was given up"))
        self._on_close()
        self._seconds = _LAST_SECONDS
        if self._begun:
            with contextlib.suppress(OpenMSIError):
                self._call(self._producer.abort_transaction)
            self._begun = False

    @contextlib.contextmanager
    def writing(self, file: CompleteFile) -> Iterator[Write]:
        """Write one file inside.

        Blocks until the file is committed, which may need other files to be written first. After an error inside
        nothing is committed any more, for a part of the file is there. Raises Undone, ConfigError, and Doubted when
        the file belongs to another process by now.
        """
        with self._gate.inside(lambda: self._enter(file)):
            try:
                yield self._write
            except Fatal as error:
                raise self._gate.end(error) from None
            except Exception as error:
                raise self._gate.end(Undone(f"{file.generation.path} was written in part ({error})")) from error

    def begin(self, consumer: Consumer, places: Sequence[TopicPartition]) -> None:
        """As `Commits.begin`: learn what was done of these partitions by whoever read them before.

        Raises Undone when the broker does not say.
        """
        with self._errors():
            committed = consumer.committed(list(places), timeout=self._patience)
            for place in committed:
                if place.error is not None:
                    raise KafkaException(place.error)
        self._seconds = _ANSWER_SECONDS
        self._in_group = bool(consumer.memberid())
        known = 0
        for place in committed:
            if place.offset >= 0:
                known += self.watermark.restore(place.partition, place.offset, place.metadata)
        with self._errors():
            self._memory.settle({place.partition for place in places}, self.watermark.is_done)
        if known:
            _log.info("%d records of files that were finished before are skipped", known)

    @property
    def eager(self) -> bool:
        """As `Commits.eager`."""
        return self._bytes >= self._enough or self._gate.waits(_LINGER_SECONDS, _PATIENCE_SECONDS)

    def later(self, consumer: Consumer, topic: str) -> bool:
        """As `Commits.later`; waits a moment for what is being written. Raises Undone and ConfigError."""
        if not self._gate.close(_WAIT_SECONDS):  # so that no further file begins, however long the others take
            return False
        if self._begun or self.watermark.advanced() or time.monotonic() > self._renew:
            with self._errors():
                unsent = self._producer.flush(_WAIT_SECONDS)
            if unsent:  # a slow line, or a broker that is away
                return False
            self._commit(consumer, topic)
        self._gate.release()
        return True

    def now(self, consumer: Consumer, topic: str, _partitions: Collection[int]) -> None:
        """As `Commits.now`, for all partitions; does not wait for the end of a long file. Raises as `later`, too."""
        if not self.later(consumer, topic):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the last transaction was not committed"))

    def leave(self, files: Collection[CompleteFile]) -> None:
        """As `Commits.leave`. Raises Undone when some of them are written and not committed."""
        with self._gate.lock:
            self._left = set(files)
            if self._left & self._written:
                raise self._gate.end(Undone("partitions went to another process while their files were written"))

    def check(self, file: CompleteFile) -> None:
        """Raises what `writing` would raise at once. Does not block."""
        self._gate.check()
        if file in self._left:
            raise Doubted("another process of the group reads this file by now")

    def _enter(self, file: CompleteFile) -> None:
        self.check(file)
        self._begin()
        self._written.add(file)

    def _commit(self, consumer: Consumer, topic: str) -> None:
        finished = {file.generation for file in self._written}
        places = [TopicPartition(topic, p, *place) for p, place in self.watermark.places(finished).items()]
        longest = max((len(place.metadata or "") for place in places), default=0)
        self.crowded = longest > MOST_BYTES // 2
        if longest > MOST_BYTES:  # within one turn, or nothing could give way
            raise self._gate.end(Undone("more was finished behind files that are not than can be remembered"))
        with self._errors():
            self._memory.flush()
        self._begin()
        self._call(self._producer.send_offsets_to_transaction, places, self._membership(consumer))
        self._call(self._producer.commit_transaction)
        self._begun, self._bytes = False, 0
        with self._errors():
            self._memory.confirm()
        for generation in finished:
            self.watermark.release(generation)
        self._written.clear()
        self.watermark.committed({place.partition: place.offset for place in places})
        self._renew = time.monotonic() + _RENEW_SECONDS

    def _membership(self, consumer: Consumer) -> object:
        """By which the broker knows whether the partitions are still ours."""
        membership = consumer.consumer_group_metadata()
        # Of whoever names no member brokers take offsets without a question: so is librdkafka, between being thrown out
        # and saying so.
        if self._in_group and not consumer.memberid():
            raise self._gate.end(Undone("the group has given the partitions of this process to others"))
        return membership

    def _begin(self) -> None:
        if not self._begun:
            with self._errors():
                self._producer.begin_transaction()
            self._begun = True

    def _write(self, topic: str, key: bytes, value: bytes, partition: int, headers: list[tuple[str, bytes]]) -> None:
        sealed_key, sealed = self._cipher.encrypt(topic, "key", key), self._cipher.encrypt(topic, "value", value)
        while True:
            self._gate.check()
            try:
                self._producer.produce(topic, key=sealed_key, value=sealed, partition=partition, headers=dict(headers))
                self._producer.poll(0)
                self._bytes += len(value)  # several threads do: it need not be exact
                return
            except BufferError:
                self._producer.poll(0.05)
            except KafkaException as error:
                with self._aborting:  # librdkafka refuses a second call, in other words
                    self._gate.check()
                    self._call(self._producer.abort_transaction)  # says what it was when produce() only says "fatal"
                    raise self._gate.end(translate_in_transaction(error.args[0])) from None

    def _call(self, step: Callable[..., object], *arguments: object) -> None:
        """Take one step with the broker. Raises ConfigError and Undone, also when there is no answer in time.

        librdkafka (2.16) does not keep to a time limit when the broker goes at a bad moment. What becomes of the step
        then is decided before the next one who begins (a new producer with this transactional.id) knows of anything.
        """
        with self._errors():
            in_time(self._seconds + _WAIT_SECONDS, step, *arguments, self._seconds)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise self._gate.end(translate_in_transaction(error.args[0])) from None
        except Retryable as error:
            raise self._gate.end(Undone(str(error))) from None
        except TimeoutError:
            raise self._gate.end(Undone("the broker did not answer in time")) from None
