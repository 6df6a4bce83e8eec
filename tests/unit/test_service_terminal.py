"""A program at a real (pseudo-)terminal, and away from one."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

TOY = """
import os, sys
from pathlib import Path
from typing import ClassVar
from pydantic_settings import CliPositionalArg
from openmsi_core.service import Service, Status, run
from openmsi_core.settings import ProgramSettings

class Toy(ProgramSettings):
    program: ClassVar = "Toy"
    place: ClassVar = "folder"
    folder: CliPositionalArg[Path]

def main(settings: Toy, service: Service) -> None:
    status = Status(3, 4_200_000, 2, 1500, waiting_for="broker b:1")
    service.beat(status)
    print("ready", file=sys.stderr, flush=True)
    while not service.stop.wait(0.05):
        service.beat(status)
    if "stubborn" in str(settings.folder):
        import time
        time.sleep(60)
    print("rich" in sys.modules)

sys.exit(run("Toy", Toy, main))
"""


ENVIRON = {"PATH": "", "OPENMSI_TOPIC_NAME": "T", "OPENMSI_STATE_DIR": "state"}


class Terminal:
    """A program whose standard streams are a terminal that the test reads and types at."""

    def __init__(self, cwd: Path, *argv: str) -> None:
        self.own, other = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", TOY, *argv],
            stdin=other,
            stdout=other,
            stderr=other,
            cwd=cwd,
            env={
                "PATH": "",
                "TERM": "xterm",
                "OPENMSI_TOPIC_NAME": "T",
                "OPENMSI_STATE_DIR": "state",
                "COLUMNS": "100",
            },
            start_new_session=True,
        )
        os.close(other)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.own, text.encode())

    def wait_for(self, text: str) -> None:
        """Return when ``text`` has appeared since the start; fail after 20 seconds."""
        limit = time.monotonic() + 20
        while not re.search(text, self.seen):
            assert select.select([self.own], [], [], max(0.0, limit - time.monotonic()))[0], self.seen
            try:
                self.seen += os.read(self.own, 4096).decode(errors="replace")
            except OSError:  # how Linux says that the other end is closed
                raise AssertionError(f"{text!r} never came: {self.seen}") from None

    def close(self) -> int:
        os.close(self.own)
        self.process.kill()
        return self.process.wait()


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    (tmp_path / "config.config").write_text("[broker]\nbootstrap.servers = b:1\n")
    return tmp_path


@pytest.fixture
def terminal(cwd: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    started = Terminal(cwd, *getattr(request, "param", ["data"]))
    yield started
    started.close()


def test_check_prints_the_status_and_quit_stops(terminal: Terminal) -> None:
    terminal.wait_for("ready")
    terminal.type("c\n")
    terminal.wait_for(r"INFO  status: 3 files \(4.2 MB\) done, 2 files")
    terminal.type("what?\n")
    terminal.wait_for(r"type c \(check\) for the status, q \(quit\) to stop")
    terminal.type("QUIT\n")
    terminal.wait_for(r"stopping \(quit\)")
    terminal.wait_for("Toy has stopped")
    assert terminal.process.wait(20) == 0


def test_a_terminal_has_a_live_line_and_whole_log_lines(terminal: Terminal) -> None:
    terminal.wait_for(r"3 files, 4.2 MB \| 2 pending, 1.5 kB \| waiting for broker b:1")
    terminal.type("q\n")
    terminal.wait_for("Toy has stopped")
    assert terminal.process.wait(20) == 0
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.seen).replace("\r", "\n").splitlines()
    assert next(line for line in lines if line.endswith(": finishing what is in flight")).startswith("20")


@pytest.mark.parametrize("terminal", [["data", "--log_format", "json"]], indirect=True)
def test_json_lines_are_not_mixed_with_a_live_line(terminal: Terminal) -> None:
    terminal.wait_for("ready")
    terminal.type("c\nq\n")
    terminal.wait_for(r'"message": "Toy has stopped')
    terminal.wait_for("False")  # rich was never loaded
    assert "\x1b" not in terminal.seen


@pytest.mark.parametrize("terminal", [["stubborn"]], indirect=True)
def test_a_second_interrupt_ends_at_once_and_shows_the_cursor_again(terminal: Terminal) -> None:
    terminal.wait_for("ready")
    os.kill(terminal.process.pid, signal.SIGINT)
    terminal.wait_for(r"stopping \(SIGINT\)")
    os.kill(terminal.process.pid, signal.SIGINT)
    assert terminal.process.wait(20) == 130
    terminal.wait_for(r"\x1b\[\?25h\r\n$")


def test_without_a_terminal_standard_input_is_not_read(cwd: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TOY, "data", "--update_seconds", "0.1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=ENVIRON,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write("q\n")
        process.stdin.flush()
        for line in process.stderr:
            if "still alive: 3 files" in line:
                break
        assert process.poll() is None
        check = [sys.executable, "-m", "openmsi_core.health"]
        done = subprocess.run(check, cwd=cwd, env=ENVIRON, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "healthy\n", "")
        process.terminate()
        rest, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert rest == "False\n"  # rich was never loaded
    assert "stopping (SIGTERM)" in said
    done = subprocess.run(check, cwd=cwd, env=ENVIRON, capture_output=True, text=True, check=False)
    assert done.returncode == 1
