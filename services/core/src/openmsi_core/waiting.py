"""Encrypted records whose key is not here yet: they wait, and hold their offsets, while all others go on."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor

from openmsi_core.encryption.cipher import Cipher, Missing
from openmsi_core.quarantine import Quarantine
from openmsi_core.records import Holder, Incoming, Locked, Record, read
from openmsi_core.watermark import Watermark

_MOST_BYTES = 64 << 20
_OVERHEAD = 1024  # bytes of memory that a record takes beside its value
_LOOK_SECONDS = 0.25
_MOST_TRIES = 50  # of keys in one look
_AT_ONCE_BYTES = 8 << 20  # of records that are being decrypted
_HOPELESS_SECONDS = 15.0  # for which a record waits whose key others have waited for in vain


class WaitingRoom:
    """The records of one receiver that wait for keys. All methods belong to the receiver's thread."""

    def __init__(
        self,
        cipher: Cipher,
        topic: str,
        seconds: float,
        pool: Executor,
        watermark: Watermark[Holder],
        quarantine: Quarantine,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``seconds`` is how long a record waits before it goes to quarantine."""
        self._cipher = cipher
        self._topic = topic
        self._seconds = seconds
        self._pool = pool
        self._watermark = watermark
        self._quarantine = quarantine
        self._clock = clock
        self._locked: dict[Missing, dict[Record, tuple[Locked, float]]] = {}
        self._openable: deque[Locked] = deque()
        self._hopeless: set[Missing] = set()
        self._bytes = 0
        self._next_look = 0.0
        self.opened: deque[Incoming] = deque()
        """Records whose keys have come, to be taken in next. `admit` each before."""
        self._opened: dict[Record, Locked] = {}

    def __len__(self) -> int:
        return sum(len(records) for records in self._locked.values()) + len(self._opened) + len(self._openable)

    @property
    def full(self) -> bool:
        """Whether no more should be read from Kafka for the present."""
        return self._bytes >= _MOST_BYTES

    def hold(self, locked: Locked) -> None:
        """Keep a record until its key comes; its offset is held."""
        record = locked.record
        records = self._locked.setdefault(locked.missing, {})
        self._watermark.hold(record.partition, record.offset, record)
        if record not in records and record not in self._opened:
            wait = _HOPELESS_SECONDS if locked.missing in self._hopeless else self._seconds
            records[record] = (locked, self._clock() + min(wait, self._seconds))
            self._bytes += _size(locked)

    def admit(self, record: Record) -> bool:
        """``record`` is about to be taken in: it holds its offset no more. False when it did not wait."""
        if record not in self._opened:
            return False
        self._watermark.release(record)
        return True

    def take_back(self, record: Record) -> None:
        """After `admit`: it could not be taken in yet, and holds its offset again."""
        self._watermark.hold(record.partition, record.offset, record)

    def done(self, record: Record) -> None:
        """After `admit`: it was taken in."""
        self._bytes -= _size(self._opened.pop(record))
        self.opened.popleft()

    def look(self) -> int:
        """See which keys have come, and put into quarantine what has waited for too long; returns how many records.

        Raises Retryable when the disk refuses.
        """
        self._open()
        now = self._clock()
        if now < self._next_look or not self._locked:
            return 0
        self._next_look = now + _LOOK_SECONDS
        for missing in list(self._locked)[:_MOST_TRIES]:
            records = self._locked.pop(missing)
            first, _ = next(iter(records.values()))
            if self._is_here(first):
                self._openable.extend(locked for locked, _ in records.values())
                self._hopeless.discard(missing)
            else:
                self._locked[missing] = records  # behind those that were not tried
        self._open()
        return sum(self._set_aside(missing, now) for missing in list(self._locked))

    def give_up(self) -> None:
        """Let nothing wait any longer: too much that is done waits behind it."""
        for records in self._locked.values():
            for record, (locked, _) in records.items():
                records[record] = (locked, 0.0)

    def forget(self, partitions: Iterable[int]) -> None:
        """These partitions are read by another process now."""
        gone = set(partitions)
        for missing, records in list(self._locked.items()):
            for record in [record for record in records if record.partition in gone]:
                self._bytes -= _size(records.pop(record)[0])
            if not records:
                del self._locked[missing]
        for locked in self._openable:
            self._bytes -= _size(locked) if locked.record.partition in gone else 0
        self._openable = deque(each for each in self._openable if each.record.partition not in gone)
        self.opened = deque(each for each in self.opened if each.partition not in gone)
        for record in [record for record in self._opened if record.partition in gone]:
            self._bytes -= _size(self._opened.pop(record))

    def _is_here(self, locked: Locked) -> bool:
        """Whether the key has come; asks for it when it has not."""
        return not isinstance(read(locked.record, locked.value, locked.headers, self._topic, self._cipher), Locked)

    def _open(self) -> None:
        busy = sum(len(locked.value) for locked in self._opened.values())
        while self._openable and busy < _AT_ONCE_BYTES:
            locked = self._openable.popleft()
            busy += len(locked.value)
            self._opened[locked.record] = locked
            future = self._pool.submit(read, locked.record, locked.value, locked.headers, self._topic, self._cipher)
            self.opened.append(Incoming(locked.record.partition, future))

    def _set_aside(self, missing: Missing, now: float) -> int:
        records = self._locked[missing]
        due = [locked for locked, until in records.values() if until <= now]
        for locked in due:
            self._quarantine.undecryptable(locked, f"its key has not come within {self._seconds:g} s")
            self._watermark.release(locked.record)
            del records[locked.record]
            self._bytes -= _size(locked)
        if due:
            self._hopeless.add(missing)
        if not records:
            del self._locked[missing]
            self._cipher.give_up(self._topic, missing)
        return len(due)


def _size(locked: Locked) -> int:
    return len(locked.value) + _OVERHEAD
