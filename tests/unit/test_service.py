"""The frame around a program: exit codes, signals, the loop's heartbeat, what is said and where."""

import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field
from pydantic_settings import CliPositionalArg

from openmsi_core.errors import BadInput, BrokerUnreachable, ConfigError, Fatal, InternalError
from openmsi_core.heartbeat import Heartbeat, heartbeat_file
from openmsi_core.service import Service, run
from openmsi_core.settings import ProgramSettings
from openmsi_core.status import Status

log = logging.getLogger("openmsi_test")


class Toy(ProgramSettings):
    """A program for these tests."""

    program: ClassVar = "Toy"
    place: ClassVar = "folder"
    clients: ClassVar = ("producer",)

    folder: CliPositionalArg[Path] = Field(description="a folder")
    old_option: str | None = Field(None, description="no effect in this version")


Main = Callable[[Toy, Service], None]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a main function as the program Toy, in a folder with a config file."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("OPENMSI_")]:
        monkeypatch.delenv(name)
    (tmp_path / "config.config").write_text(
        "[broker]\nbootstrap.servers = b:1\nsasl.username=u\nsasl.password=hunter22\n"
    )

    def start(main: Main, *more: str) -> int:
        return run("Toy", Toy, main, ["data", "--topic_name", "T", "--state_dir", "state", *more])

    return start


def nothing(settings: Toy, service: Service) -> None:
    """A main function that is done at once."""


def test_a_clean_end_is_zero_and_the_log_tells_how_it_was_started(
    start: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(nothing, "--old_option", "x") == 0
    said = capsys.readouterr().err
    assert "Toy 0.1.0 starts, Python 3." in said
    assert "producer.bootstrap.servers=b:1" in said
    assert "sasl.password=***" in said
    assert "WARNING --old_option has no effect in this version" in said
    assert "Toy has stopped: 0 files" in said
    assert (tmp_path / "state" / "Toy.log").read_text() == said


@pytest.mark.parametrize(
    ("kind", "code"), [(BadInput, 65), (BrokerUnreachable, 69), (InternalError, 70), (ConfigError, 78)]
)
def test_what_a_user_can_mend_is_one_line_and_an_exit_code(
    start: Callable[..., int], capsys: pytest.CaptureFixture[str], kind: type[Fatal], code: int
) -> None:
    def main(settings: Toy, service: Service) -> None:
        raise kind("the topic T does not exist: make it first")

    assert start(main, "--logger_stream_level", "critical") == code
    said = capsys.readouterr().err
    assert said.endswith("Z CRITICAL the topic T does not exist: make it first\n")
    assert said.count("\n") == 1


def test_a_mistake_in_the_settings_is_one_line(
    start: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(nothing, "--topicname", "x") == 64
    (tmp_path / "config.config").write_text("[brokr]\n")
    assert start(nothing) == 78
    usage, config = capsys.readouterr().err.splitlines()
    assert (
        usage == "Toy: unrecognized arguments: --topicname x (did you mean --topic_name?); Toy --help shows all options"
    )
    assert config.startswith("Toy: ")
    assert config.endswith("nobody knows the section [brokr] (did you mean broker?)")


def test_a_state_folder_that_cannot_be_used(start: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    assert start(nothing) == 78


def test_help_is_a_clean_end(start: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert start(nothing, "--help") == 0
    assert "A program for these tests" in capsys.readouterr().out


def test_a_fault_of_ours_is_logged_with_its_traceback(
    start: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(settings: Toy, service: Service) -> None:
        raise ZeroDivisionError("oh hunter22")

    assert start(main) == 70
    said = capsys.readouterr().err
    assert "CRITICAL Toy stops: this is a fault of the program itself, please report it" in said
    assert "ZeroDivisionError: oh ***" in said
    assert "ZeroDivisionError" in (tmp_path / "state" / "Toy.log").read_text()


def test_a_thread_that_dies_stops_the_program(start: Callable[..., int]) -> None:
    def main(settings: Toy, service: Service) -> None:
        def fail() -> None:
            raise ConfigError("found too late")

        threading.Thread(target=fail).start()
        assert service.stop.wait(10)

    assert start(main) == 78


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop(
    start: Callable[..., int], capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    def main(settings: Toy, service: Service) -> None:
        os.kill(os.getpid(), number)
        assert service.stop.wait(10)

    before = signal.getsignal(number)
    assert start(main) == 0
    assert signal.getsignal(number) is before
    assert f"stopping ({number.name}): finishing what is in flight" in capsys.readouterr().err


def test_the_heartbeat_is_there_while_the_program_runs(start: Callable[..., int], tmp_path: Path) -> None:
    def main(settings: Toy, service: Service) -> None:
        service.beat(Status(files_done=3, notes={"quarantined": 1}))
        beat = json.loads(heartbeat_file(tmp_path / "state").read_text())
        assert (beat["program"], beat["files_done"], beat["notes"]) == ("Toy", 3, {"quarantined": 1})

    assert start(main) == 0
    assert not heartbeat_file(tmp_path / "state").exists()


def test_alive_lines_come_in_their_time(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0

    def lines(update_seconds: float) -> int:
        nonlocal now
        caplog.clear()
        service = Service(update_seconds=update_seconds, clock=lambda: now)
        for _ in range(100):
            now += 1.0
            service.beat(Status(files_done=7))
        assert all("still alive: 7 files" in message for message in caplog.messages)
        return len(caplog.messages)

    caplog.set_level(logging.INFO)
    assert lines(10) == 10
    assert lines(-1) == lines(0) == 0


def test_each_turn_reaches_display_and_heartbeat(tmp_path: Path) -> None:
    shown: list[Status] = []
    service = Service(Heartbeat(tmp_path, "P"), display=shown.append)
    service.beat(Status(files_done=1))
    assert shown == [service.status] == [Status(files_done=1)]
    assert heartbeat_file(tmp_path).exists()
