"""`openmsi quarantine list` and `show`: everything there is told, whoever put it there, and nothing is changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from openmsi_admin.main import main
from openmsi_core.assembly import OpenFile
from openmsi_core.chunk import encode_value
from openmsi_core.generation import Generation, version_of
from openmsi_core.quarantine import Quarantine
from openmsi_core.records import Record
from tests.support.sending import chunks, upload

CONTENT = b"0123456789" * 100
PIECES = list(chunks("sub/a", CONTENT, size=100))
BY = upload(CONTENT)
GENERATION = Generation.of(PIECES[0], BY)


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    (tmp_path / ".openmsi").mkdir()
    return Quarantine(tmp_path, "topic")


def openmsi(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """`openmsi quarantine …`: exit code, and all that it printed."""
    code = main(["quarantine", *(str(each) for each in arguments)])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def listed(capsys: pytest.CaptureFixture[str], root: Path) -> list[dict[str, Any]]:
    code, printed = openmsi(capsys, "list", root, "--json")
    assert code == 0, printed
    found: list[dict[str, Any]] = json.loads(printed)
    return found


def test_every_kind(quarantine: Quarantine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine.file(GENERATION, CONTENT, 1, version_of(PIECES[0], BY, (5, 9)), "a folder is in the way")
    quarantine.record(Record(3, 77, 0, b"sub_a_chunk_2_of_10"), encode_value(PIECES[1]), "refused")
    quarantine.park(OpenFile(GENERATION, version_of(PIECES[0], BY, (1, 2)), 0.0, 300, 2, {5}), None, "stopped")
    found = {entry["kind"]: entry for entry in listed(capsys, tmp_path)}
    assert found["file"].items() >= {"path": "sub/a", "offset": 9, "size": 1000, "upload": BY.upload_id}.items()
    assert found["record"].items() >= {"partition": 3, "offset": 77, "key": "sub_a_chunk_2_of_10"}.items()
    assert found["record"]["record"] == "chunk 2 of 10 of sub/a"
    assert found["partial"].items() >= {"path": "sub/a", "chunks": 3, "reason": "stopped"}.items()
    assert all(entry["topic"] == "topic" and entry["what to do"] for entry in found.values())
    code, table = openmsi(capsys, "list", tmp_path)
    assert code == 0
    for entry in found.values():
        assert entry["entry"] in table
        assert entry["reason"] in table
        code, shown = openmsi(capsys, "show", entry["entry"])
        assert code == 0
        assert all(str(value) in shown for value in entry.values())


def test_nothing_is_in_quarantine(quarantine: Quarantine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert openmsi(capsys, "list", tmp_path) == (0, f"{tmp_path}: nothing is in quarantine\n")
    assert listed(capsys, tmp_path) == []


@pytest.mark.parametrize("name", ["missing", "other"])
def test_a_folder_that_no_downloader_has_filled(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / "other").mkdir()
    code, printed = openmsi(capsys, "list", tmp_path / name)
    assert code == 65
    assert "is not the output folder of a downloader" in printed
    assert len(printed.splitlines()) == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "nonsense", '{"topic": "t"}', '{"topic": 1, "reason": "", "partition": "x"}']
)
def test_what_no_downloader_has_written(
    quarantine: Quarantine, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    for name in ("foreign", "interrupted", "empty"):
        (quarantine.folder / name).mkdir(parents=True)
    (quarantine.folder / "foreign" / "reason.json").write_text(text)
    (quarantine.folder / "interrupted" / "key").write_bytes(b"key")
    (quarantine.folder / "notes.txt").write_text("mine")
    (quarantine.folder / "link").symlink_to(tmp_path)
    found = {Path(entry["entry"]).name: entry for entry in listed(capsys, tmp_path)}
    assert {entry["kind"] for entry in found.values()} == {"unknown"}
    assert found["foreign"]["reason"] == "its reason.json is not as a downloader writes it"
    assert found["interrupted"]["reason"].startswith("it was not written to its end")
    assert found["empty"]["reason"] == "it is empty"
    assert found["notes.txt"]["reason"] == found["link"]["reason"] == "no downloader has put this here"


@pytest.mark.parametrize("verb", ["show", "retry"])
@pytest.mark.parametrize("name", [".", ".openmsi/quarantine", ".openmsi/quarantine/missing", "../../etc"])
def test_an_entry_that_is_none(
    quarantine: Quarantine, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, name: str
) -> None:
    quarantine.folder.mkdir()
    code, printed = openmsi(capsys, verb, tmp_path / name)
    assert code == 65
    assert "openmsi quarantine list" in printed
    assert len(printed.splitlines()) == 1


def test_foreign_names_do_not_move_the_cursor(
    quarantine: Quarantine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quarantine.record(Record(0, 1, 0, b"\x1b[2J\xff"), b"x", "the name '\x1b]0;owned\x07\n[red]' is bad")
    (entry,) = listed(capsys, tmp_path)
    for printed in (openmsi(capsys, "list", tmp_path)[1], openmsi(capsys, "show", entry["entry"])[1]):
        assert "\x1b" not in printed
        assert "\x07" not in printed
        assert r"\x1b]0;owned\x07\n[red]" in printed


def test_what_code_could_not_cope_with_is_shown_with_its_traceback_and_never_placed(
    quarantine: Quarantine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = 'Traceback (most recent call last):\n  File "peaks.py", line 3, in peaks\nKeyError: 1\n'
    facts = {"processor": "peaks", "processor_version": "7", "traceback": trace}
    quarantine.file(GENERATION, CONTENT, 1, version_of(PIECES[0], BY, (5, 9)), "peaks.py, line 3: KeyError: 1", facts)
    (entry,) = listed(capsys, tmp_path)
    assert entry["processor"] == "peaks 7"
    assert entry["traceback"] == trace
    _, shown = openmsi(capsys, "show", entry["entry"])
    assert '\n  File "peaks.py", line 3, in peaks\n' in shown
    code, said = openmsi(capsys, "retry", entry["entry"])
    assert code == 65
    assert f"openmsi quarantine retry --processor CODE.py {tmp_path}" in said
    assert not (tmp_path / "sub").exists()
