"""Puts complete files into a folder: each appears whole, verified and durable, or not at all."""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import BadFile
from openmsi_core.generation import Verdict, Version, judge
from openmsi_core.log_lines import together
from openmsi_core.paths import RelativePath
from openmsi_core.placing import UNMARKED, Folder
from openmsi_core.placing_together import Candidate, Placing

_log = logging.getLogger(__name__)


class FolderDestination:
    """The output folder; files that come in one piece are staged in ``scratch``, on the same file system."""

    def __init__(self, folder: Folder, scratch: Path) -> None:
        self._folder = folder
        self._placing = Placing(folder, scratch, self.compare)
        self._kept: RelativePath | None = None

    def verdict(self, path: RelativePath, version: Version) -> Verdict:
        """As `Destination.verdict`; looks at the marks of the file in place only."""
        verdict = judge(version, self._folder.version(path, None))
        if verdict is Verdict.REPEAT:
            self._keep(path)
        return verdict

    def deliver(self, file: CompleteFile) -> Verdict:
        """As `Destination.deliver`: on return the file is durable under its name, or one that wins is."""
        return _only(self.deliver_together([file]))

    def deliver_together(self, files: Sequence[CompleteFile]) -> list[Verdict | Exception]:
        """As `deliver`, for files of different paths at once: what it would return or raise for each."""
        endings = self._placing.place([_candidate(file) for file in files])
        with together():
            for file, ending in zip(files, endings, strict=True):
                if ending is Verdict.NEWER:
                    _log.info("placed %s (%d bytes, partition %d)", file.generation.path, file.size, file.partition)
                elif ending is Verdict.OLDER:
                    _log.info("dropped an older upload of %s", file.generation.path)
        for file, ending in zip(files, endings, strict=True):
            if ending in (Verdict.OLDER, Verdict.REPEAT) and file.staged is not None:
                with contextlib.suppress(OSError):
                    file.staged.unlink(missing_ok=True)
        return endings

    def compare(self, path: RelativePath, version: Version, size: int) -> Verdict:
        """As `verdict`, but a file in place that carries no marks and has ``size`` bytes is read as a whole.

        The name of a repeat is not made durable. Raises BadFile also when a newer file that is not ours is in place.
        """
        placed = self._folder.version(path, size)
        verdict = judge(version, placed)
        if verdict is not Verdict.REPEAT and placed is not None:
            if placed.source and version.source and placed.source != version.source:
                _log.warning("%s is written by two sources: %s and %s", path, placed.source, version.source)
            if verdict is Verdict.OLDER and self._folder.has_marks and placed.logged == UNMARKED:
                raise BadFile("a newer file that did not come from this topic is at its place: move that one away")
        return verdict

    def place(self, staged: Path, path: RelativePath, version: Version, size: int) -> Verdict:
        """Give the verified file ``staged`` of ``size`` bytes its name, durably, unless what is in place wins.

        Returns the verdict; ``staged`` is gone if that is NEWER, and still there otherwise. Raises BadFile, Retryable
        and StagedBytesLost as `deliver` does.
        """
        return _only(self._placing.place([Candidate(path, version, size, staged)]))

    def _keep(self, path: RelativePath) -> None:
        """The log is about to be let go of: see that the name is durable, once for the many records of a file."""
        if path != self._kept:
            self._folder.sync(path)
            self._kept = path


def _candidate(file: CompleteFile) -> Candidate:
    content = file.data if file.staged is None else file.staged
    assert content is not None  # a file without staged bytes came in one piece
    return Candidate(file.generation.path, file.version, file.size, content)


def _only(endings: Sequence[Verdict | Exception]) -> Verdict:
    (ending,) = endings
    if isinstance(ending, Exception):
        raise ending
    return ending
