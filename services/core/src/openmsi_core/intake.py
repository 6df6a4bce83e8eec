"""From checked records to complete files: the `assemble` step of the receiver loop, with its bytes on disk."""

import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from openmsi_core.assembly import Assembly, OpenFile
from openmsi_core.chunk import Chunk, encode_value
from openmsi_core.deliveries import CompleteFile
from openmsi_core.destination import Destination
from openmsi_core.errors import BadFile, Doubted, Retryable, StagedBytesLost
from openmsi_core.generation import Generation, Verdict, Version, judge, unfinished
from openmsi_core.journal import Kept
from openmsi_core.paths import RelativePath
from openmsi_core.quarantine import Quarantine
from openmsi_core.records import Holder, Piece, Poison
from openmsi_core.staging import NotYet, Staging
from openmsi_core.watermark import Watermark

_log = logging.getLogger(__name__)


class Intake:
    """The open files of one receiver: what has come, where it is staged, which offsets it holds."""

    def __init__(
        self,
        destination: Destination,
        staging: Staging,
        quarantine: Quarantine,
        watermark: Watermark[Holder],
        wanted: Callable[[RelativePath], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._destination = destination
        self._staging = staging
        self._quarantine = quarantine
        self._watermark = watermark
        self._wanted = wanted
        self._clock = clock
        self._doubted: set[Generation] = set()
        self.files = Assembly()
        self.notes: Counter[str] = Counter()

    def take(self, arrival: Piece | Poison) -> CompleteFile | None:
        """Stage one record; returns the file that it completes.

        On return the record is done but for what the watermark holds. Raises Retryable when the disk or the
        destination refuses and NotYet when there is more to do (then call again with the same record), StagedBytesLost
        (see `lost`).
        """
        if isinstance(arrival, Poison):
            self._reject(arrival, arrival.value, arrival.reason)
        elif not self._wanted(arrival.generation.path):
            self.notes["skipped: download_regex does not match"] += arrival.chunk.index == 1  # files, not chunks
        else:
            try:
                return self._assemble(arrival)
            except BadFile as error:
                self._reject(arrival, encode_value(arrival.chunk), str(error))
        return None

    def settled(self, file: CompleteFile, verdict: Verdict | None) -> None:
        """``file`` reached the destination with ``verdict``, or quarantine (None): forget it and what it beat."""
        self._close(file.generation)
        if verdict in (None, Verdict.OLDER):  # what is in place is another version, which may not beat the same ones
            return
        for other in self.files.others(file.generation):
            if not other.delivering and judge(unfinished(other.version), file.version) is not Verdict.NEWER:
                _log.info("dropped an unfinished older upload of %s", other.generation.path)
                self.notes["superseded"] += 1
                self._close(other.generation)

    def lost(self, generation: Generation) -> dict[int, int]:
        """Staged bytes of ``generation`` are gone: forget it, and return what must be read again.

        The result maps partitions to offsets; the watermark goes on holding them.
        """
        self._drop(generation)
        return self._watermark.rewind(generation)

    def forget(self, partitions: Iterable[int]) -> set[Generation]:
        """These partitions are read by another process now; returns the generations that went with them."""
        gone = {each for each in self._watermark.forget(partitions) if isinstance(each, Generation)}
        for generation in gone:
            self._drop(generation)
        return gone

    def is_wanted(self, kept: Kept) -> bool:
        """Whether a file that a dead process has half received is still to be delivered."""
        path = kept.generation.path
        return self._wanted(path) and self._verdict(path, unfinished(kept.version)) is Verdict.NEWER

    def take_up(self, kept: Kept, content: Path, holds: dict[int, int]) -> bool:
        """Go on with a file that a dead process has half received, if we can; ``content`` is then ours."""
        generation = kept.generation
        if self.files.find(generation) is not None:
            return False
        try:
            self._staging.take_over(generation, content, dict(kept.extents))
        except Retryable:
            return False
        for partition, offset in holds.items():
            self._watermark.hold(partition, offset, generation)
        self.files.open(OpenFile(generation, kept.version, self._clock(), kept.size, kept.prefix, set(kept.beyond)))
        return True

    def stalled(self, idle_seconds: float) -> list[OpenFile]:
        """Files that stopped coming."""
        return self.files.idle(self._clock() - idle_seconds)

    def park(self, file: OpenFile, idle_seconds: float) -> None:
        """Put a stalled file in quarantine, so that it holds no offset.

        Raises Retryable when the disk refuses, StagedBytesLost (see `lost`).
        """
        path, total = file.generation.path, file.generation.total
        reason = f"{file.missing} of {total} chunks have not come for {idle_seconds / 3600:g} hours"
        self._set_aside(file, reason)
        _log.warning("put the unfinished file %s in quarantine: %s; it is taken up again if they come", path, reason)
        self.notes["quarantined"] += 1

    def give_way(self, file: OpenFile) -> None:
        """As `park`, for a while: too much was finished after this one began. It goes on when a chunk comes."""
        self._set_aside(file, "it is still coming; what came after it was finished first")
        _log.debug("set the unfinished file %s aside", file.generation.path)

    def _set_aside(self, file: OpenFile, reason: str) -> None:
        self._quarantine.park(file, self._staging.partial(file.generation), reason)
        self._watermark.release(file.generation)
        self._drop(file.generation)

    def _assemble(self, piece: Piece) -> CompleteFile | None:
        generation, chunk, record = piece.generation, piece.chunk, piece.record
        if generation in self._doubted:
            chunk.check()
        file = self.files.find(generation) or self._open(piece)
        if file is None:
            return None
        if file.delivering and self._is_delivering_other(generation):
            raise NotYet  # it may be another upload of the same content, after that one
        self._watermark.hold(record.partition, record.offset, generation)
        if not file.has(chunk.index):
            if generation.total > 1:
                self._staging.write(generation, chunk)
            self.files.add(file, chunk, self._clock())
        if piece.version.logged > file.version.logged:
            file.version = piece.version
        if file.missing > 0 or file.delivering:
            return None
        return self._complete(piece, file)

    def _open(self, piece: Piece) -> OpenFile | None:
        generation = piece.generation
        # A file of one chunk is on its way to be delivered, by others than this thread, who ask anyway.
        small = generation.total == 1
        verdict = Verdict.NEWER if small else self._verdict(generation.path, unfinished(piece.version))
        if verdict is Verdict.REPEAT and self._is_delivering_other(generation):
            raise NotYet  # what it repeats is about to be replaced
        if not small and verdict is Verdict.NEWER and self._quarantine.has(generation, piece.version.logged):
            verdict = Verdict.REPEAT  # it is there as a whole, and a part of it is read again
        if verdict is not Verdict.NEWER:
            self._close(generation)  # begun before its staged bytes were lost, or left parked by a crash
            if piece.chunk.index == 1:
                self.notes[verdict.value] += 1
                _log.debug("skipped %s: %s", generation.path, verdict.value)
            return None
        file = OpenFile(generation, piece.version, touched=self._clock())
        if generation.total > 1:
            self._adopt(file)
        self.files.open(file)
        return file

    def _is_delivering_other(self, generation: Generation) -> bool:
        return any(other.delivering for other in self.files.others(generation))

    def _verdict(self, path: RelativePath, version: Version) -> Verdict:
        try:
            return self._destination.verdict(path, version)
        except (BadFile, Retryable):  # `deliver` says so: once for the file, and without holding up others
            return Verdict.NEWER

    def _adopt(self, file: OpenFile) -> None:
        """Go on with what is in quarantine of ``file``: it stays there, because its offsets are committed already."""
        parked = self._quarantine.parked(file.generation)
        if parked is None:
            return
        try:
            self._staging.borrow(file.generation, parked.content, parked.extents)
        except StagedBytesLost:
            return  # somebody cut it; what is still in the topic may do
        file.size, file.prefix, file.beyond = parked.size, parked.prefix, set(parked.beyond)
        file.version = dataclasses.replace(file.version, logged=max(parked.logged, file.version.logged))
        _log.info("took %s up again from quarantine", file.generation.path)

    def _complete(self, piece: Piece, file: OpenFile) -> CompleteFile | None:
        generation, record = piece.generation, piece.record
        try:
            data = _whole(piece.chunk) if generation.total == 1 else None
            sealed = None if generation.total == 1 else self._staging.seal(generation)
        except BadFile as error:
            if generation.total > 1 and generation not in self._doubted:
                # Damaged by the disk, or a record that came unchecked is: the log has the last word, chunk by chunk.
                self._doubted.add(generation)
                raise Doubted(f"{error}: reading it once more") from None
            partial = self._staging.partial(generation)  # seal keeps what it refuses
            content = partial.path if partial is not None else piece.chunk.data
            self._quarantine.file(generation, content, record.partition, file.version, str(error))
            _log.error("put %s in quarantine: %s", generation.path, error)
            self.notes["quarantined"] += 1
            self._close(generation)
            return None
        file.delivering = True
        return CompleteFile(generation, file.version, file.size, data, sealed, record.partition, record.offset)

    def _reject(self, arrival: Piece | Poison, value: bytes | None, reason: str) -> None:
        record = arrival.record
        self._quarantine.record(record, value, reason)
        _log.error(
            "put the record at partition %d offset %d in quarantine: %s", record.partition, record.offset, reason
        )
        self.notes["quarantined"] += 1

    def _close(self, generation: Generation) -> None:
        """This generation came to its end."""
        if generation.total > 1:
            self._quarantine.unpark(generation)
            self._doubted.discard(generation)
        self._watermark.release(generation)
        self._drop(generation)

    def _drop(self, generation: Generation) -> None:
        self.files.close(generation)
        self._staging.discard(generation)


def _whole(chunk: Chunk) -> bytes | memoryview:
    if chunk.offset != 0 or chunk.chunk_hash != chunk.file_hash:
        raise BadFile("its only chunk is not the whole file")
    return chunk.data
