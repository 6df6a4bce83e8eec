"""Puts complete files into a folder: each appears whole, verified and durable, or not at all."""

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

    def verdict(self, path: RelativePath, version: Version) -> Verdict:
        """As `Destination.verdict`; looks at the marks of the file in place only."""
        return judge(version, self._folder.version(path, None))

    def deliver(self, file: CompleteFile) -> Verdict:
        """As `Destination.deliver`: on return the file is durable under its name, or one that wins is."""
        path = file.generation.path
        placed = self._folder.version(path, file.size)
        verdict = judge(file.version, placed)
        if placed is not None and file.version.source and placed.source not in ("", file.version.source):
            _log.warning("%s is written by two sources: %s and %s", path, placed.source, file.version.source)
        if verdict is Verdict.OLDER and placed is not None and self._is_foreign(placed):
            raise BadFile("a newer file that did not come from this topic is at its place: move that one away")
        if verdict is Verdict.NEWER:
            self._place(file)
            _log.info("placed %s (%d bytes, partition %d)", path, file.size, file.partition)
        elif file.staged is not None:
            file.staged.unlink(missing_ok=True)
        return verdict

    def _is_foreign(self, placed: Version) -> bool:
        return self._folder.has_marks and placed.logged == UNMARKED

    def _place(self, file: CompleteFile) -> None:
        if file.staged is not None:
            self._folder.place(file.staged, file.generation.path, file.version)
            return
        assert file.data is not None  # a file without staged bytes came in one piece
        staged = self._scratch / uuid4().hex
        try:
            stage_whole(staged, file.data)
            self._folder.place(staged, file.generation.path, file.version)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
