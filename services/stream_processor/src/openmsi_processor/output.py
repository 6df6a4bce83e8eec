"""The output folder: files of the topic, where they are kept, and result files. Each appears whole or not at all."""

import contextlib
import dataclasses
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from openmsi_core.deliveries import CompleteFile
from openmsi_core.durable import disk_errors
from openmsi_core.folder_destination import FolderDestination
from openmsi_core.generation import Verdict, Version
from openmsi_core.paths import RelativePath
from openmsi_core.placing import Folder, stage_whole

_log = logging.getLogger(__name__)


class Output:
    """The output folder; what is not whole yet is in ``scratch``, on the same file system."""

    def __init__(self, folder: Folder, scratch: Path, mode: str) -> None:
        self._folder = folder
        self._scratch = scratch
        self._files = FolderDestination(folder, scratch)
        self.keeps_files = mode != "memory"
        """Whether files of the topic are kept, too."""

    @contextlib.contextmanager
    def desk(self) -> Iterator[Path]:
        """A folder for one call of user code, which is removed afterwards. It is made by who needs it first."""
        place = self._scratch / f"desk-{uuid4().hex}"
        try:
            yield place
        finally:
            if place.exists():
                shutil.rmtree(place, ignore_errors=True)

    def lay_out(self, file: CompleteFile, desk: Path) -> Path | None:
        """Where user code finds the bytes of ``file`` under its name; None = nowhere, they are in memory.

        Raises Retryable.
        """
        path = file.generation.path
        if self.keeps_files:
            return self._folder.root / path.text
        if file.staged is None:
            return None
        place = desk / "input" / path.name
        with disk_errors(self._folder.root):
            place.parent.mkdir(parents=True, exist_ok=True)
            _link(file.staged, place)
            place.chmod(0o444)
        return place

    def release(self, file: CompleteFile) -> None:
        """User code has no more to do with the staged bytes. Never raises."""
        if file.staged is not None and not self.keeps_files:
            with contextlib.suppress(OSError):
                file.staged.chmod(0o644)

    def place(self, name: str, content: bytes | Path, version: Version, desk: Path) -> None:
        """Put a result file of an input with ``version`` to ``name``, unless one of a later input is there.

        A file in ``desk`` is moved, any other copied. Durable on return. Raises BadFile, Retryable, StagedBytesLost.
        """
        path = RelativePath.parse(name)
        staged = self._scratch / uuid4().hex
        try:
            with disk_errors(self._folder.root):
                if not isinstance(content, Path):
                    stage_whole(staged, content, self._folder.root)
                elif content.is_relative_to(desk) and not content.is_symlink():
                    content.replace(staged)
                else:
                    shutil.copyfile(content, staged)
                with staged.open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha512").digest()
            own = dataclasses.replace(version, file_hash=digest, mtime=0.0)
            self._folder.finish(staged, own)
            with self._folder.turn(path):
                placed = self._folder.version(path, None)
                if placed is not None and placed.logged > version.logged:
                    _log.info("kept %s: it was made of a later file", path)
                else:
                    self._folder.place(staged, path)
                    _log.info("placed result %s", path)
        finally:
            with contextlib.suppress(OSError):
                staged.unlink(missing_ok=True)

    def keep(self, file: CompleteFile) -> Verdict:
        """Put a file of the topic under its name, as a downloader does; its staged bytes stay, for another try.

        Raises as `Destination.deliver` does.
        """
        if file.staged is None:
            return self._files.deliver(file)
        double = self._scratch / uuid4().hex
        with disk_errors(self._folder.root):
            _link(file.staged, double)
        assert file.sealed is not None
        return self._files.deliver(dataclasses.replace(file, sealed=dataclasses.replace(file.sealed, path=double)))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
