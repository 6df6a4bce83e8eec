"""Mistakes in scripts with old classes, and in how they are started: one line and an exit code, without a broker."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.old_processors import OldProcessors

BIN = Path(sys.executable).parent
CLASS = """
from openmsi_processor import DataFileStreamProcessor
class {name}(DataFileStreamProcessor):
    def _process_downloaded_data_file(self, datafile, lock):
        pass
"""


@pytest.fixture
def scripts(tmp_path: Path) -> OldProcessors:
    (tmp_path / "config.config").write_text("[broker]\nbootstrap.servers = 127.0.0.1:1\n")
    return OldProcessors("", "topic", "results", tmp_path)


def ended(folder: Path, *command: str) -> tuple[int, str, str]:
    """Exit code, the last line of standard error, standard output."""
    env = {"PATH": str(BIN), "OPENMSI_STATE_DIR": str(folder / "state")}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr.rpartition("\n")[0].rpartition("\n")[2], done.stdout


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        (
            "--topik_name t",
            64,
            "plotter.py: unrecognized arguments: --topik_name t; plotter.py --help shows all options",
        ),
        ("--topic_name", 64, "plotter.py: argument --topic_name: expected one argument; plotter.py --help shows all"),
        ("", 78, "StreamProcessor: CSVPlotter: topic_name is missing: give --topic_name on the command line"),
        ("--topic_name t --mode tape", 64, "plotter.py: argument --mode: invalid choice: 'tape'"),
        (
            "--topic_name t --config no.config",
            78,
            "StreamProcessor: the config file, {folder}/no.config, does not exist",
        ),
        ("--topic_name a/b", 64, "CSVPlotter: --topic_name cannot be 'a/b': a topic's name has 1 to 249 letters"),
        ("--topic_name t --memory_limit x", 64, "CSVPlotter: --memory_limit cannot be 'x'"),
        (
            "--topic_name t --download_regex (",
            64,
            "plotter.py: argument --download_regex: '(' is no regular expression",
        ),
    ],
)
def test_command_line(scripts: OldProcessors, args: str, code: int, line: str) -> None:
    scripts.changed("plotter.py")
    exit_code, said, _ = ended(scripts.folder, "python", "plotter.py", *args.split())
    assert said.startswith(line.format(folder=scripts.folder))
    assert exit_code == code


@pytest.mark.parametrize("program", ["python", "StreamProcessor"])
def test_help_is_that_of_the_class(scripts: OldProcessors, program: str) -> None:
    scripts.changed("database.py")
    code, _, output = ended(scripts.folder, program, "database.py", "--help")
    assert code == 0
    assert "--drop_existing" in output
    assert "--processing_timeout" in output


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (CLASS.format(name="A") + CLASS.format(name="B"), "x.py: there are 2 processors in it (A, B): call run_from_"),
        (
            CLASS.replace("_process_", "_other_").format(name="A"),
            "x.py: A lacks the method _process_downloaded_data_file",
        ),
        ("from openmsistream import DataFileStreamProcessor\nclass A(DataFileStreamProcessor): ...", "x.py: No module"),
        (
            "from openmsi_processor import UploadDataFile\nUploadDataFile('f')",
            "x.py, line 2: NotImplementedError: Uplo",
        ),
        ("from enum import Enum\nclass A(Enum):\n    a = 1", "x.py: there is no processor in it: put @processor above"),
        (CLASS.format(name="A") + "1 / 0", "x.py, line 6: ZeroDivisionError: division by zero"),
        (CLASS.format(name="A") + "A('c', 't', mode='tape')", "A: mode is 'tape', and can be memory, disk, both"),
        (CLASS.format(name="A") + "A('c', 't', mode='disk', datafile_type=int)", "A: with mode disk, datafile_type"),
        (CLASS.format(name="A") + "import os; os._exit(3)", "x.py: it ended itself (exit code 3)"),
    ],
)
def test_script(scripts: OldProcessors, text: str, line: str) -> None:
    (scripts.folder / "x.py").write_text(text)
    code, said, _ = ended(scripts.folder, "StreamProcessor", "x.py", "--topic_name", "t")
    assert code == 78
    assert said.removeprefix("StreamProcessor: ").replace(f"{scripts.folder}/", "").startswith(line)


def test_results_to_the_topic_of_the_files_are_refused(scripts: OldProcessors) -> None:
    scripts.changed("metadata.py")
    code, line, _ = ended(scripts.folder, "python", "metadata.py", "--topic_name", "t")
    assert code == 78
    assert "producer_topic_name is missing" in line


def test_a_script_that_does_something_else_runs_as_it_is(scripts: OldProcessors) -> None:
    script = CLASS.format(name="A") + "made = A('c', 't'); print('tried', made.topic_name); raise SystemExit(3)"
    (scripts.folder / "x.py").write_text(script)
    code, line, _ = ended(scripts.folder, "python", "x.py")
    assert (code, line) == (3, "tried t")
