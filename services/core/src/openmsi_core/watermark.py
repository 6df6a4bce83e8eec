"""Per partition: the offset below which everything is durably done. Pure.

A record that still matters is *held*; the committable offset never passes the oldest hold, so that a restart reads
every unfinished file again from its first record.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

Token = TypeVar("Token")


class Watermark(Generic[Token]):
    """Offsets that may be committed for the partitions read now.

    Offsets are committed the way Kafka counts: the offset of the next record to read.
    """

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self._held: dict[int, dict[Token, int]] = {}
        self._committed: dict[int, int] = {}

    def hold(self, partition: int, offset: int, token: Token) -> None:
        """Nothing from ``offset`` on may be committed until ``token`` is released; a token's lowest hold counts."""
        held = self._held.setdefault(partition, {})
        held[token] = min(offset, held.get(token, offset))

    def done(self, partition: int, offset: int) -> None:
        """The record at ``offset`` needs no more than what is held for it."""
        self._next[partition] = max(self._next.get(partition, 0), offset + 1)

    def is_done(self, _partition: int, _offset: int) -> bool:
        """Whether nothing is to be done with a record that is read again: never known here, the destination says so."""
        return False

    def release(self, token: Token) -> None:
        """What ``token`` stood for is durably done (or in quarantine) in every partition."""
        for held in self._held.values():
            held.pop(token, None)

    def rewind(self, token: Token) -> dict[int, int]:
        """All that ``token`` holds must be read again, and is not done.

        Returns where to go on reading, partition → offset: at the hold, or before it where reading has not come so far
        again since an earlier rewind.
        """
        offsets = {p: min(offset, self._next.get(p, offset)) for p, offset in self.holds(token).items()}
        self._next |= offsets
        return offsets

    def begin(self, partition: int, committed: int, offset: int) -> None:
        """The group has committed ``committed``, but reading begins at ``offset``: what is before is held or done."""
        self._committed[partition] = committed
        self._next[partition] = offset

    def goes_on(self, partition: int, offset: int) -> bool:
        """Reading goes on at ``offset``; returns whether that is before what is done.

        Then the topic is another one by now, or was cut, and nothing is known of the records from there on.
        """
        if offset >= (self.committable(partition) or 0):
            return False
        self._next[partition] = offset
        self._committed.pop(partition, None)
        return True

    def holds(self, token: Token) -> dict[int, int]:
        """What ``token`` holds, partition → offset."""
        return {partition: offsets[token] for partition, offsets in self._held.items() if token in offsets}

    def state(self) -> dict[int, tuple[int, int, dict[Token, int]]]:
        """Of each partition of which anything was committed: that offset, the next to read, and all holds."""
        return {
            p: (c, self._next[p], dict(self._held.get(p, {}))) for p, c in self._committed.items() if p in self._next
        }

    @property
    def begun(self) -> int:
        """Number of partitions of which there is something to commit."""
        return len(self._next)

    def committable(self, partition: int) -> int | None:
        """The offset that may be committed now, None before the first record. Cost: one look at each hold."""
        limits = list(self._held.get(partition, {}).values())
        if partition in self._next:  # below a hold only after `rewind`
            limits.append(self._next[partition])
        return min(limits, default=None)

    def committables(self, partitions: Iterable[int]) -> dict[int, int]:
        """The offsets that may be committed now for ``partitions``; without those before their first record."""
        return {p: offset for p in partitions if (offset := self.committable(p)) is not None}

    def advanced(self) -> dict[int, int]:
        """Committable offsets, by partition, that `committed` has not been told of."""
        return {p: o for p, o in self.committables(self._next).items() if o > self._committed.get(p, -1)}

    def committed(self, offsets: dict[int, int]) -> None:
        """The broker was told ``offsets``."""
        self._committed |= offsets

    def uncommitted(self, partitions: Iterable[int]) -> None:
        """The broker did not take what it was told last of these."""
        for partition in partitions:
            self._committed.pop(partition, None)

    def holders(self, partitions: Iterable[int]) -> set[Token]:
        """The tokens that hold any of ``partitions``."""
        return {token for partition in partitions for token in self._held.get(partition, {})}

    def forget(self, partitions: Iterable[int]) -> set[Token]:
        """These partitions are no longer ours. Returns the tokens that hold nothing any more."""
        gone = set(partitions)
        lost = self.holders(gone)
        for by_partition in (self._held, self._next, self._committed):
            for partition in gone:
                by_partition.pop(partition, None)
        return lost - self.holders(self._held)
