"""What became of offsets that were committed in the background."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, TopicPartition


class Commits:
    """The consumer's ``on_commit``, called inside its poll(): a commit may be refused, for one in mid-rebalance."""

    def __init__(self) -> None:
        self._failed: set[int] = set()

    def __call__(self, error: KafkaError | None, places: Sequence[TopicPartition]) -> None:
        """Librdkafka's answer to one commit."""
        self._failed |= {place.partition for place in places if error is not None or place.error is not None}

    def failed(self) -> set[int]:
        """Partitions of which a commit failed since the last call."""
        failed, self._failed = self._failed, set()
        return failed
