"""How offsets are committed: by the consumer alone, or in one `transaction` with what was made of the records."""

import logging
from collections.abc import Collection, Sequence
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from openmsi_core.deliveries import CompleteFile
from openmsi_core.records import Holder
from openmsi_core.watermark import Watermark

_log = logging.getLogger(__name__)


class Commits(Protocol):
    """Commits what its watermark allows. All methods belong to the receiver's thread."""

    @property
    def watermark(self) -> Watermark[Holder]:
        """Says what is done, and holds what is not."""

    @property
    def resumes(self) -> bool:
        """Whether a restart may go on behind what is staged: not where each record of a file must be known."""

    def begin(self, consumer: Consumer, places: Sequence[TopicPartition]) -> None:
        """These partitions are read by this process from now on; called inside poll()."""

    def later(self, consumer: Consumer, topic: str) -> bool:
        """Commit without holding up the loop. False = call again soon: something must come to its end first."""

    def now(self, consumer: Consumer, topic: str, partitions: Collection[int]) -> None:
        """Commit for ``partitions``; durable on return. Blocks for a few seconds at most. Raises KafkaException."""

    def leave(self, files: Collection[CompleteFile]) -> None:
        """Others read these files from now on, though threads work on them; those of earlier calls are among them."""

    def close(self) -> None:
        """Nothing more will be committed. Never raises."""

    @property
    def pause(self) -> float:
        """Seconds that the loop may wait for deliveries before it looks whether they wait for a commit."""

    @property
    def eager(self) -> bool:
        """Whether deliveries wait for a commit."""

    @property
    def crowded(self) -> bool:
        """Whether too much that is done waits behind files that are not complete: they must give way."""


class ConsumerCommits:
    """Commits by the consumer alone. Give it to the consumer as its ``on_commit``."""

    pause = 0.05
    eager = False
    crowded = False
    resumes = True

    def __init__(self) -> None:
        self.watermark = Watermark[Holder]()
        self._failed: set[int] = set()

    def __call__(self, error: KafkaError | None, places: Sequence[TopicPartition]) -> None:
        """Librdkafka's answer to one commit in the background: one in mid-rebalance may be refused."""
        self._failed |= {place.partition for place in places if error is not None or place.error is not None}

    def begin(self, consumer: Consumer, places: Sequence[TopicPartition]) -> None:
        """Nothing to do: the consumer asks for the offsets itself."""

    def leave(self, files: Collection[CompleteFile]) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def later(self, consumer: Consumer, topic: str) -> bool:
        """Ask for a commit; whether it was made is known before the next call."""
        self.watermark.uncommitted(self._failed)
        self._failed.clear()
        if offsets := self.watermark.advanced():
            try:
                consumer.commit(offsets=places_at(topic, offsets), asynchronous=True)
            except KafkaException as error:
                _log.debug("offsets are committed later: %s", error)
            else:
                self.watermark.committed(offsets)
        return True

    def now(self, consumer: Consumer, topic: str, partitions: Collection[int]) -> None:
        """As `Commits.now`."""
        if offsets := self.watermark.committables(partitions):
            consumer.commit(offsets=places_at(topic, offsets), asynchronous=False)
            self.watermark.committed(offsets)


def places_at(topic: str, offsets: dict[int, int]) -> list[TopicPartition]:
    """``offsets`` (partition → offset) as librdkafka takes them."""
    return [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
