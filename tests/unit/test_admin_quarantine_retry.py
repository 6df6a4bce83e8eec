"""`openmsi quarantine retry`: a file comes back whole and never over another, and nothing is lost on the way."""

import contextlib
import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from openmsi_admin.quarantine_entries import entries, entry_at
from openmsi_admin.quarantine_retry import Outcome, retry
from openmsi_core.chunk import encode_value
from openmsi_core.folder_destination import FolderDestination
from openmsi_core.generation import Generation, Verdict, version_of
from openmsi_core.paths import RelativePath
from openmsi_core.placing import Folder
from openmsi_core.quarantine import Quarantine
from openmsi_core.records import Record
from tests.support.disk_faults import Faults, Killed
from tests.support.downloading import tree
from tests.support.sending import chunks, upload

CONTENT = bytes(range(256)) * 12
PATH = RelativePath.parse("sub/a")
BY = upload(CONTENT)
(CHUNK,) = chunks(PATH.text, CONTENT, size=10_000)
LOGGED = (1_700_000_000_000, 9)
VERSION = version_of(CHUNK, BY, LOGGED)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return filled(tmp_path / "out")


def filled(root: Path) -> Path:
    """An output folder with a file in quarantine."""
    root.mkdir()
    Quarantine(root, "topic").file(Generation.of(CHUNK, BY), CONTENT, 0, VERSION, "something was in the way")
    return root


def the_entry(root: Path) -> Path:
    (entry,) = entries(root)
    return entry.folder


def retried(root: Path) -> Outcome:
    return retry(entry_at(the_entry(root)))


def place(root: Path, content: bytes, logged: tuple[int, int], mtime: float = 1.7e9) -> None:
    """Put a version at `PATH`, as a downloader does."""
    (chunk,) = chunks(PATH.text, content, size=10_000, mtime=mtime)
    folder = Folder(root)
    folder.check(root)
    staged = root / ".openmsi" / "staged"
    staged.write_bytes(content)
    version = version_of(chunk, upload(content, "source-b"), logged)
    assert FolderDestination(folder, root).place(staged, PATH, version, len(content)) is Verdict.NEWER


def test_a_file_comes_back_with_its_marks_and_the_entry_goes(root: Path) -> None:
    outcome = retried(root)
    assert outcome == Outcome(True, "placed sub/a (3.1 kB)")
    assert tree(root) == {"sub/a": CONTENT}
    assert entries(root) == []
    assert list((root / ".openmsi" / "staging").iterdir()) == []
    folder = Folder(root)
    assert folder.version(PATH, None) == VERSION
    assert (root / PATH.text).stat().st_mtime == VERSION.mtime


@pytest.mark.parametrize("obstacle", ["folder", "file", "link"])
def test_what_is_still_in_the_way_is_named(root: Path, tmp_path: Path, obstacle: str) -> None:
    match obstacle:
        case "folder":
            (root / "sub" / "a").mkdir(parents=True)
        case "file":
            (root / "sub").write_bytes(b"")
        case _:
            (root / "sub").symlink_to(tmp_path)
    before = the_entry(root)
    outcome = retried(root)
    assert not outcome.done
    assert "is in the way" in outcome.text
    assert (before / "content").read_bytes() == CONTENT
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("logged", "mtime"), [((LOGGED[0] - 1, 3), 1.8e9), ((LOGGED[0] + 1, 30), 1.7e9)])
def test_a_newer_version_in_place_is_never_replaced(root: Path, logged: tuple[int, int], mtime: float) -> None:
    place(root, b"another", logged, mtime)
    outcome = retried(root)
    assert not outcome.done
    assert "a newer version of sub/a is in place" in outcome.text
    assert tree(root) == {"sub/a": b"another"}
    assert (the_entry(root) / "content").read_bytes() == CONTENT


def test_an_older_version_in_place_is_replaced(root: Path) -> None:
    place(root, b"older", (LOGGED[0] - 1, 3))
    assert retried(root).done
    assert tree(root) == {"sub/a": CONTENT}


@pytest.mark.parametrize("logged", [(LOGGED[0] - 1, 3), (LOGGED[0] + 1, 30)])
def test_an_entry_of_an_earlier_version_replaces_nothing(root: Path, logged: tuple[int, int]) -> None:
    reason = the_entry(root) / "reason.json"
    facts = json.loads(reason.read_text())
    reason.write_text(json.dumps({name: value for name, value in facts.items() if name not in ("source", "mtime")}))
    place(root, b"another", logged)
    outcome = retried(root)
    assert not outcome.done
    assert "version of sub/a is in place" in outcome.text
    assert tree(root) == {"sub/a": b"another"}
    assert (the_entry(root) / "content").read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"somebody's", bytes(len(CONTENT))])
def test_somebody_elses_newer_file_is_never_replaced(root: Path, content: bytes) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "a").write_bytes(content)
    assert not retried(root).done
    assert tree(root) == {"sub/a": content}


def test_a_version_that_is_placed_at_the_last_moment_wins(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync_content = Folder.sync_content

    def meanwhile(folder: Folder, file: int) -> None:
        monkeypatch.undo()
        place(root, b"newer", (LOGGED[0] + 1, 30))
        sync_content(folder, file)

    monkeypatch.setattr(Folder, "sync_content", meanwhile)
    assert not retried(root).done
    assert tree(root) == {"sub/a": b"newer"}
    assert (the_entry(root) / "content").read_bytes() == CONTENT


def test_content_that_was_damaged_is_not_placed(root: Path) -> None:
    (the_entry(root) / "content").write_bytes(CONTENT[:-1] + b"x")
    outcome = retried(root)
    assert not outcome.done
    assert "SHA-512" in outcome.text
    assert tree(root) == {}


def test_a_path_that_somebody_wrote_into_the_reason(root: Path) -> None:
    reason = the_entry(root) / "reason.json"
    reason.write_text(json.dumps(json.loads(reason.read_text()) | {"path": "../outside"}))
    outcome = retried(root)
    assert not outcome.done
    assert "not a plain relative path" in outcome.text
    assert not (root.parent / "outside").exists()


def test_an_entry_whose_content_somebody_took(root: Path) -> None:
    (the_entry(root) / "content").unlink()
    outcome = retried(root)
    assert not outcome.done
    assert "its content is gone" in outcome.text


def test_the_last_good_copy_is_not_removed_for_a_file_that_was_changed_in_place(root: Path) -> None:
    place(root, CONTENT, LOGGED)
    (root / PATH.text).write_bytes(b"edited")  # its marks still say otherwise
    assert not retried(root).done
    assert (the_entry(root) / "content").read_bytes() == CONTENT
    (root / PATH.text).write_bytes(CONTENT)
    assert retried(root).done
    assert entries(root) == []


def test_a_file_system_without_marks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmsi_core.placing.can_mark", lambda _: False)
    kept = the_entry(root)
    shutil.copytree(kept, root.parent / "copy")
    assert retried(root).done
    shutil.copytree(root.parent / "copy", kept)
    (kept / "content").unlink()  # as after a kill right behind the rename
    assert retried(root) == Outcome(True, "sub/a is in place already; the entry is removed")
    assert tree(root) == {"sub/a": CONTENT}


def test_after_a_kill_at_any_call_there_is_the_entry_or_the_file(tmp_path: Path) -> None:
    for number in range(200):
        root = filled(tmp_path / str(number))
        entry = entry_at(the_entry(root))
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, number, None)
            with contextlib.suppress(Killed):
                retry(entry)
        kept = entry.folder / "content"
        visible = tree(root)
        assert visible in ({}, {"sub/a": CONTENT})
        assert visible or (kept.read_bytes() == CONTENT and (entry.folder / "reason.json").exists())
        for left in entries(root):
            assert retry(left).done
        assert (tree(root), entries(root)) == ({"sub/a": CONTENT}, [])
        if not faults.happened:
            assert number > 20, "it is longer than that"
            return
    pytest.fail("it does not end")


def test_a_record_is_never_placed_by_itself(tmp_path: Path) -> None:
    """Its headers are not in quarantine, so that nothing tells which version it is."""
    quarantine = Quarantine(tmp_path, "topic")
    quarantine.record(Record(0, 1, 0, None), encode_value(CHUNK), "refused by an older version")
    outcome = retried(tmp_path)
    assert not outcome.done
    assert "chunk 1 of 1 of sub/a" in outcome.text
    assert "--consumer_group_id create_new" in outcome.text
    assert tree(tmp_path) == {}
    place(tmp_path, CONTENT, LOGGED)
    assert retried(tmp_path).done
    assert entries(tmp_path) == []


@pytest.mark.parametrize("value", [None, b"garbage", encode_value(dataclasses.replace(CHUNK, data=b"damaged"))])
def test_a_record_that_is_garbage_stays_garbage(tmp_path: Path, value: bytes | None) -> None:
    Quarantine(tmp_path, "topic").record(Record(0, 1, 0, b"key"), value, "garbage")
    before = {path.name: path.read_bytes() for path in the_entry(tmp_path).iterdir()}
    assert not retried(tmp_path).done
    assert {path.name: path.read_bytes() for path in the_entry(tmp_path).iterdir()} == before


def test_an_empty_entry_is_removed_and_an_interrupted_one_is_not(tmp_path: Path) -> None:
    folder = Quarantine(tmp_path, "topic").folder
    for name in ("empty", "interrupted"):
        (folder / name).mkdir(parents=True)
    (folder / "interrupted" / "value").write_bytes(b"x")
    assert [retry(entry).done for entry in sorted(entries(tmp_path), key=lambda entry: entry.folder)] == [True, False]
    assert [path.name for path in folder.iterdir()] == ["interrupted"]


def test_what_belongs_into_a_bucket_is_not_placed_beside_it(root: Path) -> None:
    (root / ".openmsi" / "bucket").write_text("lab-data")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    done = retried(root)
    assert not done.done
    assert done.text.startswith("it belongs into the bucket lab-data, not into this folder: mend what the reason names")
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    (root / ".openmsi" / "bucket").unlink()
    assert retried(root).done
