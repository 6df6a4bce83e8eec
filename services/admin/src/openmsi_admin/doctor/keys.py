"""Who can answer for the keys of a topic: seen from its newest records and from what nodes say to each other.

The exchange topics tell for all to see which keys were asked for and handed out, and by whom, but not the keys.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgpack
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from openmsi_admin.doctor.finding import Finding, bad, duration, ok, unsure
from openmsi_admin.doctor.network import SECONDS
from openmsi_core.encryption.cipher import is_encrypted, key_index
from openmsi_core.errors import BadFile

_ABOUT = "keys"
_LOOK_BACK_SECONDS = 3600.0
_NEWEST = 3  # records of each partition
_MOST_PARTITIONS = 32
_MOST_RECORDS = 5000  # of an exchange topic
_PATIENCE_SECONDS = 30.0  # within which an answer comes
_REMEDY = "start the uploader of the node that used it, or openmsi key-server with that node's folder"

Index = bytes | int


@dataclass(slots=True)
class Seen:
    """What was seen of the keys of a topic; times are seconds since the epoch."""

    used: set[Index] = field(default_factory=set)
    """In the newest records."""
    plain: int = 0
    """Records that are not encrypted."""
    asked: dict[Index, float] = field(default_factory=dict)
    """When each was asked for, for the first time since it was handed out last."""
    answered: dict[Index, tuple[float, str]] = field(default_factory=dict)
    """When each was handed out last, and by which node (fingerprint)."""
    hidden: list[str] = field(default_factory=list)
    """Topics that this user may not read."""
    hears_answers: bool = True


def judge(seen: Seen, topic: str, now: float) -> Iterator[Finding]:
    """What ``seen`` means. Pure."""
    if seen.hidden:
        todo = "ask with a user who may READ there"
        yield unsure(_ABOUT, f"this user cannot read {', '.join(seen.hidden)}: not all is seen", todo)
    if seen.plain:
        text = f"{seen.plain} of the newest records of {topic} are not encrypted: receivers put them into quarantine"
        yield unsure(_ABOUT, text, "give their senders a [kafkacrypto] section")
    waiting = {index: now - at for index, at in seen.asked.items() if now - at > _PATIENCE_SECONDS}
    if waiting and seen.hears_answers:
        since = duration(max(waiting.values()))
        yield bad(_ABOUT, f"{_keys(len(waiting))} asked for and not handed out for {since}", _REMEDY)
    handed = {index: told for index, told in seen.answered.items() if index not in waiting}
    if handed:
        nodes = {node: max(at for at, by in handed.values() if by == node) for _, node in handed.values()}
        by = ", ".join(f"{node[:8]}, {duration(now - at)} ago" for node, at in sorted(nodes.items()))
        yield ok(_ABOUT, f"{_keys(len(handed))} handed out in the last hour (by node {by})")
    yield from _in_use(seen, topic)


def _in_use(seen: Seen, topic: str) -> Iterator[Finding]:
    unseen = seen.used - seen.asked.keys() - seen.answered.keys()
    if not seen.used:
        yield unsure(_ABOUT, f"no encrypted record was seen in {topic}")
        return
    yield ok(_ABOUT, f"{_keys(len(seen.used))} in use in the newest records of {topic}")
    if unseen and seen.hears_answers:
        text = f"{len(unseen)} of them {'was' if len(unseen) == 1 else 'were'} not handed out in the last hour"
        yield unsure(_ABOUT, f"{text}: nobody asked, and whether anybody has it is not known")


def look(consumer: Consumer, topic: str, partitions: int, allowed: Sequence[bytes]) -> Seen:
    """See what can be seen, without a trace; ``allowed`` are the root keys that are trusted.

    Blocks up to 5 s for each of three topics.
    """
    root = topic.partition(".")[0]
    answers, requests = f"{root}.keys", f"{root}.reqs"
    read = {
        topic: _allowed(lambda: _newest(consumer, topic, partitions)),
        answers: _allowed(lambda: _last_hour(consumer, answers)),
        requests: _allowed(lambda: _last_hour(consumer, requests)),
    }
    seen = Seen(hidden=[name for name, messages in read.items() if messages is None])
    seen.hears_answers = answers not in seen.hidden
    for message in read[topic] or []:
        _note_record(seen, message)
    for message in read[answers] or []:
        if node := _signer(message, allowed):  # what strangers write there opens nothing
            seen.answered |= dict.fromkeys(_indexes(message), (_time(message), node))
    for message in read[requests] or []:
        at = _time(message)
        for index in _indexes(message):
            if at > seen.answered.get(index, (0.0, ""))[0]:
                seen.asked.setdefault(index, at)
    return seen


def _note_record(seen: Seen, message: Message) -> None:
    value = message.value()
    raw = value.encode() if isinstance(value, str) else value or b""
    if not is_encrypted(raw):
        seen.plain += 1
        return
    with contextlib.suppress(BadFile):
        seen.used.add(key_index(raw))


def _keys(count: int) -> str:
    return "1 key is" if count == 1 else f"{count} keys are"


def _allowed(read: Callable[[], list[Message]]) -> list[Message] | None:
    """What ``read`` returns; None where the broker refuses."""
    try:
        return read()
    except KafkaException:
        return None


def _newest(consumer: Consumer, topic: str, partitions: int) -> list[Message]:
    starts: list[TopicPartition] = []
    for number in range(min(partitions, _MOST_PARTITIONS)):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=SECONDS)
        if high > low:
            starts.append(TopicPartition(topic, number, max(low, high - _NEWEST)))
    return _read(consumer, starts)


def _last_hour(consumer: Consumer, topic: str) -> list[Message]:
    since = int((time.time() - _LOOK_BACK_SECONDS) * 1000)
    (place,) = consumer.offsets_for_times([TopicPartition(topic, 0, since)], timeout=SECONDS)
    if place.error is not None:
        raise KafkaException(place.error)
    return _read(consumer, [place] if place.offset >= 0 else [])


def _read(consumer: Consumer, starts: Sequence[TopicPartition]) -> list[Message]:
    found: list[Message] = []
    waiting = {(start.topic, start.partition) for start in starts}
    consumer.assign(list(starts))
    until = time.monotonic() + SECONDS
    try:
        while waiting and len(found) < _MOST_RECORDS and (left := until - time.monotonic()) > 0:
            for message in consumer.consume(100, timeout=min(left, 0.2)):
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    waiting.discard((message.topic() or "", message.partition() or 0))
                elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    raise KafkaException(error)
    finally:
        consumer.unassign()
    return found


def _time(message: Message) -> float:
    return message.timestamp()[1] / 1000


def _indexes(message: Message) -> list[Index]:
    """Of which keys a message of an exchange topic speaks."""
    key = message.key()
    try:
        told = msgpack.unpackb(key.encode() if isinstance(key, str) else key or b"", raw=True)
    except Exception:  # msgpack documents no closed set of exceptions for garbage
        return []
    return [index for index in told if isinstance(index, (bytes, int))] if isinstance(told, list) else []


def _signer(message: Message, allowed: Sequence[bytes]) -> str | None:
    from openmsi_core.encryption.certificates import signer_of  # noqa: PLC0415  # optional

    value = message.value()
    return signer_of(value.encode() if isinstance(value, str) else value or b"", allowed)
