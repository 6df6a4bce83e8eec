"""From a settled file to a row in the ledger: hands out jobs, and judges what became of them."""

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from openmsi_core.errors import Fatal, InternalError, Retryable
from openmsi_core.paths import RelativePath
from openmsi_core.status import size
from openmsi_uploader.known import Known
from openmsi_uploader.lanes import Lanes
from openmsi_uploader.ledger import Ledger
from openmsi_uploader.ledger_rows import Row
from openmsi_uploader.outcome import CannotContinue, Job, NotSent, Outcome, Progress, Same, Sent, Stopped
from openmsi_uploader.pending import Pending
from openmsi_uploader.source import FileStat, look_at
from openmsi_uploader.target import Target
from openmsi_uploader.upload_id import UploadIds

_log = logging.getLogger(__name__)

_MOST_IN_FLIGHT = 1000
_GROUP_ROWS = 2000
_GROUP_SECONDS = 0.2
_RETRY_SECONDS = 5.0

Work = tuple[Job, Target]


@dataclass(slots=True)
class Counts:
    """What was sent since the start."""

    files: int = 0
    bytes: int = 0


class Sending:
    """Everything between `Pending` and the ledger. One thread uses it, the same that uses the ledger."""

    def __init__(
        self,
        root: Path,
        pending: Pending,
        ledger: Ledger,
        known: Known,
        ids: UploadIds,
        lanes: Lanes[Work],
    ) -> None:
        self._prefix = f"{root}{os.sep}"
        self._pending = pending
        self._ledger = ledger
        self._known = known
        self._ids = ids
        self._lanes = lanes
        self._commit_due: float | None = None
        self._told = False
        self.target: Target | None = None
        """Where to send; None = nothing is sent at present."""
        self.in_flight = 0
        self.done = Counts()
        self.trouble: str | None = None
        """Why the ledger cannot be written; None = it can."""

    def hand_out(self, now: float) -> None:
        """Give settled files to the readers, as many as they should have."""
        if self.target is None or self.trouble:
            return
        large_room = self._lanes.large_room(self._pending.next_large)
        self._hand(self._pending.take_large, self._lanes.put_large, large_room, self.target, now)
        self._hand(self._pending.take_small, self._lanes.put_small, self._lanes.small_room, self.target, now)

    def note(self, progress: Progress, now: float) -> None:
        """A large upload has come so far: if it is cut short, it can be continued from here."""
        self._ledger.note(progress.job.path.text, progress.unfinished)
        if self._commit_due is None or not self.trouble:
            self._commit_due = now

    def judge(self, outcome: Outcome, now: float) -> None:
        """What has become of a job. Raises InternalError when the producer cannot go on."""
        self.in_flight -= 1
        job = outcome.job
        match outcome:
            case Sent():
                self.done.files += 1
                self.done.bytes += job.stat.size
                self._record(job, outcome.sha512, job.upload_id, now)
                _log.info("sent %s (%s, partition %d)", job.path, size(job.stat.size), outcome.partition)
            case Same():
                self._record(job, outcome.sha512, outcome.upload_id, now)
                _log.debug("%s was touched, but its content was sent before", job.path)
            case NotSent(error=Stopped()):
                return
            case NotSent(error=InternalError() as error):
                raise error
            case NotSent(error=CannotContinue()) if not self._give_up(job.path.text, now):
                return
        self._look_again(outcome, now)

    def commit(self, now: float) -> None:
        """Make the ledger durable when it is time; never raises for want of disk."""
        if self._commit_due is None or (now < self._commit_due and self._ledger.unsaved < _GROUP_ROWS):
            return
        self.commit_now(now)

    def commit_now(self, now: float) -> None:
        """Make the ledger durable."""
        try:
            self._ledger.commit()
        except sqlite3.Error as error:
            if self.trouble is None:
                _log.error("the ledger cannot be written (%s): nothing more is sent until it can", error)
            self.trouble = f"the ledger in the state folder to become writable ({error})"
            self._commit_due = now + _RETRY_SECONDS
        else:
            self.trouble = None
            self._commit_due = None

    def next_due(self) -> float | None:
        """When `commit` has something to do."""
        return self._commit_due

    def _hand(
        self,
        take: Callable[[], tuple[str, FileStat] | None],
        put: Callable[[Work], None],
        room: int,
        target: Target,
        now: float,
    ) -> None:
        taken = list(islice(iter(take, None), max(0, min(room, _MOST_IN_FLIGHT - self.in_flight))))
        if not taken:
            return
        try:
            rows = self._ledger.find(path for path, _ in taken)
        except sqlite3.Error as error:
            for path, _ in taken:
                self._no_id(path, error, now)
            return
        for path, stat in taken:
            if (job := self._job(path, stat, rows.get(path), target, now)) is not None:
                self.in_flight += 1
                put((job, target))

    def _job(self, path: str, stat: FileStat, row: Row | None, target: Target, now: float) -> Job | None:
        """The upload that is to be continued, or a new one.

        No two uploads of a path are ever under way. The earlier one is forgotten, durably, before a later id is used:
        receivers have dropped it by then, and would call it old.
        """
        try:
            begun = self._ledger.unfinished(path)
            sent_id = (row.upload_id if row else None) or ""
            if begun is not None and not begun.may_go_on(stat, target, sent_id, time.time()):
                self._ledger.give_up([path])
                begun = None
            upload_id = begun.upload_id if begun else self._ids.next()
        except (OSError, sqlite3.Error) as error:
            self._no_id(path, error, now)
            return None
        self._told = False
        before = (row.sha512, row.upload_id) if row and row.sha512 and row.upload_id else None
        return Job(RelativePath(path), stat, upload_id, before, begun)

    def _no_id(self, path: str, error: OSError | sqlite3.Error, now: float) -> None:
        reason = _no_state(error)
        if not self._told:
            _log.error("%s: free some space there, or give the right to write; nothing is sent until then", reason)
        self._told, self.trouble = True, str(reason)
        self._commit_due = now + _RETRY_SECONDS
        self._pending.failed(path, str(reason), now)

    def _give_up(self, path: str, now: float) -> bool:
        try:
            self._ledger.give_up([path])
        except sqlite3.Error as error:
            self._fail(path, _no_state(error), now)
            return False
        return True

    def _record(self, job: Job, sha512: bytes, upload_id: str, now: float) -> None:
        self._ledger.record(job.path.text, job.stat, sha512, upload_id)
        if self._commit_due is None:
            self._commit_due = now + _GROUP_SECONDS

    def _look_again(self, outcome: Outcome, now: float) -> None:
        """After the last byte was read and acknowledged: is the file still what was sent?"""
        path, stat = outcome.job.path.text, outcome.job.stat
        try:
            stat_now = look_at(self._prefix + path)
        except OSError as error:
            self._fail(path, Retryable(f"{path} cannot be looked at ({error.strerror})"), now)
            return
        if stat_now is None:
            self._pending.forget(path)
        elif stat_now != stat:
            self._pending.changed(path, stat_now, now)
        elif isinstance(outcome, NotSent):
            self._fail(path, outcome.error, now)
        else:
            self._pending.forget(path)
            self._known.add(path, stat)

    def _fail(self, path: str, error: Exception, now: float) -> None:
        if self._pending.failed(path, str(error), now):
            _log.warning("not sent, trying again: %s (%s)", path, error)
        if isinstance(error, Fatal):
            self.target = None  # the topic is not what it was: find out anew


def _no_state(error: OSError | sqlite3.Error) -> Retryable:
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return Retryable(f"the state folder cannot be used ({reason})")
