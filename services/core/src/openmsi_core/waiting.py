"""Encrypted records whose key is not here yet: they wait, and hold their offsets, while all others go on.

A record is at any time in one place only: locked, until its key comes; openable, until there is room to decrypt it;
opened, until it is taken in. It leaves by `admit`, into quarantine, or because its partition is read elsewhere, or
again. Its token in the watermark, the `Record` itself, holds its offset all that time.
"""

import contextlib
import itertools
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from openmsi_core.encryption.cipher import Cipher, Missing
from openmsi_core.errors import BadFile
from openmsi_core.putting_aside import AT_A_TIME, PuttingAside
from openmsi_core.quarantine import Quarantine
from openmsi_core.records import Arrival, Holder, Locked, Piece, Poison, Record, read
from openmsi_core.watermark import Watermark

_MOST_BYTES = 64 << 20
_MOST_KEYS = 5000  # an honest set-up has some hundred at most; so many still fit into one request for keys
_LOOK_SECONDS = 0.1
_MOST_TRIES = 50  # of keys in one look
_AT_ONCE_BYTES = 8 << 20  # of records that are being decrypted
_SHORT_SECONDS = 15.0  # for which records wait that are unlikely to open, or stand in the way: three requests for keys
_LONG_SECONDS = 30.0  # of waiting, before it is worth telling
_MOST_HOPELESS = 1000


@dataclass(slots=True, eq=False)
class _Waiting:
    locked: Locked
    since: float
    size: int
    opening: Future[Arrival] | None = None


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
        self._clock = clock
        self._locked: dict[Missing, deque[_Waiting]] = {}
        self._openable: deque[_Waiting] = deque()
        self._opened: deque[_Waiting] = deque()
        self._hopeless: OrderedDict[Missing, None] = OrderedDict()
        self._count = self._bytes = 0
        self._next_look = 0.0
        self._aside = PuttingAside(quarantine, clock)
        self.hurried = False
        """Whether too much that is done waits behind the records here: then they do not wait for long."""

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether no more should be read from Kafka for the present."""
        return self._bytes >= _MOST_BYTES or len(self._locked) >= _MOST_KEYS

    @property
    def busy(self) -> bool:
        """Whether there is more to do than to wait."""
        return bool(self._opened or self._openable)

    @property
    def trouble(self) -> str | None:
        """What a person should know: the disk refuses, or records have waited for long."""
        if self._aside.trouble:
            return self._aside.trouble
        since = min((records[0].since for records in self._locked.values()), default=None)
        if since is None or self._clock() - since < _LONG_SECONDS:
            return None
        return (
            f"nobody answers for the key of {self._count} records of topic {self._topic}: see that the uploader that"
            " sent them runs, or start openmsi key-server for its node"
        )

    def hold(self, locked: Locked) -> None:
        """Keep a record until its key comes; its offset is held."""
        record = locked.record
        self._watermark.hold(record.partition, record.offset, record)
        waiting = _Waiting(locked, self._clock(), locked.memory)
        self._locked.setdefault(locked.missing, deque()).append(waiting)
        self._count += 1
        self._bytes += waiting.size

    def opened(self) -> Piece | Poison | None:
        """The first record whose key has come, to be taken in next; blocks while it is decrypted."""
        while self._opened:
            waiting = self._opened[0]
            assert waiting.opening is not None
            arrival = waiting.opening.result()
            if not isinstance(arrival, Locked):
                return arrival
            self._opened.popleft()
            self._locked.setdefault(arrival.missing, deque()).appendleft(waiting)
        return None

    @contextlib.contextmanager
    def admit(self) -> Iterator[None]:
        """Inside what `opened` returned is taken in: it holds its offset no more. After an error it waits on."""
        record = self._opened[0].locked.record
        self._watermark.release(record)
        try:
            yield
        except Exception:
            self._watermark.hold(record.partition, record.offset, record)
            raise
        self._left(self._opened.popleft())

    def look(self) -> list[Locked]:
        """See which keys have come, and put into quarantine what has waited for too long; returns what that was.

        Blocks on the disk for a moment; where that refuses, `trouble` says so.
        """
        self._open()
        now = self._clock()
        if now < self._next_look or not self._locked:
            return []
        self._next_look = now + _LOOK_SECONDS
        for missing in list(self._locked)[:_MOST_TRIES]:
            self._try(missing)
        self._open()
        return self._set_aside(now)

    def forget(self, partitions: Iterable[int]) -> None:
        """These partitions are read by another process now."""
        gone = set(partitions)
        self._drop(lambda record: record.partition in gone)

    def read_again(self, offsets: Mapping[int, int]) -> None:
        """These partitions are read again from these offsets: what waits behind them comes again, too."""
        for record in self._drop(lambda record: record.offset >= offsets.get(record.partition, record.offset + 1)):
            self._watermark.rewind(record)
            self._watermark.release(record)

    def close(self) -> None:
        """End the threads."""
        self._aside.close()

    def _try(self, missing: Missing) -> bool:
        """Whether the key has come; asks for it when it has not. Its records are openable then."""
        records = self._locked.pop(missing)
        try:
            came = not isinstance(self._cipher.decrypt(self._topic, "value", records[0].locked.value), Missing)
        except BadFile:  # this one was damaged, which only its key can tell
            came = True
        if came:
            self._openable.extend(records)
            self._hopeless.pop(missing, None)
        else:
            self._locked[missing] = records  # behind those that were not tried
        return came

    def _open(self) -> None:
        busy = sum(waiting.size for waiting in self._opened)
        while self._openable and busy < _AT_ONCE_BYTES:
            waiting = self._openable.popleft()
            busy += waiting.size
            locked = waiting.locked
            waiting.opening = self._pool.submit(
                read, locked.record, locked.value, locked.headers, self._topic, self._cipher
            )
            self._opened.append(waiting)

    def _set_aside(self, now: float) -> list[Locked]:
        due = [] if self._aside.waits else self._due(now)
        if len(due) == AT_A_TIME:
            self._next_look = now
        kept = self._aside.put([(waiting.locked, now - waiting.since) for waiting in due])
        gone = {waiting: None for waiting, done in zip(due, kept, strict=True) if done}
        for missing in {waiting.locked.missing: None for waiting in gone}:
            self._locked[missing] = deque(waiting for waiting in self._locked[missing] if waiting not in gone)
            self._give_up(missing)
        for waiting in gone:
            self._watermark.release(waiting.locked.record)
            self._left(waiting)
        return [waiting.locked for waiting in gone]

    def _due(self, now: float) -> list[_Waiting]:
        due: list[_Waiting] = []
        for missing in list(self._locked):
            if len(due) >= AT_A_TIME:
                break
            if not self._is_due(missing, now) or self._try(missing):
                continue
            seconds = self._patience(missing)
            ready = itertools.takewhile(lambda w: w.since + seconds <= now, self._locked[missing])  # noqa: B023
            due += itertools.islice(ready, AT_A_TIME - len(due))
        return due

    def _is_due(self, missing: Missing, now: float) -> bool:
        return self._locked[missing][0].since + self._patience(missing) <= now

    def _patience(self, missing: Missing) -> float:
        hurried = self.hurried or missing in self._hopeless or len(self._locked) >= _MOST_KEYS
        return min(_SHORT_SECONDS, self._seconds) if hurried else self._seconds

    def _give_up(self, missing: Missing) -> None:
        self._hopeless[missing] = None
        if len(self._hopeless) > _MOST_HOPELESS:
            self._hopeless.popitem(last=False)
        if not self._locked[missing]:
            del self._locked[missing]
            self._cipher.give_up(self._topic, missing)

    def _drop(self, gone: Callable[[Record], bool]) -> list[Record]:
        dropped: list[_Waiting] = []

        def rest(records: deque[_Waiting]) -> deque[_Waiting]:
            dropped.extend(waiting for waiting in records if gone(waiting.locked.record))
            return deque(waiting for waiting in records if not gone(waiting.locked.record))

        for missing, records in list(self._locked.items()):
            self._locked[missing] = rest(records)
            if not self._locked[missing]:
                del self._locked[missing]
                self._cipher.give_up(self._topic, missing)
        self._openable, self._opened = rest(self._openable), rest(self._opened)
        for waiting in dropped:
            self._left(waiting)
        return [waiting.locked.record for waiting in dropped]

    def _left(self, waiting: _Waiting) -> None:
        self._count -= 1
        self._bytes -= waiting.size
