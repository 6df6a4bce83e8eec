"""Which files were written by transactions, as long as any of their records may be read again. Pure.

What a group must remember goes with its offsets, as their metadata: one text a partition, of which Kafka keeps 4 KiB.
"""

import base64
import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from openmsi_core.generation import Version
from openmsi_core.paths import RelativePath

MOST = 350
"""Files of one partition that can be remembered: 2,800 bytes, 3,734 as text."""

_MARK_BYTES = 8
_FORMAT = "openmsi1"


@dataclass(frozen=True, slots=True)
class _Batch:
    """Files that were written, and the offsets below which all their records lie: partition → offset."""

    marks: Mapping[bytes, int]
    """With the partition whose offset carries it."""
    below: Mapping[int, int]

    def is_over(self, offsets: Mapping[int, int]) -> bool:
        """Whether none of their records is read again by who begins at ``offsets``."""
        return all(offsets.get(partition, 0) >= offset for partition, offset in self.below.items())


class Written:
    """What was written for one ``purpose``: what the same group has written elsewhere does not count."""

    def __init__(self, purpose: str) -> None:
        self._purpose = purpose
        self._fresh: dict[bytes, int] = {}
        self._batches: list[_Batch] = []

    def has(self, path: RelativePath, version: Version) -> bool:
        """Whether this version was written, and some record of it may be read again."""
        mark = self._mark(path, version)
        return mark in self._fresh or any(mark in batch.marks for batch in self._batches)

    def add(self, path: RelativePath, version: Version, partition: int) -> None:
        """This version was written; ``partition`` is one that its records were read from."""
        self._fresh[self._mark(path, version)] = partition

    def restore(self, texts: Mapping[int, str | None]) -> int:
        """Take up what was remembered with the offsets of these partitions; returns how many files."""
        marks: dict[bytes, int] = {}
        below: dict[int, int] = {}
        for partition, text in texts.items():
            below[partition], found = _from_text(text)
            marks |= dict.fromkeys(found, partition)
        if marks:
            self._batches.append(_Batch(marks, below))
        return len(marks)

    def close_batch(self, reached: Mapping[int, int]) -> None:
        """All records of what was added so far lie below ``reached`` (partition → offset)."""
        if self._fresh:
            self._batches.append(_Batch(self._fresh, reached))
            self._fresh = {}

    def forget(self, offsets: Mapping[int, int]) -> None:
        """Records below ``offsets`` (partition → offset) are never read again."""
        self._batches = [batch for batch in self._batches if not batch.is_over(offsets)]

    @property
    def most(self) -> int:
        """The number of files to be remembered with the offset of the partition that has most."""
        counts = Counter(self._fresh.values())
        for batch in self._batches:
            counts.update(batch.marks.values())
        return max(counts.values(), default=0)

    def texts(self, reached: Mapping[int, int]) -> dict[int, str]:
        """What to remember with the offset of each partition that has ``reached`` some offset."""
        marks: dict[int, list[bytes]] = {partition: [] for partition in reached}
        for batch in self._batches:
            for mark, partition in batch.marks.items():
                marks.setdefault(partition, []).append(mark)
        # Who restores them knows one offset a partition for all files; after a restart it is not the present one.
        return {p: _to_text(self._below(p, offset), marks[p]) for p, offset in reached.items()}

    def _below(self, partition: int, reached: int) -> int:
        return max([reached, *(batch.below.get(partition, 0) for batch in self._batches)])

    def _mark(self, path: RelativePath, version: Version) -> bytes:
        # Not where it stood in the log: of what is read again, that is not known before the last record has come.
        identity = f"{self._purpose}\n{path}\n{version.file_hash.hex()}\n{version.upload_id}\n{version.mtime!r}"
        return hashlib.blake2b(identity.encode(), digest_size=_MARK_BYTES).digest()


def _to_text(reached: int, marks: Iterable[bytes]) -> str:
    return f"{_FORMAT}:{reached}:{base64.b64encode(b''.join(marks)).decode()}"


def _from_text(text: str | None) -> tuple[int, list[bytes]]:
    """What `_to_text` was given; nothing of what somebody else wrote."""
    with contextlib.suppress(ValueError):
        name, reached, marks = (text or "").split(":")
        raw = base64.b64decode(marks, validate=True)
        if name == _FORMAT:
            return int(reached), [raw[start : start + _MARK_BYTES] for start in range(0, len(raw), _MARK_BYTES)]
    return 0, []
