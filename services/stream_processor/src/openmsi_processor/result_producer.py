"""The producer that results are sent by."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Producer

from openmsi_core.errors import Retryable, Undone
from openmsi_core.kafka import Troubles, make_admin, make_producer
from openmsi_core.paths import RESERVED
from openmsi_core.service import Service
from openmsi_core.state import instance_id
from openmsi_core.topic import certain_topic_id, largest_message, wait_for_topic
from openmsi_processor.result_topic import ResultTopic

WAITING = 64
"""Files whose results wait for their commit."""

_QUEUE_BYTES = 48_000_000
_LARGEST = 1_048_588  # bytes of a record, where the topic does not say: Kafka's own default
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ResultProducer:
    """A producer for transactions, and where it sends results."""

    producer: Producer
    topic: ResultTopic
    cluster_id: str
    purpose: str
    """Tells the topic from all others, also from a later one of the same name."""


def result_producer(
    options: Mapping[str, str],
    topic: str,
    transactional_id: str,
    longest: int,
    troubles: Troubles,
    service: Service,
    output: Path,
) -> ResultProducer | None:
    """A producer whose transactions are named ``transactional_id`` and last ``longest`` milliseconds at most.

    ``output`` is the output folder of the code that results come from.
    None when the program stops before. Blocks until the broker answers. Raises ConfigError and Undone.
    """
    largest = largest_message(options, topic, _ANSWER_SECONDS) or _LARGEST
    more = {
        "transaction.timeout.ms": str(longest),
        "message.timeout.ms": str(longest),
        "transactional.id": transactional_id,
    }
    producer = make_producer(
        {**options, **more}, max_message_bytes=largest, queue_bytes=_QUEUE_BYTES, troubles=troubles
    )
    info = wait_for_topic(producer, topic, troubles, service.stop, service.beat)
    if info is None:
        return None
    try:
        purpose = f"{topic}/{certain_topic_id(make_admin(options), topic, _ANSWER_SECONDS)}"
    except Retryable as error:
        raise Undone(str(error)) from None
    secret = instance_id(output / RESERVED) if service.cipher.encrypts else ""
    where = ResultTopic(topic, info.partitions, largest, service.cipher, secret)
    return ResultProducer(producer, where, info.cluster_id, purpose)
