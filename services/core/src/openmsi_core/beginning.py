"""Where to begin to read a partition for which Kafka has no valid offset of the group."""

import logging

from confluent_kafka import Consumer, TopicPartition

from openmsi_core.errors import ConfigError

_log = logging.getLogger(__name__)

_ASK_SECONDS = 5.0
_AT_THE_END = ("latest", "largest", "end")


def beginning(consumer: Consumer, place: TopicPartition, start: str, on_lost: str) -> tuple[int, int]:
    """The offset at which to begin, and how many records are lost for ever.

    A partition without a committed offset begins at ``start``, librdkafka's ``auto.offset.reset``: at the end when
    that says so (and the end is committed, for a restart would find another), else at the first record. An offset
    that the log no longer has means that retention was shorter than our absence: ``on_lost`` ``continue`` goes on
    with what is left, ``stop`` raises ConfigError. May block on the broker; raises KafkaException, then call again.
    """
    committed = consumer.committed([place], timeout=_ASK_SECONDS)[0].offset
    low, high = consumer.get_watermark_offsets(place, timeout=_ASK_SECONDS)
    if committed < 0:
        if not begins_at_the_end(start):
            return low, 0
        end = TopicPartition(place.topic, place.partition, high)
        consumer.commit(offsets=[end], asynchronous=False)
        return high, 0
    gone = max(0, low - committed)
    text = f"offset {committed} of partition {place.partition} is gone, the broker has {low} to {high}"
    if gone:
        text += f": records {committed} to {low - 1} were deleted before they were read"
    if on_lost == "stop":
        raise ConfigError(f"{text}; to go on with what is left, start with --on_lost_offsets continue")
    _log.error("%s; going on at offset %d", text, low)
    return low, gone


def begins_at_the_end(start: str) -> bool:
    """Whether ``start`` (librdkafka's ``auto.offset.reset``) says so."""
    return start in _AT_THE_END


def start_of(consumer: Consumer, place: TopicPartition, start: str, on_lost: str) -> tuple[int, int]:
    """As `beginning`, for a partition of which it is not known whether its committed offset is valid."""
    committed = consumer.committed([place], timeout=_ASK_SECONDS)[0].offset
    low, high = consumer.get_watermark_offsets(place, timeout=_ASK_SECONDS)
    return (committed, 0) if low <= committed <= high else beginning(consumer, place, start, on_lost)
