"""One process at a time decides about a path and gives it its file."""

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from zlib import crc32

from openmsi_core.durable import disk_errors, make_folder
from openmsi_core.errors import Retryable
from openmsi_core.locks import is_locked_by_another, lock, unlock
from openmsi_core.paths import RESERVED, RelativePath

_FILES = 256  # paths that share one wait for each other, for as long as a rename takes
_WAIT_SECONDS = 3.0
_PAUSE_SECONDS = 0.005


class Turns:
    """Turns to place files below ``root``, as locks that end with the process. Safe for use by several threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / RESERVED / "turns"
        self._mine = threading.Lock()
        self._open: dict[int, IO[bytes]] = {}  # a turn is taken for each file, and opening costs more than locking
        weakref.finalize(self, _close, self._open)

    @contextlib.contextmanager
    def take(self, path: RelativePath) -> Iterator[None]:
        """Be the only one, of all threads of all processes, who is inside for ``path``.

        Blocks for a few seconds at most. Raises Retryable when another process keeps its turn, or the disk refuses.
        """
        number = crc32(path.text.encode()) % _FILES
        with self._mine:
            with disk_errors(self._root):
                file = self._wait_for(number)
            try:
                yield
            finally:
                unlock(file)

    def _wait_for(self, number: int) -> IO[bytes]:
        until = time.monotonic() + _WAIT_SECONDS
        while True:
            file = self._file(number)
            try:
                lock(file)
            except OSError as error:
                if not is_locked_by_another(error):
                    raise
                if time.monotonic() >= until:
                    raise Retryable(
                        f"another process keeps its turn to place files in {self._root}: if it is frozen, end it"
                    ) from None
                time.sleep(_PAUSE_SECONDS)
                continue
            if os.fstat(file.fileno()).st_nlink:
                return file
            self._open.pop(number).close()  # somebody has removed it: others would lock its successor

    def _file(self, number: int) -> IO[bytes]:
        file = self._open.get(number)
        if file is None:
            place = self._folder / f"{number:02x}"
            try:
                file = place.open("ab", buffering=0)
            except FileNotFoundError:
                make_folder(self._folder, self._root)
                file = place.open("ab", buffering=0)
            self._open[number] = file
        return file


def _close(files: dict[int, IO[bytes]]) -> None:
    for file in files.values():
        file.close()
