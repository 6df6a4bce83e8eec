"""A watermark that knows of each record whether it is done, and can be kept with the offsets in Kafka. Pure.

Offsets never pass an unfinished file, so a restart reads records again whose files were finished meanwhile. Which these
are goes with the committed offset, as its metadata: a bit for each record behind it, compressed. (The idea is that of
parallel consumers, which commit the offsets that are "incomplete".)
"""

import base64
import contextlib
import hashlib
import zlib
from collections.abc import Collection, Iterable

from openmsi_core.watermark import Token, Watermark

MOST_BYTES = 4000
"""Of the metadata of one offset; brokers keep 4096 (``offset.metadata.max.bytes``)."""

_FORMAT = "openmsi1"
_WIDEST = 1 << 24  # records: more than that in one text was not written by us


class ExactWatermark(Watermark[Token]):
    """As `Watermark`, of what was done for one ``purpose``: what the same group did for another does not count."""

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self._purpose = hashlib.blake2b(purpose.encode(), digest_size=6).hexdigest()
        self._end: dict[int, int] = {}
        """Of each partition the first offset of which nothing is known."""
        self._unread: dict[int, dict[int, None]] = {}
        """Records below it that are to be read again, in their order."""
        self._owner: dict[int, dict[int, Token]] = {}
        """Those that were read, and are not done before their token is released."""
        self._owned: dict[Token, list[tuple[int, int]]] = {}
        """The same by token: partition and offset."""

    def restore(self, partition: int, committed: int, text: str | None) -> int:
        """Reading begins at ``committed``, with which ``text`` was kept; returns how many records are known as done."""
        unread = _from_text(text, self._purpose)
        self._end[partition] = committed + len(unread)
        self._unread[partition] = {committed + number: None for number, bit in enumerate(unread) if bit}
        self.begin(partition, committed, committed)
        return len(unread) - len(self._unread[partition])

    def is_done(self, partition: int, offset: int) -> bool:
        """As `Watermark.is_done`: also what was done before a restart."""
        return (
            offset < self._end.get(partition, 0)
            and offset not in self._unread.get(partition, ())
            and offset not in self._owner.get(partition, ())
        )

    def hold(self, partition: int, offset: int, token: Token) -> None:
        """As `Watermark.hold`, of this very record."""
        super().hold(partition, offset, token)
        owner = self._owner.setdefault(partition, {})
        if offset not in owner:
            owner[offset] = token
            self._owned.setdefault(token, []).append((partition, offset))
        self._end[partition] = max(self._end.get(partition, 0), offset + 1)

    def done(self, partition: int, offset: int) -> None:
        """As `Watermark.done`. Records are read in their order: those before it that did not come are there no more."""
        super().done(partition, offset)
        self._end[partition] = max(self._end.get(partition, 0), offset + 1)
        unread = self._unread.get(partition, {})
        while unread and (first := next(iter(unread))) <= offset:
            del unread[first]

    def release(self, token: Token) -> None:
        """As `Watermark.release`."""
        super().release(token)
        for partition, offset in self._let_go(token):
            self._owner[partition].pop(offset)

    def rewind(self, token: Token) -> dict[int, int]:
        """As `Watermark.rewind`."""
        for partition, offset in self._let_go(token):
            self._owner[partition].pop(offset)
            self._unread.setdefault(partition, {})[offset] = None
        offsets = super().rewind(token)
        for partition in offsets.keys() & self._unread.keys():
            self._unread[partition] = dict.fromkeys(sorted(self._unread[partition]))
        return offsets

    def goes_on(self, partition: int, offset: int) -> bool:
        """As `Watermark.goes_on`."""
        if not super().goes_on(partition, offset):
            return False
        self._end[partition] = offset
        self._unread.pop(partition, None)
        self._owner.pop(partition, None)
        return True

    def committable(self, partition: int) -> int | None:
        """As `Watermark.committable`. Cost: one look at each record that is not done."""
        return min(self._open(partition), default=self._end.get(partition))

    def places(self, finished: Collection[Token]) -> dict[int, tuple[int, str]]:
        """Of each partition what may be committed once ``finished`` are released: the offset, and a text to `restore`.

        The text may be longer than `MOST_BYTES`; then fewer files must be unfinished.
        """
        places: dict[int, tuple[int, str]] = {}
        for partition, end in self._end.items():
            left = [o for o in self._open(partition) if self._owner.get(partition, {}).get(o) not in finished]
            offset = min(left, default=end)
            places[partition] = offset, _to_text(self._purpose, offset, end, left)
        return places

    def forget(self, partitions: Iterable[int]) -> set[Token]:
        """As `Watermark.forget`."""
        gone = set(partitions)
        for partition in gone:
            for books in (self._end, self._unread, self._owner):
                books.pop(partition, None)
        lost = super().forget(gone)
        for token in lost:
            self._owned.pop(token, None)
        return lost

    def _let_go(self, token: Token) -> list[tuple[int, int]]:
        """The records that are still its own: of a partition that went and came back others may be read there."""
        owned = dict.fromkeys(self._owned.pop(token, ()))
        return [(p, offset) for p, offset in owned if self._owner.get(p, {}).get(offset) == token]

    def _open(self, partition: int) -> set[int]:
        return self._unread.get(partition, {}).keys() | self._owner.get(partition, {}).keys()


def _to_text(purpose: str, offset: int, end: int, left: Iterable[int]) -> str:
    bits = bytearray(-(-(end - offset) // 8))
    for each in left:
        bits[(each - offset) // 8] |= 1 << (each - offset) % 8
    return f"{_FORMAT}:{purpose}:{end - offset}:{base64.b85encode(zlib.compress(bits, 9)).decode()}"


def _from_text(text: str | None, purpose: str) -> list[bool]:
    """For each record whether it is left to do; nothing of what somebody else wrote, or we for another purpose."""
    with contextlib.suppress(ValueError, zlib.error):
        name, of, count, packed = (text or "").split(":")
        if (name, of) == (_FORMAT, purpose) and 0 <= (length := int(count)) <= _WIDEST:
            bits = zlib.decompressobj().decompress(base64.b85decode(packed), _WIDEST // 8)
            if len(bits) == -(-length // 8):
                return [bool(bits[each // 8] >> each % 8 & 1) for each in range(length)]
    return []
