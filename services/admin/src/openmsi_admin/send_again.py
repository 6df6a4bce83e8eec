"""Encrypted records that nobody could decrypt, back into the topic they came from, as they are.

Only their receivers can say whether they open now, and hand what is in them to where it belongs. So a record is
written once more, to its topic and partition and with its headers, and is theirs to read. No key is needed for that.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from openmsi_admin.quarantine_entries import Entry, UndecryptableFacts
from openmsi_core import encrypted
from openmsi_core.durable import disk_errors
from openmsi_core.encryption.cipher import is_encrypted
from openmsi_core.errors import BadFile, BrokerUnreachable, Retryable
from openmsi_core.kafka import Troubles, make_admin, make_producer
from openmsi_core.kafka_errors import translate

_ANSWER_SECONDS = 10.0
_SEND_SECONDS = 60.0
_BATCH_BYTES = 16 << 20
_BATCH_RECORDS = 500
_MOST_BYTES = 100_000_000  # of one record: the broker has the last word


@dataclass(frozen=True, slots=True)
class Kept:
    """One record, and the two files that hold it."""

    topic: str
    partition: int | None
    """None: nobody noted it."""
    key: Path
    value: Path
    has_key: bool = True
    headers: Sequence[tuple[str, bytes | None]] = ()

    @property
    def place(self) -> str:
        """Where it goes, in words."""
        return f"topic {self.topic}" + ("" if self.partition is None else f", partition {self.partition}")


@dataclass(slots=True)
class _Sent:
    error: KafkaError | None = None
    arrived: bool = field(default=False)

    def __call__(self, error: KafkaError | None, _message: Message) -> None:
        self.error, self.arrived = error, error is None


def kept_in(entry: Entry, facts: UndecryptableFacts) -> Kept:
    """The record of an entry. Raises FileNotFoundError when it was sent already, BadFile, Retryable."""
    with disk_errors(entry.folder):
        keys = sorted(entry.folder.glob(f"{encrypted.BEGINNING}*{encrypted.KEY}"))
    if not keys:  # it goes first once the record was sent, see `quarantine_retry`
        raise FileNotFoundError
    if len(keys) > 1 or not value_beside(keys[0]).exists():
        raise BadFile("its two files are not there as a downloader writes them: send the file again")
    try:
        headers = encrypted.headers_of(facts.headers)
    except ValueError:
        raise BadFile("its headers are not as a downloader writes them: send the file again") from None
    return Kept(facts.topic, facts.partition, keys[0], value_beside(keys[0]), facts.has_key, headers)


def value_beside(key: Path) -> Path:
    """The file with the value of the record whose key is in the file ``key``."""
    return key.with_name(key.name.removesuffix(encrypted.KEY) + encrypted.VALUE)


def send_again(records: Sequence[Kept], options: Mapping[str, str]) -> Iterator[tuple[Kept, str | None]]:
    """Write ``records`` to their topics; gives each with why it was not, None = all in-sync replicas have it.

    Blocks. ``options`` are librdkafka's, of a producer. Raises BrokerUnreachable and ConfigError.
    """
    if not records:
        return
    troubles = Troubles(lambda _: None)
    partitions = _partitions(make_admin(options, troubles), troubles, options.get("bootstrap.servers", ""))
    timed = {"message.timeout.ms": str(int(_SEND_SECONDS * 1000))}
    producer = make_producer(
        {**options, **timed}, max_message_bytes=_MOST_BYTES, queue_bytes=2 * _BATCH_BYTES, troubles=troubles
    )
    for batch in _batches(records):
        sent = [(kept, _begin(producer, kept, partitions)) for kept in batch]
        producer.flush(_SEND_SECONDS + _ANSWER_SECONDS)
        for kept, outcome in sent:
            yield kept, _why_not(kept, outcome)


def _partitions(admin: AdminClient, troubles: Troubles, address: str) -> dict[str, int]:
    """All topics that are there, and how many partitions they have: a topic is never made by writing to it."""
    try:
        topics = admin.list_topics(timeout=_ANSWER_SECONDS).topics
    except KafkaException as error:
        admin.poll(0)
        translated = troubles.refused or translate(error.args[0])
        if isinstance(translated, Retryable):
            raise BrokerUnreachable(f"the broker {address} does not answer: {translated}") from None
        raise translated from None
    return {name: len(topic.partitions) for name, topic in topics.items()}


def _begin(producer: Producer, kept: Kept, partitions: Mapping[str, int]) -> _Sent | str:
    """Hand one record to librdkafka; or why not."""
    count = partitions.get(kept.topic)
    if count is None:
        return f"there is no topic {kept.topic} at this broker: see that the config file names the right one"
    if kept.partition is not None and kept.partition >= count:
        return f"topic {kept.topic} has no partition {kept.partition} any more: it is another topic by now"
    try:
        with disk_errors(kept.key.parent):
            key, value = kept.key.read_bytes(), kept.value.read_bytes()
    except Retryable as error:
        return str(error)
    if not is_encrypted(value):
        return f"{kept.value.name} holds no encrypted record"
    sent = _Sent()
    until = time.monotonic() + _SEND_SECONDS
    while True:
        try:
            producer.produce(
                kept.topic,
                value=value,
                key=key if kept.has_key else None,
                headers=list(kept.headers),
                on_delivery=sent,
                partition=-1 if kept.partition is None else kept.partition,
            )
        except BufferError:
            if time.monotonic() > until:
                return "the broker does not take it: try again later"
            producer.poll(0.1)
        except KafkaException as error:
            return str(translate(error.args[0], kept.topic))
        else:
            return sent


def _why_not(kept: Kept, outcome: _Sent | str) -> str | None:
    if isinstance(outcome, str):
        return outcome
    if outcome.arrived:
        return None
    if outcome.error is None:
        return "the broker did not answer in time: try again later"
    return str(translate(outcome.error, kept.topic))


def _batches(records: Iterable[Kept]) -> Iterator[list[Kept]]:
    batch: list[Kept] = []
    size = 0
    for kept in records:
        try:
            length = kept.value.stat().st_size
        except OSError:
            length = 0  # `_begin` says what is wrong
        if batch and (size + length > _BATCH_BYTES or len(batch) >= _BATCH_RECORDS):
            yield batch
            batch, size = [], 0
        batch.append(kept)
        size += length
    if batch:
        yield batch
