"""Events of the file system, through watchdog: hints to look again, nothing more."""

import logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

_log = logging.getLogger(__name__)

# It prints one for every folder that is gone before it could be watched: the next walk finds what is there.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.")

_KINDS: list[type[FileSystemEvent]] = [
    DirCreatedEvent, DirMovedEvent, FileCreatedEvent, FileMovedEvent, FileClosedEvent,
]  # fmt: skip
if sys.platform != "linux":
    # Linux tells when a file that was written is closed. Its "modified" comes for every single write: too much.
    _KINDS.append(FileModifiedEvent)

_MISSED_TO_DISTRUST = 3
_TOLD_TO_TRUST_AGAIN = 100


class EventTrust:
    """Judges by new files whether events work here; on network shares and some mounts they do not. Pure."""

    def __init__(self) -> None:
        self._missed = 0
        self._told_in_a_row = 0

    @property
    def trusted(self) -> bool:
        """Whether events tell of new files."""
        return self._missed < _MISSED_TO_DISTRUST

    def told(self) -> None:
        """An event told of a new file."""
        self._told_in_a_row += 1
        if self._told_in_a_row >= _TOLD_TO_TRUST_AGAIN:
            self._missed = 0

    def missed(self) -> None:
        """A new file was found, and no event told of it."""
        self._missed += 1
        self._told_in_a_row = 0


class RootEvents:
    """Events of whatever folder stands at ``root``; one thread uses it.

    ``look`` is called with the path, relative to the root, of everything that appears there or was written. With
    ``polling_only`` there are never any events.
    """

    def __init__(self, root: Path, look: Callable[[str], None], polling_only: bool) -> None:
        self._root = root
        self._handler = _Handler(root, look)
        self._said_polling = self._polling_only = polling_only
        self._observer: BaseObserver | None = None
        self._root_id: tuple[int, int] | None = None
        self.trust = EventTrust()

    @property
    def here(self) -> bool:
        """Whether the folder was there when it was looked for last."""
        return self._root_id is not None

    def renew(self) -> bool:
        """Begin anew if another folder stands there than before: it came back, was mounted or replaced.

        True: begun anew; from now on everything that happens is told. Raises OSError when there is no folder.
        """
        raw = self._root.stat()
        root_id = raw.st_dev, raw.st_ino
        if root_id == self._root_id and self._alive():
            return False
        self.stop()
        if not self._polling_only:
            self._start()
        self._root_id = root_id
        return True

    def stop(self) -> None:
        """End; waits for watchdog's threads."""
        self._root_id = None
        if self._observer:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def work(self) -> bool:
        """Whether events can be relied on; says so once when not."""
        if self._observer and not self.trust.trusted:
            self._say_polling("new files were found that no event told of, as on many network shares")
        return self._observer is not None and self.trust.trusted

    def _start(self) -> None:
        observer: BaseObserver | None = None
        try:
            observer = Observer()
            observer.schedule(self._handler, str(self._root), recursive=True, event_filter=_KINDS)
            observer.start()
        except OSError as error:
            self._say_polling(f"the system cannot tell of changes there ({error.strerror or error})")
            if observer:
                observer.stop()  # it has begun a thread before its start
        else:
            self._observer = observer

    def _alive(self) -> bool:
        """False once the watch has ended by itself: the folder was removed."""
        return self._observer is None or all(emitter.is_alive() for emitter in self._observer.emitters)

    def _say_polling(self, why: str) -> None:
        if not self._said_polling:
            self._said_polling = True
            _log.warning("looking through %s again and again, because %s", self._root, why)


class _Handler(FileSystemEventHandler):
    def __init__(self, root: Path, look: Callable[[str], None]) -> None:
        self._root = str(root).rstrip(os.sep) + os.sep
        self._look = look

    def dispatch(self, event: FileSystemEvent) -> None:
        path = os.fsdecode(event.dest_path or event.src_path)
        if path.startswith(self._root):
            self._look(path[len(self._root) :].replace(os.sep, "/"))
