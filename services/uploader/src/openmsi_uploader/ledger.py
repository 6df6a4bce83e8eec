"""What has been sent: one SQLite database per topic and folder, in the state folder.

What is in the ledger is in the log: a row says that every chunk of this content was acknowledged by the broker (or
that the file was there before the first start and is not wanted). A lost row costs a repeated upload, which
receivers recognise; so rows are written in groups. One thread uses a ledger.

A damaged database, whenever it is found to be, is moved aside and named in the log; then everything in the folder is
sent again, since nobody can say any more what was.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from openmsi_core.errors import ConfigError
from openmsi_uploader import ledger_rows
from openmsi_uploader.ledger_file import LedgerFile, is_damage
from openmsi_uploader.ledger_rows import Row
from openmsi_uploader.source import FileStat
from openmsi_uploader.unfinished import Unfinished

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Ledger:
    """The open database; `record` and `note` gather rows, `commit` makes them durable. All raise sqlite3.Error."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file
        self._unsaved: dict[str, Row] = {}
        self._noted: set[str] = set()
        self._unfinished: dict[str, Unfinished] = {}
        self._damage: sqlite3.Error | None = None
        self._database: sqlite3.Connection | None = None
        self._cluster_id: str | None = None
        self.lost = False
        """Whether the database was damaged and begun anew; whoever has dealt with that takes it back."""
        self._cluster_id = self._do(lambda database: ledger_rows.meta(database, "cluster_id"))

    @property
    def name(self) -> str:
        """Different for each topic and folder."""
        return self._file.name

    @property
    def unsaved(self) -> int:
        """Rows that `commit` has yet to write."""
        return len(self._unsaved) + len(self._noted)

    @property
    def is_new(self) -> bool:
        """Whether `begin` was never called: this is the first start for this topic and folder."""
        return self._do(lambda database: ledger_rows.meta(database, "begun")) is None

    def begin(self, not_wanted: Iterable[tuple[str, FileStat]]) -> int:
        """Note the files that are there at the first start, in one durable transaction; returns how many."""
        return ledger_rows.begin(self._open(), not_wanted, self._cluster_id)

    def want_all(self) -> int:
        """Forget which files were not wanted, so that they are sent; returns how many."""
        with self._open() as database:
            return database.execute("DELETE FROM file WHERE state = 'not wanted'").rowcount

    def belongs_to(self, cluster_id: str) -> bool:
        """Bind the ledger to a Kafka cluster. False: it was bound to another, and what was sent there is forgotten."""
        bound_to = self._cluster_id
        if bound_to == cluster_id or not cluster_id:
            return True
        with self._open() as database:
            if bound_to is not None:
                database.execute("DELETE FROM file WHERE state = 'sent'")
            database.execute("DELETE FROM unfinished")
            ledger_rows.set_meta(database, "cluster_id", cluster_id)
        self._unsaved.clear()
        self._unfinished.clear()
        self._noted.clear()
        self._cluster_id = cluster_id
        return bound_to is None

    def find(self, paths: Iterable[str]) -> dict[str, Row]:
        """The rows of those ``paths`` that are known."""
        wanted = list(paths)
        found = self._do(lambda database: ledger_rows.find(database, wanted))
        return found | {path: self._unsaved[path] for path in wanted if path in self._unsaved}

    def find_stats(self, paths: Iterable[str]) -> dict[str, FileStat]:
        """What those ``paths`` looked like that are known; at a third of the cost of `find`."""
        wanted = list(paths)
        found = self._do(lambda database: ledger_rows.find_stats(database, wanted))
        return found | {path: self._unsaved[path].stat for path in wanted if path in self._unsaved}

    def record(self, path: str, stat: FileStat, sha512: bytes, upload_id: str) -> None:
        """This content of ``path`` was acknowledged in full. Durable after the next `commit`."""
        self._unsaved[path] = Row(stat, "sent", sha512, upload_id)

    def unfinished(self, path: str) -> Unfinished | None:
        """What is noted of the present upload of ``path``."""
        return self._unfinished.get(path)

    def note(self, path: str, unfinished: Unfinished) -> None:
        """So much of the present upload of ``path`` is acknowledged. Durable after the next `commit`."""
        self._unfinished[path] = unfinished
        self._noted.add(path)

    def give_up(self, paths: Iterable[str]) -> None:
        """Forget the unfinished uploads of ``paths``; durable on return."""
        known = [path for path in paths if path in self._unfinished]
        if known:
            self._do(lambda database: ledger_rows.write(database, {}, {}, known))
        for path in known:
            self._noted.discard(path)
            self._unfinished.pop(path, None)

    def give_up_all(self) -> None:
        """Forget every unfinished upload; durable on return."""
        self.give_up(list(self._unfinished))

    def commit(self) -> None:
        """Write what was gathered; durable on return. When it raises, all is kept for the next try."""
        if not self.unsaved:
            return
        self._do(lambda database: ledger_rows.write(database, self._unsaved, self._notes(), self._over()))
        for path in self._over():
            del self._unfinished[path]
        self._unsaved.clear()
        self._noted.clear()

    def close(self) -> None:
        """Close the database; what was not committed is lost."""
        if self._database is not None:
            self._database.close()

    def _notes(self) -> dict[str, Unfinished]:
        return {path: self._unfinished[path] for path in self._noted}

    def _over(self) -> list[str]:
        """Uploads that have come to their end, but are still noted."""
        return [path for path in self._unsaved if path in self._unfinished]

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Work with the database, and once more with a new one when it turns out to be damaged."""
        try:
            return work(self._open())
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            self._damage = error
            self.close()
            self._database = None
        return work(self._open())

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            if self._damage is not None:
                self._move_aside(self._damage)
            database = self._database = self._file.open()
            self._unfinished = ledger_rows.find_unfinished(database)
            if ledger_rows.meta(database, "begun") is None and self._file.was_damaged:
                ledger_rows.begin(database, (), self._cluster_id)  # no first start: what came meanwhile would be missed
        return self._database

    def _move_aside(self, damage: sqlite3.Error) -> None:
        path = self._file.path
        try:
            aside = self._file.move_aside()
        except OSError as error:
            raise sqlite3.OperationalError(f"damaged ({damage}), and cannot be moved ({error.strerror})") from None
        _log.error("the ledger %s is damaged (%s); it is now %s, and every file is sent again", path, damage, aside)
        self._damage, self.lost = None, True
        self._noted.clear()


def open_ledger(state_dir: Path, topic: str, folder: Path) -> Ledger:
    """The ledger of this topic and folder (absolute), made if need be.

    Raises ConfigError for one that a newer version made, or that cannot be opened.
    """
    file = LedgerFile(state_dir, topic, folder)
    try:
        return Ledger(file)
    except sqlite3.OperationalError as error:
        raise ConfigError(
            f"the ledger {file.path} cannot be opened ({error}): check the disk and the rights there"
        ) from None
