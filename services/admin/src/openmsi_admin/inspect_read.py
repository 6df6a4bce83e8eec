"""Reads a topic from its beginning to where it ends now, as a bystander: no group, nothing committed."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient

from openmsi_admin.inspect_keys import KEY_SECONDS, NO_KEYS
from openmsi_core.bystander import COMMITTED, EARLIEST, EVERYTHING, LATEST, offsets
from openmsi_core.encryption.cipher import Cipher
from openmsi_core.errors import BrokerUnreachable
from openmsi_core.kafka import Troubles
from openmsi_core.kafka_errors import raise_fatal, translate
from openmsi_core.late_keys import LateKeys
from openmsi_core.records import Arrival, Reader

ASK_SECONDS = 10.0
_SILENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.1
QUEUE_BYTES = 24 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """What a partition holds: records at offsets ``low`` to ``end`` − 1."""

    partition: int
    low: int
    """More than 0: what was before it has been deleted, by retention as a rule."""
    end: int
    high: int
    """More than ``end``: what is from there on belongs to transactions that have not ended, or comes after them."""


def extents(admin: AdminClient, topic: str, partitions: int) -> list[Extent]:
    """What each partition holds now; blocks up to 30 s. Raises Fatal."""
    numbers = range(partitions)
    low = offsets(admin, topic, numbers, EARLIEST, COMMITTED, ASK_SECONDS)
    end = offsets(admin, topic, numbers, LATEST, COMMITTED, ASK_SECONDS)
    high = offsets(admin, topic, numbers, LATEST, EVERYTHING, ASK_SECONDS)
    return [Extent(number, low[number][0], end[number][0], high[number][0]) for number in numbers]


class Reading:
    """One look at a topic, from `Extent.low` to `Extent.end` of each partition."""

    def __init__(
        self,
        consumer: Consumer,
        admin: AdminClient,
        topic: str,
        found: Iterable[Extent],
        troubles: Troubles,
        cipher: Cipher = NO_KEYS,
    ) -> None:
        self._consumer = consumer
        self._admin = admin
        self._topic = topic
        self._troubles = troubles
        self._cipher = cipher
        self._late = LateKeys(cipher, topic, KEY_SECONDS if cipher.encrypts else 0.0)
        self.extents = {extent.partition: extent for extent in found}
        """As found at the start, but for what is deleted while we read."""
        self._at = {number: extent.low for number, extent in self.extents.items()}

    @property
    def total(self) -> int:
        """How many offsets there are to read."""
        return sum(extent.end - extent.low for extent in self.extents.values())

    @property
    def done(self) -> int:
        """How many of them are behind us."""
        return sum(self._at[extent.partition] - extent.low for extent in self.extents.values())

    def run(self, take: Callable[[Arrival], None], tick: Callable[[], None]) -> None:
        """Read everything and hand each record to ``take``; ``tick`` is called at least once a second.

        Holds some 40 MB at most, whatever the topic holds, and 64 MB of records that wait for a key. A key that nobody
        has given after `KEY_SECONDS` never comes: ``take`` gets its records as `Locked`. Raises Fatal, and
        BrokerUnreachable when nothing comes for a minute.
        """
        self._consumer.assign([TopicPartition(self._topic, number, self._at[number]) for number in self._unread()])
        heard = time.monotonic()
        with _decoders() as pool:
            reader = Reader(self._consumer, pool, self._topic, self._cipher)
            while (unread := self._unread()) or self._late:
                if unread and not self._late.full:
                    incoming, errors = reader.read(_PAUSE_SECONDS if self._late else 1.0)
                else:
                    incoming, errors = [], []
                    time.sleep(_PAUSE_SECONDS)
                for each in incoming:
                    self._take(each.arrival(), take)
                for arrival in self._late.look():
                    take(arrival)
                for error, partition in errors:
                    self._obey(error, partition)
                self._leave_what_is_done()
                tick()
                if incoming or errors or self._late:
                    heard = time.monotonic()
                elif time.monotonic() - heard > _SILENCE_SECONDS:
                    raise self._troubles.refused or BrokerUnreachable(
                        f"nothing has come from the broker for {_SILENCE_SECONDS:.0f} s: see openmsi doctor"
                    )

    def _unread(self) -> list[int]:
        return [number for number, extent in self.extents.items() if self._at[number] < extent.end]

    def _take(self, arrival: Arrival, take: Callable[[Arrival], None]) -> None:
        partition, offset = arrival.record.partition, arrival.record.offset
        if self._at[partition] <= offset < self.extents[partition].end:
            for usable in self._late.take(arrival):
                take(usable)
        self._pass(partition, offset + 1)

    def _pass(self, partition: int, offset: int) -> None:
        self._at[partition] = max(self._at[partition], min(offset, self.extents[partition].end))

    def _obey(self, error: KafkaError, partition: int) -> None:
        match error.code():
            case KafkaError._PARTITION_EOF:  # the last offsets may hold no records, but marks of transactions
                self._pass(partition, self.extents[partition].end)
            case KafkaError._AUTO_OFFSET_RESET:
                self._begin_later(partition)
            case KafkaError.GROUP_AUTHORIZATION_FAILED:  # we have no use for a group
                pass
            case _:
                problem = translate(error, self._topic)
                raise_fatal(problem)
                self._troubles.say(str(problem))

    def _begin_later(self, partition: int) -> None:
        """Records were deleted while we were on our way to them."""
        low, _ = offsets(self._admin, self._topic, [partition], EARLIEST, COMMITTED, ASK_SECONDS)[partition]
        self.extents[partition] = replace(self.extents[partition], low=min(low, self.extents[partition].end))
        self._pass(partition, low)
        place = TopicPartition(self._topic, partition, self._at[partition])
        self._consumer.incremental_unassign([place])  # a seek is refused here
        self._consumer.incremental_assign([place])

    def _leave_what_is_done(self) -> None:
        """Else what is still being written would go on coming."""
        unread = set(self._unread())
        done = [place for place in self._consumer.assignment() if place.partition not in unread]
        if done:
            self._consumer.incremental_unassign(done)


@contextlib.contextmanager
def _decoders() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(2, "decode")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
