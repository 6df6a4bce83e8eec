"""What a broker says of a topic: whether it is there, which one it is, and what it takes."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from openmsi_core.errors import ConfigError, Retryable
from openmsi_core.kafka import Troubles, make_admin
from openmsi_core.kafka_errors import translate
from openmsi_core.status import Status

_log = logging.getLogger(__name__)

RECORD_OVERHEAD = 10_240
"""Bytes that a record may need beside its file data: hashes, the path twice (≤ 3 KiB each), headers, framing."""

_ANSWER_SECONDS = 5.0
_DOUBT_SECONDS = 3.0  # a broker that has just started may not know its topics yet


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """What a client must know of its topic before it starts."""

    cluster_id: str
    partitions: int


def topic_info(client: Producer | Consumer, topic: str, timeout: float, troubles: Troubles) -> TopicInfo:
    """Ask the broker about ``topic``; blocks up to ``timeout`` seconds, some more when the topic seems to be missing.

    Raises Retryable when no broker answers, ConfigError when the topic does not exist or the broker refuses us.
    """
    until = time.monotonic() + min(timeout, _DOUBT_SECONDS)
    while True:
        try:
            metadata = client.list_topics(topic, timeout=timeout)
        except KafkaException as error:
            client.poll(0)  # delivers what librdkafka knows better to `troubles`
            raise (troubles.refused or translate(error.args[0])) from None
        described = metadata.topics[topic]
        if described.error is None:
            break
        if described.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART or time.monotonic() > until:
            raise translate(described.error, topic)
        time.sleep(_DOUBT_SECONDS / 10)
    troubles.forget()
    return TopicInfo(cluster_id=metadata.cluster_id or "", partitions=len(described.partitions))


def wait_for_topic(
    client: Producer | Consumer,
    topic: str,
    troubles: Troubles,
    stop: threading.Event,
    beat: Callable[[Status], None],
) -> TopicInfo | None:
    """`topic_info` as soon as a broker answers, however long that takes; None when ``stop`` is set before.

    Raises ConfigError as `topic_info` does.
    """
    while not stop.is_set():
        try:
            return topic_info(client, topic, _ANSWER_SECONDS, troubles)
        except Retryable as error:
            troubles.say(str(error))
            beat(Status(waiting_for=str(error)))
            stop.wait(1.0)
    return None


def check_cluster(read: str, written: str) -> None:
    """Raise ConfigError unless the topic that is read and the one that is written are on the cluster of one id."""
    if read != written:
        raise ConfigError("both topics must be on one Kafka cluster: [consumer] and [producer] name different ones")


def check_message_size(options: Mapping[str, str], topic: str, needed_bytes: int, timeout: float) -> None:
    """Raise ConfigError when ``topic`` refuses records of ``needed_bytes``; blocks up to ``timeout`` seconds.

    Says nothing when we may not read the topic's settings: then a record that is too large fails when it is sent.
    """
    allowed = largest_message(options, topic, timeout)
    if allowed is not None and needed_bytes > allowed:
        raise ConfigError(
            f"topic '{topic}' accepts messages of {allowed} bytes, but this chunk size needs {needed_bytes}: "
            f"use --chunk_size {max(1024, allowed - RECORD_OVERHEAD)} or raise the topic's max.message.bytes"
        )


def largest_message(options: Mapping[str, str], topic: str, timeout: float) -> int | None:
    """Bytes of the largest record that ``topic`` takes; None when we may not know. Blocks up to ``timeout`` seconds."""
    admin = make_admin(options)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        entries = admin.describe_configs([resource], request_timeout=timeout)[resource].result(timeout)
        return int(entries["max.message.bytes"].value)
    except (KafkaException, KeyError, TypeError, ValueError, TimeoutError) as error:
        _log.debug("the size limit of topic %s cannot be read: %s", topic, error)
        return None


def topic_id(admin: AdminClient, topic: str, timeout: float) -> str:
    """As `certain_topic_id`; empty as well when the broker does not answer."""
    try:
        return certain_topic_id(admin, topic, timeout)
    except Retryable as error:
        _log.debug("the id of topic %s cannot be read: %s", topic, error)
        return ""


def certain_topic_id(admin: AdminClient, topic: str, timeout: float) -> str:
    """What tells ``topic`` from another of the same name, deleted or elsewhere; empty when the broker knows no ids.

    Blocks up to ``timeout`` seconds. Raises Retryable when the broker does not answer. Source: KIP-516.
    """
    try:
        described = admin.describe_topics(TopicCollection([topic]), request_timeout=timeout)[topic].result(timeout)
    except (KafkaException, TimeoutError) as error:
        raise Retryable(f"the id of topic {topic} cannot be read: {error}") from None
    number = described.topic_id
    known = number.get_most_significant_bits() or number.get_least_significant_bits()
    return str(number) if known else ""
