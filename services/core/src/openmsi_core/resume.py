"""Going on where a process that is gone left off: what to note while files come in, and how to take it up again.

A journal says: every record of a partition below an offset is either durably done with in this destination, or its
bytes are in a staged file that is named and durable. So the next process that reads the partition for the same group
may begin there instead of at the committed offset. Anything that does not fit (another topic under the same name,
offsets that somebody moved, files that are gone) makes it begin earlier, at worst at the committed offset.
"""

import contextlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from openmsi_core.assembly import OpenFile
from openmsi_core.durable import REOPEN
from openmsi_core.errors import Retryable, StagedBytesLost
from openmsi_core.generation import Generation
from openmsi_core.intake import Intake
from openmsi_core.journal import JOURNAL, Journal, Kept, Reach, clear, load, write
from openmsi_core.records import Holder
from openmsi_core.staging import Staging
from openmsi_core.watermark import Watermark

_log = logging.getLogger(__name__)

_EVERY_BYTES = 32 << 20
_SMALLEST = 4 << 20  # bytes received of a file that is worth noting
_MOST_FILES = 256


@dataclass(frozen=True, slots=True)
class _Writing:
    files: dict[Path, Generation]
    lost: "Future[set[Path]]"


class Resume:
    """Keeps the journal of this process, and takes up those of dead ones. ``log`` names the group and the topic.

    All methods but `wait` belong to the receiver's thread. An empty ``log`` (the broker could not say which topic
    this is) keeps no journal.
    """

    def __init__(self, intake: Intake, staging: Staging, watermark: Watermark[Holder], log: str) -> None:
        self._intake = intake
        self._staging = staging
        self._watermark = watermark
        self._log = log
        self._writer = ThreadPoolExecutor(1, "journal")
        self._writing: _Writing | None = None
        self._lost: set[Path] = set()
        self._noted = 0

    def note(self) -> list[Generation]:
        """Begin to write the journal anew when enough has come.

        Blocks only while the disk is slower than what comes: until the journal before is written, so that no more than
        twice `_EVERY_BYTES` and two batches must ever be read again.

        Returns open files whose staged bytes the disk did not keep: they must be read again.
        """
        due = self._staging.written - self._noted >= _EVERY_BYTES
        if self._writing is not None:
            return self._ended(self._writing) if due or self._writing.lost.done() else []
        if due and self._intake.files.bytes >= _EVERY_BYTES:
            self._noted = self._staging.written  # also when there is nothing to note: this is asked in every turn
            if files := self._worth_noting():
                self._begin_writing(files)
        return []

    def wait(self, staged: Path) -> None:
        """Called before ``staged`` is made durable under its name. Blocks while the journal makes it durable.

        Raises StagedBytesLost when that failed: the kernel says so only once, a second fsync would succeed.
        """
        writing = self._writing
        failed = writing.lost.result() if writing is not None and staged in writing.files else self._lost
        if staged in failed:
            raise StagedBytesLost(f"the disk did not keep the staged file {staged}, reading it again")

    def begin(self, partitions: set[int], committed: Callable[[set[int]], dict[int, int]]) -> dict[int, int]:
        """These partitions are ours from now on: take up what dead processes left of them.

        Returns where to begin to read, partition → offset, for those that need not begin at the committed offset.
        ``committed`` asks the broker and may block; where it gives nothing, nothing is taken up.
        """
        begin: dict[int, int] = {}
        offsets: dict[int, int] = {}
        for folder in self._staging.folder.dead() if self._log else ():
            journal = load(folder)
            if journal is None or journal.log != self._log or not partitions & journal.mentioned:
                continue
            offsets = offsets or committed(partitions)
            if offsets:
                begin |= self._take_up(folder, journal, offsets, partitions - begin.keys())
                clear(folder, journal, partitions)
        return begin

    def hand_over(self, partitions: set[int]) -> None:
        """We read these partitions no more: leave what has come of large files to whoever reads them next.

        Durable on return, as far as the disk allows. Blocks for as long as that takes.
        """
        if self._writing is not None:
            self._lost |= self._writing.lost.result()
        leaving = [file for file in self._worth_noting() if self._watermark.holds(file.generation).keys() <= partitions]
        staged = {generation: path for generation, path in self._staged(leaving).items() if path not in self._lost}
        if not staged:
            return
        journal = self._journal(staged, partitions)
        with contextlib.suppress(OSError, Retryable), self._staging.hand_over(staged) as folder:
            opened = {path: os.open(folder / path.name, REOPEN) for path in staged.values()}
            write(folder, journal, opened)

    def keep(self) -> None:
        """Before an orderly end: `hand_over` of everything."""
        self.hand_over(set(self._watermark.state()))
        with contextlib.suppress(OSError):
            (self._staging.own / JOURNAL).unlink(missing_ok=True)

    def close(self) -> None:
        """End the writing thread."""
        self._writer.shutdown()

    def _begin_writing(self, files: list[OpenFile]) -> None:
        staged = self._staged(files)
        opened: dict[Path, int] = {}
        for generation, path in list(staged.items()):
            try:
                opened[path] = os.open(path, REOPEN)
            except OSError:  # removed: it is read again from its first record
                del staged[generation]
        journal = self._journal(staged, set(self._watermark.state()))
        lost = self._writer.submit(write, self._staging.own, journal, opened)
        self._writing = _Writing({path: generation for generation, path in staged.items()}, lost)

    def _worth_noting(self) -> list[OpenFile]:
        if not self._log:
            return []
        known = self._watermark.state().keys()  # nobody could tell later whether the rest is still to be read
        large = [file for file in self._intake.files if file.size >= _SMALLEST and not file.delivering]
        large = [file for file in large if self._watermark.holds(file.generation).keys() <= known]
        return sorted(large, key=lambda file: -file.size)[:_MOST_FILES]

    def _staged(self, files: list[OpenFile]) -> dict[Generation, Path]:
        found = [(file.generation, self._staging.partial(file.generation)) for file in files]
        own = self._staging.own
        return {generation: part.path for generation, part in found if part is not None and part.path.parent == own}

    def _journal(self, staged: dict[Generation, Path], partitions: set[int]) -> Journal:
        reach, kept = {}, []
        for partition, (committed, done, held) in self._watermark.state().items():
            if partition in partitions:
                others = [offset for generation, offset in held.items() if generation not in staged]
                reach[partition] = Reach(committed, min([done, *others]))
        for generation, path in staged.items():
            file, partial = self._intake.files.find(generation), self._staging.partial(generation)
            assert file is not None
            assert partial is not None
            holds = self._watermark.holds(generation)
            extents, beyond = tuple(sorted(partial.extents.items())), tuple(sorted(file.beyond))
            kept.append(Kept(generation, file.version, path.name, file.size, file.prefix, beyond, extents, holds))
        return Journal(self._log, reach, kept)

    def _ended(self, writing: _Writing) -> list[Generation]:
        lost = writing.lost.result()
        self._lost |= lost
        self._writing = None
        again = [writing.files[path] for path in lost]
        files = [self._intake.files.find(generation) for generation in again]
        return [file.generation for file in files if file is not None and not file.delivering]

    def _take_up(
        self, folder: Path, journal: Journal, committed: dict[int, int], partitions: set[int]
    ) -> dict[int, int]:
        reach = {
            partition: reach.done
            for partition, reach in journal.partitions.items()
            if partition in partitions and reach.committed <= committed.get(partition, -1) <= reach.done
        }
        for kept in journal.files:
            holds = {partition: offset for partition, offset in kept.holds.items() if partition in reach}
            if not holds or not self._intake.is_wanted(kept):
                continue
            if self._intake.take_up(kept, folder / kept.content, holds):
                saved = kept.size / 1e6
                _log.info("took up %s where it was left: %.0f MB need not be read again", kept.generation.path, saved)
            else:
                reach |= {partition: min(offset, reach[partition]) for partition, offset in holds.items()}
        begin = {partition: max(offset, committed[partition]) for partition, offset in reach.items()}
        for partition, offset in begin.items():
            self._watermark.begin(partition, committed[partition], offset)
        return begin
