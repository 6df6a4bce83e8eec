"""`openmsi processor`: trying a function on files of this machine, and a starting point that works as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from openmsi_admin.main import main
from openmsi_core import __version__
from openmsi_processor.commands.span import moment

HEAD = "from openmsi_processor import DataFile, Result, Retry, processor\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENMSI_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def tried(capsys: pytest.CaptureFixture[str], text: str, *arguments: object) -> tuple[int, str]:
    """`openmsi processor test code.py …`: exit code, and all that it printed."""
    Path("code.py").write_text(HEAD + text)
    code = main(["processor", "test", "code.py", *(str(each) for each in arguments)])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_all_that_comes_of_a_file_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "in" / "run").mkdir(parents=True)
    (folder / "in" / "run" / "a.csv").write_bytes(b"12345")
    (folder / "in" / "b.csv").write_bytes(bytes(600_000))
    (folder / "in" / "notes.txt").write_bytes(b"")
    code, printed = tried(
        capsys,
        """
@processor(files=r".*\\.csv$", version="7")
def sizes(file: DataFile):
    print("seen", file.relative_path)
    made = file.scratch / f"{file.name}.txt"
    made.write_text("made")
    if file.size > 10:
        return b"\\xff" * 20
    return Result(key="mine", value={"size": file.size}, headers={"unit": "byte"}, files=[made])
""",
        "in",
        "--keep",
        "kept",
    )
    assert code == 0
    for known in (
        "code.py: sizes, version 7; ready after ",
        "run/a.csv (5 B)",
        "result: key mine",
        "    unit: byte",
        "    openmsi-path: run/a.csv",
        '      "size": 5',
        "result file: run/a.csv.txt (4 B)",
        "result: key _b.csv_chunk_processing_result",
        "    20 bytes",
        "seen run/a.csv",
        "notes.txt: not called",
        "called for 2 of 3 files, 0 failed",
        f"result files are in {folder / 'kept'}",
    ):
        assert known in printed, printed
    assert [str(each.relative_to(folder / "kept")) for each in (folder / "kept").rglob("*") if each.is_file()] == [
        "run/a.csv.txt"
    ]


def test_a_failure_shows_its_traceback_and_others_are_still_called(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c", "d"):
        (folder / name).write_text(name)
    code, printed = tried(
        capsys,
        """
import os, time
@processor
def fail(file: DataFile):
    match file.name:
        case "a": raise KeyError("no such column")
        case "b": os._exit(3)
        case "c": time.sleep(60)
        case _: raise Retry(5, "not yet")
""",
        *"abcd",
        "--processing_timeout",
        "1",
    )
    assert code == 65
    assert "KeyError: 'no such column'" in printed
    assert 'case "a": raise KeyError("no such column")\n' in printed
    assert "exit code 3" in printed
    assert "took longer than 1 s" in printed
    assert "asks to be called again in 5 s: not yet" in printed
    assert "called for 4 of 4 files, 3 failed" in printed


def test_files_of_the_folder_are_companions_where_they_are_kept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (folder / name).write_text(name)
    text = "@processor\ndef near(file: DataFile):\n    return [each.name for each in file.companions]\n"
    code, printed = tried(capsys, text, "a", "b", "--mode", "disk")
    assert code == 0
    assert '"a"' in printed
    code, printed = tried(capsys, text, "a")
    assert code == 65
    assert "run with --mode disk" in printed


def test_a_class_as_openmsistream_has_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a").write_text("abc")
    code, printed = tried(
        capsys,
        """
from openmsi_processor import MetadataJSONReproducer
class Sizes(MetadataJSONReproducer):
    def _get_metadata_dict_for_file(self, datafile):
        return {"size": len(datafile.bytestring)}
""",
        "a",
    )
    assert code == 0, printed
    assert "code.py: Sizes, version" in printed
    assert '"size": 3' in printed


@pytest.mark.parametrize(
    ("text", "files", "code", "said"),
    [
        ("import no_such_module\n", ["code.py"], 78, "code.py, line 2: ModuleNotFoundError: No module named 'no_such"),
        ("", ["code.py"], 78, "there is no processor in it"),
        ("@processor\ndef x(file): ...\n", ["missing"], 65, "there is no file missing"),
        ("@processor(files='[')\ndef x(file): ...\n", ["code.py"], 78, "is no regular expression"),
    ],
)
def test_a_mistake_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, files: list[str], code: int, said: str
) -> None:
    ended, printed = tried(capsys, text, *files)
    assert (ended, len(printed.splitlines())) == (code, 1), printed
    assert said in printed


def test_when_no_file_matches_that_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = tried(capsys, "@processor(files=r'.*\\.csv$')\ndef x(file): ...\n", "code.py")
    assert code == 65
    assert r"code.py: not called, its path does not match .*\.csv$" in printed


def test_a_starting_point_works_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["processor", "new", "my_analysis"]) == 0
    made = sorted(str(each.relative_to(folder / "my_analysis")) for each in (folder / "my_analysis").rglob("*"))
    assert made == [
        "Dockerfile",
        "README.md",
        "compose.yaml",
        "example.csv",
        "my_analysis.py",
        "requirements.txt",
        "results",
        "results/.gitignore",
        "test_my_analysis.py",
    ]
    for each in (folder / "my_analysis").glob("*.*"):
        assert "@NAME@" not in each.read_text()
    compose = (folder / "my_analysis" / "compose.yaml").read_text()
    assert "build: ./my_analysis\n" in compose
    assert "OPENMSI_TOPIC_NAME: " in compose
    assert f"openmsi/stream_processor:{__version__}\n" in (folder / "my_analysis" / "Dockerfile").read_text()
    assert main(["processor", "test", "my_analysis/my_analysis.py", "my_analysis/example.csv", "--keep", "kept"]) == 0
    assert '"voltage": 2.5' in capsys.readouterr().out
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder / "my_analysis",
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert main(["processor", "new", "my_analysis"]) == 65
    assert "is there already, and nothing in it was changed" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["my-analysis", "class", "json", "../x", "a__b", "", "Ä"])
def test_names_that_python_or_docker_would_not_take(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["processor", "new", name]) == 64
    assert "cannot be the name of a processor" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("7d", 1e9 - 7 * 86400),
        ("1.5h", 1e9 - 5400),
        ("1970-01-02", 86400),
        ("1970-01-01T01:00", 3600),
        ("1970-01-01T01:00+01:00", 0),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text: str, meant: float) -> None:
    assert moment(text, 1e9) == meant


@pytest.mark.parametrize("text", ["", "yesterday", "7", "-7d", "7 d", "2026-13-01"])
def test_what_is_no_time_is_said_to_be_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "topic", "--processor", "x.py", f"--since={text}"]) == 64
    assert "is no time: write 7d, 12h, 2026-11-20" in capsys.readouterr().err


def test_where_processors_are_not_installed_the_image_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("openmsi_admin.installed.entry_points", lambda **_: ())
    for words in (["processor", "new", "x"], ["replay", "t"], ["quarantine", "retry", "--processor", "x.py", "out"]):
        assert main(words) == 64
        assert "openmsi/stream_processor" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert "processor" not in capsys.readouterr().out
