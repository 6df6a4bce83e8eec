"""What lies in the quarantine of an output folder, read back; see `openmsi_core.quarantine` for who writes it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from openmsi_core import encrypted
from openmsi_core.durable import this_user
from openmsi_core.errors import BadInput, ConfigError
from openmsi_core.paths import RESERVED
from openmsi_core.quarantine import BUCKET, CONTENT, KEY, REASON, VALUE

_FOLDER = "quarantine"


@checked(frozen=True)
class RecordFacts:
    """``reason.json`` of one record."""

    topic: str
    reason: str
    partition: int
    offset: int


@checked(frozen=True)
class FileFacts:
    """``reason.json`` of a complete file."""

    topic: str
    reason: str
    partition: int
    offset: int
    timestamp: int
    path: str
    sha512: Annotated[str, Field(pattern="^[0-9a-f]{128}$")]
    upload: str
    source: str | None = None
    """None = written by a version that did not note it, nor the mtime."""
    mtime: float = 0.0
    processor: str = ""
    """Whose code could not cope with it; empty = a downloader could not place it."""
    processor_version: str = ""
    traceback: str = ""


@checked(frozen=True)
class PartialFacts:
    """``reason.json`` of a file that stopped coming."""

    topic: str
    reason: str
    path: str
    size: int
    prefix: int
    beyond: list[int]


@checked(frozen=True)
class UndecryptableFacts:
    """``reason.json`` of an encrypted record that nobody gave the key of."""

    topic: str
    reason: str
    partition: int
    offset: int
    has_key: bool
    key_index: str
    headers: list[tuple[str, str | None]]


Facts = FileFacts | PartialFacts | UndecryptableFacts | RecordFacts
_FACTS = TypeAdapter[Facts](Annotated[Facts, Field(union_mode="left_to_right")])


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in quarantine."""

    folder: Path
    when: float
    """When it was put there, seconds since the epoch."""
    facts: Facts | None
    """None = no downloader wrote it, or not to its end."""
    reason: str
    size: int
    """Bytes that are kept."""

    @property
    def kind(self) -> str:
        """``file``, ``partial``, ``record`` or ``encrypted`` (record) of a downloader; ``unknown``."""
        match self.facts:
            case FileFacts():
                return "file"
            case PartialFacts():
                return "partial"
            case UndecryptableFacts():
                return "encrypted"
            case RecordFacts():
                return "record"
            case None:
                return "unknown"

    @property
    def what(self) -> str:
        """The path of the file, the place of the record, or the name of the entry."""
        match self.facts:
            case FileFacts(path=path) | PartialFacts(path=path):
                return path
            case (
                RecordFacts(partition=partition, offset=offset) | UndecryptableFacts(partition=partition, offset=offset)
            ):
                return f"partition {partition}, offset {offset}"
            case None:
                return self.folder.name

    @property
    def root(self) -> Path:
        """The output folder, or the work folder of a transfer to a bucket."""
        return self.folder.parents[2]

    @property
    def elsewhere(self) -> str | None:
        """How to bring it back when it is not just to be placed in `root`; None = it is. Raises ConfigError."""
        if isinstance(self.facts, UndecryptableFacts):
            return None  # it goes to the topic, wherever it belongs in the end
        if isinstance(self.facts, FileFacts) and self.facts.processor:
            return (
                f"the code of processor {self.facts.processor} could not cope with it: mend the code (or the file, and"
                f" send it again), then: openmsi quarantine retry --processor CODE.py {self.root}"
            )
        marker = self.root / RESERVED / BUCKET
        try:
            bucket = marker.read_text(errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(error, marker) from None
        return (
            f"it belongs into the bucket {bucket}, not into this folder: mend what the reason names, move the entry out"
            " of here, and start the transfer once with --consumer_group_id create_new, which reads it again"
        )


def entries(root: Path) -> list[Entry]:
    """All that is in the quarantine of output folder ``root``, oldest first.

    Raises BadInput when no downloader has used that folder, ConfigError when it cannot be read.
    """
    if not (root / RESERVED).is_dir():
        what = f"{root / RESERVED} is missing" if root.is_dir() else "it does not exist"
        raise BadInput(f"{root} is not the output folder of a downloader: {what}")
    try:
        found = list((root / RESERVED / _FOLDER).iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(error, root / RESERVED / _FOLDER) from None
    return sorted(_read(found), key=lambda entry: (entry.when, entry.folder))


def entry_at(folder: Path) -> Entry:
    """The entry ``folder``. Raises BadInput when there is none, ConfigError when it cannot be read."""
    folder = folder.absolute()
    if folder.parent.name != _FOLDER or folder.parent.parent.name != RESERVED:
        raise BadInput(f"{folder} is no entry of a quarantine: openmsi quarantine list FOLDER names them")
    for entry in _read([folder]):
        return entry
    raise BadInput(f"{folder} does not exist: openmsi quarantine list {folder.parents[2]} names what does")


def _read(folders: Iterable[Path]) -> Iterable[Entry]:
    """The entries that are still there when we come to them."""
    for folder in folders:
        try:
            yield _one(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unreadable(error, folder) from None


def _one(folder: Path) -> Entry:
    changed = folder.lstat().st_mtime
    if folder.is_symlink() or not folder.is_dir():
        return Entry(folder, changed, None, "no downloader has put this here", 0)
    kept = [each for each in folder.iterdir() if each.name in (CONTENT, KEY, VALUE) or encrypted.topic_in(each.name)]
    size = sum(each.stat().st_size for each in kept)
    try:
        text = (folder / REASON).read_bytes()
        changed = (folder / REASON).stat().st_mtime
    except FileNotFoundError:
        why = "is empty" if not any(folder.iterdir()) else "was not written to its end: the downloader does that again"
        return Entry(folder, changed, None, f"it {why}", size)
    try:
        facts = _FACTS.validate_python(json.loads(text))
    except (ValidationError, ValueError):
        return Entry(folder, changed, None, f"its {REASON} is not as a downloader writes it", size)
    return Entry(folder, changed, facts, facts.reason, size)


def _unreadable(error: OSError, place: Path) -> ConfigError:
    return ConfigError(f"{place} cannot be read ({error.strerror}): give {this_user()} the right to")
