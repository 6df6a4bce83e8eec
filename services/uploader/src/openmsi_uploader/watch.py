"""Finds files in the upload folder: events say where to look at once, regular walks find everything."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from openmsi_uploader.events import EventTrust, RootEvents
from openmsi_uploader.filters import Selection
from openmsi_uploader.known import Known
from openmsi_uploader.walk import Found, Tally, walk

_log = logging.getLogger(__name__)

_BATCH = 500
_BATCHES_AHEAD = 2
_ROOT_CHECK_SECONDS = 2.0
_POLL_SECONDS = 1.0
_REST = 200
"""A walk is followed by a rest of so many times the CPU time that it took: half a percent of a core."""
_REST_POLLING = 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that a walk came across and that are not known. `Watcher.go_on` must follow."""

    found: list[Found]
    unannounced: bool
    """Whether an event should have told of the new ones among them before."""


@dataclass(frozen=True, slots=True)
class Walked:
    """A walk through the whole folder has ended."""

    tally: Tally


@dataclass(frozen=True, slots=True)
class FolderAway:
    """The upload folder cannot be looked into at present; told every two seconds until a walk ends."""

    reason: str


News = Batch | Walked | FolderAway


@dataclass(frozen=True, slots=True)
class Place:
    """What is watched, and how."""

    root: Path
    selection: Selection
    rescan_seconds: float
    polling_only: bool


class Watcher:
    """Watches a folder from a thread of its own; never writes to it.

    ``tell`` gets the news, ``look`` the paths that events name. A walk waits while two batches have not been answered
    with `go_on`.
    """

    def __init__(self, place: Place, known: Known, tell: Callable[[News], None], look: Callable[[str], None]) -> None:
        self._place = place
        self._known = known
        self._tell = tell
        self._events = RootEvents(place.root, look, place.polling_only)
        self._room = threading.Semaphore(_BATCHES_AHEAD)
        self._wake = threading.Condition()
        self._folders: dict[str, None] = {}
        self._walk_due = 0.0
        self._catching_up = True
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    @property
    def trust(self) -> EventTrust:
        """To be told, of each new file, whether an event told of it."""
        return self._events.trust

    def start(self) -> None:
        """Begin with a walk through everything."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End; waits up to ``timeout`` seconds for a walk to notice."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._room.release()
        self._thread.join(timeout)

    def go_on(self) -> None:
        """A batch has been dealt with."""
        self._room.release()

    def look_below(self, folder: str) -> None:
        """Walk through ``folder`` soon: it has just appeared."""
        with self._wake:
            self._folders[folder] = None
            self._wake.notify()

    def look_everywhere(self) -> None:
        """Walk through everything soon: events were dropped, or what is known has changed."""
        with self._wake:
            self._walk_due = 0.0
            self._catching_up = True
            self._wake.notify()

    def _run(self) -> None:
        while not self._stopping:
            try:
                if self._events.renew():
                    self.look_everywhere()
                for folder in self._requested():
                    self._walk_below(folder)
                if time.monotonic() >= self._walk_due:
                    self._walk_everything()
            except OSError as error:
                self._events.stop()
                self._tell(FolderAway(error.strerror or str(error)))
            self._rest()
        self._events.stop()

    def _requested(self) -> list[str]:
        with self._wake:
            folders, self._folders = list(self._folders), {}
        return folders

    def _rest(self) -> None:
        with self._wake:
            if self._folders or self._stopping:
                return
            rest = _ROOT_CHECK_SECONDS
            if self._events.here:
                rest = min(rest, max(0.0, self._walk_due - time.monotonic()))
            self._wake.wait(rest)

    def _walk_below(self, folder: str) -> None:
        try:
            self._hand_over(self._walk(folder, Tally()), unannounced=False)
        except OSError:
            _log.debug("the folder %s is gone again", folder)

    def _walk_everything(self) -> None:
        tally, began = Tally(), time.thread_time()
        with self._wake:
            self._walk_due = float("inf")
            catching_up, self._catching_up = self._catching_up, False
        self._hand_over(self._walk("", tally), unannounced=not catching_up)
        spent = time.thread_time() - began
        if self._events.work():
            rest = max(self._place.rescan_seconds, spent * _REST)
        else:
            rest = max(min(_POLL_SECONDS, self._place.rescan_seconds), spent * _REST_POLLING)
        with self._wake:
            self._walk_due = min(self._walk_due, time.monotonic() + rest)
        self._tell(Walked(tally))

    def _walk(self, below: str, tally: Tally) -> Iterable[Found]:
        return walk(self._place.root, below, self._known, self._place.selection, tally)

    def _hand_over(self, found: Iterable[Found], *, unannounced: bool) -> None:
        files = iter(found)
        while batch := list(islice(files, _BATCH)):
            self._room.acquire()
            if self._stopping:
                return
            self._tell(Batch(batch, unannounced))
