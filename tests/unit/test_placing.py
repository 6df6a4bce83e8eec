"""Files get their names in one step, below the root only, and carry what they are."""

import os
import socket
from pathlib import Path

import pytest

from openmsi_core.errors import BadFile
from openmsi_core.generation import Version
from openmsi_core.placing import UNMARKED, Folder
from tests.support.placing import CONTENT, VERSION, checked_folder, path, put, scratch_of


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return checked_folder(tmp_path)


@pytest.mark.parametrize("text", ["a", "new/deep/ünï 紙", "é" * 127, "/".join(["d" * 200] * 15), "a:b?", "line\nbreak"])
def test_a_placed_file_is_whole_and_carries_what_it_is(folder: Folder, text: str) -> None:
    placed = put(folder, text)
    assert placed.read_bytes() == CONTENT
    assert placed.stat().st_mtime_ns // 1000 == 1_700_000_000_123_456
    assert folder.version(path(text), None) == VERSION
    assert folder.version(path(text), len(CONTENT)) == VERSION
    assert os.getxattr(placed, "user.openmsi.sha512").decode() == VERSION.file_hash.hex()


def test_check_leaves_nothing_behind(folder: Folder) -> None:
    assert (folder.has_marks, folder.has_times) == (True, True)
    assert [*folder.root.iterdir(), *scratch_of(folder).iterdir()] == []


def test_nothing_is_in_place_at_first(folder: Folder) -> None:
    assert folder.version(path("a"), 5) is None
    assert folder.version(path("no/such/folder/a"), 5) is None


def test_a_file_of_somebody_else_is_told_by_time_and_content(folder: Folder) -> None:
    (folder.root / "a").write_bytes(CONTENT)
    os.utime(folder.root / "a", (5.5, 5.5))
    assert folder.version(path("a"), None) is None
    assert folder.version(path("a"), len(CONTENT)) == Version(VERSION.file_hash, "", "", 5.5, UNMARKED)
    assert folder.version(path("a"), 3) == Version(b"", "", "", 5.5, UNMARKED)


@pytest.mark.parametrize("damaged", ["sha512", "log"])
def test_marks_that_are_damaged_do_not_count(folder: Folder, damaged: str) -> None:
    placed = put(folder, "a")
    os.setxattr(placed, f"user.openmsi.{damaged}", b"\xff what?")
    version = folder.version(path("a"), len(CONTENT))
    assert version is not None
    assert (version.logged, version.source) == (UNMARKED, "")


@pytest.mark.parametrize("mtime", [0.0, 1e-9, 253402300800.5, 1e18, 1e300])
def test_times_that_no_disk_can_hold_are_no_reason_to_fail(folder: Folder, mtime: float) -> None:
    version = Version(VERSION.file_hash, "", "", mtime, (1, 1))
    put(folder, "a", version=version)
    assert folder.version(path("a"), None) == version


def test_an_older_file_is_replaced_in_one_step(folder: Folder) -> None:
    placed = put(folder, "a", b"old", Version(b"old", "upload-6", "source ü", 9.0, (1, 1)))
    with placed.open("rb") as reader:
        put(folder, "a")
        assert reader.read() == b"old"
    assert placed.read_bytes() == CONTENT


class TestWaysOut:
    """Whatever stands in the folder, nothing outside is touched and nothing is followed."""

    def test_a_link_on_the_way(self, folder: Folder, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (folder.root / "link").symlink_to(tmp_path / "outside")
        for text in ("link/a", "link/new/a"):
            with pytest.raises(BadFile, match="link"):
                put(folder, text)
            with pytest.raises(BadFile, match="link"):
                folder.version(path(text), 1)
        assert list((tmp_path / "outside").iterdir()) == []

    def test_a_link_in_the_place_of_the_file_is_replaced(self, folder: Folder, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("secret")
        (folder.root / "a").symlink_to(tmp_path / "secret")
        assert folder.version(path("a"), 6) is None
        assert not put(folder, "a").is_symlink()
        assert (tmp_path / "secret").read_text() == "secret"

    def test_a_file_on_the_way(self, folder: Folder) -> None:
        (folder.root / "a").write_text("file")
        for act in (lambda: folder.version(path("a/b"), 1), lambda: put(folder, "a/b")):
            with pytest.raises(BadFile, match="in the way"):
                act()
        assert (folder.root / "a").read_text() == "file"

    def test_a_folder_in_the_place_of_the_file(self, folder: Folder) -> None:
        (folder.root / "a" / "kept").mkdir(parents=True)
        for act in (lambda: folder.version(path("a"), 1), lambda: put(folder, "a")):
            with pytest.raises(BadFile, match="in the way"):
                act()
        assert (folder.root / "a" / "kept").is_dir()

    def test_other_things_in_the_place_of_the_file(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        os.mkfifo(folder.root / "fifo")
        monkeypatch.chdir(folder.root)  # the path of a socket must be short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket")
            for name in ("fifo", "socket"):
                with pytest.raises(BadFile, match="in the way"):
                    folder.version(path(name), 1)

    def test_the_root_itself_may_be_a_link(self, folder: Folder, tmp_path: Path) -> None:
        folder.root.rename(tmp_path / "real")
        folder.root.symlink_to(tmp_path / "real")
        put(folder, "sub/a")
        assert (tmp_path / "real" / "sub" / "a").read_bytes() == CONTENT
