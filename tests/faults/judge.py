"""Holds what appears at the destinations against what the sources owe.

Every content a source settles on is an *obligation*. While faults run, a watcher looks at every destination without
pause: a file under its final name with a content that is no legitimate generation of that path is a failure at that
instant. When all is over, `settle` waits until the newest generation of everything is in place and nothing else is.

::

    judge = Judge([out])            # one consumer group that writes to `out`; several folders of one group: [a, b]
    with judge:                     # watches while inside
        judge.owe("run/1.dat", content)          # the next generation of this path; the newest must arrive
        judge.allow("run/1.dat", passing)        # may appear, need not (the source passed through it)
        judge.release("run/1.dat")               # nothing is owed any more (deleted before it could be sent)
        ... faults ...
        judge.settle(seconds=60)                 # blocks; AssertionError says what is wrong
"""

import hashlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from openmsi_core.paths import RESERVED

_PAUSE_SECONDS = 0.02
_READ_BYTES = 1 << 20

Digest = bytes
Look = tuple[int, int, int]
"""What tells one placing of a file from the next: inode, size, mtime (ns)."""


def digest_of(content: bytes) -> Digest:
    """How contents are told apart."""
    return hashlib.sha512(content).digest()


class Judge:
    """Of one route: several sources may owe, ``folders`` are the destinations of one consumer group.

    Names in which ``passing_over`` is found are somebody else's.
    """

    def __init__(self, folders: Sequence[Path], passing_over: str = "\0") -> None:
        self._folders = list(folders)
        self._passing_over = passing_over
        self._lock = threading.Lock()
        self._owed: dict[str, Digest] = {}
        self._legitimate: dict[str, list[Digest]] = defaultdict(list)
        self._seen: dict[tuple[Path, str], tuple[Look, Digest]] = {}
        self._gone: dict[tuple[Path, str], Look] = {}
        self._placings: dict[tuple[Path, str], list[Digest]] = defaultdict(list)
        self._wrong: list[str] = []
        self._strange: dict[tuple[str, Digest], str] = {}
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="judge", daemon=True)
        self.looks = 0
        """How often the watcher has gone through all destinations."""

    def __enter__(self) -> "Judge":
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watcher.join()

    @property
    def obligations(self) -> int:
        """How many paths are owed."""
        with self._lock:
            return len(self._owed)

    def owe(self, path: str, content: bytes) -> None:
        """``content`` is now the newest of ``path``; only its SHA-512 is kept. Say so before writing it."""
        digest = digest_of(content)
        with self._lock:
            self._owed[path] = digest
            self._legitimate[path].append(digest)

    def allow(self, path: str, content: bytes) -> None:
        """``content`` was there for a moment: it may be delivered, and what is owed stays owed.

        May be said afterwards: only then does a writer know how long something stood still.
        """
        digest = digest_of(content)
        with self._lock:
            self._legitimate[path].append(digest)
            self._strange.pop((path, digest), None)

    def release(self, path: str) -> None:
        """Nothing is owed of ``path`` any more; what was legitimate stays so."""
        with self._lock:
            self._owed.pop(path, None)

    def check(self) -> None:
        """Fail at once with all that was seen to be wrong so far."""
        with self._lock:
            wrong = [*self._strange.values(), *self._wrong]
        assert not wrong, "\n".join(wrong[:20])

    def settle(self, seconds: float = 60.0) -> None:
        """Wait until every obligation is met, then look at everything once more and at what is left in staging.

        Raises AssertionError: lost, stale, invented, mixed, placed twice, or left behind.
        """
        until = time.monotonic() + seconds
        while missing := self._missing():
            self.check()
            if time.monotonic() > until:
                raise AssertionError(f"not delivered within {seconds:g} s: {len(missing)}, such as {missing[:10]}")
            time.sleep(0.05)
        while left := self.staged():
            if time.monotonic() > until:
                raise AssertionError(f"left in staging: {left[:10]}")
            time.sleep(0.1)
        self._look_everywhere()
        self.check()
        missing = self._missing()
        assert not missing, f"was in place, and is not any more: {missing[:10]}"

    def staged(self) -> list[Path]:
        """Files that wait in staging."""
        found = [path for folder in self._folders for path in (folder / RESERVED / "staging").glob("*/*")]
        return [path for path in found if path.name not in ("lock", "journal.json")]

    def _missing(self) -> list[str]:
        with self._lock:
            owed = dict(self._owed)
            there = {(path, digest) for (_, path), (_, digest) in self._seen.items()}
        return [path for path, digest in owed.items() if (path, digest) not in there]

    def _watch(self) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            self._look_everywhere()

    def _look_everywhere(self) -> None:
        for folder in self._folders:
            found = set()
            for path, entry in _files(folder):
                if self._passing_over in path:
                    continue
                found.add(path)
                self._look(folder, path, entry)
            with self._lock:
                for key in [key for key in self._seen if key[0] == folder and key[1] not in found]:
                    self._gone[key] = self._seen.pop(key)[0]
        self.looks += 1

    def _look(self, folder: Path, path: str, entry: os.DirEntry[str]) -> None:
        try:
            stat = entry.stat(follow_symlinks=False)
            known = self._seen.get((folder, path))
            if known is not None and known[0] == (stat.st_ino, stat.st_size, stat.st_mtime_ns):
                return
            with Path(entry.path).open("rb") as file:  # pins one placing: what is read is never two of them
                opened = os.fstat(file.fileno())
                look = (opened.st_ino, opened.st_size, opened.st_mtime_ns)
                digest = hashlib.file_digest(file, "sha512").digest()
        except OSError:
            return  # gone, or a fault that is under way
        with self._lock:
            known = self._seen.get((folder, path))  # again: `settle` looks beside the watcher
            self._seen[folder, path] = look, digest
            before = known[0] if known is not None else self._gone.get((folder, path))
            if before is None or before[0] != look[0]:  # the same file may come back, with a folder or a disk
                self._placings[folder, path].append(digest)
            self._hold_against(folder, path, digest)

    def _hold_against(self, folder: Path, path: str, digest: Digest) -> None:
        legitimate = self._legitimate.get(path, [])
        if digest not in legitimate:
            kind = "no source has this path" if not legitimate else "no generation has this content"
            self._strange[path, digest] = f"{folder / path}: {kind} (seen at {time.monotonic():.2f})"
        elif self._placings[folder, path].count(digest) > legitimate.count(digest):
            self._wrong.append(f"{folder / path}: placed again with the same content")


def _files(folder: Path) -> list[tuple[str, "os.DirEntry[str]"]]:
    found, waiting = [], [(str(folder), "")]
    while waiting:
        where, prefix = waiting.pop()
        try:
            with os.scandir(where) as entries:
                for entry in entries:
                    if not prefix and entry.name == RESERVED:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, f"{prefix}{entry.name}/"))
                    elif entry.is_file(follow_symlinks=False):
                        found.append((prefix + entry.name, entry))
        except OSError:
            continue
    return found
