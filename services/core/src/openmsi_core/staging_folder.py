"""The folder in which one process stages, locked for as long as it lives, and those that dead processes left."""

import contextlib
import math
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from uuid import uuid4

from openmsi_core.durable import disk_errors
from openmsi_core.errors import Retryable
from openmsi_core.journal import JOURNAL
from openmsi_core.locks import try_lock
from openmsi_core.paths import RESERVED

LOCK = "lock"
_KEEP_SECONDS = 7 * 86400  # what a dead process left


class StagingFolder:
    """A folder of this process' own below the destination ``root``. Not thread-safe.

    Those of processes that are gone are removed at the start, unless they have a journal (see `resume`): their offsets
    were never committed, so what they held is read again.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._all = root / RESERVED / "staging"
        self._device = 0
        self._lock: IO[bytes] | None = None
        self.path = self._all

    def start(self) -> None:
        """Make it and clear away dead ones that have no journal. Raises Retryable when the disk refuses."""
        with disk_errors(self._root):
            self._device = self._root.stat().st_dev
            while self._lock is None:
                self.path = self._all / uuid4().hex
                self._make()
            for other in self._all.iterdir():
                if other != self.path and _age(other) > _KEEP_SECONDS:
                    _remove_if_dead(other)

    def heal(self) -> None:
        """Make it again if somebody removed it; what was staged there is noticed file by file.

        Raises Retryable when the root is gone. Another disk at its place (as after an unmount) is left alone.
        """
        with disk_errors(self._root):
            away = self._root.stat().st_dev != self._device
            if not away and (self._lock is None or not self.path.exists()):
                self._make()

    @contextlib.contextmanager
    def another(self) -> Iterator[Path]:
        """A further folder, which is locked while inside and then looks like that of a dead process.

        Raises Retryable when the disk refuses.
        """
        folder = self._all / uuid4().hex
        with disk_errors(self._root):
            folder.mkdir(parents=True)
            lock = try_lock(folder / LOCK)
            if lock is None:
                raise Retryable("the folder was taken for dead before it was locked")
        with lock, disk_errors(self._root):
            yield folder

    def dead(self) -> Iterator[Path]:
        """Folders of processes that are gone and left a journal, newest first, each locked while it is looked at.

        Raises nothing: what cannot be read is left out.
        """
        with contextlib.suppress(OSError):
            others = [(_age(folder), folder) for folder in self._all.iterdir() if folder != self.path]
            for age, folder in sorted(others):
                lock = _lock_of(folder) if age < _KEEP_SECONDS else None
                if lock is not None:
                    with lock:
                        yield folder

    def close(self) -> None:
        """Remove it and all that is still staged, unless there is a journal of it."""
        if self._lock is not None:  # first, because Windows removes no open file
            self._lock.close()
            self._lock = None
            if not (self.path / JOURNAL).exists():
                shutil.rmtree(self.path, ignore_errors=True)

    def _make(self) -> None:
        if self._lock is not None:
            self._lock.close()
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = try_lock(self.path / LOCK)
        if self._lock is not None and not (self.path / LOCK).exists():  # taken for dead before it was locked
            self._lock.close()
            self._lock = None


def _lock_of(folder: Path) -> IO[bytes] | None:
    """The lock of a dead process' folder; None when it lives."""
    return try_lock(folder / LOCK) if (folder / LOCK).exists() else None


def _remove_if_dead(folder: Path) -> None:
    with contextlib.suppress(OSError):  # gone meanwhile
        lock = _lock_of(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            lock.close()


def _age(folder: Path) -> float:
    """Seconds since the journal of ``folder`` was written; infinite when it has none."""
    try:
        return time.time() - (folder / JOURNAL).stat().st_mtime
    except OSError:
        return math.inf
