"""From checked records to complete files: the `assemble` step of the receiver loop, with its bytes on disk."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable

from openmsi_core.assembly import Assembly, OpenFile
from openmsi_core.chunk import encode_value
from openmsi_core.deliveries import CompleteFile
from openmsi_core.destination import Destination
from openmsi_core.errors import BadFile
from openmsi_core.generation import Generation, Verdict, judge
from openmsi_core.paths import RelativePath
from openmsi_core.quarantine import Quarantine
from openmsi_core.records import Arrival, Piece, Poison
from openmsi_core.staging import Staging
from openmsi_core.watermark import Watermark

_log = logging.getLogger(__name__)


class Intake:
    """The open files of one receiver: what has come, where it is staged, which offsets it holds."""

    def __init__(
        self,
        destination: Destination,
        staging: Staging,
        quarantine: Quarantine,
        watermark: Watermark[Generation],
        wanted: Callable[[RelativePath], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._destination = destination
        self._staging = staging
        self._quarantine = quarantine
        self._watermark = watermark
        self._wanted = wanted
        self._clock = clock
        self._scattered: set[Generation] = set()
        self.files = Assembly()
        self.notes: Counter[str] = Counter()

    def take(self, arrival: Arrival) -> CompleteFile | None:
        """Stage one record; returns the file that it completes.

        On return the record is done but for what the watermark holds. Raises Retryable when the disk or the
        destination refuses (then call again with the same record), StagedBytesLost (see `lost`).
        """
        if isinstance(arrival, Poison):
            self._reject(arrival, arrival.value, arrival.reason)
        elif not self._wanted(arrival.generation.path):
            self.notes["skipped: download_regex does not match"] += 1
        else:
            try:
                return self._assemble(arrival)
            except BadFile as error:
                self._reject(arrival, encode_value(arrival.chunk), str(error))
        return None

    def settled(self, file: CompleteFile, verdict: Verdict | None) -> None:
        """``file`` reached the destination with ``verdict``, or quarantine (None): forget it and what it beat."""
        self._close(file.generation)
        if verdict is None:
            return
        for other in self.files.others(file.generation):
            if not other.delivering and judge(other.version, file.version) is not Verdict.NEWER:
                _log.info("dropped an unfinished older upload of %s", other.generation.path)
                self.notes["superseded"] += 1
                self._close(other.generation)

    def lost(self, generation: Generation) -> dict[int, int]:
        """Staged bytes of ``generation`` are gone: forget it, and return what must be read again.

        The result maps partitions to offsets; the watermark goes on holding them.
        """
        self.files.close(generation)
        self._staging.discard(generation)
        return self._watermark.holds(generation)

    def forget(self, partitions: Iterable[int]) -> set[Generation]:
        """These partitions are read by another process now; returns the generations that went with them."""
        gone = self._watermark.forget(partitions)
        for generation in gone:
            self.files.close(generation)
            self._staging.discard(generation)
        return gone

    def park_idle(self, idle_seconds: float) -> None:
        """Move files that stopped coming to quarantine, so that they hold no offset. Raises Retryable."""
        for file in self.files.idle(self._clock() - idle_seconds):
            path, total = file.generation.path, file.generation.total
            reason = f"{file.missing} of {total} chunks have not come for {idle_seconds / 3600:g} hours"
            self._quarantine.park(file, self._staging.partial(file.generation), reason)
            _log.warning(
                "put the unfinished file %s in quarantine: %s; it is taken up again if they come", path, reason
            )
            self.notes["quarantined"] += 1
            self._close(file.generation)

    def warn_of_scatter(self, idle_seconds: float) -> None:
        """Name the files of other programs whose missing chunks may lie in partitions that we do not read."""
        for file in self.files.idle(self._clock() - idle_seconds):
            if not file.generation.upload_id and file.generation not in self._scattered:
                self._scattered.add(file.generation)
                _log.warning(
                    "%d chunks of %s have not come: OpenMSIStream scattered them over partitions that other members of"
                    " this group read; run one process for this topic",
                    file.missing,
                    file.generation.path,
                )

    def _assemble(self, piece: Piece) -> CompleteFile | None:
        generation, chunk, record = piece.generation, piece.chunk, piece.record
        file = self.files.find(generation) or self._open(piece)
        if file is None:
            return None
        self._watermark.hold(record.partition, record.offset, generation)
        if not file.has(chunk.index):
            if generation.total > 1:
                self._staging.write(generation, chunk)
            self.files.add(file, chunk, self._clock())
        if file.missing > 0 or file.delivering:
            return None
        if generation.total == 1:
            return self._whole(piece, file)
        return self._sealed(piece, file)

    def _open(self, piece: Piece) -> OpenFile | None:
        generation = piece.generation
        verdict = self._destination.verdict(generation.path, piece.version)
        if verdict is not Verdict.NEWER:
            self._watermark.release(generation)  # it may have been begun before its staged bytes were lost
            if piece.chunk.index == 1:
                self.notes[verdict.value] += 1
                _log.debug("skipped %s: %s", generation.path, verdict.value)
            return None
        file = OpenFile(generation, piece.version, touched=self._clock())
        parked = self._quarantine.parked(generation)
        if parked is not None:
            self._staging.adopt(generation, parked.content, parked.extents)
            self._quarantine.unpark(generation)
            file.size, file.prefix, file.beyond = parked.size, parked.prefix, set(parked.beyond)
            _log.info("took %s up again from quarantine", generation.path)
        self.files.open(file)
        return file

    def _whole(self, piece: Piece, file: OpenFile) -> CompleteFile:
        chunk = piece.chunk
        if chunk.offset != 0 or chunk.chunk_hash != chunk.file_hash:
            self._close(piece.generation)
            raise BadFile("its only chunk is not the whole file")
        file.delivering = True
        return CompleteFile(piece.generation, piece.version, file.size, chunk.data, None, piece.record.partition)

    def _sealed(self, piece: Piece, file: OpenFile) -> CompleteFile | None:
        generation = piece.generation
        try:
            staged = self._staging.seal(generation)
        except BadFile as error:
            partial = self._staging.partial(generation)
            assert partial is not None  # seal keeps what it refuses
            self._quarantine.file(generation, partial.path, str(error))
            _log.error("put %s in quarantine: %s", generation.path, error)
            self.notes["quarantined"] += 1
            self._close(generation)
            return None
        file.delivering = True
        return CompleteFile(generation, piece.version, file.size, None, staged, piece.record.partition)

    def _reject(self, arrival: Arrival, value: bytes | None, reason: str) -> None:
        record = arrival.record
        self._quarantine.record(record, value, reason)
        _log.error(
            "put the record at partition %d offset %d in quarantine: %s", record.partition, record.offset, reason
        )
        self.notes["quarantined"] += 1

    def _close(self, generation: Generation) -> None:
        self._scattered.discard(generation)
        self.files.close(generation)
        self._staging.discard(generation)
        self._watermark.release(generation)
