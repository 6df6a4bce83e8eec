"""`openmsi relay`: every file of one topic into another, each in the partition of its path, exactly once.

OpenMSIStream scatters the chunks of a file over all partitions, so one process must read them all. What the relay
writes is read by as many as there are partitions.
"""

import contextlib
import logging
from collections.abc import Sequence
from typing import Annotated, ClassVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pydantic import Field, model_validator
from pydantic_settings import CliPositionalArg

from openmsi_admin.relay_destination import TopicDestination
from openmsi_core.carry import begin_anew_when_undone
from openmsi_core.chunk import DEFAULT_CHUNK_SIZE
from openmsi_core.errors import ConfigError, Retryable, Undone
from openmsi_core.kafka import Troubles, make_admin, make_consumer, make_producer
from openmsi_core.policy import Policy
from openmsi_core.quarantine import Quarantine
from openmsi_core.receive import Receiver
from openmsi_core.service import Service, run
from openmsi_core.settings import ProgramSettings
from openmsi_core.settings_types import TopicName
from openmsi_core.staging import Staging
from openmsi_core.state import lock_state_dir
from openmsi_core.topic import RECORD_OVERHEAD, certain_topic_id, check_cluster, check_message_size, wait_for_topic
from openmsi_core.topic_watch import TopicWatch
from openmsi_core.transaction import Transaction

_log = logging.getLogger(__name__)

_PREFETCH_BYTES = 24 << 20
_QUEUE_BYTES = 48_000_000
_WRITERS = 64  # as many small files are in one transaction
_ANSWER_SECONDS = 5.0
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
    def writes(self) -> tuple[str, ...]:
        """As `ProgramSettings` says."""
        return (self.target_topic,)

    @property
    def group(self) -> str:
        """The consumer group, which also names the transactions: of two relays with one group, the later goes on."""
        # No topic has a colon in its name: the group of `a-b` to `c` is not that of `a` to `b-c`.
        return self.consumer_group_id or f"openmsi-relay-{self.topic_name}:{self.target_topic}"


def relay(argv: Sequence[str]) -> int:
    """Carry every file of a topic into another, whole and in one partition, exactly once."""
    return run(RelaySettings.program, RelaySettings, _relay, argv)


def _relay(settings: RelaySettings, service: Service) -> None:
    with lock_state_dir(settings.state_dir, f"relay of {settings.topic_name} to {settings.target_topic}"):
        begin_anew_when_undone(lambda: _carry(settings, service), service.stop)


def _carry(settings: RelaySettings, service: Service) -> None:
    """Relay until the program stops. Raises Fatal, and Undone: then call it again."""
    troubles = Troubles(_log.warning)
    longest = settings.producer.get("transaction.timeout.ms", _LONGEST_MS)
    options = {"transaction.timeout.ms": longest, "message.timeout.ms": longest, "transactional.id": settings.group}
    producer = make_producer(
        {**settings.producer, **options},
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
    _check_group(admin, settings.group)
    purpose = f"{settings.target_topic}/{_id(admin, settings.target_topic)}"
    transaction = Transaction(producer, purpose, cipher=service.cipher)
    staging = Staging(settings.state_dir)
    try:
        staging.folder.start()
        consumer = make_consumer(
            settings.consumer,
            group_id=settings.group,
            queue_bytes=_PREFETCH_BYTES,
            troubles=troubles,
        )
        source = wait_for_topic(consumer, settings.topic_name, troubles, service.stop, service.beat)
        if source is None:
            consumer.close()
            return
        check_cluster(source.cluster_id, target.cluster_id)
        _log.info("group %s relays topic %s to %s", settings.group, settings.topic_name, settings.target_topic)
        Receiver(
            consumer,
            TopicDestination(
                transaction, settings.target_topic, target.partitions, settings.chunk_size, service.counts
            ),
            staging,
            Quarantine(settings.state_dir, settings.topic_name),
            troubles,
            transaction,
            _policy(settings, source.partitions, _id(admin, settings.topic_name)),
            service.counts,
            service.cipher,
        ).run(service.stop, TopicWatch(producer, admin, (settings.topic_name, settings.target_topic), service.beat))
    finally:
        transaction.close()
        staging.close()


def _check_group(admin: AdminClient, group: str) -> None:
    """Raise ConfigError when ``group`` has members: each would take the other's offsets for its own."""
    with contextlib.suppress(KafkaException, TimeoutError):  # there is none as a rule
        answer = admin.describe_consumer_groups([group], request_timeout=_ANSWER_SECONDS)[group]
        if answer.result(_ANSWER_SECONDS).members:
            raise ConfigError(
                f"other programs are in group {group}: give the relay one of its own, --consumer_group_id"
            )


def _id(admin: AdminClient, topic: str) -> str:
    """What was written before is known by it, so there is no going on without. Raises Undone."""
    try:
        return certain_topic_id(admin, topic, _ANSWER_SECONDS)
    except Retryable as error:
        raise Undone(str(error)) from None


def _policy(settings: RelaySettings, partitions: int, source_id: str) -> Policy:
    return Policy(
        topic=settings.topic_name,
        topic_id=source_id,
        group=settings.group,
        topic_partitions=partitions,
        wanted=lambda _: True,
        workers=_WRITERS,
        idle_seconds=settings.idle_quarantine_hours * 3600,
        start="earliest",
        sharing="nobody",
        on_lost_offsets="continue",
    )
