"""What files the records of a topic make: uploads, whole or in part, and which of them count. Pure."""

import enum
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from openmsi_core.assembly import OpenFile
from openmsi_core.generation import Generation, Verdict, judge
from openmsi_core.records import Arrival, Locked, Piece, Poison, Record

_MOST_REASONS = 100
_FURTHER = "further reasons"


class State(enum.StrEnum):
    """What has become of an upload, by what is in the topic now."""

    CURRENT = "current"
    """Whole, and the one that a receiver keeps of its path."""
    SUPERSEDED = "superseded"
    """Whole, but another upload of its path wins."""
    REPEAT = "repeat"
    """Whole, with the content of the one before it."""
    INCOMPLETE = "incomplete"
    """Chunks are missing: they are on their way, or the upload was broken off."""
    BEGINNING_DELETED = "beginning_deleted"
    """Chunks are missing, and the broker has deleted the records in which they were, or may have been."""


@dataclass(slots=True)
class Sent:
    """An upload as the topic has it."""

    file: OpenFile
    size: int | None
    """Bytes in the whole file as its sender says, None when it does not."""
    first: Record
    last: Record
    records: int = 0
    """Chunks that came again are counted again."""
    partitions: set[int] = field(default_factory=set)

    @property
    def repeated_chunks(self) -> int:
        """Records that brought a chunk that was there already."""
        return self.records - self.chunks

    @property
    def chunks(self) -> int:
        """How many different chunks are there."""
        return self.file.generation.total - self.file.missing


@dataclass(slots=True)
class Bad:
    """Records that cannot be used for the same reason."""

    reason: str
    first: Record
    records: int = 0


class Contents:
    """Everything that was read of a topic; its memory grows with the number of uploads, not with their size."""

    def __init__(self) -> None:
        self._sent: dict[Generation, Sent] = {}
        self._bad: dict[str, Bad] = {}
        self.records = 0
        self.bytes = 0
        """Bytes of file data, those that came again as well."""
        self.locked = 0
        """Encrypted records that could not be read."""
        self.locked_bytes = 0

    @property
    def bad(self) -> list[Bad]:
        """What cannot be used, the most frequent reason first."""
        return sorted(self._bad.values(), key=lambda bad: -bad.records)

    def add(self, arrival: Arrival) -> None:
        """Note one record; its data is not kept."""
        self.records += 1
        match arrival:
            case Poison(record=record, reason=reason):
                key = reason if reason in self._bad or len(self._bad) < _MOST_REASONS else _FURTHER
                self._bad.setdefault(key, Bad(key, record)).records += 1
            case Piece():
                self._add_piece(arrival)
            case Locked(value=value):
                self.locked += 1
                self.locked_bytes += len(value)

    def uploads(self, deleted: Mapping[int, bool]) -> list[tuple[Sent, State]]:
        """Every upload, by path and then by time; ``deleted`` says of which partitions the beginning is gone."""
        ordered = sorted(self._sent.values(), key=lambda sent: (sent.file.generation.path, _when(sent.first)))
        found: list[tuple[Sent, State]] = []
        for _, versions in itertools.groupby(ordered, key=lambda sent: sent.file.generation.path):
            found += _states(list(versions), deleted)
        return found

    def _add_piece(self, piece: Piece) -> None:
        chunk, record = piece.chunk, piece.record
        self.bytes += len(chunk.data)
        sent = self._sent.get(piece.generation)
        if sent is None:
            file = OpenFile(piece.generation, piece.version, touched=0.0)
            size = piece.upload.size if piece.upload else None
            sent = self._sent[piece.generation] = Sent(file, size, record, record)
        sent.records += 1
        sent.partitions.add(record.partition)
        sent.first = min(sent.first, record, key=_when)
        sent.last = max(sent.last, record, key=_when)
        if piece.version.logged > sent.file.version.logged:
            sent.file.version = piece.version
        if not sent.file.has(chunk.index):
            sent.file.note(chunk.index)
            sent.file.size += len(chunk.data)


def _when(record: Record) -> tuple[int, int]:
    return record.timestamp, record.offset


def _states(versions: list[Sent], deleted: Mapping[int, bool]) -> Iterator[tuple[Sent, State]]:
    """What has become of the uploads of one path, as receivers judge them in the order of the log."""
    states: dict[Generation, State] = {}
    winner: OpenFile | None = None
    for file in sorted((sent.file for sent in versions), key=lambda file: file.version.logged):
        if file.missing:
            continue
        match judge(file.version, winner.version if winner else None):
            case Verdict.NEWER:
                if winner:
                    states[winner.generation] = State.SUPERSEDED
                states[file.generation], winner = State.CURRENT, file
            case Verdict.REPEAT:
                states[file.generation] = State.REPEAT
            case Verdict.OLDER:
                states[file.generation] = State.SUPERSEDED
    for sent in versions:
        yield sent, states.get(sent.file.generation) or _unfinished(sent, deleted)


def _unfinished(sent: Sent, deleted: Mapping[int, bool]) -> State:
    """Ours lie in one partition in their order; the missing chunks of others may have been in any."""
    ours = bool(sent.file.generation.upload_id)
    gone = sent.file.prefix == 0 and _any(deleted, sent.partitions) if ours else _any(deleted, deleted)
    return State.BEGINNING_DELETED if gone else State.INCOMPLETE


def _any(deleted: Mapping[int, bool], partitions: Iterable[int]) -> bool:
    return any(deleted.get(partition, False) for partition in partitions)
