"""`ProvisionNode`: asks at a terminal, and says what to give where there is none."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from openmsi_admin.provision_node import main
from openmsi_core.encryption.certificates import standing_of
from openmsi_core.encryption.node import Node

PROGRAM = (sys.executable, "-c", "import sys; from openmsi_admin.provision_node import main; sys.exit(main())")


def test_without_a_terminal_it_says_what_to_give(tmp_path: Path) -> None:
    command = [*PROGRAM, "--node", "up"]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert "give --role … --topics …" in done.stderr
    assert not list(tmp_path.iterdir())


def test_with_all_options_it_asks_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--node", "up", "--role", "producer", "--topics", "t", "--out", f"{tmp_path / 'n'}"]
    old = ["--root", f"{tmp_path / 'r'}", "--mode", "simple", "--script-path", "x.py"]
    assert main(options + old) == 0
    said = capsys.readouterr().out
    assert "--mode and --script-path has no effect" in said
    assert standing_of(Node(tmp_path / "n" / "up", "up")).role == "producer"
    assert main(["--list", "--out", f"{tmp_path / 'n'}"]) == 0
    assert "producer" in capsys.readouterr().out


def test_at_a_terminal_it_asks(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([*PROGRAM, "--days", "20"], cwd=tmp_path, stdin=theirs, stdout=subprocess.PIPE) as program:
        os.close(theirs)
        os.write(ours, b"lab-pc\n\n7\n3\nfiles,other.x\nkeys\n\n")
        said = program.communicate(timeout=60)[0].decode()
    os.close(ours)
    assert program.returncode == 0, said
    standing = standing_of(Node(tmp_path / "nodes" / "lab-pc", "lab-pc"))
    assert (standing.role, standing.topics, standing.refused) == ("prodcon", ("files", "other"), None)
    assert (tmp_path / "keys" / "root.key").is_file()


def test_an_answer_that_ends_makes_nothing(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        PROGRAM, cwd=tmp_path, stdin=theirs, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as program:
        os.close(theirs)
        os.write(ours, b"lab-pc\n\x04")
        said = program.communicate(timeout=60)[1].decode()
    os.close(ours)
    assert program.returncode == 130
    assert "nothing was made" in said
    assert not list(tmp_path.iterdir())
