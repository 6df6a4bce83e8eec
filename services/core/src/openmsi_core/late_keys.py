"""Encrypted records of a topic that is looked at once: their keys may come late, and nobody waits for ever."""

import time
from collections.abc import Callable, Iterator

from openmsi_core.encryption.cipher import Cipher, Missing
from openmsi_core.records import Arrival, Locked, read

_MOST_BYTES = 64 << 20
_LOOK_SECONDS = 0.25


class LateKeys:
    """Keeps records whose key is not here yet; what it gives back may be in another order than it came.

    Of what it gives back, a `Locked` record is one whose key nobody gave in time.
    """

    def __init__(self, cipher: Cipher, topic: str, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``seconds`` is how long each key is waited for, from the first record that needs it."""
        self._cipher = cipher
        self._topic = topic
        self._seconds = seconds
        self._clock = clock
        self._locked: dict[Missing, list[Locked]] = {}
        self._until: dict[Missing, float] = {}
        self._bytes = 0
        self._next_look = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._locked.values()))

    @property
    def full(self) -> bool:
        """Whether no more should be read for the present."""
        return self._bytes >= _MOST_BYTES

    def take(self, arrival: Arrival) -> Iterator[Arrival]:
        """``arrival``, when there is nothing to wait for; else it is kept."""
        if not isinstance(arrival, Locked):
            yield arrival
        elif self._until.setdefault(arrival.missing, self._clock() + self._seconds) <= self._clock():
            self._cipher.give_up(self._topic, arrival.missing)
            yield from self._release(arrival.missing)
            yield arrival
        else:
            self._locked.setdefault(arrival.missing, []).append(arrival)
            self._bytes += arrival.memory

    def look(self) -> Iterator[Arrival]:
        """What was kept, and has a key by now or never will. Asks for keys; does not block."""
        if self._clock() < self._next_look:
            return
        self._next_look = self._clock() + _LOOK_SECONDS
        for missing in list(self._locked):
            if not isinstance(self._read(self._locked[missing][0]), Locked):
                yield from map(self._read, self._release(missing))
            elif self._until[missing] <= self._clock():
                self._cipher.give_up(self._topic, missing)
                yield from self._release(missing)

    def _release(self, missing: Missing) -> list[Locked]:
        records = self._locked.pop(missing, [])
        self._bytes -= sum(locked.memory for locked in records)
        return records

    def _read(self, locked: Locked) -> Arrival:
        return read(locked.record, locked.value, locked.headers, self._topic, self._cipher)
