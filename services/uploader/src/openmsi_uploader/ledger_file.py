"""The ledger's database: made, opened, checked, brought up to date, and moved aside when it is damaged."""

import contextlib
import hashlib
import os
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from openmsi_core.errors import ConfigError
from openmsi_uploader.upload_id import any_made

_VERSION = 2
_SCHEMA = """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE file (
        path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('sent', 'not wanted')),
        sha512 BLOB, upload_id TEXT, noted_at REAL NOT NULL -- seconds since 1970, UTC
    ) WITHOUT ROWID;
"""
_SCHEMA_2 = """
    CREATE TABLE unfinished ( -- see unfinished.py
        path TEXT PRIMARY KEY, note TEXT NOT NULL, digest BLOB NOT NULL
    ) WITHOUT ROWID;
"""
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(frozen=True, slots=True)
class LedgerFile:
    """Where the ledger of one topic and folder (absolute) is."""

    state_dir: Path
    topic: str
    folder: Path

    @property
    def name(self) -> str:
        """Different for each topic and folder."""
        identity = f"{self.topic}\n{self.folder}"
        return f"ledger-{hashlib.sha256(identity.encode(errors='surrogateescape')).hexdigest()[:16]}"

    @property
    def path(self) -> Path:
        """The database."""
        return self.state_dir / f"{self.name}.sqlite"

    @property
    def was_damaged(self) -> bool:
        """Whether an earlier one was ever moved aside."""
        return next(self.state_dir.glob(f"{self.path.name}.damaged-*"), None) is not None

    @property
    def _belongs_to(self) -> dict[str, str]:
        return {"topic": self.topic, "folder": os.fsencode(self.folder).decode(errors="backslashreplace")}

    def open(self) -> sqlite3.Connection:
        """Open the database, made if need be. Raises sqlite3.Error (see `is_damage`), ConfigError for a newer one."""
        existed = self.path.exists()
        # The director alone uses it, but tests and the program may make it in another thread.
        database = sqlite3.connect(self.path, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            # NORMAL could forget, in a power cut, that there was a first start.
            database.execute("PRAGMA synchronous=FULL")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise ConfigError(f"the ledger {self.path} was made by a newer version of this program: use that one")
            if version > 0:
                self._check(database)
            elif existed and any_made(self.state_dir):
                raise sqlite3.DatabaseError("it is empty")  # cut off; no first start, or files would be missed
            self._bring_up_to_date(database, version)
        except BaseException:
            database.close()
            raise
        return database

    def move_aside(self) -> Path:
        """Give the database another name, and return that. Raises OSError."""
        path = self.path
        aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")
        for suffix in ("-wal", "-shm", ""):  # the database last: while it is there, this is done again
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
        return aside

    def _check(self, database: sqlite3.Connection) -> None:
        if (verdict := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(verdict)
        meta = dict(database.execute("SELECT name, value FROM meta"))
        if not self._belongs_to.items() <= meta.items():
            raise sqlite3.DatabaseError("it is that of another topic or folder")

    def _bring_up_to_date(self, database: sqlite3.Connection, version: int) -> None:
        if version == _VERSION:
            return
        database.execute("BEGIN")
        with database:
            for statement in (_SCHEMA if version < 1 else "").split(";") + _SCHEMA_2.split(";"):
                database.execute(statement)
            if version < 1:
                database.executemany("INSERT INTO meta VALUES (?, ?)", self._belongs_to.items())
            database.execute(f"PRAGMA user_version = {_VERSION}")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the database will never be read again, unlike one that is locked or on a disk that is full."""
    if isinstance(error, sqlite3.OperationalError):
        return "Could not decode" in str(error)  # Python's own: what should be text is garbage
    return type(error) is sqlite3.DatabaseError or getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE
