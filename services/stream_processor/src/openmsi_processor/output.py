"""The output folder: files of the topic, where they are kept, and result files. Each appears whole or not at all."""

import contextlib
import dataclasses
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from openmsi_core.deliveries import CompleteFile
from openmsi_core.durable import disk_errors, sha512_of
from openmsi_core.errors import BadFile
from openmsi_core.folder_destination import FolderDestination
from openmsi_core.generation import Verdict, Version
from openmsi_core.paths import RelativePath
from openmsi_core.placing import Folder

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
            _remove(place)

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
        return place

    def place(self, name: str, content: Path, version: Version) -> None:
        """Move a result file of an input with ``version`` to ``name``, unless one of a later input is there.

        Durable on return. Raises BadFile, Retryable, StagedBytesLost.
        """
        path = RelativePath.parse(name)
        staged = self._scratch / uuid4().hex
        try:
            with disk_errors(self._folder.root):
                content.replace(staged)
                if not staged.is_file() or staged.is_symlink():
                    raise BadFile(f"the result file {name} is no plain file")
                digest = sha512_of(staged)
            own = dataclasses.replace(version, file_hash=digest, mtime=0.0)
            self._folder.finish(staged, own)
            with self._folder.turns.take(path):
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


def _remove(desk: Path) -> None:
    """What user code has left there. Never raises: what cannot be removed now goes with the staging folder."""
    with contextlib.suppress(OSError, RecursionError):
        try:
            shutil.rmtree(desk)
        except FileNotFoundError:
            pass
        except PermissionError:  # folders that the code has closed to itself
            for folder, inside, _ in os.walk(desk):
                for each in inside:
                    if not Path(folder, each).is_symlink():
                        Path(folder, each).chmod(0o700)
            shutil.rmtree(desk)
