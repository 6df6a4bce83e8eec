"""What half-received files stand for, noted beside their staged bytes, so that a restart need not fetch them again.

One file in the staging folder of a process. It only saves time and may be deleted whenever no receiver runs: without
it everything is read again from the committed offsets.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from openmsi_core.durable import write_file
from openmsi_core.generation import Generation, Version
from openmsi_core.paths import RelativePath

JOURNAL = "journal.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """A half-received file whose staged bytes are durable."""

    generation: Generation
    version: Version
    content: str
    """Name of its staged file, in the folder of the journal."""
    size: int
    prefix: int
    beyond: tuple[int, ...]
    extents: tuple[tuple[int, int], ...]
    """Start and end of what is staged, bytes."""
    holds: dict[int, int]
    """Partition → offset of its first record there."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a partition was read."""

    committed: int
    """The group had committed this offset."""
    done: int
    """Records below are durably done with in this destination, or in a kept file."""


@dataclass(frozen=True, slots=True)
class Journal:
    """The state of one process at one moment."""

    log: str
    """Which consumer group of which topic: `Kept` and `Reach` mean nothing in another."""
    partitions: dict[int, Reach]
    files: list[Kept]

    @property
    def mentioned(self) -> set[int]:
        """All partitions that a part of it is about."""
        return set(self.partitions).union(*(kept.holds for kept in self.files))


def save(folder: Path, journal: Journal) -> None:
    """Replace the journal of ``folder``; durable on return. Raises OSError."""
    files = [asdict(kept) | {"generation": _generation(kept), "version": _version(kept)} for kept in journal.files]
    state = {"log": journal.log, "partitions": {p: asdict(r) for p, r in journal.partitions.items()}, "files": files}
    text = json.dumps(state).encode()
    write_file(folder / JOURNAL, _sum(text) + b"\n" + text)


def write(folder: Path, journal: Journal, opened: dict[Path, int]) -> set[Path]:
    """Make staged files (path → open descriptor, closed on return) durable, then the journal that names them.

    Returns those that the disk did not keep; the journal is not written then. Blocks. Never raises.
    """
    lost = set()
    for path, file in opened.items():
        try:
            os.fsync(file)
        except OSError:
            lost.add(path)
        finally:
            os.close(file)
    if not lost:
        with contextlib.suppress(OSError):
            save(folder, journal)
    return lost


def load(folder: Path) -> Journal | None:
    """The journal of ``folder``; None when there is none, or not one as `save` wrote it (any flipped bit)."""
    try:
        sum_, _, text = (folder / JOURNAL).read_bytes().partition(b"\n")
        if sum_ != _sum(text):
            return None
        state = json.loads(text)
        partitions = {int(p): Reach(**reach) for p, reach in state["partitions"].items()}
        return Journal(state["log"], partitions, [_kept(each) for each in state["files"]])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def clear(folder: Path, journal: Journal, taken: Collection[int]) -> None:
    """Remove what is left of a dead process' folder, unless a part of it is for the reader of other partitions."""
    if all(
        partition in taken for kept in journal.files for partition in kept.holds if (folder / kept.content).exists()
    ):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        for kept in journal.files:
            if any(partition in taken for partition in kept.holds):
                with contextlib.suppress(OSError):
                    (folder / kept.content).unlink(missing_ok=True)


def _sum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


def _generation(kept: Kept) -> dict[str, Any]:
    each = kept.generation
    return {
        "path": each.path.text,
        "file_hash": each.file_hash.hex(),
        "total": each.total,
        "upload_id": each.upload_id,
    }


def _version(kept: Kept) -> dict[str, Any]:
    return asdict(kept.version) | {"file_hash": kept.version.file_hash.hex()}


def _kept(state: dict[str, Any]) -> Kept:
    generation, version = state["generation"], state["version"]
    path, file_hash = RelativePath.parse(generation["path"]), bytes.fromhex(generation["file_hash"])
    logged = (version["logged"][0], version["logged"][1])
    return Kept(
        Generation(path, file_hash, generation["total"], generation["upload_id"]),
        Version(**version | {"file_hash": bytes.fromhex(version["file_hash"]), "logged": logged}),
        content=state["content"],
        size=state["size"],
        prefix=state["prefix"],
        beyond=tuple(state["beyond"]),
        extents=tuple((start, end) for start, end in state["extents"]),
        holds={int(partition): offset for partition, offset in state["holds"].items()},
    )
