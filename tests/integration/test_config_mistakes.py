"""A mistake in the settings ends the real programs with one line that says what to mend, before any broker is asked."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.running import CONFIG, POWERLESS, Program

NO_BROKER = "127.0.0.1:9"
PROGRAMS = ("DataFileUploadDirectory", "DataFileDownloadDirectory")

Run = Callable[..., tuple[int, str]]


@pytest.fixture(params=PROGRAMS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs a program with a config file; its exit code and all that it printed."""
    (tmp_path / "data").mkdir()

    def run(config: str, *options: str, prefix: tuple[str, ...] = ()) -> tuple[int, str]:
        (tmp_path / "my.config").write_text(config)
        options = ("--config", str(tmp_path / "my.config"), *options)
        return _end_of(tmp_path, request.param, str(tmp_path / "data"), *options, prefix=prefix)

    return run


def _end_of(folder: Path, *command: str, prefix: tuple[str, ...] = ()) -> tuple[int, str]:
    program = Program(folder / "run", NO_BROKER, *command, "--topic_name", "t", prefix=prefix)
    try:
        return program.exits(), program.output
    finally:
        program.kill()


def assert_one_line(output: str, *parts: str) -> None:
    (line,) = output.splitlines()
    for part in parts:
        assert part in line


def test_a_config_file_that_is_missing(run: Run, tmp_path: Path) -> None:
    code, output = run(CONFIG, "--config", str(tmp_path / "other.config"))
    assert code == 78
    assert_one_line(output, str(tmp_path / "other.config"))


def test_a_config_file_that_may_not_be_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret.config").write_text(CONFIG)
    (tmp_path / "secret.config").chmod(0o600)
    os.chown(tmp_path / "secret.config", 12345, 12345)
    code, output = run(CONFIG, "--config", str(tmp_path / "secret.config"), prefix=POWERLESS)
    assert code == 78
    assert_one_line(output, str(tmp_path / "secret.config"))


def test_a_section_that_nobody_knows(run: Run) -> None:
    code, output = run(f"{CONFIG}\n[producers]\nlinger.ms = 5\n")
    assert code == 78
    assert_one_line(output, "producers", "did you mean", "producer")


def test_a_key_that_nobody_knows(run: Run) -> None:
    sections = "\n".join(f"[{program}]\nn_thread = 2" for program in PROGRAMS)
    code, output = run(f"{CONFIG}\n{sections}\n")
    assert code == 78
    assert_one_line(output, "n_thread", "did you mean", "n_threads")


def test_a_variable_that_is_not_set(run: Run) -> None:
    code, output = run(f"{CONFIG}\nclient.id = $NOBODY_SET_THIS\n")
    assert code == 78
    assert_one_line(output, "NOBODY_SET_THIS")


def test_an_option_that_nobody_knows_is_a_mistake_of_the_command_line(run: Run) -> None:
    code, output = run(CONFIG, "--nthreads", "2")
    assert code == 64
    assert_one_line(output, "--nthreads", "did you mean", "--n_threads")


def test_an_output_folder_with_its_staging_on_another_disk(tmp_path: Path) -> None:
    staging = tmp_path / "out" / ".openmsi" / "staging"
    staging.mkdir(parents=True)
    code, output = _end_of(
        tmp_path, "DataFileDownloadDirectory", str(tmp_path / "out"), prefix=_with_other_disk_at(staging)
    )
    assert code == 78
    assert "another disk" in output.splitlines()[-1] or "two file systems" in output.splitlines()[-1]


def _with_other_disk_at(folder: Path) -> tuple[str, ...]:
    """Prefix that mounts a small disk in a name space of the program's own."""
    return ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=4m none "{folder}" && exec "$@"', "sh")
