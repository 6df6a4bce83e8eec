"""From Kafka's messages to checked chunks: `poll` and `decode` of the receiver loop."""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Final

from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, Message

from openmsi_core.chunk import Chunk, Upload, decode_headers, decode_value
from openmsi_core.encryption.cipher import PLAIN, Cipher, Missing
from openmsi_core.errors import BadFile
from openmsi_core.generation import Generation, Version, version_of
from openmsi_core.pace import BESIDE_VALUE, Pace

Headers = Mapping[str, object] | Iterable[tuple[str, object]] | None

_BATCH_BYTES = 8 << 20
_SMALL_BYTES = 32 << 10  # a message on average: to have it decoded in another thread would cost more than to decode it
_MOST_RECORDS = 1000
_LONGEST_SILENCE = 300.0  # after which the group may soon think that we are dead
_STAMPED: Final = {TIMESTAMP_CREATE_TIME: "produced", TIMESTAMP_LOG_APPEND_TIME: "received"}


@dataclass(frozen=True, slots=True)
class Record:
    """Where a message lies in the topic."""

    partition: int
    offset: int
    timestamp: int
    """Milliseconds since the epoch, 0 when Kafka gives none."""
    key: bytes | None
    stamped: str = "produced"
    """When that was: ``produced`` (by the sender's clock), ``received`` (by the broker's); ``consumed`` = none."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A good record: a chunk and what it belongs to."""

    record: Record
    chunk: Chunk
    upload: Upload | None
    generation: Generation
    version: Version


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that cannot be used, with its bytes and the reason."""

    record: Record
    value: bytes | None
    reason: str


_OVERHEAD = 1500  # bytes of memory that a record takes beside what it holds


@dataclass(frozen=True, slots=True)
class Locked:
    """A record whose key is not here yet."""

    record: Record
    value: bytes
    headers: Headers
    missing: Missing

    @property
    def named(self) -> Iterable[tuple[str, object]]:
        """Its headers, in their order."""
        return self.headers.items() if isinstance(self.headers, Mapping) else self.headers or ()

    @property
    def memory(self) -> int:
        """Bytes that it takes while it waits."""
        held = sum(len(name) + len(text) for name, text in self.named if isinstance(text, (str, bytes)))
        return len(self.value) + len(self.record.key or b"") + held + _OVERHEAD


Arrival = Piece | Poison | Locked
Holder = Generation | Record
"""What holds an offset: an upload that is not done with, or a record that waits for its key."""


def size_of(arrival: Arrival) -> int:
    """Bytes of a file in it; of a record that cannot be used (yet), those of its value."""
    return len(arrival.chunk.data) if isinstance(arrival, Piece) else len(arrival.value or b"")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that was read, and may still be being decoded."""

    partition: int
    decoded: Arrival | Future[Arrival]

    def arrival(self) -> Arrival:
        """What it is; blocks while it is being decoded."""
        return self.decoded.result() if isinstance(self.decoded, Future) else self.decoded

    def tell(self, count: Callable[[int], None]) -> None:
        """Call ``count`` with its `size_of` as soon as that is known, from any thread."""
        if isinstance(self.decoded, Future):
            self.decoded.add_done_callback(lambda decoded: count(size_of(decoded.result())))
        else:
            count(size_of(self.decoded))


def decode(message: Message, topic: str = "", cipher: Cipher = PLAIN, *, part_unchecked: bool = False) -> Arrival:
    """Decrypt and check one message, see `decode_value`. CPU: that, outside the GIL. Never raises."""
    record = Record(
        partition=_known(message.partition()),
        offset=_known(message.offset()),
        timestamp=max(0, message.timestamp()[1]),
        key=_raw(message.key()),
        stamped=_STAMPED.get(message.timestamp()[0], "consumed"),
    )
    raw = _raw(message.value())
    return read(record, raw, message.headers(), topic, cipher, part_unchecked=part_unchecked)


def read(
    record: Record, raw: bytes | None, headers: Headers, topic: str, cipher: Cipher, *, part_unchecked: bool = False
) -> Arrival:
    """As `decode`, of a message that was taken apart: ``raw`` is its value."""
    try:
        value = None if raw is None else cipher.decrypt(topic, "value", raw)
        if isinstance(value, Missing):
            return Locked(record, raw or b"", headers, value)
        chunk = decode_value(value, part_unchecked=part_unchecked)
        upload = decode_headers(headers)
        generation = Generation.of(chunk, upload)
    except BadFile as error:
        return Poison(record, raw, str(error))
    version = version_of(chunk, upload, (record.timestamp, record.offset))
    return Piece(record, chunk, upload, generation, version)


class Reader:
    """Reads batches of about 8 MiB, whatever the size of the messages.

    While there is more than it can take, parts of files come unchecked (`decode_value`): the hash of the whole file
    tells whether all of them are right, and to hash everything twice takes a quarter of what a large file costs.
    """

    def __init__(
        self,
        consumer: Consumer,
        pool: Executor,
        topic: str = "",
        cipher: Cipher = PLAIN,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer = consumer
        self._pool = pool
        self._topic = topic
        self._cipher = cipher
        self._full = 1  # messages in a batch; at first, their size is not known
        self._batch = 1 if pace is None else 0  # of them, what the pace allows
        self._pace = pace
        self._clock = clock
        self._polled = clock()

    def read(self, timeout: float) -> tuple[list[Incoming], list[tuple[KafkaError, int]]]:
        """What is there now, in order; blocks up to ``timeout`` seconds for the first message, not for decoding.

        Rebalance callbacks run inside. The second list holds the errors that Kafka delivers as messages, with their
        partitions (−1: none). They are returned, not raised: the records read with them would be lost.

        Where there is a pace, nothing is read, and no callback runs, while it does not allow it.
        """
        if self._pace is not None and not self._may_read(self._pace, timeout):
            return [], []
        first = self._consumer.poll(timeout)  # consume() would wait for a full batch
        if first is None:
            return [], []
        messages = [first]
        if self._batch:
            messages += self._consumer.consume(self._batch, timeout=0)
        behind = 1 < self._full < len(messages)
        good: list[Message] = []
        errors: list[tuple[KafkaError, int]] = []
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
            else:
                errors.append((error, _known(message.partition())))
        average = sum(len(message) for message in good) // max(1, len(good)) + 1
        if good:
            self._full = self._batch = max(1, min(_MOST_RECORDS, _BATCH_BYTES // average))
            if self._pace is not None:
                self._pace.spend(sum(len(message) + BESIDE_VALUE for message in good))
                self._batch = min(self._batch, int(min(_BATCH_BYTES, self._pace.portion)) // average)
        return [Incoming(_known(m.partition()), self._decode(m, average, behind)) for m in good], errors

    def _decode(self, message: Message, average: int, behind: bool) -> Arrival | Future[Arrival]:
        if average < _SMALL_BYTES:
            return decode(message, self._topic, self._cipher)
        return self._pool.submit(decode, message, self._topic, self._cipher, part_unchecked=behind)

    def _may_read(self, pace: Pace, timeout: float) -> bool:
        # Not by pausing partitions, which would throw away, and fetch again, all that librdkafka has ready.
        now = self._clock()
        if not pace.wait(timeout) and now - self._polled < _LONGEST_SILENCE:
            return False
        self._polled = now
        return True


def _known(number: int | None) -> int:
    return -1 if number is None else number


def _raw(field: str | bytes | None) -> bytes | None:
    return field.encode() if isinstance(field, str) else field
