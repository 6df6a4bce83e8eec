"""Many small files placed at once: each is whole and durable when it is reported, and a bad one holds up no other."""

import errno
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import BadFile, Retryable, StagedBytesLost
from openmsi_core.folder_destination import FolderDestination
from openmsi_core.generation import Generation, Verdict, version_of
from openmsi_core.placing import Folder
from tests.support.placing import checked_folder, scratch_of
from tests.support.sending import chunks, upload


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return checked_folder(tmp_path)


@pytest.fixture
def destination(folder: Folder) -> FolderDestination:
    return FolderDestination(folder, scratch_of(folder))


@pytest.fixture(autouse=True)
def _nothing_is_left(folder: Folder) -> object:
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - one more while it is listed, both times
    yield
    assert list(scratch_of(folder).iterdir()) == []
    turns = len(list((folder.root / ".openmsi" / "turns").glob("*")))  # their locks stay open
    assert len(os.listdir("/proc/self/fd")) <= descriptors + turns  # noqa: PTH208


def small(name: str, content: bytes = b"content") -> CompleteFile:
    by = upload(content)
    (chunk,) = chunks(name, content, size=9999)
    return CompleteFile(Generation.of(chunk, by), version_of(chunk, by, (1, 1)), len(content), content, None, 0)


def found(folder: Folder) -> dict[str, bytes]:
    """What a reader sees."""
    files = [each for each in folder.root.rglob("*") if each.is_file() and ".openmsi" not in each.parts]
    return {str(each.relative_to(folder.root)): each.read_bytes() for each in files}


def kinds(endings: Sequence[object]) -> list[object]:
    return [ending if isinstance(ending, Verdict) else type(ending) for ending in endings]


def test_all_are_placed_and_carry_what_they_are(destination: FolderDestination, folder: Folder) -> None:
    files = [small(f"d{number % 7}/e/f{number}", b"%d" % number) for number in range(100)]
    assert set(destination.deliver_together(files)) == {Verdict.NEWER}
    assert found(folder) == {str(file.generation.path): file.data for file in files}
    for file in files:
        assert folder.version(file.generation.path, None) == file.version


def test_a_system_that_takes_no_hints_places_them_too(
    destination: FolderDestination, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "posix_fadvise", refused)
    assert set(destination.deliver_together([small("a"), small("b")])) == {Verdict.NEWER}
    assert found(folder).keys() == {"a", "b"}


def test_every_content_is_synced_before_any_name_and_every_folder_after_the_last(
    destination: FolderDestination, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (folder.root / name).mkdir()
    destination.deliver_together([small(f"{name}/{number}") for name in "ab" for number in range(5)])  # makes locks
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(file: int) -> None:
        target = Path(f"/proc/self/fd/{file}").readlink()
        steps.append(f"sync {target.name}" if target.is_dir() else "sync content")
        fsync(file)

    def renamed(*arguments: Any, **more: Any) -> None:
        steps.append("name")
        replace(*arguments, **more)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    destination.deliver_together([small(f"{name}/{number}", b"new") for name in "ab" for number in range(5)])
    assert steps == ["sync content"] * 10 + ["name"] * 10 + ["sync a", "sync b"]


def test_one_that_cannot_be_placed_holds_up_no_other(destination: FolderDestination, folder: Folder) -> None:
    (folder.root / "taken").mkdir()
    (folder.root / "file").write_bytes(b"x")
    elsewhere = folder.root.parent / "elsewhere"
    elsewhere.mkdir()
    (folder.root / "link").symlink_to(elsewhere)
    files = [small(name) for name in ("one", "taken", "file/below", "link/below", "two")]
    assert kinds(destination.deliver_together(files)) == [Verdict.NEWER, BadFile, BadFile, BadFile, Verdict.NEWER]
    assert found(folder) == {"one": b"content", "file": b"x", "two": b"content"}
    assert list(elsewhere.iterdir()) == []


def test_repeats_and_older_ones_among_them(destination: FolderDestination, folder: Folder) -> None:
    old, new = small("sub/a", b"old"), small("sub/a", b"new")
    assert destination.deliver(new) is Verdict.NEWER
    other = small("sub/b")
    endings = destination.deliver_together([old, other])
    assert endings == [Verdict.OLDER, Verdict.NEWER]
    assert destination.deliver_together([small("sub/a", b"new"), other]) == [Verdict.REPEAT, Verdict.REPEAT]
    assert found(folder) == {"sub/a": b"new", "sub/b": b"content"}


def test_the_disk_loses_one_of_them(
    destination: FolderDestination, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, calls = os.fsync, Counter[str]()

    def fail_once(file: int) -> None:
        calls["fsync"] += 1
        if calls["fsync"] == 2:
            raise OSError(errno.EIO, "input/output error")
        fsync(file)

    monkeypatch.setattr(os, "fsync", fail_once)
    endings = destination.deliver_together([small(name) for name in "abc"])
    assert kinds(endings) == [Verdict.NEWER, StagedBytesLost, Verdict.NEWER]
    assert set(found(folder)) == {"a", "c"}


def test_the_disk_is_full_for_the_rest_of_them(
    destination: FolderDestination, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = os.write, Counter[str]()

    def refuse(file: int, data: Any) -> int:
        calls["write"] += 1
        if calls["write"] > 2:
            raise OSError(errno.ENOSPC, "no space left")
        return write(file, data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", refuse)
        files = [small(name) for name in "abc"]
        assert kinds(destination.deliver_together(files)) == [Verdict.NEWER, Verdict.NEWER, Retryable]
    assert set(found(folder)) == {"a", "b"}
    assert destination.deliver_together(files) == [Verdict.REPEAT, Verdict.REPEAT, Verdict.NEWER]


def test_names_that_the_disk_did_not_keep_are_not_reported(
    destination: FolderDestination, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("good", "bad"):
        (folder.root / name).mkdir()
    fsync = os.fsync

    def fail(file: int) -> None:
        if Path(f"/proc/self/fd/{file}").readlink().name == "bad":
            raise OSError(errno.EIO, "input/output error")
        fsync(file)

    files = [small("good/a"), small("bad/a"), small("bad/b")]
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        assert kinds(destination.deliver_together(files)) == [Verdict.NEWER, Retryable, Retryable]
    assert destination.deliver_together(files[1:]) == [Verdict.REPEAT, Verdict.REPEAT]


def test_a_folder_that_is_moved_meanwhile(
    destination: FolderDestination, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files went with it: they are placed once more, where they belong."""
    (folder.root / "sub").mkdir()
    sync_content = folder.sync_content

    def move(file: int) -> None:
        sync_content(file)
        monkeypatch.undo()
        (folder.root / "sub").rename(folder.root / "moved")
        (folder.root / "sub").mkdir()

    monkeypatch.setattr(folder, "sync_content", move)
    files = [small("sub/a"), small("sub/b")]
    assert kinds(destination.deliver_together(files)) == [Retryable, Retryable]
    assert destination.deliver_together(files) == [Verdict.NEWER, Verdict.NEWER]
    assert {(folder.root / "sub" / name).read_bytes() for name in "ab"} == {b"content"}


def test_another_process_places_a_newer_one_meanwhile(
    destination: FolderDestination, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, other, new = small("a", b"old"), small("b"), small("a", b"new")
    sync_content = folder.sync_content

    def meanwhile(file: int) -> None:
        sync_content(file)
        monkeypatch.undo()
        assert destination.deliver(new) is Verdict.NEWER

    monkeypatch.setattr(folder, "sync_content", meanwhile)
    assert destination.deliver_together([old, other]) == [Verdict.OLDER, Verdict.NEWER]
    assert found(folder) == {"a": b"new", "b": b"content"}


def test_somebodys_own_newer_file_is_left_alone(destination: FolderDestination, folder: Folder) -> None:
    (folder.root / "a").write_bytes(b"precious")
    assert kinds(destination.deliver_together([small("a"), small("b")])) == [BadFile, Verdict.NEWER]
    assert found(folder) == {"a": b"precious", "b": b"content"}
