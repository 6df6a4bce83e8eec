"""Which version of each path has been processed, so that a file that is sent again is not processed again.

An SQLite file in the state folder, which the processes of one group on this machine share. It says of a file "pending"
before its result is committed, and "done" after; what is pending when its writer has died is decided by its offset,
which was committed in the same transaction or not at all.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator

from openmsi_core.errors import ConfigError, Retryable
from openmsi_core.generation import Version
from openmsi_core.paths import RelativePath

_TABLE = """
CREATE TABLE IF NOT EXISTS processed (
    log TEXT NOT NULL, path TEXT NOT NULL, sha512 BLOB NOT NULL, upload TEXT NOT NULL, source TEXT NOT NULL,
    mtime REAL NOT NULL, timestamp INTEGER NOT NULL, offset INTEGER NOT NULL, partition INTEGER NOT NULL,
    done INTEGER NOT NULL, PRIMARY KEY (log, path)
) WITHOUT ROWID
"""
_FLUSH_SECONDS = 0.1
_WAIT_SECONDS = 10.0


class Processed:
    """What was processed of one ``log`` (a topic, by a group). Safe for use by several threads."""

    def __init__(self, file: str, log: str, is_done: Callable[[int, int], bool] | None) -> None:
        """``file`` is a path, or ``:memory:``.

        ``is_done`` says of a partition and an offset whether it is committed; None = nothing is ever pending.

        Raises ConfigError when the file cannot be used.
        """
        self._log = log
        self._is_done = is_done
        self._lock = threading.Lock()
        self._noted: dict[str, tuple[Version, int]] = {}
        self._pending: dict[str, tuple[Version, int]] = {}
        self._flushed = time.monotonic()
        try:
            self._database = sqlite3.connect(file, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(_TABLE)
        except sqlite3.Error as error:
            raise ConfigError(
                f"{file} cannot be used ({error}): delete it, or name another folder with --state_dir"
            ) from None

    def version(self, path: RelativePath) -> Version | None:
        """What was processed last of ``path``, or is just being committed. Raises Retryable."""
        with self._lock, _errors():
            ours = self._noted.get(path.text) or self._pending.get(path.text)
            if ours is not None:
                return ours[0]
            found = self._row(path)
            return found[0] if found and found[2] else None

    def settle(self, path: RelativePath) -> Version | None:
        """As `version`, and decides what a process that has died left pending. For the receiver's thread."""
        with self._lock, _errors():
            ours = self._noted.get(path.text) or self._pending.get(path.text)
            if ours is not None:
                return ours[0]
            found = self._row(path)
            if found is None:
                return None
            version, partition, done = found
            if done:
                return version
            if self._is_done is not None and self._is_done(partition, version.logged[1]):
                self._database.execute(
                    "UPDATE processed SET done = 1 WHERE log = ? AND path = ?", (self._log, path.text)
                )
                return version
            return None

    def note(self, path: RelativePath, version: Version, partition: int) -> None:
        """``version`` has been processed, and where there is a result, it is in the transaction that is open."""
        with self._lock:
            self._noted[path.text] = version, partition
        if self._is_done is None and time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Before a commit: keep what was noted, as pending. Raises Retryable."""
        with self._lock, _errors():
            self._flushed = time.monotonic()
            noted, self._noted = self._noted, {}
            self._pending |= noted
            if not noted:
                return
            rows = [
                (self._log, path, v.file_hash, v.upload_id, v.source, v.mtime, *v.logged, partition)
                for path, (v, partition) in noted.items()
            ]
            done = 1 if self._is_done is None else 0
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(
                f"INSERT OR REPLACE INTO processed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, {done})", rows
            )
            self._database.execute("COMMIT")
            if self._is_done is None:
                self._pending.clear()

    def confirm(self) -> None:
        """After a commit: all that is pending is done. Never raises: the offsets say so, too."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            pending, self._pending = self._pending, {}
            if pending:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.executemany(
                    "UPDATE processed SET done = 1 WHERE log = ? AND path = ?", [(self._log, path) for path in pending]
                )
                self._database.execute("COMMIT")

    def close(self) -> None:
        """Keep what was noted if nothing of it waits for a commit. Never raises."""
        if self._is_done is None:
            with contextlib.suppress(Retryable):
                self.flush()
        self._database.close()

    def _row(self, path: RelativePath) -> tuple[Version, int, bool] | None:
        row = self._database.execute(
            "SELECT sha512, upload, source, mtime, timestamp, offset, partition, done FROM processed"
            " WHERE log = ? AND path = ?",
            (self._log, path.text),
        ).fetchone()
        if row is None:
            return None
        return Version(row[0], row[1], row[2], row[3], (row[4], row[5])), row[6], bool(row[7])


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Retryable(f"what was processed cannot be kept: {error}") from None
