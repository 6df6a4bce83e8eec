"""Going through the upload folder."""

import os
import socket
from pathlib import Path

import pytest

from openmsi_uploader import filters
from openmsi_uploader.filters import select
from openmsi_uploader.known import Known
from openmsi_uploader.source import FileStat, look_at
from openmsi_uploader.walk import Tally, walk

EVERYTHING = select(None, (), ())


def found(root: Path, known: Known | None = None, below: str = "") -> tuple[dict[str, FileStat], Tally]:
    tally = Tally()
    return dict(walk(root, below, known or Known(), EVERYTHING, tally)), tally


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def test_every_regular_file_is_found_at_any_depth(tmp_path: Path) -> None:
    deep = "/".join(f"d{number}" for number in range(300))
    paths = ["log.txt", "catalog.csv", "geology/analog_01.tif", "Ünï/日本.tif", f"{deep}/leaf"]
    make(tmp_path, *paths)
    (tmp_path / "empty").touch()
    files, tally = found(tmp_path)
    assert files.keys() == {*paths, "empty"}
    assert files["log.txt"] == look_at(tmp_path / "log.txt")
    assert (tally.files, tally.skipped, tally.unreadable) == (6, {}, {})


def test_known_files_are_passed_until_anything_in_their_stat_changes(tmp_path: Path) -> None:
    make(tmp_path, "a", "b")
    files, _ = found(tmp_path)
    known = Known()
    for path, stat in files.items():
        known.add(path, stat)
    assert found(tmp_path, known)[0] == {}
    assert found(tmp_path, known)[1].files == 2
    before = (tmp_path / "a").stat()
    (tmp_path / "a").write_text("b")
    os.utime(tmp_path / "a", ns=(before.st_atime_ns, before.st_mtime_ns))  # same size, same mtime
    assert found(tmp_path, known)[0].keys() == {"a"}


def test_a_walk_may_begin_below(tmp_path: Path) -> None:
    make(tmp_path, "x/y/a", "b")
    assert found(tmp_path, below="x")[0].keys() == {"x/y/a"}


def test_what_is_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    make(tmp_path, "real/a", ".hidden", ".git/config", "@eaDir/x", "text~")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "a")
    (tmp_path / "folder-link").symlink_to(tmp_path / "real")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        files, tally = found(tmp_path)
    assert files.keys() == {"real/a"}
    assert tally.skipped == {
        filters.HIDDEN: 2,
        filters.DEBRIS: 2,
        filters.LINK: 3,
        filters.SPECIAL: 2,
        filters.NOT_UTF8: 1,
    }
    assert tally.examples.keys() == tally.skipped.keys()


def test_an_unreadable_folder_is_noted_and_the_others_are_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a/1", "locked/2", "z/3")
    real = os.scandir

    def scandir(path: Path) -> "os._ScandirIterator[str]":
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    files, tally = found(tmp_path)
    assert files.keys() == {"a/1", "z/3"}
    assert tally.unreadable == {"locked": "Permission denied"}


def test_only_a_missing_beginning_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        found(tmp_path / "missing")
