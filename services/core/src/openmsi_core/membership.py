"""This process as a member of its consumer group: which partitions are ours, and what is committed for them."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition

from openmsi_core.beginning import beginning
from openmsi_core.commits import Commits, places_at

_log = logging.getLogger(__name__)

_ASK_SECONDS = 5.0
_COMMIT_SECONDS = 1.0
_LAST_COMMIT_SECONDS = 3.0
_LEAVE_SECONDS = 4.0


class Membership:
    """Commits what ``commits`` allows: every second, before partitions are given away, and at the end.

    ``begin(partitions)`` says where to begin to read those that need not begin at their committed offset;
    ``before_leaving(partitions)`` may finish what is nearly done; ``forget(partitions)`` must drop everything about
    them; ``place(partition)`` says where all others begin. All run inside the consumer's poll(). Offsets of partitions
    that were lost (not given away) are never committed. Source: KIP-429.
    """

    def __init__(
        self,
        consumer: Consumer,
        topic: str,
        commits: Commits,
        begin: Callable[[set[int]], dict[int, int]],
        before_leaving: Callable[[set[int]], None],
        forget: Callable[[set[int]], None],
        place: Callable[[TopicPartition], int] = lambda place: place.offset,
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._commits = commits
        self._begin = begin
        self._before_leaving = before_leaving
        self._forget = forget
        self._place = place
        self._paused = False
        self._next_commit = 0.0
        self._begun = 0
        self.assigned: set[int] = set()
        self.homeless: set[int] = set()
        """Partitions for which Kafka has no valid offset of ours; see `find_offsets`."""
        self._rewinds: dict[int, int] = {}
        self._ended = self._left = False

    def join(self) -> None:
        """Subscribe; partitions come and go while the consumer polls."""
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def take_all(self, partitions: int) -> None:
        """Instead of `join`: read all ``partitions`` of the topic, whoever else does."""
        self._on_assign(self._consumer, self._at(range(partitions)))

    def leave(self) -> None:
        """Give all partitions back and leave the group; blocks for a few seconds at most. A second call does nothing.

        Without a broker, librdkafka's close() waits until the session is over, for a commit that cannot be answered.
        Nothing depends on that answer, so the process may end meanwhile. Nothing is forgotten: what is staged may be
        taken up by the next start.
        """
        self._ended = True
        if self._left:
            return
        self._left = True
        closing = threading.Thread(target=self._consumer.close, name="close", daemon=True)
        closing.start()
        closing.join(_LEAVE_SECONDS)
        if closing.is_alive():
            _log.warning("left the group without an answer of the broker")

    def pause(self) -> None:
        """Go on polling, to stay in the group, without getting records."""
        if not self._paused:
            self._paused = True
            self._consumer.pause(self._at(self.assigned))

    def resume(self) -> None:
        """Get records again."""
        if self._paused:
            self._paused = False
            self._consumer.resume(self._at(self.assigned))

    def commit_when_due(self) -> None:
        """Commit in the background what has advanced: at most once a second, unless deliveries wait for it.

        At once with the first records of a partition: as long as nothing was committed, `Resume` can note nothing.
        """
        now, begun = time.monotonic(), self._commits.watermark.begun
        if now < self._next_commit and begun == self._begun and not self._commits.eager:
            return
        if self._commits.later(self._consumer, self._topic):
            self._next_commit, self._begun = now + _COMMIT_SECONDS, begun

    def commit_soon(self) -> None:
        """Do not wait for the second to be over."""
        self._next_commit = 0.0

    def commit_at_end(self) -> None:
        """Commit all that is allowed, for the last time; durable on return unless the log says otherwise.

        Blocks for a few seconds at most. A broker that is away is not told: an unanswered commit would keep the
        consumer from closing until the session is over, longer than a program that was told to stop has.
        """
        self._ended = True
        try:
            if self.assigned:
                self._consumer.committed(self._at(self.assigned), timeout=_LAST_COMMIT_SECONDS)
        except KafkaException as error:
            _log.warning("offsets were not committed, some files will be read again: %s", error.args[0].str())
        else:
            self._commit_now(self.assigned)

    def _commit_now(self, partitions: Collection[int]) -> None:
        try:
            self._commits.now(self._consumer, self._topic, partitions)
        except KafkaException as error:
            _log.warning("offsets were not committed, some files will be read again: %s", error.args[0].str())

    def committed(self, partitions: Iterable[int]) -> dict[int, int]:
        """What the group has committed, partition → offset; only those of which it has, nothing when nobody answers."""
        return {place.partition: place.offset for place in self._ask(partitions) if place.offset >= 0}

    def untouched(self, partitions: Iterable[int]) -> set[int]:
        """Those of which the group has committed nothing; none when nobody answers."""
        return {place.partition for place in self._ask(partitions) if place.offset == OFFSET_INVALID}

    def _ask(self, partitions: Iterable[int]) -> list[TopicPartition]:
        try:
            return self._consumer.committed(self._at(partitions), timeout=_ASK_SECONDS)
        except KafkaException as error:
            _log.debug("the committed offsets cannot be read: %s", error)
            return []

    def rewind(self, offsets: dict[int, int]) -> None:
        """Read ``offsets`` (partition → offset) again, after the next `seek_back`; may be called inside poll()."""
        for partition, offset in offsets.items():
            self._rewinds[partition] = min(offset, self._rewinds.get(partition, offset))

    def seek_back(self) -> None:
        """Do what `rewind` asked for."""
        for place in places_at(self._topic, self._rewinds):
            try:
                self._consumer.seek(place)
            except KafkaException as error:  # not being fetched at this moment
                _log.debug("partition %d is read again later: %s", place.partition, error)
            else:
                del self._rewinds[place.partition]

    def in_sequence(self, partition: int) -> bool:
        """Whether records of ``partition`` that were just read come next after those read before."""
        return partition in self.assigned and partition not in self._rewinds

    def find_offsets(self, start: str, on_lost: str) -> int:
        """Begin to read the `homeless` partitions where `beginning` says; returns how many records are lost for ever.

        May block on the broker; raises KafkaException, then call again, and ConfigError.
        """
        lost, found = 0, list[TopicPartition]()
        for partition in self.homeless & self.assigned:  # all are asked for before any is fetched, which would delay it
            place = TopicPartition(self._topic, partition)
            place.offset, gone = beginning(self._consumer, place, start, on_lost)
            self._commits.watermark.goes_on(partition, place.offset)
            found.append(place)
            lost += gone
        if found:
            # A partition without a valid offset is not being fetched, so seek() is refused: assign it anew.
            self._consumer.incremental_unassign(found)
            self._consumer.incremental_assign(found)
            if self._paused:
                self._consumer.pause(found)
        self.homeless.clear()
        return lost

    def _on_assign(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        if self._ended:
            return
        ours = {place.partition for place in partitions}
        self._commits.begin(consumer, partitions)
        begin = self._begin(ours)
        for place in partitions:
            place.offset = begin[place.partition] if place.partition in begin else self._place(place)
        consumer.incremental_assign(partitions)
        self.assigned |= ours
        if self._paused:
            consumer.pause(partitions)
        _log.info("reading partitions %s of %s", sorted(self.assigned), self._topic)

    def _on_revoke(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        if self._ended:
            return
        leaving = {p.partition for p in partitions}
        self._before_leaving(leaving)
        self._commit_now(leaving)
        self._leave(leaving)

    def _on_lost(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        if self._ended:
            return
        leaving = {p.partition for p in partitions}
        _log.warning("lost partitions %s: the group heard nothing of this process for too long", sorted(leaving))
        self._leave(leaving)

    def _leave(self, partitions: set[int]) -> None:
        self.assigned -= partitions
        for partition in partitions:
            self._rewinds.pop(partition, None)
        self._forget(partitions)

    def _at(self, partitions: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in partitions]
