"""`openmsi tracker validate`, `show` and `schema`: old files are right, and each mistake is named with its place."""

import json
from pathlib import Path

import pytest

from openmsi_admin.main import main
from openmsi_admin.tracker import Tracker, read_tracker
from tests.support.broker import ROOT

GOOD = {
    "type": "docker compose",
    "service_name": "openmsi-uploader",
    "service_local_location": "/opt/openmsi",
    "service_local_target_folder": "./data",
    "installation_notes": "make up\nmake logs",
    "primary_contact_name": "A. Person",
    "primary_contact_email": "a.person@example.org",
    "machine_metadata": {"instrument": "SEM", "room": 7},
    "code_metadata": {},
}
BY_HAND = r"""{
    "type" : "Producer",
    "service_name" : "lab_producer",
    "service_local_location": "C:\Users\lab\Desktop\setup",
    "service_local_target_folder": "C:\Users\Public\new\table \"7\"",
    "installation_notes": "status with ManageService lab_producer status",
    "primary_contact_name": "A. Person",
    "primary_contact_email": "a.person@example.org",
    "machine_metadata": "a service on Windows 7",
    "code_metadata": "DataFileUploadDirectory, openmsistream 1.5.2"
}"""


def openmsi(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """`openmsi tracker …`: exit code, and all that it printed."""
    code = main(["tracker", *(str(each) for each in arguments)])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def validated(tmp_path: Path, capsys: pytest.CaptureFixture[str], document: object) -> tuple[int, list[str]]:
    file = tmp_path / "tracker.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    code, printed = openmsi(capsys, "validate", file)
    return code, [line.removeprefix(f"{file}: ") for line in printed.splitlines()]


def test_a_complete_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validated(tmp_path, capsys, GOOD) == (0, ["note: empty: code_metadata", "ok"])
    assert validated(tmp_path, capsys, GOOD | {"code_metadata": "x", "our_own": [1]}) == (0, ["ok"])


def test_the_example_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = openmsi(capsys, "validate", ROOT / "tracker.json")
    assert code == 0
    assert printed.endswith("tracker.json: ok\n")


def test_an_old_file_with_the_paths_of_windows_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = validated(tmp_path, capsys, BY_HAND)
    assert (code, lines[-1]) == (0, "ok")
    assert "backslashes are taken as they stand" in lines[0]
    data = read_tracker(tmp_path / "tracker.json").data
    assert data["service_local_location"] == r"C:\Users\lab\Desktop\setup"
    assert data["service_local_target_folder"] == r'C:\Users\Public\new\table "7"'


def test_every_mistake_is_a_line_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = GOOD | {
        "type": "",
        "service_local_location": 5,
        "service_local_target_folder": "C:\temp",
        "primary_contact_email": "nobody",
        "machine_metadata": [1],
        "found_out": "x",
    }
    bad["service_nam"] = bad.pop("service_name")
    del bad["code_metadata"]
    code, lines = validated(tmp_path, capsys, bad)
    assert code == 65
    assert sorted(line for line in lines if not line.startswith("note")) == [
        "code_metadata: is missing",
        "found_out: must be an object {…}",
        "machine_metadata: must be a text in quotes, or an object {…}",
        "primary_contact_email: is no e-mail address",
        "service_local_location: must be a text in quotes",
        "service_local_target_folder: holds a tab or a line break: JSON wants each backslash of a Windows path twice"
        r" (\\)",
        "service_name: is missing (is it 'service_nam' that was meant?)",
        "type: is empty: fill it in",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1, column 1: this is no JSON"),
        ('{\n"type": "x",\n}', "line 3, column 1: this is no JSON"),
        ("TYPE=x", "this is no JSON"),
        ("[{}]", "this is no JSON object {…}; several services have a file each"),
        ('{"type": "a", "type": "b"}', "'type' is there twice"),
        ('{"type": NaN}', "NaN is no JSON"),
        ("[" * 100_000, "nested too deeply"),
        (r'{"a": "C:\x"', "this is no JSON"),
    ],
)
def test_what_is_no_such_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str) -> None:
    for verb in ("validate", "show", "fill"):
        file = tmp_path / "tracker.json"
        file.write_text(text)
        code, printed = openmsi(capsys, verb, file)
        assert (code, len(printed.splitlines())) == (65, 1)
        assert printed.startswith(f"openmsi: {file}")
        assert says in printed
        assert file.read_text() == text


def test_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "latin").write_bytes(b'{"type": "\xe4"}')
    for name, says in {"missing": "does not exist", ".": "is a folder", "latin": "is not UTF-8 text"}.items():
        code, printed = openmsi(capsys, "validate", tmp_path / name)
        assert (code, len(printed.splitlines())) == (78, 1)
        assert says in printed


def test_show_is_for_reading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tracker.json"
    file.write_text(json.dumps(GOOD | {"primary_contact_name": "", "more": ["a", {"b": 1}], "bad\x1b": "\x1b[2J"}))
    code, printed = openmsi(capsys, "show", file)
    assert code == 0
    rows = [line.rstrip() for line in printed.splitlines()]
    assert "machine_metadata" in rows
    assert [row.split() for row in rows if "instrument" in row or row.startswith("primary_contact_name")] == [
        ["primary_contact_name", "–"],
        ["instrument", "SEM"],
    ]
    assert any(row.endswith('a, {"b": 1}') for row in rows)
    assert "\x1b" not in printed


def test_the_schema_is_json_and_names_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = openmsi(capsys, "schema")
    assert code == 0
    schema = json.loads(printed)
    assert schema["properties"].keys() == Tracker.model_fields.keys()
    assert all(each["description"] for each in schema["properties"].values())
    assert set(schema["required"]) == GOOD.keys()
