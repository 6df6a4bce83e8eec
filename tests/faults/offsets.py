"""What the group of a route has committed, and where its topic ends."""

import struct
import time

from confluent_kafka import Consumer, TopicPartition

from tests.faults.world import Route
from tests.support.downloading import committed

_COMMITS = "__consumer_offsets"
_COMMIT_KEYS = (0, 1)  # versions of a key that stands for a commit


def plain_consumer(way: Route) -> Consumer:
    """One that commits nothing; close it."""
    return Consumer({"bootstrap.servers": way.bootstrap, "group.id": "none", "enable.auto.commit": False})


def ends(way: Route) -> dict[int, int]:
    """Partition → offset of the next record to come."""
    consumer = plain_consumer(way)
    partitions = consumer.list_topics(way.topic, timeout=30).topics[way.topic].partitions
    found = {
        partition: consumer.get_watermark_offsets(TopicPartition(way.topic, partition), timeout=30)[1]
        for partition in sorted(partitions)
    }
    consumer.close()
    return found


def all_committed(way: Route, seconds: float = 30.0) -> None:
    """Wait until the group has committed everything. Fails when something is held back that nothing waits for."""
    expected, until = ends(way), time.monotonic() + seconds
    while (found := group_offsets(way)) != expected:
        assert time.monotonic() < until, f"committed {found}, but the topic ends at {expected}"
        time.sleep(0.2)


def group_offsets(way: Route) -> dict[int, int]:
    """Partition → what the group has committed, 0 where it has nothing."""
    found = committed(way.bootstrap, way.topic, way.group, len(ends(way)))
    return {partition: max(0, offset) for partition, offset in found.items()}


def never_back(way: Route) -> dict[int, list[int]]:
    """Every offset that was ever committed, by partition, in order; fails when one is below the one before it.

    Read from the broker's own log of them: none is missed, as it might be by asking now and then.
    """
    commits: dict[int, list[int]] = {}
    for partition, offset in _commits(way):
        before = commits.setdefault(partition, [])
        assert not before or before[-1] <= offset, f"partition {partition}: {offset} was committed after {before}"
        before.append(offset)
    return commits


def _commits(way: Route) -> list[tuple[int, int]]:
    consumer = plain_consumer(way)
    partitions = consumer.list_topics(_COMMITS, timeout=30).topics[_COMMITS].partitions
    places = [TopicPartition(_COMMITS, partition, 0) for partition in partitions]
    left = {place.partition: consumer.get_watermark_offsets(place, timeout=30)[1] for place in places}
    consumer.assign(places)
    found, until = [], time.monotonic() + 60
    while left := {p: end for p, end in left.items() if end > 0}:
        assert time.monotonic() < until, f"the commits cannot be read: {left}"
        for message in consumer.consume(1000, 0.2):
            assert message.error() is None, message.error()
            commit = _commit(message.key(), message.value(), way)
            found += [commit] if commit is not None else []
        at = {place.partition: place.offset for place in consumer.position(places)}
        left = {partition: end for partition, end in left.items() if at[partition] < end}
    consumer.close()
    return found


def _commit(key: bytes | None, value: bytes | None, way: Route) -> tuple[int, int] | None:
    """Partition and offset, when it is a commit of this route. Source: Kafka's OffsetCommitKey, OffsetCommitValue."""
    if not key or not value or struct.unpack_from(">h", key)[0] not in _COMMIT_KEYS:
        return None
    names = b"".join(struct.pack(">h", len(name)) + name for name in (way.group.encode(), way.topic.encode()))
    if key[2:-4] != names:
        return None
    return struct.unpack(">i", key[-4:])[0], struct.unpack_from(">q", value, 2)[0]
