"""Which version of each path has been processed, so that a file that is sent again is not processed again.

An SQLite file in the state folder, which the processes of one group on this machine share. Of a file with a result it
says "pending" before the commit and "done" after it. What is pending when its process has died is decided by who reads
the partition next, before anything of it is read: its offset was committed in the same transaction, or not at all. Who
was thought dead and wakes up can write nothing more.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator
from uuid import uuid4

from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import ConfigError, Retryable, Undone
from openmsi_core.generation import Version
from openmsi_core.paths import RelativePath

_TABLES = """
CREATE TABLE IF NOT EXISTS readers (
    log TEXT NOT NULL, partition INTEGER NOT NULL, reader TEXT NOT NULL, PRIMARY KEY (log, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS processed (
    log TEXT NOT NULL, path TEXT NOT NULL, done INTEGER NOT NULL,
    sha512 BLOB NOT NULL, upload TEXT NOT NULL, source TEXT NOT NULL, mtime REAL NOT NULL, time INTEGER NOT NULL,
    newest INTEGER NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, PRIMARY KEY (log, path, done)
) WITHOUT ROWID;
PRAGMA user_version = 1
"""
_PENDING, _DONE = 0, 1
_VERSION = "sha512, upload, source, mtime, time, newest"
_THIS = "log = ? AND path = ? AND done = 0 AND partition = ? AND offset = ?"
_INSERT = "INSERT OR REPLACE INTO processed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_WAIT_SECONDS = 5.0
_USELESS = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA}

_Row = tuple[str, str, int, bytes, str, str, float, int, int, int, int]


class Processed:
    """What was processed of one ``log`` (a topic, by a group). Safe for use by several threads."""

    def __init__(self, file: str, log: str) -> None:
        """``file`` is a path, or ``:memory:``. Nothing is opened before `begin`."""
        self._file = file
        self._log = log
        self._lock = threading.Lock()
        self._noted: dict[str, _Row] = {}
        """Written in the transaction that is open."""
        self._pending: dict[str, _Row] = {}
        """Being committed, or committed."""
        self._claimed: set[int] = set()
        """Partitions of which nobody writes but who is called `_name`."""
        self._name = ""
        self._database: sqlite3.Connection | None = None

    def begin(self) -> None:
        """Forget what waits for a commit: there will be none. Blocks for some seconds at most.

        Raises ConfigError when the file cannot be used, and Undone when the disk refuses to write.
        """
        with self._lock:
            self._noted, self._pending, self._claimed, self._name = {}, {}, set(), uuid4().hex
            try:
                if self._database is None:
                    self._database = sqlite3.connect(
                        self._file, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
                    )
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = NORMAL")
                self._database.executescript(_TABLES)  # writes, also when they are there: before work is done in vain
            except sqlite3.Error as error:
                if error.sqlite_errorcode & 0xFF not in _USELESS:
                    raise Undone(_refused(error)) from None
                raise ConfigError(
                    f"{self._file} cannot be used ({error}): delete it, or name another folder with --state_dir"
                ) from None

    def version(self, path: RelativePath) -> Version | None:
        """What was processed last of ``path``, or is just being committed. Raises Retryable."""
        with self._lock, _errors():
            ours = self._noted.get(path.text) or self._pending.get(path.text)
            return _version(ours[3:9]) if ours else self._done(path.text)

    def note(self, file: CompleteFile) -> None:
        """``file`` has been processed, and its result is in the transaction that is open. Never raises."""
        with self._lock:
            self._noted[file.generation.path.text] = self._row(file, _PENDING)

    def record(self, file: CompleteFile) -> None:
        """``file`` has been processed, and there is nothing to commit. Raises Retryable."""
        row = self._row(file, _DONE)
        with self._lock, self._writing([row]) as database:
            database.execute(_INSERT, row)

    def settle(self, partitions: Collection[int], is_done: Callable[[int, int], bool]) -> None:
        """As `Memory.settle`."""
        with self._lock, self._writing([]) as database:
            ours = [(self._log, partition, self._name) for partition in partitions]
            database.executemany("INSERT OR REPLACE INTO readers VALUES (?, ?, ?)", ours)
            self._claimed |= set(partitions)
            pending = database.execute("SELECT * FROM processed WHERE log = ? AND done = 0", (self._log,)).fetchall()
            for row in pending:
                path, partition, offset = row[1], row[9], row[10]
                if partition in partitions:
                    if is_done(partition, offset):
                        database.execute(_INSERT, (*row[:2], _DONE, *row[3:]))
                    database.execute(f"DELETE FROM processed WHERE {_THIS}", (self._log, path, partition, offset))

    def flush(self) -> None:
        """As `Memory.flush`: keep what was noted, as pending."""
        with self._lock:
            if self._noted:
                with self._writing(self._noted.values()) as database:
                    database.executemany(_INSERT, list(self._noted.values()))
            self._pending |= self._noted
            self._noted = {}

    def confirm(self) -> None:
        """As `Memory.confirm`. Never raises: the offsets say the same, and the next call tries again."""
        with self._lock, contextlib.suppress(Retryable):
            if not self._pending:
                return
            ours = [(row[0], row[1], row[9], row[10]) for row in self._pending.values()]
            with self._writing([]) as database:  # unless another process has decided them meanwhile
                done = f"SELECT log, path, 1, {_VERSION}, partition, offset FROM processed WHERE {_THIS}"
                database.executemany(f"INSERT OR REPLACE INTO processed {done}", ours)
                database.executemany(f"DELETE FROM processed WHERE {_THIS}", ours)
            self._pending = {}

    def close(self) -> None:
        """Never raises."""
        if self._database is not None:
            self._database.close()

    def _row(self, file: CompleteFile, done: int) -> _Row:
        version, path = file.version, file.generation.path.text
        known = version.file_hash, version.upload_id, version.source, version.mtime, *version.logged
        return self._log, path, done, *known, file.partition, file.offset

    def _done(self, path: str) -> Version | None:
        assert self._database is not None
        asked = f"SELECT {_VERSION} FROM processed WHERE log = ? AND path = ? AND done = 1"
        row = self._database.execute(asked, (self._log, path)).fetchone()
        return _version(row) if row else None

    @contextlib.contextmanager
    def _writing(self, rows: Collection[_Row]) -> Iterator[sqlite3.Connection]:
        """Write ``rows`` and more, or nothing. Raises Retryable, also when another process reads their partitions."""
        database = self._database
        assert database is not None
        with _errors():
            database.execute("BEGIN IMMEDIATE")
            try:
                asked = "SELECT partition FROM readers WHERE log = ? AND reader <> ?"
                others = {row[0] for row in database.execute(asked, (self._log, self._name)).fetchall()}
                if self._claimed and not others.isdisjoint(row[9] for row in rows):
                    raise Retryable("another process of the group reads the same partitions by now")
                yield database
                database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # SQLite may have done so itself
                    database.execute("ROLLBACK")
                raise


def _version(fields: tuple[bytes, str, str, float, int, int]) -> Version:
    file_hash, upload, source, mtime, time, newest = fields
    return Version(file_hash, upload, source, mtime, (time, newest))


def _refused(error: sqlite3.Error) -> str:
    return f"what was processed cannot be kept in the state folder: {error}"


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Retryable(_refused(error)) from None
