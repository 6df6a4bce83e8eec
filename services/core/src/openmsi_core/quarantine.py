"""What could not be used, kept for people: the bytes, where they came from and why.

One folder an entry, named after what it holds, so that reading the same record again after a restart makes no second
one. ``reason.json`` is written last: an entry without it was interrupted and will be written again.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openmsi_core.assembly import OpenFile
from openmsi_core.durable import disk_errors, sync_folder, write_file
from openmsi_core.generation import Generation
from openmsi_core.records import Record
from openmsi_core.staging import Partial

REASON = "reason.json"
CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Parked:
    """An incomplete file that waits in quarantine for the rest of its chunks."""

    content: Path
    size: int
    prefix: int
    beyond: frozenset[int]
    extents: dict[int, int]


class Quarantine:
    """The quarantine below one destination. Everything is durable on return; Retryable when the disk refuses."""

    def __init__(self, folder: Path, topic: str) -> None:
        self.folder = folder
        self._topic = topic

    def record(self, record: Record, value: bytes | None, reason: str) -> None:
        """Keep one record's key and value."""
        entry = self.folder / f"{self._topic}-{record.partition}-{record.offset}"
        with disk_errors(self.folder):
            entry.mkdir(parents=True, exist_ok=True)
            if record.key is not None:
                write_file(entry / "key", record.key)
            if value is not None:
                write_file(entry / "value", value)
            self._explain(entry, reason, {"partition": record.partition, "offset": record.offset})

    def file(self, generation: Generation, content: Path | bytes | memoryview, reason: str) -> None:
        """Keep a complete file that cannot be delivered; a staged ``content`` is moved."""
        entry = self._entry("file", generation)
        with disk_errors(self.folder):
            entry.mkdir(parents=True, exist_ok=True)
            if not isinstance(content, Path):
                write_file(entry / CONTENT, content)
            elif content.exists():  # not there when an interrupted call already moved it
                _move(content, entry / CONTENT)
            facts = {"path": generation.path.text, "sha512": generation.file_hash.hex()}
            self._explain(entry, reason, facts | {"upload": generation.upload_id})

    def park(self, file: OpenFile, partial: Partial | None, reason: str) -> None:
        """Keep what has come of a file that stopped coming; its staged bytes are moved."""
        entry = self._entry("partial", file.generation)
        with disk_errors(self.folder):
            entry.mkdir(parents=True, exist_ok=True)
            if partial is not None:
                _move(partial.path, entry / CONTENT)
            state = {
                "path": file.generation.path.text,
                "size": file.size,
                "prefix": file.prefix,
                "beyond": sorted(file.beyond),
                "extents": sorted(partial.extents.items()) if partial is not None else [],
            }
            self._explain(entry, reason, state)

    def parked(self, generation: Generation) -> Parked | None:
        """The parked part of ``generation``, if any."""
        entry = self._entry("partial", generation)
        try:
            state = json.loads((entry / REASON).read_bytes())
            parked = Parked(
                content=entry / CONTENT,
                size=state["size"],
                prefix=state["prefix"],
                beyond=frozenset(state["beyond"]),
                extents=dict(state["extents"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return parked if parked.content.exists() else None

    def unpark(self, generation: Generation) -> None:
        """The content of a parked file was taken over: remove the entry. Never raises."""
        entry = self._entry("partial", generation)
        (entry / REASON).unlink(missing_ok=True)
        entry.rmdir()

    def _entry(self, kind: str, generation: Generation) -> Path:
        identity = f"{generation.path}\n{generation.file_hash.hex()}\n{generation.total}\n{generation.upload_id}"
        return self.folder / f"{self._topic}-{kind}-{hashlib.sha256(identity.encode()).hexdigest()[:24]}"

    def _explain(self, entry: Path, reason: str, facts: dict[str, Any]) -> None:
        text = json.dumps({"topic": self._topic, "reason": reason} | facts, indent=1, ensure_ascii=False)
        write_file(entry / REASON, text.encode(errors="replace"))
        sync_folder(self.folder)


def _move(source: Path, target: Path) -> None:
    with source.open("rb+") as file:
        os.fsync(file.fileno())
    source.replace(target)
    sync_folder(target.parent)
