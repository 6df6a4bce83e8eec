"""Puts complete files into a folder: each appears whole, verified and durable, or not at all."""

import contextlib
import logging
from pathlib import Path
from uuid import uuid4

from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import BadFile
from openmsi_core.generation import Verdict, Version, judge
from openmsi_core.paths import RelativePath
from openmsi_core.placing import UNMARKED, Folder, stage_whole

_log = logging.getLogger(__name__)


class FolderDestination:
    """The output folder; files that come in one piece are staged in ``scratch``, on the same file system."""

    def __init__(self, folder: Folder, scratch: Path) -> None:
        self._folder = folder
        self._scratch = scratch
        self._kept: RelativePath | None = None

    def verdict(self, path: RelativePath, version: Version) -> Verdict:
        """As `Destination.verdict`; looks at the marks of the file in place only."""
        verdict = judge(version, self._folder.version(path, None))
        if verdict is Verdict.REPEAT:
            self._keep(path)
        return verdict

    def deliver(self, file: CompleteFile) -> Verdict:
        """As `Destination.deliver`: on return the file is durable under its name, or one that wins is."""
        path = file.generation.path
        verdict = self.compare(path, file.version, file.size)
        if verdict is Verdict.NEWER:
            verdict = self._place(file)
        if verdict is Verdict.NEWER:
            _log.info("placed %s (%d bytes, partition %d)", path, file.size, file.partition)
        elif verdict is Verdict.OLDER:
            _log.info("dropped an older upload of %s", path)
        if verdict is not Verdict.NEWER and file.staged is not None:
            with contextlib.suppress(OSError):
                file.staged.unlink(missing_ok=True)
        return verdict

    def compare(self, path: RelativePath, version: Version, size: int) -> Verdict:
        """As `verdict`, but a file in place that carries no marks and has ``size`` bytes is read as a whole.

        Raises BadFile also when a newer file that is not ours is in place.
        """
        placed = self._folder.version(path, size)
        verdict = judge(version, placed)
        if verdict is Verdict.REPEAT:
            self._keep(path)
        elif placed is not None:
            if placed.source and version.source and placed.source != version.source:
                _log.warning("%s is written by two sources: %s and %s", path, placed.source, version.source)
            if verdict is Verdict.OLDER and self._folder.has_marks and placed.logged == UNMARKED:
                raise BadFile("a newer file that did not come from this topic is at its place: move that one away")
        return verdict

    def place(self, staged: Path, path: RelativePath, version: Version) -> Verdict:
        """Give the verified file ``staged`` its name, durably, unless what is in place by now wins.

        Returns the verdict; ``staged`` is gone if that is NEWER, and still there otherwise. Raises BadFile, Retryable
        and StagedBytesLost as `deliver` does.
        """
        self._folder.finish(staged, version)
        # Again, at the last moment: while this process was frozen, another member may have placed a newer one.
        with self._folder.turn(path):
            verdict = self.verdict(path, version)
            if verdict is Verdict.NEWER:
                self._folder.place(staged, path)
        return verdict

    def _keep(self, path: RelativePath) -> None:
        """The log is about to be let go of: see that the name is durable, once for the many records of a file."""
        if path != self._kept:
            self._folder.sync(path)
            self._kept = path

    def _place(self, file: CompleteFile) -> Verdict:
        path, version = file.generation.path, file.version
        if file.staged is not None:
            return self.place(file.staged, path, version)
        assert file.data is not None  # a file without staged bytes came in one piece
        staged = self._scratch / uuid4().hex
        try:
            stage_whole(staged, file.data, self._folder.root)
            return self.place(staged, path, version)
        finally:
            with contextlib.suppress(OSError):
                staged.unlink(missing_ok=True)
