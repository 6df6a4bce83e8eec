"""Going through the upload folder: finds what is not known yet, and counts what is left out."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from openmsi_uploader.filters import LINK, SPECIAL, Selection, why_not_folder
from openmsi_uploader.known import Known
from openmsi_uploader.source import FileStat, stat_of

Found = tuple[str, FileStat]
"""A file's path relative to the upload folder, ``/`` between components, and what it looks like."""

_ON_WINDOWS = os.name == "nt"


@dataclass(slots=True)
class Tally:
    """What a walk came across; filled while it goes on."""

    files: int = 0
    """Wanted files, known or not."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Files and folders left out, by reason."""
    examples: dict[str, str] = field(default_factory=dict)
    """The first path left out for each reason."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Folders that could not be looked into (at most 100), with the reason."""

    def skip(self, path: str, reason: str) -> None:
        """Count a path that is left out."""
        self.skipped[reason] += 1
        self.examples.setdefault(reason, path)


def walk(root: Path, below: str, known: Known, selection: Selection, tally: Tally) -> Iterator[Found]:
    """Every wanted regular file under ``root`` / ``below`` (``""`` = all) that is not ``known``.

    Links are not followed. A folder that cannot be read is noted and passed; only trouble with the place where the
    walk begins raises OSError. Costs about 3 µs a known file; no descriptor stays open longer than the folder it is
    in takes.
    """
    folders = [below]
    while folders:
        folder = folders.pop()
        try:
            yield from _walk_folder(root, folder, known, selection, tally, folders)
        except OSError as error:
            if folder == below:
                raise
            if not isinstance(error, (FileNotFoundError, NotADirectoryError)) and len(tally.unreadable) < 100:
                tally.unreadable[folder] = error.strerror or str(error)


def _walk_folder(
    root: Path, folder: str, known: Known, selection: Selection, tally: Tally, folders: list[str]
) -> Iterator[Found]:
    prefix = f"{folder}/" if folder else ""
    with os.scandir(root / folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            if entry.is_file(follow_symlinks=False):
                try:
                    # On Windows a DirEntry knows no inode.
                    stat = stat_of(os.lstat(entry.path) if _ON_WINDOWS else entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue
                if known.has(path, stat):
                    tally.files += 1
                elif (reason := selection.why_not(path)) is None:
                    tally.files += 1
                    yield path, stat
                else:
                    tally.skip(path, reason)
            elif entry.is_dir(follow_symlinks=False):
                if (reason := why_not_folder(entry.name)) is None:
                    folders.append(path)
                else:
                    tally.skip(path, reason)
            else:
                tally.skip(path, LINK if entry.is_symlink() else SPECIAL)
