"""Bounds what of one partition waits at the producer for an answer of the broker.

librdkafka has at most five records of a partition on their way, or one batch of smaller ones. What more it holds gains
nothing: a small file would wait behind it, and librdkafka's thread asks the clock in a loop for as long as a record
waits longer than ``linger.ms`` because of the five, a whole processor (``rd_kafka_toppar_producer_serve`` sets the time
of its next turn before it finds that nothing may be sent). So the queue is here, where nobody spins.
"""

import threading
from collections.abc import Callable

_RECORDS = 5
"""RD_KAFKA_IDEMP_MAX_INFLIGHT: of more, a broker could not tell repeats."""
_BYTES = 1_000_000
"""Small records may be more than `_RECORDS`, so that their batches are full: two of these wait at most."""

_CHECK_SECONDS = 0.05


class Window:
    """Counts the records of one partition that have no answer yet. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting = 0
        self._records = 0
        self._bytes = 0

    def enter(self, size: int, check: Callable[[], None]) -> None:
        """Count a record of ``size`` bytes; blocks while there is no room for it.

        ``check`` is called at least once, and every now and then while it waits. It may raise: then nothing is counted.
        """
        with self._changed:
            check()
            while self._records >= _RECORDS and self._bytes + size > _BYTES:
                self._waiting += 1
                self._changed.wait(_CHECK_SECONDS)
                self._waiting -= 1
                check()
            self._records += 1
            self._bytes += size

    def leave(self, size: int) -> None:
        """The broker has answered for a record that was entered, or the producer did not take it."""
        with self._changed:
            self._records -= 1
            self._bytes -= size
            if self._waiting:
                self._changed.notify_all()
