"""What stands in the ledger's tables, and how it is read and written."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from openmsi_uploader.source import FileStat
from openmsi_uploader.unfinished import Unfinished, from_text, to_text

_LOOK_UP_AT_ONCE = 500  # below SQLite's limit on parameters

State = Literal["sent", "not wanted"]


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one path. A file that is not wanted was never read, so it has no hash."""

    stat: FileStat
    state: State
    sha512: bytes | None
    upload_id: str | None


def begin(database: sqlite3.Connection, not_wanted: Iterable[tuple[str, FileStat]], cluster_id: str | None) -> int:
    """Note that there was a first start, and the files that were there; returns how many. Durable on return."""
    with database:
        count = _insert(database, ((path, Row(stat, "not wanted", None, None)) for path, stat in not_wanted))
        set_meta(database, "begun", datetime.now(UTC).isoformat())
        if cluster_id:
            set_meta(database, "cluster_id", cluster_id)
    # Now it is in the database itself: whoever loses SQLite's log beside it does not have a first start again.
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return count


def find(database: sqlite3.Connection, paths: Iterable[str]) -> dict[str, Row]:
    """The rows of those ``paths`` that are known."""
    found = _select(database, "path, size, mtime_ns, ctime_ns, inode, state, sha512, upload_id", paths)
    return {path: Row(FileStat(*stat), state, sha512, upload_id) for path, *stat, state, sha512, upload_id in found}


def find_stats(database: sqlite3.Connection, paths: Iterable[str]) -> dict[str, FileStat]:
    """What those ``paths`` looked like that are known."""
    return {
        row[0]: FileStat._make(row[1:]) for row in _select(database, "path, size, mtime_ns, ctime_ns, inode", paths)
    }


def find_unfinished(database: sqlite3.Connection) -> dict[str, Unfinished]:
    """Every unfinished upload whose note is whole."""
    read = ((path, from_text(path, *kept)) for path, *kept in database.execute("SELECT * FROM unfinished"))
    return {path: unfinished for path, unfinished in read if unfinished is not None}


def write(
    database: sqlite3.Connection, sent: Mapping[str, Row], notes: Mapping[str, Unfinished], over: Iterable[str]
) -> None:
    """Write all this in one durable transaction; ``over`` are paths whose unfinished upload is forgotten."""
    with database:
        _insert(database, sent.items())
        texts = ((path, *to_text(path, unfinished)) for path, unfinished in notes.items())
        database.executemany("INSERT OR REPLACE INTO unfinished VALUES (?,?,?)", texts)
        database.executemany("DELETE FROM unfinished WHERE path = ?", ((path,) for path in over))
        # SQLite would take another ledger's log for this one's: this page, which says whose it is, must be in each.
        set_meta(database, "written", datetime.now(UTC).isoformat())


def meta(database: sqlite3.Connection, name: str) -> str | None:
    """What is kept under this name."""
    found = database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if found is None else str(found[0])


def set_meta(database: sqlite3.Connection, name: str, value: str) -> None:
    """Keep this under a name; part of the caller's transaction."""
    database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _select(database: sqlite3.Connection, columns: str, paths: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    ordered = sorted(paths)  # as they stand in the database, so that it is gone through once
    for start in range(0, len(ordered), _LOOK_UP_AT_ONCE):
        some = ordered[start : start + _LOOK_UP_AT_ONCE]
        places = ",".join("?" * len(some))
        yield from database.execute(f"SELECT {columns} FROM file WHERE path IN ({places})", some)


def _insert(database: sqlite3.Connection, rows: Iterable[tuple[str, Row]]) -> int:
    now = time.time()
    values = ((path, *row.stat, row.state, row.sha512, row.upload_id, now) for path, row in rows)
    return database.executemany("INSERT OR REPLACE INTO file VALUES (?,?,?,?,?,?,?,?,?)", values).rowcount
