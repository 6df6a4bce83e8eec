"""Asks and reads a topic without leaving a trace: in no group, nothing committed."""

from collections.abc import Iterable, Mapping

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from openmsi_core.errors import BrokerUnreachable, Fatal
from openmsi_core.kafka import Troubles, make_consumer
from openmsi_core.kafka_errors import translate

EARLIEST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # published without types
LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # published without types
NEWEST = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]  # published without types

COMMITTED = IsolationLevel.READ_COMMITTED
"""With `LATEST`: where the first transaction that has not ended begins, else the end."""
EVERYTHING = IsolationLevel.READ_UNCOMMITTED

_NONE = "openmsi-bystander"
"""librdkafka wants the name of a group; none is joined."""


def bystander(options: Mapping[str, str], troubles: Troubles, queue_bytes: int, group: str = _NONE) -> Consumer:
    """A consumer to be used with ``assign``; says where a partition ends. Raises ConfigError.

    It joins no group; that of ``group`` can be asked for its offsets.

    A user without the right to use groups gets one GROUP_AUTHORIZATION_FAILED from its poll(): nothing else is missing.
    """
    return make_consumer(
        {**options, "enable.partition.eof": "true"},
        group_id=group,
        queue_bytes=queue_bytes,
        troubles=troubles,
    )


def offsets(
    admin: AdminClient, topic: str, partitions: Iterable[int], spec: OffsetSpec, level: IsolationLevel, timeout: float
) -> dict[int, tuple[int, int]]:
    """Partition → what ``spec`` asks for: offset and time (ms, −1 = none). Blocks up to ``timeout`` seconds.

    Raises Fatal.
    """
    places = {TopicPartition(topic, number): spec for number in partitions}
    try:
        asked = admin.list_offsets(places, isolation_level=level, request_timeout=timeout)
        answers = {place.partition: answer.result(timeout) for place, answer in asked.items()}
        return {partition: (answer.offset, answer.timestamp) for partition, answer in answers.items()}
    except KafkaException as error:
        problem = translate(error.args[0], topic)
        raise problem if isinstance(problem, Fatal) else BrokerUnreachable(str(problem)) from None
    except TimeoutError:
        raise BrokerUnreachable("the broker does not say what the topic holds") from None
