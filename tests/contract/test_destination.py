"""What every destination promises the receiver: the one in memory that unit tests use, and real folders."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from openmsi_core.deliveries import CompleteFile
from openmsi_core.destination import Destination
from openmsi_core.errors import StagedBytesLost
from openmsi_core.folder_destination import FolderDestination
from openmsi_core.generation import Generation, Verdict, Version
from openmsi_core.paths import RelativePath
from openmsi_core.placing import Folder
from openmsi_core.staging import Sealed
from tests.support.downloading import tree
from tests.support.receiving import MemoryDestination


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


@pytest.fixture(params=["memory", "folder", "folder without marks"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        return InMemory()
    place = InFolder(tmp_path)
    place.folder.has_marks = request.param == "folder"
    return place


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
        return CompleteFile(generation, version, len(content), None, Sealed(staged, b""), 0)

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
