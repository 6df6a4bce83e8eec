"""Disks that refuse: nothing is lost, and a person is told what to do."""

import contextlib
import errno
import os
import shutil
import stat
from pathlib import Path

import pytest

from openmsi_core.errors import BadFile, ConfigError, Retryable, StagedBytesLost
from openmsi_core.placing import Folder
from tests.support.placing import CONTENT, VERSION, checked_folder, fail, path, put, scratch_of


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return checked_folder(tmp_path)


def test_the_root_is_gone(folder: Folder) -> None:
    shutil.rmtree(folder.root)
    with pytest.raises(Retryable, match="bring the folder back"):
        folder.version(path("sub/a"), None)
    with pytest.raises(Retryable, match="bring the folder back"):
        put(folder, "sub/a")
    assert (scratch_of(folder) / "staged").read_bytes() == CONTENT
    assert not folder.root.exists()


def test_the_staged_file_is_gone(folder: Folder) -> None:
    with pytest.raises(StagedBytesLost):
        folder.finish(scratch_of(folder) / "never there", VERSION)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_sync_that_failed_is_never_tried_again(folder: Folder, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Linux drops the bytes that it could not write, and says so once."""
    fail(monkeypatch, "fsync", code)
    with pytest.raises(StagedBytesLost):
        put(folder, "a")
    assert list(folder.root.iterdir()) == []


def test_full(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, "mkdir", errno.ENOSPC)
    with pytest.raises(Retryable, match="is full"):
        put(folder, "sub/a")


def test_a_sub_folder_that_is_not_ours_is_named(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.root / "theirs").mkdir()
    fail(monkeypatch, "replace", errno.EACCES)
    with pytest.raises(Retryable, match=f"may not write to {folder.root}/theirs:"):
        put(folder, "theirs/a")


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG])
@pytest.mark.parametrize("call", ["mkdir", "replace"])
def test_a_name_that_the_file_system_cannot_hold(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    fail(monkeypatch, call, code)
    with pytest.raises(BadFile, match="cannot hold a file named 'sub:1/a'"):
        put(folder, "sub:1/a")


def test_another_disk_below_the_root(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, "replace", errno.EXDEV)
    with pytest.raises(Retryable, match="remove that mount"):
        put(folder, "a")


def test_a_file_system_that_syncs_no_folders(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def refuse_folders(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(file)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    assert put(folder, "new/a").exists()


def test_no_file_is_left_open(folder: Folder) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    (folder.root / "file").write_text("")
    for text in ("file/a", "no/such", "file", "file/b/c"):
        with contextlib.suppress(BadFile):
            folder.version(path(text), 0)
        with contextlib.suppress(BadFile):
            put(folder, f"{text}/d")
    assert open_files() == before


def test_a_root_on_another_file_system_than_the_scratch(folder: Folder) -> None:
    with pytest.raises(ConfigError, match="two file systems"):
        Folder(Path("/dev/shm")).check(scratch_of(folder))
    assert list(scratch_of(folder).iterdir()) == []


def test_a_root_that_is_read_only(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ConfigError, match="read-only"):
        folder.check(scratch_of(folder))


def test_a_root_without_the_right_to_write(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ConfigError, match="may not write"):
        folder.check(scratch_of(folder))
