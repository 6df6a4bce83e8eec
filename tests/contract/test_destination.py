"""What every destination promises the receiver: the one in memory that unit tests use, real folders, buckets."""

import dataclasses
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest
from xxhash import xxh3_128

from openmsi_core.deliveries import CompleteFile
from openmsi_core.destination import Destination
from openmsi_core.errors import StagedBytesLost
from openmsi_core.folder_destination import FolderDestination
from openmsi_core.generation import Generation, Verdict, Version
from openmsi_core.paths import RelativePath
from openmsi_core.placing import Folder
from openmsi_core.staging import Sealed
from openmsi_s3_transfer.bucket import Bucket
from openmsi_s3_transfer.bucket_destination import BucketDestination
from openmsi_s3_transfer.multipart import Multipart
from openmsi_s3_transfer.unfinished import Unfinished
from tests.contract.conftest import Finder, Stores
from tests.support.downloading import tree
from tests.support.receiving import MemoryDestination
from tests.support.store import Store
from tests.support.stores import KINDS


class Place(Protocol):
    """A destination, and what can be seen there."""

    destination: Destination

    def tree(self) -> Mapping[str, bytes]:
        """Path → content."""


class InMemory:
    def __init__(self) -> None:
        self._memory = MemoryDestination()
        self.destination: Destination = self._memory

    def tree(self) -> Mapping[str, bytes]:
        return self._memory.tree


class InFolder:
    def __init__(self, root: Path) -> None:
        (root / "scratch").mkdir(parents=True)
        (root / "out").mkdir()
        self._out = root / "out"
        folder = Folder(self._out)
        folder.check(root / "scratch")
        assert folder.has_marks, f"{root} keeps no extended attributes"
        self.folder = folder
        self.destination: Destination = FolderDestination(folder, root / "scratch")

    def tree(self) -> Mapping[str, bytes]:
        return tree(self._out)


class InBucket:
    """Always in parts or always at once, whatever the size; with or without conditions."""

    def __init__(self, bucket: Bucket, store: Store, folder: Path) -> None:
        self._inside = store.inside(bucket.name)
        self._unfinished = Unfinished(folder / "unfinished")
        self._multipart = Multipart(bucket, self._unfinished, threading.Event())
        self.destination: Destination = BucketDestination(bucket, self._multipart, "topic", "full")

    def close(self) -> None:
        self._multipart.close()
        self._unfinished.close()

    def tree(self) -> Mapping[str, bytes]:
        assert self._inside.uploads == []
        return {key.removeprefix("topic/"): content for key, content in self._inside.tree.items()}


BUCKETS = [f"bucket of {kind}{how}" for kind in KINDS for how in ("", ", in parts")]


@pytest.fixture(
    params=["memory", "folder", "folder without marks", *BUCKETS, "bucket of versitygw, without conditions"]
)
def place(
    request: pytest.FixtureRequest, tmp_path: Path, stores: Stores, found: Finder, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    if request.param == "memory":
        yield InMemory()
        return
    if request.param.startswith("bucket"):
        kind, _, how = request.param.removeprefix("bucket of ").partition(", ")
        store = stores(kind)
        bucket = found(store)
        if how == "in parts":
            monkeypatch.setattr("openmsi_s3_transfer.bucket_destination._LARGE", 1)
        elif how == "without conditions":
            bucket.abilities = dataclasses.replace(bucket.abilities, conditions=False, checksum="md5")
        in_bucket = InBucket(bucket, store, tmp_path)
        yield in_bucket
        in_bucket.close()
        return
    place = InFolder(tmp_path)
    place.folder.has_marks = request.param == "folder"
    yield place


Make = Callable[..., CompleteFile]


@pytest.fixture(params=["in one piece", "staged"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes complete files, small ones in memory or large ones on disk."""

    def make(path: str, content: bytes, upload: int, mtime: float) -> CompleteFile:
        digest = hashlib.sha512(content).digest()
        upload_id = f"01890000-0000-7000-8000-{upload:012x}"
        generation = Generation(RelativePath.parse(path), digest, 1, upload_id)
        version = Version(digest, upload_id, "source", mtime, (upload, upload))
        if request.param == "in one piece":
            return CompleteFile(generation, version, len(content), content, None, 0)
        staged = tmp_path / f"staged{upload}"
        staged.write_bytes(content)
        return CompleteFile(generation, version, len(content), None, Sealed(staged, xxh3_128(content).digest()), 0)

    return make


def test_delivered_is_visible_whole(place: Place, make: Make) -> None:
    assert place.destination.deliver(make("a/b/c.dat", b"content", 1, 1e9)) is Verdict.NEWER
    assert place.destination.deliver(make("empty", b"", 2, 1e9)) is Verdict.NEWER
    assert place.tree() == {"a/b/c.dat": b"content", "empty": b""}


def test_a_repeat_is_recognised(place: Place, make: Make) -> None:
    place.destination.deliver(make("f", b"content", 1, 1e9))
    assert place.destination.deliver(make("f", b"content", 1, 1e9)) is Verdict.REPEAT
    assert place.tree() == {"f": b"content"}


def test_a_newer_version_replaces(place: Place, make: Make) -> None:
    place.destination.deliver(make("f", b"old and longer", 1, 1e9))
    assert place.destination.deliver(make("f", b"new", 2, 2e9)) is Verdict.NEWER
    assert place.tree() == {"f": b"new"}


def test_an_older_version_never_does(place: Place, make: Make) -> None:
    place.destination.deliver(make("f", b"new", 2, 2e9))
    assert place.destination.deliver(make("f", b"old", 1, 1e9)) is Verdict.OLDER
    assert place.tree() == {"f": b"new"}


def test_the_cheap_verdict_never_refuses_what_would_be_placed(place: Place, make: Make) -> None:
    first, second = make("f", b"1", 1, 1e9), make("f", b"2", 2, 2e9)
    assert place.destination.verdict(first.generation.path, first.version) is Verdict.NEWER
    place.destination.deliver(first)
    assert place.destination.verdict(second.generation.path, second.version) is Verdict.NEWER


def test_staged_bytes_that_are_gone_are_asked_for_again(place: Place, make: Make) -> None:
    file = make("f", b"content", 1, 1e9)
    if file.staged is None:
        return  # bytes in memory cannot get lost
    file.staged.unlink()
    with pytest.raises(StagedBytesLost):
        place.destination.deliver(file)
    assert place.tree() == {}
