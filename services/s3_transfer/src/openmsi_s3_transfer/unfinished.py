"""Multipart uploads that this process has begun, noted on disk so that a later start can abort those of a killed one.

Each process has a note of its own, locked for as long as it lives, so those of the dead can be told. An upload is noted
before the store is asked to begin it, without an id: the answer that tells the id may be lost.
"""

import contextlib
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO
from uuid import uuid4

from openmsi_core.durable import disk_errors
from openmsi_core.locks import try_lock

_log = logging.getLogger(__name__)

UNKNOWN = ""
"""The id of an upload that may have been begun."""

Abort = Callable[[str, str], None]
"""Aborts the upload (key, id), of an `UNKNOWN` id all uploads of the key; raises when the store does not."""


class Unfinished:
    """The note of this process in ``folder``. Safe for use by several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = folder / uuid4().hex
        self._uploads: set[tuple[str, str]] = set()
        self._left: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._held: IO[bytes] | None = None

    def begin(self, key: str) -> None:
        """An upload is about to be begun. Survives a kill on return; a power cut may lose it. Raises Retryable."""
        self._add(key, UNKNOWN)

    def add(self, key: str, upload_id: str) -> None:
        """It was begun, and this is its id. As durable as `begin`. Raises Retryable."""
        self._add(key, upload_id)
        self.remove(key, UNKNOWN)

    def _add(self, key: str, upload_id: str) -> None:
        with self._lock, disk_errors(self._folder):
            while self._held is None or not self._own.exists():  # another that starts may take it for dead at first
                self._folder.mkdir(parents=True, exist_ok=True)
                self._held = try_lock(self._own)
            self._uploads.add((key, upload_id))
            self._write()

    def remove(self, key: str, upload_id: str) -> None:
        """It is over. Never raises: an id too many is harmless."""
        with self._lock, contextlib.suppress(OSError):
            self._uploads.discard((key, upload_id))
            self._write()

    def leave(self, key: str, upload_id: str) -> None:
        """Nobody works on it any more, and it could not be aborted: `abort_left` tries again."""
        with self._lock:
            self._left.add((key, upload_id))

    def abort_left(self, abort: Abort, key: str | None = None) -> None:
        """Abort what was left. Of `UNKNOWN` ids only those of ``key``: another thread may upload to another key.

        Without a ``key``, all that was begun: nobody may work on any more. Never raises: what fails stays noted.
        """
        with self._lock:
            if key is None:
                taken = set(self._uploads)
            else:
                taken = {each for each in self._left if each[1] != UNKNOWN or each[0] == key}
            self._left -= taken
        for each in taken:
            try:
                abort(*each)
            except Exception as error:  # as long as the store is in trouble
                _log.debug("the upload of %s could not be aborted: %s", each[0], error)
                self.leave(*each)
            else:
                self.remove(*each)

    def abort_dead(self, abort: Abort) -> int:
        """Abort what processes that are gone have left; returns how many. What fails is left for the next start."""
        aborted = 0
        for note in self._notes():
            with contextlib.suppress(OSError):
                lock = try_lock(note)
                if lock is not None:
                    with lock:
                        aborted += self._abort(note, abort)
        return aborted

    def close(self) -> None:
        """Forget the note, unless an upload could not be aborted."""
        with self._lock:
            if self._held is not None:
                self._held.close()
                self._held = None
            if not self._uploads:
                self._own.unlink(missing_ok=True)

    def _notes(self) -> list[Path]:
        return [note for note in self._folder.iterdir() if note != self._own] if self._folder.is_dir() else []

    def _abort(self, note: Path, abort: Abort) -> int:
        try:
            found, _ = json.JSONDecoder().raw_decode(note.read_text())  # behind it may be the end of a longer one
            uploads = [(str(key), str(upload_id)) for key, upload_id in found]
        except (ValueError, TypeError):  # empty, or damaged by a power cut
            uploads = []
        for key, upload_id in uploads:
            try:
                abort(key, upload_id)
            except Exception as error:
                _log.warning(
                    "an unfinished upload of %s could not be aborted, the next start tries again: %s", key, error
                )
                return 0
        note.unlink(missing_ok=True)
        return len(uploads)

    def _write(self) -> None:
        # In place: a new file would not be locked. A reader waits for the lock, so it never sees half of it.
        with self._own.open("r+b") as file:
            file.write(json.dumps(sorted(self._uploads)).encode())
            file.truncate()
