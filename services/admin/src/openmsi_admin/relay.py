"""`openmsi relay`: every file of one topic into another, each in the partition of its path, exactly once.

OpenMSIStream scatters the chunks of a file over all partitions, so one process must read them all. What the relay
writes is read by as many as there are partitions.
"""

import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Annotated, ClassVar

from confluent_kafka import Producer
from pydantic import Field, model_validator
from pydantic_settings import CliPositionalArg

from openmsi_admin.relay_destination import TopicDestination
from openmsi_core.chunk import DEFAULT_CHUNK_SIZE
from openmsi_core.errors import ConfigError, Retryable, Undone
from openmsi_core.kafka import Troubles, make_admin, make_consumer, make_producer
from openmsi_core.policy import Policy
from openmsi_core.quarantine import Quarantine
from openmsi_core.receive import Receiver
from openmsi_core.retry import delay_before
from openmsi_core.service import Service, Status, run
from openmsi_core.settings import ProgramSettings
from openmsi_core.settings_types import TopicName
from openmsi_core.staging import Staging
from openmsi_core.state import lock_state_dir
from openmsi_core.topic import RECORD_OVERHEAD, TopicInfo, check_message_size, topic_id, topic_info, wait_for_topic
from openmsi_core.transaction import Transaction

_log = logging.getLogger(__name__)

_PREFETCH_BYTES = 24 << 20
_QUEUE_BYTES = 48_000_000
_WRITERS = 8  # as many small files are in one transaction; see `_CROWD` in transaction
_ANSWER_SECONDS = 5.0
_LOOK_SECONDS = 30.0
_LONGEST_MS = "900000"  # for one transaction; the most that a broker allows unless told otherwise


class RelaySettings(ProgramSettings):
    """Carry every file of a topic into another topic, whole and in one partition, exactly once."""

    program: ClassVar = "relay"
    place: ClassVar = "target_topic"
    clients: ClassVar = ("consumer", "producer")

    target_topic: CliPositionalArg[TopicName] = Field(description="the topic to write to, on the same brokers")
    consumer_group_id: str = Field("", description="the consumer group (default: made of the names of both topics)")
    chunk_size: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = Field(
        DEFAULT_CHUNK_SIZE, description="bytes of a file in one message"
    )
    idle_quarantine_hours: Annotated[float, Field(gt=0)] = Field(
        24, description="hours after which an upload that does not go on is put aside"
    )

    @model_validator(mode="after")
    def _keep_apart(self) -> "RelaySettings":
        if self.target_topic == self.topic_name:
            raise ValueError(f"a relay of topic {self.topic_name!r} onto itself would never end: name another target")
        return self

    @property
    def group(self) -> str:
        """The consumer group, which also names the transactions: of two relays with one group, the later goes on."""
        return self.consumer_group_id or f"openmsi-relay-{self.topic_name}-{self.target_topic}"


def main(argv: Sequence[str]) -> int:
    """Carry every file of a topic into another, whole and in one partition, exactly once."""
    return run(RelaySettings.program, RelaySettings, _relay, argv)


def _relay(settings: RelaySettings, service: Service) -> None:
    failures = 0
    with lock_state_dir(settings.state_dir, f"relay of {settings.topic_name} to {settings.target_topic}"):
        while not service.stop.is_set():
            try:
                _carry(settings, service)
            except Undone as error:
                failures += 1
                _log.warning("beginning anew: %s", error)
                service.stop.wait(delay_before(failures))


def _carry(settings: RelaySettings, service: Service) -> None:
    """Relay until the program stops. Raises Fatal, and Undone: then call it again."""
    troubles = Troubles(_log.warning)
    options = {"transactional.id": settings.group, "transaction.timeout.ms": _LONGEST_MS}
    producer = make_producer(
        {**settings.producer, "message.timeout.ms": _LONGEST_MS, **options},
        max_message_bytes=settings.chunk_size + RECORD_OVERHEAD,
        queue_bytes=_QUEUE_BYTES,
        troubles=troubles,
    )
    target = wait_for_topic(producer, settings.target_topic, troubles, service.stop, service.beat)
    if target is None:
        return
    needed = settings.chunk_size + RECORD_OVERHEAD
    check_message_size(settings.producer, settings.target_topic, needed, _ANSWER_SECONDS)
    admin = make_admin(settings.producer)
    purpose = f"{settings.target_topic}/{topic_id(admin, settings.target_topic, _ANSWER_SECONDS)}"
    transaction = Transaction(producer, purpose)
    staging = Staging(settings.state_dir)
    try:
        staging.folder.start()
        consumer = make_consumer(
            settings.consumer,
            group_id=settings.group,
            queue_bytes=_PREFETCH_BYTES,
            troubles=troubles,
            on_commit=lambda _error, _places: None,
        )
        source = wait_for_topic(consumer, settings.topic_name, troubles, service.stop, service.beat)
        if source is None:
            consumer.close()
            return
        if source.cluster_id != target.cluster_id:
            raise ConfigError("both topics must be on one Kafka cluster: [consumer] and [producer] name different ones")
        _log.info("group %s relays topic %s to %s", settings.group, settings.topic_name, settings.target_topic)
        Receiver(
            consumer,
            TopicDestination(transaction, settings.target_topic, target.partitions, settings.chunk_size),
            staging,
            Quarantine(settings.state_dir, settings.topic_name),
            troubles,
            transaction,
            _policy(settings, source, topic_id(admin, settings.topic_name, _ANSWER_SECONDS)),
            service.counts,
        ).run(service.stop, _Growth(producer, settings.topic_name, source.partitions, service))
    finally:
        transaction.close()
        staging.close()


class _Growth:
    """Tells how it goes, and notices that the topic has got more partitions: their chunks are needed, too."""

    def __init__(self, producer: Producer, topic: str, partitions: int, service: Service) -> None:
        self._producer = producer
        self._topic = topic
        self._partitions = partitions
        self._service = service
        self._due = 0.0

    def __call__(self, status: Status) -> None:
        """The receiver's beat. Raises Undone when there are more partitions."""
        self._service.beat(status)
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _LOOK_SECONDS
        with contextlib.suppress(Retryable):
            count = topic_info(self._producer, self._topic, _ANSWER_SECONDS, Troubles(_log.debug)).partitions
            if count != self._partitions:
                raise Undone(f"topic {self._topic} has {count} partitions now")


def _policy(settings: RelaySettings, source: TopicInfo, source_id: str) -> Policy:
    return Policy(
        topic=settings.topic_name,
        topic_id=source_id,
        group=settings.group,
        topic_partitions=source.partitions,
        wanted=lambda _: True,
        workers=_WRITERS,
        idle_seconds=settings.idle_quarantine_hours * 3600,
        start="earliest",
        sharing="nobody",
        on_lost_offsets="continue",
    )
