"""Placing files where the system offers less than Linux on a good disk."""

import errno
import os
from pathlib import Path

import pytest

from openmsi_core import parents, placing
from openmsi_core.errors import BadFile
from openmsi_core.generation import Verdict, Version, judge
from openmsi_core.placing import UNMARKED, Folder
from tests.support.placing import CONTENT, VERSION, checked_folder, fail, path, put, scratch_of


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return checked_folder(tmp_path)


class TestWithoutMarks:
    """A file system that keeps no extended attributes, and one that keeps no times either."""

    @pytest.fixture
    def plain(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
        fail(monkeypatch, "setxattr", errno.ENOTSUP)
        fail(monkeypatch, "getxattr", errno.ENOTSUP)
        folder.check(scratch_of(folder))
        assert not folder.has_marks
        return folder

    def test_versions_are_told_apart_by_time(self, plain: Folder) -> None:
        put(plain, "a")
        found = plain.version(path("a"), None)
        assert found == Version(b"", "", "", VERSION.mtime, UNMARKED)
        older = Version(b"older", "upload-6", "source ü", VERSION.mtime - 1, (1, 1))
        newer = Version(b"newer", "upload-8", "source ü", VERSION.mtime + 1, (1, 1))
        assert judge(older, found) is Verdict.OLDER
        assert judge(newer, found) is Verdict.NEWER

    def test_repeats_are_told_by_content(self, plain: Folder) -> None:
        put(plain, "a")
        assert judge(VERSION, plain.version(path("a"), len(CONTENT))) is Verdict.REPEAT

    def test_a_platform_that_knows_no_extended_attributes(
        self, folder: Folder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(os, "setxattr")
        monkeypatch.delattr(os, "getxattr")
        folder.check(scratch_of(folder))
        assert not folder.has_marks
        assert folder.version(path("a"), None) is None
        put(folder, "a")

    def test_times_that_only_the_owner_may_set_are_left_alone(
        self, plain: Folder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fail(monkeypatch, "utime", errno.EPERM)
        plain.check(scratch_of(plain))
        assert not plain.has_times
        put(plain, "a")
        assert judge(VERSION, plain.version(path("a"), 3)) is Verdict.NEWER, "a time of arrival must not win"


class TestOnWindows:
    """What can be tried of it elsewhere: no folders are opened, names are checked, times are set by path."""

    @pytest.fixture(autouse=True)
    def _windows(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parents, "_CAN_OPEN_FOLDERS", False)
        monkeypatch.setattr(parents, "_ON_WINDOWS", True)
        monkeypatch.setattr(placing, "_TIMES_BY_FILE", False)
        assert folder.has_times

    def test_a_file_is_placed(self, folder: Folder) -> None:
        placed = put(folder, "new/deep/a")
        assert placed.stat().st_mtime == pytest.approx(VERSION.mtime, abs=1e-6)
        assert folder.version(path("new/deep/a"), None) == VERSION

    @pytest.mark.parametrize("text", ["a:b", "NUL", "..\\..\\a", "sub./a", "OPENMS~1/a"])
    def test_names_that_mean_something_else(self, folder: Folder, text: str) -> None:
        for act in (lambda: folder.version(path(text), 1), lambda: put(folder, text)):
            with pytest.raises(BadFile):
                act()
        assert list(folder.root.iterdir()) == []

    def test_links_and_files_on_the_way(self, folder: Folder, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (folder.root / "link").symlink_to(tmp_path / "outside")
        (folder.root / "file").write_text("")
        for text in ("link/a", "file/a"):
            with pytest.raises(BadFile, match="in the way"):
                put(folder, text)
        assert list((tmp_path / "outside").iterdir()) == []
