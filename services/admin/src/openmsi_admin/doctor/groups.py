"""How far the readers of the topic are, and whether retention will overtake them, or has."""

import logging
import time
from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AclOperation, AdminClient

from openmsi_admin.doctor.asked import Asked
from openmsi_admin.doctor.cluster import QUEUE_BYTES
from openmsi_admin.doctor.finding import Finding, bad, duration, ok, unsure
from openmsi_admin.doctor.network import SECONDS
from openmsi_core.bystander import COMMITTED, EARLIEST, LATEST, bystander, offsets
from openmsi_core.errors import Fatal
from openmsi_core.kafka import Troubles

_log = logging.getLogger(__name__)

_MOST_GROUPS = 20


def check_groups(
    admin: AdminClient, consumer: Consumer, asked: Asked, topic: str, partitions: int, settings: Mapping[str, str]
) -> Iterator[Finding]:
    """The group asked for, or else every group that has read ``topic``: its rights, its lag, and what it has lost.

    Blocks up to 10 s for each group.
    """
    group = asked.group
    try:
        low = _numbers(offsets(admin, topic, range(partitions), EARLIEST, COMMITTED, SECONDS))
        end = _numbers(offsets(admin, topic, range(partitions), LATEST, COMMITTED, SECONDS))
    except Fatal as error:
        yield unsure("group", f"the offsets of {topic} cannot be read ({error})")
        return
    groups = [group] if group else _all_groups(admin)
    if groups is None:
        yield unsure("group", "the broker does not list its groups for this user", "name one with --consumer_group_id")
        return
    found = False
    for name in groups[:_MOST_GROUPS]:
        committed = _committed(asked.options, name, topic, partitions)
        if isinstance(committed, str):
            yield unsure("group", f"the offsets of {name} cannot be read ({committed})")
        elif committed or group:
            found = True
            yield from check_group(consumer, topic, name, committed, low, end, settings)
    if len(groups) > _MOST_GROUPS:
        yield unsure("group", f"only {_MOST_GROUPS} of {len(groups)} groups were looked at", "name one")
    if group:
        yield from _right_to(admin, group)
    elif not found:
        yield unsure("group", f"no group has committed anything in {topic}: no downloader has run yet")


def check_group(
    consumer: Consumer,
    topic: str,
    group: str,
    committed: Mapping[int, int],
    low: Mapping[int, int],
    end: Mapping[int, int],
    settings: Mapping[str, str],
) -> Iterator[Finding]:
    """Lag and losses of one group; partitions in which it has committed nothing are read from their beginning."""
    for partition, offset in sorted(committed.items()):
        if offset < low[partition]:
            lost = f"records {offset} to {low[partition] - 1} of partition {partition}"
            todo = "raise retention.ms; send these files again from the source folder"
            yield bad("group", f"{group} has not read {lost}, and the broker has deleted them", todo)
    unread = {p: max(committed.get(p, 0), low[p]) for p in low}
    behind = {p: offset for p, offset in unread.items() if offset < end[p]}
    lag = sum(end[p] - offset for p, offset in behind.items())
    if not lag:
        yield ok("group", f"{group} has read all of {topic}")
        return
    oldest = _oldest(consumer, topic, behind)
    text = f"{group} has {lag} records to read"
    if oldest is None:
        yield unsure("group", f"{text}; how old they are cannot be seen")
        return
    age = max(0.0, time.time() - oldest / 1000)
    text += f", the oldest {duration(age)} old"
    if not settings:
        yield unsure("group", f"{text}; how long the broker keeps them cannot be read")
        return
    if (retention_ms := int(settings.get("retention.ms", -1))) < 0:
        yield ok("group", f"{text}; nothing is deleted for its age")
        return
    text += f"; retention deletes after {duration(retention_ms / 1000)}"
    if age > retention_ms / 2000:
        yield unsure("group", text, "see that a downloader of this group runs and keeps up, or raise retention.ms")
    else:
        yield ok("group", text)


def _numbers(found: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    return {partition: offset for partition, (offset, _) in found.items()}


def _right_to(admin: AdminClient, group: str) -> Iterator[Finding]:
    try:
        asking = admin.describe_consumer_groups([group], include_authorized_operations=True, request_timeout=SECONDS)
        allowed = asking[group].result(SECONDS).authorized_operations or []
    except TimeoutError:
        yield unsure("rights", f"the broker does not describe group {group}")
        return
    except KafkaException as error:
        if error.args[0].code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
            yield unsure("rights", f"the broker does not describe group {group} ({error.args[0].str()})")
            return
        allowed = []
    if AclOperation.READ in allowed:
        yield ok("rights", f"this user may read and commit as group {group}")
    else:
        todo = f"ask whoever runs the broker for the right READ on the group {group}"
        yield bad("rights", f"this user may not read and commit as group {group}", todo)


def _all_groups(admin: AdminClient) -> list[str] | None:
    try:
        listed = admin.list_consumer_groups(request_timeout=SECONDS).result(SECONDS)
    except (KafkaException, TimeoutError):
        return None
    return sorted(group.group_id for group in listed.valid or [])


def _committed(options: Mapping[str, str], group: str, topic: str, partitions: int) -> dict[int, int] | str:
    """Partition → committed offset, where there is one; or why that cannot be known."""
    # An admin client that asks while the group's broker changes brings the process down (librdkafka issue 5040).
    asking = bystander(options, Troubles(_log.debug), QUEUE_BYTES, group)
    try:
        found = asking.committed([TopicPartition(topic, number) for number in range(partitions)], timeout=SECONDS)
    except KafkaException as error:
        return str(error.args[0].str())
    finally:
        asking.close()
    return {place.partition: place.offset for place in found if place.offset >= 0}


def _oldest(consumer: Consumer, topic: str, places: Mapping[int, int]) -> int | None:
    """The time (ms) of the oldest record at these offsets, or soon after them; None when none could be read."""
    waiting, times = set(places), list[int]()
    consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in places.items()])
    until = time.monotonic() + SECONDS
    try:
        while waiting and (left := until - time.monotonic()) > 0:
            message = consumer.poll(left)
            if message is None or (partition := message.partition()) is None or partition not in waiting:
                continue
            error = message.error()
            if error is None:
                times.append(message.timestamp()[1])
            elif error.code() != KafkaError._PARTITION_EOF:  # what is behind may be marks of transactions alone
                continue
            waiting.remove(partition)
            consumer.incremental_unassign([TopicPartition(topic, partition)])
    finally:
        consumer.unassign()
    return min((moment for moment in times if moment > 0), default=None)
