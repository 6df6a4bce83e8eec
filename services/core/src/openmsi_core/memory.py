"""What a program keeps beside Kafka of the files that a `transaction` has committed."""

from collections.abc import Callable, Collection
from typing import Protocol


class Memory(Protocol):
    """Told of each commit, before and after it. All methods belong to the receiver's thread, and raise Retryable."""

    def settle(self, partitions: Collection[int], is_done: Callable[[int, int], bool]) -> None:
        """This process reads ``partitions`` from now on; ``is_done`` says of a partition and an offset of theirs
        whether the record there was committed as done."""

    def flush(self) -> None:
        """All that was written so far is about to be committed."""

    def confirm(self) -> None:
        """It was committed."""


class NoMemory:
    """Of whoever keeps nothing."""

    def settle(self, partitions: Collection[int], is_done: Callable[[int, int], bool]) -> None:
        """As `Memory.settle`."""

    def flush(self) -> None:
        """As `Memory.flush`."""

    def confirm(self) -> None:
        """As `Memory.confirm`."""
