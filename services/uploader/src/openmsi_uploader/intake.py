"""From "look again" to a file that has settled: keeps `Pending` in step with the folder and the ledger."""

import logging
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from openmsi_uploader.filters import Selection, why_not_folder
from openmsi_uploader.known import Known
from openmsi_uploader.ledger import Ledger
from openmsi_uploader.pending import Pending, Waiting
from openmsi_uploader.source import look_at, stat_of
from openmsi_uploader.walk import Found, Tally
from openmsi_uploader.watch import Batch, Watcher

_log = logging.getLogger(__name__)

_MOST_ON_THEIR_WAY = 20_000
"""Files that may wait at once. More stay where they are: the walk that finds them waits."""
_MOST_PENDING = 50_000
"""The same with those that fail, such as unreadable ones, which must not keep the others from their place."""
_MOST_URGENT = 60_000
"""The same with those that an event tells of and that others must wait for."""
_MAY_BE_GONE = 1000


class Intake:
    """Decides which files must be sent. One thread uses it, the same that uses the ledger.

    ``known`` is filled from the ledger as files are met, so it grows with what is in the folder, not with all that ever
    was.
    """

    def __init__(
        self,
        root: Path,
        selection: Selection,
        ledger: Ledger,
        pending: Pending,
        known: Known,
        watcher: Watcher,
        is_urgent: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._prefix = f"{root}{os.sep}"
        self._selection = selection
        self._ledger = ledger
        self._pending = pending
        self._known = known
        self._watcher = watcher
        self._is_urgent = is_urgent
        self._batches: deque[Batch] = deque()
        self._dropped = False
        self._said: set[str] = set()
        self.tally = Tally()
        """What the last walk through everything came across."""

    def look(self, paths: Iterable[str], clock: Callable[[], float]) -> None:
        """Look at paths that events named; they may be anything."""
        seen: list[Found] = []
        for path in paths:
            try:
                raw = os.lstat(self._prefix + path)
            except OSError:
                continue  # gone; or the next walk says why it cannot be seen
            if stat.S_ISDIR(raw.st_mode):
                if why_not_folder(path) is None:
                    self._watcher.look_below(path)
            elif stat.S_ISREG(raw.st_mode) and self._selection.why_not_with_folders(path) is None:
                seen.append((path, stat_of(raw)))
        if not self._room(len(seen)):
            self._dropped = True
            urgent = len(self._pending) + len(seen) <= _MOST_URGENT
            seen = [found for found in seen if found[0] in self._pending or (urgent and self._is_urgent(found[0]))]
        self._consider(seen, clock(), unannounced=False)  # after the last look, so that none is taken early

    def dropped(self) -> None:
        """Events were lost: walk through everything when there is room again."""
        self._dropped = True

    def add(self, batch: Batch) -> None:
        """Take in what a walk found; it is considered as soon as there is room."""
        self._batches.append(batch)

    def work_off(self, now: float) -> None:
        """Consider what waits, as far as there is room, and let the walk go on."""
        while self._batches and self._room():
            batch = self._batches.popleft()
            self._consider(batch.found, now, unannounced=batch.unannounced)
            self._watcher.go_on()
        if self._dropped and self._room(_MOST_ON_THEIR_WAY // 2):
            self._dropped = False
            self._watcher.look_everywhere()

    def check_due(self, now: float) -> None:
        """Look at every file whose settle time, or wait before the next try, is over."""
        for path in self._pending.due(now):
            try:
                stat_now = look_at(self._prefix + path)
            except OSError as error:
                if self._pending.failed(path, f"{path} cannot be looked at ({error.strerror})", now):
                    _log.warning("%s cannot be looked at (%s): trying again", path, error.strerror)
                continue
            if stat_now is None:
                self._pending.forget(path)
            elif self._pending.check(path, stat_now, now):
                if self._pending.was_told(path):
                    self._watcher.trust.told()
                else:
                    self._watcher.trust.missed()

    def notes(self, waiting: Waiting) -> dict[str, int]:
        """What is out of the ordinary, by reason, for the status."""
        notes = {f"skipped: {reason}": count for reason, count in self.tally.skipped.items()}
        notes |= {
            "failing, tried again": waiting.failing,
            "still changing": waiting.changing,
            "folders that cannot be read": len(self.tally.unreadable),
        }
        return {name: count for name, count in notes.items() if count}

    def walked(self, tally: Tally) -> None:
        """A walk through everything has ended: say what is new about what it left out."""
        self.tally = tally
        for reason, example in tally.examples.items():
            if self._is_news(reason):
                _log.info("left out: %s (%s); more of the kind are only counted", example, reason)
        for folder, reason in tally.unreadable.items():
            if self._is_news(folder):
                _log.warning("the folder %s cannot be looked into (%s): trying again", folder, reason)
        if len(self._known) > 2 * tally.files + _MAY_BE_GONE:
            self._known.clear()  # most of it is not in the folder any more; the ledger knows the rest

    def _consider(self, found: list[Found], now: float, *, unannounced: bool) -> None:
        fresh = [(path, seen) for path, seen in found if not self._known.has(path, seen)]
        noted = self._ledger.find_stats(path for path, _ in fresh if path not in self._pending)
        for path, seen in fresh:
            before = noted.get(path)
            if before == seen:
                self._known.add(path, seen)
                continue
            if before is not None:
                self._known.drop(path, before)
            self._pending.see(path, seen, now, told=not unannounced or before is not None)

    def _room(self, files: int = 1) -> bool:
        return self._pending.crowd + files <= _MOST_ON_THEIR_WAY and len(self._pending) + files <= _MOST_PENDING

    def _is_news(self, text: str) -> bool:
        if text in self._said or len(self._said) > _MAY_BE_GONE:
            return False
        self._said.add(text)
        return True
