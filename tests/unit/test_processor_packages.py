"""Packages that the code of users needs: installed once, whole or not at all, and what is wrong in one line."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from openmsi_core.errors import ConfigError
from openmsi_core.locks import try_lock
from openmsi_core.service import Service
from openmsi_processor.packages import PLACE, packages_for
from openmsi_processor.pip_reason import pip_reason
from tests.support.wheels import make_wheel

HEAD = "--no-index\n--find-links ./wheels\n"


class Lab:
    """A folder with code and wheels beside it, and a state folder."""

    def __init__(self, folder: Path) -> None:
        self.code = folder / "custom_folder" / "code.py"
        self.wheels = self.code.parent / "wheels"
        self.state = folder / "state"
        self.built_in = folder / "built in"
        self.service = Service()
        for each in (self.wheels, self.state, self.built_in):
            each.mkdir(parents=True)
        here = Path(sys.executable).parent
        self.environ = {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}", PLACE: str(self.built_in)}

    def wants(self, text: str) -> Path:
        file = self.code.parent / "requirements.txt"
        file.write_text(HEAD + text)
        return file

    def packages(self, environ: Mapping[str, str] | None = None) -> str | None:
        return packages_for(self.code, self.state, self.environ if environ is None else environ, self.service)

    def says(self, folders: str | None, code: str) -> str:
        """What Python prints that has ``folders`` on its path."""
        assert folders is not None
        return subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONPATH": folders}, capture_output=True, text=True, check=True
        ).stdout.strip()

    @property
    def left(self) -> set[str]:
        return {path.name[:4] for path in (self.state / "packages").iterdir()} - {"lock", "cach"}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_what_is_asked_for_is_installed_once_and_again_when_it_changes(lab: Lab) -> None:
    make_wheel(lab.wheels, "answers", "ANSWER = 41")
    make_wheel(lab.wheels, "msgpack", "raise SystemExit('not for the service')", "99.0")
    lab.wants("-r more.txt\nmsgpack\n")
    (lab.code.parent / "more.txt").write_text("answers==1.0\n")
    first = lab.packages()
    assert lab.says(first, "import answers; print(answers.ANSWER)") == "41"
    left_by_one_who_died = lab.state / "packages" / "new-1"
    left_by_one_who_died.mkdir()
    (lab.wheels / "answers-1.0-py3-none-any.whl").unlink()  # nobody looks for it again
    assert lab.packages() == first
    make_wheel(lab.wheels, "answers", "ANSWER = 42", "2.0")
    (lab.code.parent / "more.txt").write_text("answers==2.0\n")
    second = lab.packages()
    assert second != first
    assert lab.says(second, "import answers; print(answers.ANSWER)") == "42"
    assert not left_by_one_who_died.exists()


def test_what_an_image_brings_is_not_installed_again(lab: Lab) -> None:
    make_wheel(lab.wheels, "answers", "ANSWER = 42")
    lab.wants("answers\n")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--find-links", str(lab.wheels)]
    subprocess.run([*pip, "--target", str(lab.built_in), "answers"], check=True)
    assert lab.packages() == str(lab.built_in)
    assert lab.left == set()


def test_a_file_with_comments_alone_asks_for_nothing(lab: Lab) -> None:
    lab.wants("").write_text("# one package a line\n\n")
    assert lab.packages() == str(lab.built_in)
    assert not (lab.state / "packages").exists()


def test_elsewhere_than_in_an_image_nothing_is_installed(lab: Lab) -> None:
    lab.wants("nosuchpackage\n")
    assert lab.packages({}) == ""
    assert not (lab.state / "packages").exists()


@pytest.mark.parametrize(
    ("wants", "line", "words"),
    [
        ("# the tools\nnosuchpackage>=3  # why\n", 4, "No matching|Could not find a version"),
        ("answers\nsix ==\n", 4, "Invalid requirement"),
        ("answers==2\n", 3, "answers==2"),
        ("needy\n", 3, "missing"),
        ("answers==1.0\nanswers==2.0\n", 3, "Cannot install"),
    ],
    ids=["no such package", "no requirement", "no such version", "no such package inside", "conflict"],
)
def test_what_cannot_be_installed_is_one_line_that_names_the_line(lab: Lab, wants: str, line: int, words: str) -> None:
    make_wheel(lab.wheels, "answers", "")
    make_wheel(lab.wheels, "needy", "", needs=["missing"])
    file = lab.wants(wants)
    with pytest.raises(ConfigError, match=words) as caught:
        lab.packages()
    said = str(caught.value)
    assert said.startswith(f"{file}, line {line}: "), said
    assert "\n" not in said
    assert lab.left == set()


def test_an_index_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("numpy\n")
    said = (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError': /simple/numpy/\n"
        "ERROR: Could not find a version that satisfies the requirement numpy (from versions: none)\n"
        "ERROR: No matching distribution found for numpy\n"
    )
    assert pip_reason(said, wanted) == (
        f"{wanted}, line 1: Could not find a version that satisfies the requirement numpy (from versions: none)"
        " (the package index could not be reached: check the network and PIP_INDEX_URL)"
    )


def test_a_package_that_cannot_be_built_is_named(tmp_path: Path) -> None:
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("# c\nlarge\n")
    said = (
        f"Collecting large (from -r {wanted} (line 2))\n  error: subprocess-exited-with-error\n  \n"
        "  × Building wheel for large (pyproject.toml) did not run successfully.\n  │ exit code: 1\n"
        '      File "setup.py", line 7, in <module>\n'
    )
    expected = "Building wheel for large (pyproject.toml) did not run successfully."
    assert pip_reason(said, wanted) == f"{wanted}, line 2: {expected}"


def test_who_waits_for_another_stops_when_told_to(lab: Lab) -> None:
    lab.wants("answers\n")
    (lab.state / "packages").mkdir()
    other = try_lock(lab.state / "packages" / "lock")
    assert other is not None
    lab.service.stop.set()
    assert lab.packages() is None
    other.close()


def test_two_at_once_install_once(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    make_wheel(lab.wheels, "answers", "ANSWER = 42")
    lab.wants("answers\n")
    found: list[str | None] = []
    both = [threading.Thread(target=lambda: found.append(lab.packages())) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert found[0] == found[1]
    assert lab.says(found[0], "import answers; print(answers.ANSWER)") == "42"
    assert len([line for line in caplog.messages if line.startswith("installed")]) == 1
