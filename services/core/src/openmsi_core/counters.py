"""Messages and bytes that a program has read, processed and produced since it last told."""

import threading
from collections import Counter
from collections.abc import Mapping


class Counters:
    """Counts by the names that heartbeats have for them; any thread may count, at no cost to speak of.

    Bytes are what OpenMSIStream counts, too: of a message produced those of its value, of a message read or processed
    those of file data in it (of one that cannot be used: of its value).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def produced(self, size: int) -> None:
        """The broker has acknowledged a message with a value of ``size`` bytes."""
        with self._lock:
            self._counts["n_messages_produced"] += 1
            self._counts["n_bytes_produced"] += size

    def read(self, size: int) -> None:
        """A message with ``size`` bytes of a file was taken from Kafka; one that is read again counts again."""
        with self._lock:
            self._counts["n_messages_read"] += 1
            self._counts["n_bytes_read"] += size

    def processed(self, size: int) -> None:
        """A message that was read is done with: its bytes are staged or on their way, in quarantine, or not wanted."""
        with self._lock:
            self._counts["n_messages_processed"] += 1
            self._counts["n_bytes_processed"] += size

    def take(self) -> Mapping[str, int]:
        """All counts since the last `take`; names that are missing are 0."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken

    def give_back(self, taken: Mapping[str, int]) -> None:
        """What `take` gave could not be told: it belongs to the next one."""
        with self._lock:
            self._counts.update(taken)
