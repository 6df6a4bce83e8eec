"""What could not be used, kept for people: the bytes, where they came from and why.

One folder an entry, named after what it holds, so that reading the same record again after a restart makes no second
one. ``reason.json`` is written last: an entry without it was interrupted and will be written again.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from openmsi_core import encrypted
from openmsi_core.assembly import OpenFile
from openmsi_core.durable import disk_errors, make_folder, sync_folder, write_file
from openmsi_core.errors import StagedBytesLost
from openmsi_core.generation import Generation, Version
from openmsi_core.partial import Partial
from openmsi_core.paths import RESERVED
from openmsi_core.records import Locked, Record

REASON = "reason.json"
CONTENT = "content"
KEY = "key"
VALUE = "value"
BUCKET = "bucket"
"""File in `RESERVED` of a folder that is no destination itself: names the bucket that its files belong into."""
_LONGEST_TOPIC = 200  # of at most 249 characters, so that the names of entries stay below 255

Tell = Callable[[Path, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Parked:
    """An incomplete file that waits in quarantine for the rest of its chunks."""

    content: Path
    size: int
    prefix: int
    beyond: frozenset[int]
    extents: dict[int, int]
    logged: tuple[int, int]


class Quarantine:
    """The quarantine below destination ``root``. Everything is durable on return; Retryable when the disk refuses."""

    def __init__(
        self,
        root: Path,
        topic: str,
        tell: Tell = lambda _content, _facts: None,
        tell_undecryptable: Callable[[Locked], None] = lambda _locked: None,
    ) -> None:
        """``tell`` is called with each complete file that was put aside: its content here, and what is known of it.

        ``tell_undecryptable`` is for whoever calls `undecryptable` to call.
        """
        self._root = root
        self._tell = tell
        self.tell_undecryptable = tell_undecryptable
        self.folder = root / RESERVED / "quarantine"
        self._topic = topic
        self._stem = topic[:_LONGEST_TOPIC]

    def record(self, record: Record, value: bytes | None, reason: str) -> None:
        """Keep one record's key and value."""
        entry = self._entry_of(record)
        with disk_errors(self._root):
            make_folder(entry, self._root)
            if record.key is not None:
                write_file(entry / KEY, record.key)
            if value is not None:
                write_file(entry / VALUE, value)
            self._explain(entry, reason, {"partition": record.partition, "offset": record.offset})

    def undecryptable(self, locked: Locked, reason: str) -> None:
        """Keep a record that could not be decrypted, as the two files that OpenMSIStream makes of it."""
        record = locked.record
        entry = self._entry_of(record)
        with disk_errors(self._root):
            make_folder(entry, self._root)
            key, value = encrypted.names(self._topic, record)
            write_file(entry / key, record.key or b"")
            write_file(entry / value, locked.value)
            for other in entry.glob(f"{encrypted.BEGINNING}*"):  # by an earlier call, whose time of day was another
                if other.name not in (key, value):
                    other.unlink()
            self._explain(entry, reason, encrypted.facts(locked))

    def file(
        self,
        generation: Generation,
        content: Path | bytes | memoryview,
        partition: int,
        version: Version,
        reason: str,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Keep a complete file that cannot be delivered; a staged ``content`` is moved.

        ``partition`` is that of its last record, ``more`` is kept with the reason. Raises StagedBytesLost as well.
        """
        entry = self._entry("file", generation)
        with disk_errors(self._root):
            make_folder(entry, self._root)
            if not isinstance(content, Path):
                write_file(entry / CONTENT, content)
            elif content.exists():  # not there when an interrupted call already moved it
                _move(content, entry / CONTENT)
            facts = {"path": generation.path.text, "sha512": generation.file_hash.hex(), "upload": generation.upload_id}
            place = {"partition": partition, "offset": version.logged[1], "timestamp": version.logged[0]}
            known = facts | place | {"source": version.source, "mtime": version.mtime}
            self._explain(entry, reason, known | dict(more))
        self._tell(entry / CONTENT, known | dict(more))

    def has(self, generation: Generation, logged: tuple[int, int]) -> bool:
        """Whether the file that a record of ``generation``, read at ``logged``, belongs to is here as a whole.

        What was sent later is another try: whatever was in its way may be gone.
        """
        if not self.folder.is_dir():  # as a rule, and this is asked for every file
            return False
        entry = self._entry("file", generation)
        with disk_errors(self._root):
            try:
                state = json.loads((entry / REASON).read_bytes())
                return logged <= (state["timestamp"], state["offset"])
            except (FileNotFoundError, ValueError, LookupError, TypeError):
                return False

    def park(self, file: OpenFile, partial: Partial | None, reason: str) -> None:
        """Keep what has come of a file that stopped coming; its staged bytes are moved.

        Raises StagedBytesLost when those are gone.
        """
        entry = self._entry("partial", file.generation)
        with disk_errors(self._root):
            make_folder(entry, self._root)
            if partial is not None:
                _move(partial.path, entry / CONTENT)
                partial.path = entry / CONTENT  # for the same call again
            state = {
                "path": file.generation.path.text,
                "size": file.size,
                "prefix": file.prefix,
                "beyond": sorted(file.beyond),
                "extents": sorted(partial.extents.items()) if partial is not None else [],
                "logged": file.version.logged,
            }
            self._explain(entry, reason, state)

    def parked(self, generation: Generation) -> Parked | None:
        """The parked part of ``generation``, if any; it stays here until `unpark`."""
        entry = self._entry("partial", generation)
        with disk_errors(entry):
            if not (entry / REASON).exists() or not (entry / CONTENT).exists():
                return None
            text = (entry / REASON).read_bytes()
        try:
            state = json.loads(text)
            return Parked(
                content=entry / CONTENT,
                size=state["size"],
                prefix=state["prefix"],
                beyond=frozenset(state["beyond"]),
                extents=dict(state["extents"]),
                logged=(state["logged"][0], state["logged"][1]),
            )
        except (ValueError, LookupError, TypeError):  # not as we wrote it
            return None

    def unpark(self, generation: Generation) -> None:
        """A parked file has been delivered or dropped: remove what is left of its entry. Never raises."""
        entry = self._entry("partial", generation)
        with contextlib.suppress(OSError):
            (entry / REASON).unlink(missing_ok=True)
            (entry / CONTENT).unlink(missing_ok=True)
            entry.rmdir()

    def _entry_of(self, record: Record) -> Path:
        return self.folder / f"{self._stem}-{record.partition}-{record.offset}"

    def _entry(self, kind: str, generation: Generation) -> Path:
        identity = f"{generation.path}\n{generation.file_hash.hex()}\n{generation.total}\n{generation.upload_id}"
        return self.folder / f"{self._stem}-{kind}-{hashlib.sha256(identity.encode()).hexdigest()[:24]}"

    def _explain(self, entry: Path, reason: str, facts: dict[str, Any]) -> None:
        text = json.dumps({"topic": self._topic, "reason": reason} | facts, indent=1, ensure_ascii=False)
        write_file(entry / REASON, text.encode(errors="replace"))
        sync_folder(self.folder)


def _move(source: Path, target: Path) -> None:
    try:
        with source.open("rb+") as file:
            os.fsync(file.fileno())
    except OSError as error:  # a second fsync would succeed, but prove nothing
        raise StagedBytesLost(
            f"the staged file {source} cannot be kept ({error.strerror}), reading it again"
        ) from error
    source.replace(target)
