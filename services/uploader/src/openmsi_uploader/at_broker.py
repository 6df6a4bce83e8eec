"""Asks the broker whether what was acknowledged before is still there."""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from openmsi_core.errors import Retryable
from openmsi_core.kafka import make_admin
from openmsi_core.kafka_errors import translate
from openmsi_core.topic import topic_id
from openmsi_uploader.outcome import CannotContinue
from openmsi_uploader.unfinished import Unfinished

_SECONDS = 5.0
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # published so
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_PASSES_BY = {
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._RESOLVE,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Extent:
    """What a partition holds at present: the offsets from ``low`` up to, not including, ``end``."""

    topic_id: str
    low: int
    end: int


def ask_extent(options: Mapping[str, str], topic: str, partition: int) -> Extent:
    """What the broker holds of ``partition``; blocks for some seconds at most.

    Raises Retryable when nobody answers at present, CannotContinue when the broker will not say.
    """
    place, client = TopicPartition(topic, partition), make_admin(options)
    try:
        low, end = (
            client.list_offsets({place: spec}, request_timeout=_SECONDS)[place].result(2 * _SECONDS).offset
            for spec in (_EARLIEST, _LATEST)
        )
        return Extent(topic_id(client, topic, _SECONDS), low, end)
    except TimeoutError:
        raise Retryable("the broker does not answer") from None
    except KafkaException as error:
        if error.args[0].code() in _PASSES_BY:
            raise translate(error.args[0], topic) from None
        raise CannotContinue(f"the broker does not say what it has ({error.args[0].str()})") from None


def check_still_there(begun: Unfinished, sha512: bytes, extent: Extent) -> None:
    """Raise CannotContinue unless all that ``begun`` counts on is as it was; ``sha512`` is that of the file now."""
    if begun.sha512 != sha512:
        raise CannotContinue("the content is another than the one that was begun, so it is sent anew")
    if extent.topic_id != begun.target.topic_id or extent.low > begun.first_offset or extent.end <= begun.last_offset:
        raise CannotContinue("the broker has lost what it had acknowledged, so all of it is sent anew")
