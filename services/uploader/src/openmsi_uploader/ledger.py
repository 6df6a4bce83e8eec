"""What has been sent: one SQLite database per topic and folder, in the state folder.

What is in the ledger is in the log: a row says that every chunk of this content was acknowledged by the broker (or
that the file was there before the first start and is not wanted). A lost row costs a repeated upload, which
receivers recognise; so rows are written in groups. One thread uses a ledger.
"""

import contextlib
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Literal

from openmsi_core.errors import ConfigError
from openmsi_uploader.source import FileStat

_log = logging.getLogger(__name__)

_VERSION = 1
_LOOK_UP_AT_ONCE = 500  # below SQLite's limit on parameters
_SCHEMA = """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE file (
        path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('sent', 'not wanted')),
        sha512 BLOB, upload_id TEXT, noted_at REAL NOT NULL -- seconds since 1970, UTC
    ) WITHOUT ROWID;
"""

State = Literal["sent", "not wanted"]


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one path. A file that is not wanted was never read, so it has no hash."""

    stat: FileStat
    state: State
    sha512: bytes | None
    upload_id: str | None


class Ledger:
    """The open database; `record` gathers rows, `commit` makes them durable."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._unsaved: dict[str, Row] = {}

    @property
    def unsaved(self) -> int:
        """Rows that `commit` has yet to write."""
        return len(self._unsaved)

    @property
    def is_new(self) -> bool:
        """Whether `begin` was never called: this is the first start for this topic and folder."""
        return self._meta("begun") is None

    def begin(self, not_wanted: Iterable[tuple[str, FileStat]]) -> int:
        """Note the files that are there at the first start, in one durable transaction; returns how many."""
        with self._database:
            rows = ((path, Row(stat, "not wanted", None, None)) for path, stat in not_wanted)
            count = self._insert(rows)
            self._set_meta("begun", datetime.now(UTC).isoformat())
        return count

    def want_all(self) -> int:
        """Forget which files were not wanted, so that they are sent; returns how many."""
        with self._database:
            return self._database.execute("DELETE FROM file WHERE state = 'not wanted'").rowcount

    def belongs_to(self, cluster_id: str) -> bool:
        """Bind the ledger to a Kafka cluster. False: it was bound to another, and what was sent there is forgotten."""
        bound_to = self._meta("cluster_id")
        if bound_to == cluster_id or not cluster_id:
            return True
        self._unsaved.clear()
        with self._database:
            if bound_to is not None:
                self._database.execute("DELETE FROM file WHERE state = 'sent'")
            self._set_meta("cluster_id", cluster_id)
        return bound_to is None

    def find(self, paths: Iterable[str]) -> dict[str, Row]:
        """The rows of those ``paths`` that are known."""
        found = {}
        waiting = iter(paths)
        while batch := list(islice(waiting, _LOOK_UP_AT_ONCE)):
            marks = ",".join("?" * len(batch))
            cursor = self._database.execute(
                "SELECT path, size, mtime_ns, ctime_ns, inode, state, sha512, upload_id FROM file"
                f" WHERE path IN ({marks})",
                batch,
            )
            for path, size, mtime_ns, ctime_ns, inode, state, sha512, upload_id in cursor:
                found[path] = Row(FileStat(size, mtime_ns, ctime_ns, inode), state, sha512, upload_id)
            found |= {path: self._unsaved[path] for path in batch if path in self._unsaved}
        return found

    def record(self, path: str, stat: FileStat, sha512: bytes, upload_id: str) -> None:
        """This content of ``path`` was acknowledged in full. Durable after the next `commit`."""
        self._unsaved[path] = Row(stat, "sent", sha512, upload_id)

    def commit(self) -> None:
        """Write what was recorded; durable on return. Raises sqlite3.Error and keeps the rows for the next try."""
        if self._unsaved:
            with self._database:
                self._insert(self._unsaved.items())
            self._unsaved.clear()

    def close(self) -> None:
        """Close the database; what was not committed is lost."""
        self._database.close()

    def _insert(self, rows: Iterable[tuple[str, Row]]) -> int:
        now = time.time()
        values = ((path, *row.stat, row.state, row.sha512, row.upload_id, now) for path, row in rows)
        return self._database.executemany("INSERT OR REPLACE INTO file VALUES (?,?,?,?,?,?,?,?,?)", values).rowcount

    def _meta(self, name: str) -> str | None:
        found = self._database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def _set_meta(self, name: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def open_ledger(state_dir: Path, topic: str, folder: Path) -> Ledger:
    """The ledger of this topic and folder (absolute), made if need be.

    A damaged database is moved aside, and named in the log; then everything in the folder is sent again, since nobody
    can say any more what was. Raises ConfigError for one that a newer version made, or that cannot be opened.
    """
    identity = f"{topic}\n{folder}"
    digest = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:16]
    path = state_dir / f"ledger-{digest}.sqlite"
    try:
        return Ledger(_open(path, topic, folder))
    except sqlite3.OperationalError as error:
        raise ConfigError(
            f"the ledger {path} cannot be opened ({error}): check the disk and the rights there"
        ) from None
    except sqlite3.DatabaseError as error:
        aside = _move_aside(path)
        _log.error("the ledger %s is damaged (%s); it is now %s, and every file is sent again", path, error, aside)
    ledger = Ledger(_open(path, topic, folder))
    ledger.begin([])
    return ledger


def _open(path: Path, topic: str, folder: Path) -> sqlite3.Connection:
    # The director alone uses it, but tests and the program may make it in another thread.
    database = sqlite3.connect(path, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")  # NORMAL could forget, in a power cut, that there was a first start
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise ConfigError(f"the ledger {path} was made by a newer version of this program: use that one")
        if version == 0:
            _create(database, topic, folder)
        elif (verdict := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(verdict)
    except BaseException:
        database.close()
        raise
    return database


def _create(database: sqlite3.Connection, topic: str, folder: Path) -> None:
    names = {"topic": topic, "folder": os.fsencode(folder).decode(errors="backslashreplace")}
    database.execute("BEGIN")
    with database:
        for statement in _SCHEMA.split(";"):
            database.execute(statement)
        database.executemany("INSERT INTO meta VALUES (?, ?)", names.items())
        database.execute(f"PRAGMA user_version = {_VERSION}")


def _move_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside
