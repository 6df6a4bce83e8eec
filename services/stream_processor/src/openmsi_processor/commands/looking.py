"""Looks for results that a killed call may have committed."""

import time
from collections.abc import Collection, Mapping

from confluent_kafka import Consumer, IsolationLevel, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from openmsi_core.bystander import COMMITTED, EVERYTHING, LATEST, offsets
from openmsi_core.errors import BrokerUnreachable, Undone
from openmsi_core.kafka_errors import raise_fatal, translate
from openmsi_processor.result_topic import MADE_OF, Made, secret_mark

Marks = Collection[tuple[str, ...]]
"""What results say that they were made of, each in the clear or as a `secret_mark`."""

_ASK_SECONDS = 10.0
_OPEN_SECONDS = 120.0  # that a transaction of another program may last
_PAUSE_SECONDS = 0.2
_SILENCE_SECONDS = 60.0


def ends_of(admin: AdminClient, topic: str, partitions: Collection[int], level: IsolationLevel) -> dict[int, int]:
    """Where the partitions end, for readers at that ``level``. Raises Undone and Fatal."""
    try:
        found = offsets(admin, topic, partitions, LATEST, level, _ASK_SECONDS)
    except BrokerUnreachable as error:
        raise Undone(str(error)) from None
    return {number: offset for number, (offset, _) in found.items()}


def results_since(consumer: Consumer, admin: AdminClient, topic: str, starts: Mapping[int, int]) -> Marks:
    """What the results are made of that are committed from ``starts`` (partition → offset) to where the topic ends now.

    ``consumer`` says where a partition ends. Blocks, also while other programs have transactions open there: theirs
    hide what was committed after they began. Raises Undone and Fatal.
    """
    now = ends_of(admin, topic, starts, EVERYTHING)
    _wait_for_open_transactions(admin, topic, now)
    left = {number for number, start in starts.items() if start < now[number]}
    consumer.assign([TopicPartition(topic, number, starts[number]) for number in left])
    found: set[tuple[str, ...]] = set()
    heard = time.monotonic()
    while left:
        message = consumer.poll(1.0)
        if message is None:
            if time.monotonic() - heard > _SILENCE_SECONDS:
                raise Undone("nothing comes from the broker")
            continue
        heard = time.monotonic()
        number, error = message.partition(), message.error()
        if error is None:
            found.add(_made_of(message))
        elif error.code() == KafkaError._PARTITION_EOF:
            left.discard(-1 if number is None else number)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise Undone(
                f"results of topic {topic} were deleted before they were looked at: see what is in it yourself"
            )
        else:
            raise_fatal(translate(error, topic))
    return found


def _wait_for_open_transactions(admin: AdminClient, topic: str, ends: Mapping[int, int]) -> None:
    until = time.monotonic() + _OPEN_SECONDS
    while True:
        seen = ends_of(admin, topic, ends.keys(), COMMITTED)
        if all(seen[number] >= end for number, end in ends.items()):
            return
        if time.monotonic() > until:
            raise Undone(f"a transaction in topic {topic} does not end")
        time.sleep(_PAUSE_SECONDS)


def was_made(made: Made, marks: Marks, secret: str) -> bool:
    """Whether one of ``marks`` is of the file ``made``."""
    return made in marks or (secret_mark(secret, made).decode(),) in marks


def _made_of(message: Message) -> tuple[str, ...]:
    headers = dict(message.headers() or [])
    if MADE_OF in headers:
        return (_text(headers[MADE_OF]),)
    path, sha512, upload = (headers.get(f"openmsi-{name}", b"") for name in ("path", "sha512", "upload"))
    return _text(path), _text(sha512), _text(upload)


def _text(value: str | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
