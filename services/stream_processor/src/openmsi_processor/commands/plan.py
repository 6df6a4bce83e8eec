"""What a replay is to read, kept from its first call to its end."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from openmsi_core.durable import disk_errors, write_file
from openmsi_core.paths import RelativePath
from openmsi_processor.commands.span import Span, kafka_errors, span_of

_ASK_SECONDS = 15.0
_PATIENCE_SECONDS = 75.0  # for the end of a transaction that a killed replay has left
_FILE = "plan.json"
_FINISHED = "replayed "
"""Kept, with the id of the plan, with the offsets of a replay that came to its end."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for."""

    group: str
    """The group of this replay alone, which also names its transactions."""
    folder: Path
    """What must survive until its end."""
    since: float
    until: float | None
    wanted: Callable[[RelativePath], bool]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one replay is to read, from its first call to its end."""

    id: str
    span: Span
    resumed: bool

    @classmethod
    def read(cls, file: Path) -> "Plan":
        """As `write` has kept it. Raises Retryable."""
        with disk_errors(file):
            number, *kept = json.loads(file.read_bytes())
        return cls(number, Span(*({int(number): offset for number, offset in each.items()} for each in kept)), True)

    def write(self, file: Path) -> None:
        """Durable on return. Raises Retryable."""
        with disk_errors(file):
            write_file(file, json.dumps([self.id, self.span.starts, self.span.ends]).encode())


def begin(consumer: Consumer, order: Order, topic: str, partitions: int) -> Plan:
    """What is to be read: that of an earlier call which did not come to its end, or all that was asked for.

    On return the group has offsets for all of it. Without the folder of the earlier call, the offsets of the group say
    what is done: no file is done twice, but where it began is found anew. Raises Undone and Fatal.
    """
    file = order.folder / _FILE
    places = [TopicPartition(topic, number) for number in range(partitions)]
    with kafka_errors(topic):
        committed = consumer.committed(places, timeout=_PATIENCE_SECONDS)
    known = {p.partition for p in committed if p.offset >= 0 and not (p.metadata or "").startswith(_FINISHED)}
    if file.exists():
        plan = Plan.read(file)
        known |= {place.partition for place in committed if place.metadata == _FINISHED + plan.id}
    else:
        plan = Plan(uuid4().hex, span_of(consumer, topic, partitions, order.since, order.until), bool(known))
        plan.write(file)
    if places := [TopicPartition(topic, n, start) for n, start in plan.span.starts.items() if n not in known]:
        with kafka_errors(topic):
            consumer.commit(offsets=places, asynchronous=False)
    return plan


def end(consumer: Consumer, topic: str, plan: Plan) -> None:
    """Note with the offsets that the replay has come to its end: the same command then begins a new one.

    Raises Undone and Fatal.
    """
    places = [TopicPartition(topic, number) for number in plan.span.starts]
    with kafka_errors(topic):
        consumer.commit(
            offsets=[
                TopicPartition(topic, place.partition, place.offset, _FINISHED + plan.id)
                for place in consumer.committed(places, timeout=_PATIENCE_SECONDS)
                if place.offset >= 0
            ],
            asynchronous=False,
        )


def forget(admin: AdminClient, order: Order) -> None:
    """Remove the group, if we may; else the broker forgets it after some days. Never raises."""
    with contextlib.suppress(KafkaException, TimeoutError):
        admin.delete_consumer_groups([order.group])[order.group].result(_ASK_SECONDS)
