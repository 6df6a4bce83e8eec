"""A consumer and a member of a group without a broker."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from openmsi_core.commits import ConsumerCommits
from openmsi_core.membership import Membership


@dataclass
class FakeConsumer:
    """A consumer of one partition, whose log holds ``low`` … ``high`` and whose group has committed ``offset``."""

    low: int = 0
    high: int = 0
    offset: int = -1001
    away: bool = False
    commits: list[dict[int, int]] = field(default_factory=list)
    seeks: list[tuple[int, int]] = field(default_factory=list)
    begun: list[tuple[int, int]] = field(default_factory=list)
    callbacks: dict[str, Any] = field(default_factory=dict)

    def _answer(self) -> None:
        if self.away:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "away"))

    def subscribe(self, _topics: list[str], **callbacks: Any) -> None:
        self.callbacks = callbacks

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert timeout < 10
        self._answer()
        return [TopicPartition(place.topic, place.partition, self.offset) for place in places]

    def get_watermark_offsets(self, _place: TopicPartition, timeout: float) -> tuple[int, int]:
        assert timeout < 10
        self._answer()
        return self.low, self.high

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        if not asynchronous:
            self._answer()
        self.commits.append({place.partition: place.offset for place in offsets})

    def seek(self, place: TopicPartition) -> None:
        self._answer()
        self.seeks.append((place.partition, place.offset))

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        self.begun += [(place.partition, place.offset) for place in places]

    def incremental_unassign(self, places: list[TopicPartition]) -> None: ...

    def pause(self, places: list[TopicPartition]) -> None: ...


class Group:
    """A membership with partitions 0 and 1, and what it told its receiver."""

    def __init__(
        self, consumer: FakeConsumer, place: Callable[[TopicPartition], int] = lambda place: place.offset
    ) -> None:
        self.consumer = consumer
        self.commits = ConsumerCommits()
        self.watermark = self.commits.watermark
        self.told: list[tuple[str, set[int]]] = []
        self.begin: dict[int, int] = {}
        """Where to begin to read."""
        self.membership = Membership(
            cast(Consumer, consumer),
            "topic",
            self.commits,
            lambda _: self.begin,
            lambda partitions: self.told.append(("leaving", partitions)),
            lambda partitions: self.told.append(("forget", partitions)),
            place,
        )
        self.membership.join()
        self.happens("assign", 0, 1)
        consumer.begun.clear()

    def happens(self, what: str, *partitions: int) -> None:
        """Kafka gives or takes ``partitions``."""
        self.consumer.callbacks[f"on_{what}"](self.consumer, [TopicPartition("topic", p) for p in partitions])

    def find(self, start: str = "earliest", on_lost: str = "continue") -> int:
        self.membership.homeless.add(0)
        return self.membership.find_offsets(start, on_lost)
