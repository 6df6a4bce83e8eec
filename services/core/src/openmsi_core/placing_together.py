"""How complete files get their names in a folder: many at once cost the disk little more than one.

Each step is done for the whole group before the next one:

1. Each is judged against what is in place, and is there under a hidden name: nothing is visible. The kernel begins to
   write it.
2. Each is synced: the first sync writes the metadata of all, so that its wait is long and the others are short.
3. Each gets its name, if what is in place is still what it was judged against.
4. Each folder is synced, once: now they are durable under their names, and are reported.

After ``kill -9`` some of them are in place, each whole, and none was reported: all are read again, and recognised.
"""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from openmsi_core.durable import CREATE, REOPEN, begin_writing, disk_errors, in_words, write_all
from openmsi_core.errors import OpenMSIError, Retryable, StagedBytesLost
from openmsi_core.generation import Verdict, Version
from openmsi_core.parents import Parent, Parents
from openmsi_core.paths import RelativePath
from openmsi_core.placing import Folder, Glance

Compare = Callable[[RelativePath, Version, int], Verdict]
"""The verdict on a version of so many bytes where another file is in place."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A verified file that is to get the name ``path``."""

    path: RelativePath
    version: Version
    size: int
    content: bytes | memoryview | Path
    """Its bytes, or where they are staged on the file system of the folder."""


@dataclass(slots=True, eq=False)
class _Item:
    candidate: Candidate
    seen: Glance | None = None
    """What was in place when it was judged."""
    staged: str = ""
    fd: int | None = None
    parent: Parent | None = None
    """Whose names must be made durable for it."""
    ending: Verdict | Exception | None = None


class Placing:
    """Places files in ``folder``; those that are not staged yet are staged in ``scratch``. Safe for several threads."""

    def __init__(self, folder: Folder, scratch: Path, compare: Compare) -> None:
        self._folder = folder
        self._compare = compare
        self._scratch = f"{scratch}{os.sep}{uuid4().hex}-"
        self._serial = itertools.count()

    def place(self, candidates: Sequence[Candidate]) -> list[Verdict | Exception]:
        """What became of each of ``candidates``, whose paths differ: its verdict, or why it was not placed.

        With a verdict, it or the file that wins is durable under its name. A staged file is gone when its verdict is
        NEWER, and still there otherwise. Blocks on the disk. The reasons: BadFile, StagedBytesLost, Retryable.
        """
        items = [_Item(candidate) for candidate in candidates]
        parents = Parents(self._folder.root)
        try:
            self._each(items, lambda item: self._judge(item, parents))
            self._each(items, self._stage)
            self._each(items, self._sync)
            self._each(items, lambda item: self._name(item, parents))
            self._finish(items)
        finally:
            for item in items:
                _clear(item)
            parents.close()
        return [item.ending or Verdict.NEWER for item in items]

    def _each(self, items: Iterable[_Item], step: Callable[[_Item], None]) -> None:
        for item in items:
            if item.ending is None:
                try:
                    step(item)
                except OSError as error:
                    item.ending = Retryable(in_words(error, self._folder.root))
                except OpenMSIError as error:
                    item.ending = error

    def _judge(self, item: _Item, parents: Parents) -> None:
        candidate = item.candidate
        parent = parents.find(candidate.path)
        item.seen = None if parent is None else self._folder.glance(parent, candidate.path)
        if item.seen is not None:
            verdict = self._compare(candidate.path, candidate.version, candidate.size)
            if verdict is not Verdict.NEWER:
                item.parent, item.ending = parent, verdict

    def _stage(self, item: _Item) -> None:
        content = item.candidate.content
        if isinstance(content, Path):
            try:
                item.fd = os.open(content, REOPEN)
            except FileNotFoundError:
                raise StagedBytesLost(f"the staged file {content} was removed, reading it again") from None
            item.staged = str(content)
        else:
            item.staged = f"{self._scratch}{next(self._serial):x}"
            item.fd = os.open(item.staged, CREATE, 0o666)
            write_all(item.fd, content, 0)
            begin_writing(item.fd)
        self._folder.describe(item.fd, item.staged, item.candidate.version)

    def _sync(self, item: _Item) -> None:
        assert item.fd is not None
        self._folder.sync_content(item.fd)
        fd, item.fd = item.fd, None
        os.close(fd)

    def _name(self, item: _Item, parents: Parents) -> None:
        candidate = item.candidate
        parent = parents.find_or_make(candidate.path)
        with self._folder.turns.take(candidate.path):
            if self._folder.glance(parent, candidate.path) != item.seen:  # another process was here meanwhile
                verdict = self._compare(candidate.path, candidate.version, candidate.size)
                if verdict is not Verdict.NEWER:
                    item.parent, item.ending = parent, verdict
                    return
            self._folder.rename(item.staged, parent, candidate.path)
        item.staged, item.parent = "", parent

    def _finish(self, items: Sequence[_Item]) -> None:
        """Make all names durable."""
        for parent in {id(item.parent): item.parent for item in items if item.parent is not None}.values():
            try:
                with disk_errors(self._folder.root):
                    parent.sync()
                    parent.check_place()
            except Retryable as error:
                for item in items:
                    if item.parent is parent:
                        item.ending = error


def _clear(item: _Item) -> None:
    if item.fd is not None:
        os.close(item.fd)
    if item.staged and not isinstance(item.candidate.content, Path):
        with contextlib.suppress(OSError):
            Path(item.staged).unlink(missing_ok=True)
