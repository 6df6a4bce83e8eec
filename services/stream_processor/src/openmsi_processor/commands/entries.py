"""Files in quarantine that user code could not cope with, as they lie there; see `openmsi_core.quarantine`."""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from openmsi_core.durable import disk_errors, in_words, sync_folder, write_file
from openmsi_core.errors import BadInput, ConfigError
from openmsi_core.generation import Version
from openmsi_core.paths import RESERVED
from openmsi_core.quarantine import CONTENT, REASON

_FOLDER = "quarantine"
_TRYING = "trying.json"


@dataclass(frozen=True, slots=True)
class Facts:
    """``reason.json``, as far as it matters here."""

    topic: str
    path: str
    sha512: str
    upload: str
    source: str
    mtime: float
    timestamp: int
    partition: int
    offset: int
    processor: str


@dataclass(frozen=True, slots=True)
class Trying:
    """Where a result may be that was written before a call was killed."""

    topic: str
    ends: dict[int, int]
    """Where its partitions ended before."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file."""

    folder: Path
    facts: Facts

    @property
    def root(self) -> Path:
        """The output folder."""
        return self.folder.parents[2]

    @property
    def topic(self) -> str:
        """Where it came from."""
        return self.facts.topic

    @property
    def path(self) -> str:
        """Its path in the topic."""
        return self.facts.path

    @property
    def processor(self) -> str:
        """Whose code could not cope with it."""
        return self.facts.processor

    @property
    def content(self) -> Path:
        """Its bytes."""
        return self.folder / CONTENT

    @property
    def version(self) -> Version:
        """What it is. Raises ValueError."""
        facts = self.facts
        logged = facts.timestamp, facts.offset
        return Version(bytes.fromhex(facts.sha512), facts.upload, facts.source, facts.mtime, logged)

    @property
    def made(self) -> tuple[str, str, str]:
        """What the headers of its result say that it was made of."""
        return self.facts.path, self.facts.sha512, self.facts.upload

    def trying(self) -> Trying | None:
        """What an earlier call has noted before it could write a result. Raises Retryable."""
        with disk_errors(self.folder):
            try:
                return _TRYING_FACTS.validate_json((self.folder / _TRYING).read_bytes())
            except (FileNotFoundError, ValidationError):
                return None

    def note(self, trying: Trying) -> None:
        """Keep that from now on a result may be written; durable on return. Raises Retryable."""
        with disk_errors(self.folder):
            write_file(self.folder / _TRYING, _TRYING_FACTS.dump_json(trying))

    def failed(self, reason: str, facts: Mapping[str, str]) -> None:
        """Keep why it failed this time, when nothing of it was written. Raises Retryable."""
        with disk_errors(self.folder):
            known = json.loads((self.folder / REASON).read_bytes()) | {"reason": reason} | dict(facts)
            text = json.dumps(known, indent=1, ensure_ascii=False)
            write_file(self.folder / REASON, text.encode(errors="replace"))
            (self.folder / _TRYING).unlink(missing_ok=True)

    def remove(self, scratch: Path) -> None:
        """Take it out of quarantine, in one step. ``scratch`` is on the same disk. Raises Retryable."""
        with disk_errors(self.folder):
            gone = scratch / self.folder.name
            self.folder.rename(gone)
            sync_folder(self.folder.parent)
        shutil.rmtree(gone, ignore_errors=True)


_FACTS = TypeAdapter(Facts)
_TRYING_FACTS = TypeAdapter(Trying)


def entries(place: Path) -> list[Entry]:
    """The files in an output folder, or in one entry, in the order of the log.

    Raises BadInput when ``place`` is neither, ConfigError when it cannot be read.
    """
    place = place.absolute()
    try:
        if place.parent.name == _FOLDER and place.parents[1].name == RESERVED:
            found = list(_read(place))
        elif (place / RESERVED).is_dir():
            folder = place / RESERVED / _FOLDER
            found = [entry for each in (folder.iterdir() if folder.is_dir() else ()) for entry in _read(each)]
        else:
            raise BadInput(f"{place} is no output folder of a processor: there is no {RESERVED} in it")
    except OSError as error:
        raise ConfigError(in_words(error, place)) from None
    return sorted(found, key=lambda entry: (entry.facts.timestamp, entry.facts.partition, entry.facts.offset))


def _read(folder: Path) -> Iterator[Entry]:
    """What no processor has put there is left to `openmsi quarantine list`."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValidationError):
        yield Entry(folder, _FACTS.validate_json((folder / REASON).read_bytes()))
