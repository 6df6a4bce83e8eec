"""Bringing back what is in quarantine.

A complete file: its bytes are here, and what was in its way may be gone. It is placed as a downloader places it, also
while one runs, by one rename out of its entry; then the entry is removed. So after ``kill -9`` at any step there is the
entry with its content, or the file under its name; what is left of the entry is recognised by the next call.

An encrypted record is written to its topic again (`send_again`), and once the brokers have it the entry is removed.
``kill -9`` between the two makes it come twice, which receivers know.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openmsi_admin.quarantine_entries import Entry, FileFacts, PartialFacts, RecordFacts, UndecryptableFacts
from openmsi_admin.send_again import Kept, kept_in, send_again
from openmsi_core import encrypted
from openmsi_core.chunk import Chunk, decode_value
from openmsi_core.durable import check_owner, disk_errors, sha512_of
from openmsi_core.encryption.cipher import is_encrypted
from openmsi_core.errors import BadFile, Retryable, StagedBytesLost
from openmsi_core.folder_destination import FolderDestination
from openmsi_core.generation import Generation, Verdict, Version
from openmsi_core.paths import RelativePath
from openmsi_core.placing import Folder
from openmsi_core.quarantine import CONTENT, KEY, REASON, VALUE
from openmsi_core.staging_folder import StagingFolder
from openmsi_core.status import size

AGAIN = "a downloader with --consumer_group_id create_new reads the topic again, and skips what is in place"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one entry, in words."""

    done: bool
    """It is no longer needed, and gone."""
    text: str


def retry(entry: Entry) -> Outcome:
    """Bring back what ``entry`` keeps, if that can be; for encrypted records there is `retry_encrypted`.

    On return the file is durable under its name and the entry is gone, or the entry is as it was. Blocks while the
    file is read. Raises ConfigError when this user must not, or when the folder cannot be written.
    """
    if entry.elsewhere:
        return Outcome(False, entry.elsewhere)
    try:
        match entry.facts:
            case FileFacts() as facts:
                return _retry_file(entry, facts)
            case RecordFacts():
                return _retry_record(entry)
            case PartialFacts():
                return Outcome(False, "it goes on by itself when the rest of its chunks comes: send the file again")
            case UndecryptableFacts() | None:
                with contextlib.suppress(OSError):  # only an empty folder can be removed so
                    entry.folder.rmdir()
                    return Outcome(True, "it was empty and is removed")
                return Outcome(False, entry.reason)
    except StagedBytesLost:
        return Outcome(False, f"the disk of {entry.root} did not take all of it: look at the disk, then try again")
    except (BadFile, Retryable) as error:
        return Outcome(False, str(error))


def retry_encrypted(entries: Sequence[Entry], options: Mapping[str, str]) -> Iterator[tuple[Entry, Outcome]]:
    """Bring encrypted records back to their topics; ``options`` are librdkafka's, of a producer. Blocks.

    The entry of what the brokers have is gone. Raises BrokerUnreachable and ConfigError.
    """
    found: dict[Path, tuple[Entry, Kept]] = {}
    for entry in entries:
        assert isinstance(entry.facts, UndecryptableFacts)
        try:
            kept = kept_in(entry, entry.facts)
            found[kept.key] = entry, kept
        except FileNotFoundError:
            _remove(entry, *(each.name for each in entry.folder.glob(f"{encrypted.BEGINNING}*")))
            yield entry, Outcome(True, f"{entry.what} was sent again by an earlier call; the entry is removed")
        except (BadFile, Retryable) as error:
            yield entry, Outcome(False, str(error))
    for kept, refused in send_again([kept for _, kept in found.values()], options):
        entry = found[kept.key][0]
        if refused is None:
            _remove(entry, kept.key.name, kept.value.name)
        yield entry, Outcome(refused is None, refused or f"sent {entry.what} to {kept.place} again")


def record_of(entry: Entry) -> Chunk:
    """The chunk that is in a record, decoded anew. Raises BadFile when there is none, Retryable."""
    with disk_errors(entry.folder):
        value = (entry.folder / VALUE).read_bytes() if (entry.folder / VALUE).exists() else None
    chunk = decode_value(value)
    Generation.of(chunk, None)
    return chunk


def in_words(chunk: Chunk) -> str:
    """Which piece of which file a chunk is."""
    return f"chunk {chunk.index} of {chunk.total} of {chunk.path}"


def _retry_record(entry: Entry) -> Outcome:
    """A record is not written to the topic again: it is still there, with headers and a place that a copy has not."""
    with disk_errors(entry.folder):
        if (entry.folder / VALUE).exists() and is_encrypted((entry.folder / VALUE).read_bytes()):
            raise BadFile(f"sending it to the topic again is of no use: {entry.reason}")
    chunk = record_of(entry)
    if _is_in_place(entry.root, chunk.path, chunk.file_hash):
        _remove(entry)
        return Outcome(True, f"{chunk.path} is in place as a whole by now; the entry is removed")
    return Outcome(False, f"by itself it is good, {in_words(chunk)}: {AGAIN}")


def _retry_file(entry: Entry, facts: FileFacts) -> Outcome:
    path, content = RelativePath.parse(facts.path), entry.folder / CONTENT
    logged = (facts.timestamp, facts.offset)
    version = Version(bytes.fromhex(facts.sha512), facts.upload, facts.source or "", facts.mtime, logged)
    if _is_in_place(entry.root, path, version.file_hash):  # also after a call that was killed before its end
        _remove(entry)
        return Outcome(True, f"{path} is in place already; the entry is removed")
    with disk_errors(entry.folder):
        if not content.exists():
            raise BadFile("its content is gone, and the file is not in place: send it again")
        if sha512_of(content) != version.file_hash:
            raise BadFile("its content does not have the SHA-512 that its sender gave: send the file again")
    with _destination(entry) as (folder, destination):
        if destination.compare(path, version, entry.size) is Verdict.OLDER:
            return Outcome(
                False, f"a newer version of {path} is in place: delete the entry if you do not need this one"
            )
        if facts.source is None and folder.version(path, entry.size) is not None:
            # The entry does not say by whom and of when it is, so that nothing tells for certain which one is newer.
            raise BadFile(f"another version of {path} is in place: move that one away if you want this one")
        if destination.place(content, path, version, entry.size) is not Verdict.NEWER:
            raise Retryable(f"another version of {path} has just been placed")
    _remove(entry)
    return Outcome(True, f"placed {path} ({size(entry.size)})")


def _is_in_place(root: Path, path: RelativePath, file_hash: bytes) -> bool:
    """Whether a file with just this content is there, whatever its marks say: the entry may be the last good copy."""
    folder = Folder(root)
    try:
        if folder.version(path, None) is None:
            return False
    except BadFile:
        return False
    with disk_errors(root):
        return sha512_of(root / path.text) == file_hash


@contextlib.contextmanager
def _destination(entry: Entry) -> Iterator[tuple[Folder, FolderDestination]]:
    """The output folder, as a downloader has it."""
    check_owner(entry.folder, "the downloader")
    staging, folder = StagingFolder(entry.root), Folder(entry.root)
    try:
        staging.start()
        folder.check(staging.path)
        yield folder, FolderDestination(folder, staging.path)
    finally:
        staging.close()


def _remove(entry: Entry, *more: str) -> None:
    """Remove an entry that is no longer needed. Never raises: what is left is recognised by the next call."""
    with contextlib.suppress(OSError):
        for name in (CONTENT, KEY, VALUE, *more, REASON):
            (entry.folder / name).unlink(missing_ok=True)
        entry.folder.rmdir()
