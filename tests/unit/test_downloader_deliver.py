"""A folder as destination: the right version gets the name, others go without a trace or into quarantine."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import BadFile, Retryable, StagedBytesLost
from openmsi_core.folder_destination import FolderDestination
from openmsi_core.generation import Generation, Verdict, version_of
from openmsi_core.placing import Folder
from openmsi_core.staging import Sealed
from tests.support.placing import checked_folder, scratch_of
from tests.support.sending import chunks, upload


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return checked_folder(tmp_path)


@pytest.fixture
def destination(folder: Folder) -> FolderDestination:
    return FolderDestination(folder, scratch_of(folder))


Make = Callable[..., CompleteFile]


@pytest.fixture(params=["in memory", "staged"])
def make(request: pytest.FixtureRequest, folder: Folder) -> Make:
    """Makes complete files, in either form; later ones are newer."""

    def make(content: bytes = b"content", *, source: str = "source", path: str = "sub/a") -> CompleteFile:
        by = upload(content, source)
        (chunk,) = chunks(path, content, size=9999)
        staged = None
        if request.param == "staged":
            staged = scratch_of(folder) / by.upload_id
            staged.write_bytes(content)
        version = version_of(chunk, by, (1, 1))
        data = None if staged else content
        return CompleteFile(
            Generation.of(chunk, by), version, len(content), data, Sealed(staged, b"") if staged else None, 0
        )

    return make


@pytest.fixture(autouse=True)
def _nothing_is_left_in_scratch(folder: Folder, request: pytest.FixtureRequest) -> object:
    yield
    assert list(scratch_of(folder).iterdir()) == [] or "left" in request.node.name


def test_newer_repeat_older(destination: FolderDestination, folder: Folder, make: Make) -> None:
    old, new, same = make(b"old"), make(b"new"), make(b"new")
    placed = folder.root / "sub" / "a"
    assert destination.deliver(new) is Verdict.NEWER
    inode = placed.stat().st_ino
    assert destination.deliver(same) is Verdict.REPEAT
    assert destination.deliver(old) is Verdict.OLDER
    assert (placed.read_bytes(), placed.stat().st_ino) == (b"new", inode)
    assert destination.verdict(old.generation.path, old.version) is Verdict.OLDER
    assert destination.deliver(make(b"newest")) is Verdict.NEWER
    assert placed.read_bytes() == b"newest"


def test_what_was_placed_before_without_us_is_recognised(
    destination: FolderDestination, folder: Folder, make: Make
) -> None:
    (folder.root / "sub").mkdir()
    (folder.root / "sub" / "a").write_bytes(b"content")
    assert destination.deliver(make()) is Verdict.REPEAT


def test_an_older_file_of_somebody_is_replaced(destination: FolderDestination, folder: Folder, make: Make) -> None:
    (folder.root / "sub").mkdir()
    (folder.root / "sub" / "a").write_bytes(b"ancient")
    os.utime(folder.root / "sub" / "a", (1, 1))
    assert destination.deliver(make()) is Verdict.NEWER


def test_a_newer_file_of_somebody_is_left_alone(destination: FolderDestination, folder: Folder, make: Make) -> None:
    (folder.root / "sub").mkdir()
    (folder.root / "sub" / "a").write_bytes(b"precious")
    with pytest.raises(BadFile, match="move that one away"):
        destination.deliver(file := make())
    assert (folder.root / "sub" / "a").read_bytes() == b"precious"
    if file.staged:
        file.staged.unlink()  # the receiver moves it into quarantine


def test_two_sources_are_told_of_unless_they_agree(
    destination: FolderDestination, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    for file in (make(b"1", source="one"), make(b"1", source="two")):
        destination.deliver(file)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    destination.deliver(make(b"2", source="two"))
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "one and two" in warning.getMessage()


def test_a_process_that_was_frozen_does_not_undo_what_others_did_meanwhile(
    destination: FolderDestination, folder: Folder, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make(b"old"), make(b"new")
    sync_content = folder.sync_content

    def freeze(file: int) -> None:
        sync_content(file)
        monkeypatch.undo()
        assert destination.deliver(new) is Verdict.NEWER  # as another process

    monkeypatch.setattr(folder, "sync_content", freeze)
    assert destination.deliver(old) is Verdict.OLDER
    assert (folder.root / "sub" / "a").read_bytes() == b"new"


def test_after_a_refusal_the_same_file_again(
    destination: FolderDestination, folder: Folder, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Retryable("full")

    file = make()
    with monkeypatch.context() as patched:
        patched.setattr(folder, "rename", refuse)
        for _ in range(2):
            with pytest.raises(Retryable):
                destination.deliver(file)
        assert list(scratch_of(folder).iterdir()) == ([file.staged] if file.staged else [])
    assert destination.deliver(file) is Verdict.NEWER


def test_a_staged_file_that_was_removed(destination: FolderDestination, make: Make, tmp_path: Path) -> None:
    with pytest.raises(StagedBytesLost):
        destination.deliver(replace(file := make(), data=None, sealed=Sealed(tmp_path / "gone", b"")))
    if file.staged:
        file.staged.unlink()


def test_the_name_of_a_repeat_is_made_durable(
    destination: FolderDestination, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever placed it may have died between the rename and the sync of the folder."""
    first, again = make(), make()
    assert destination.deliver(first) is Verdict.NEWER
    synced: list[str] = []
    fsync = os.fsync

    def note(file: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{file}").readlink()))
        fsync(file)

    monkeypatch.setattr(os, "fsync", note)
    for _ in range(2):
        assert destination.verdict(first.generation.path, first.version) is Verdict.REPEAT
        assert len(synced) == 1, "once for all the records of a file"
    assert synced.pop().endswith("/sub")
    assert destination.deliver(again) is Verdict.REPEAT
    assert synced.pop().endswith("/sub")
