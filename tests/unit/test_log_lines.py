"""Log lines that are written together, and those that are not kept waiting."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsi_core import log_lines
from openmsi_core.log_lines import together
from openmsi_core.logs import logging_to
from openmsi_downloader.settings import DownloadSettings

log = logging.getLogger("openmsi_test")


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Path]:
    """The log file of a program that runs."""
    values = {"output_dir": tmp_path / "out", "topic_name": "T", "state_dir": tmp_path}
    with logging_to("P", DownloadSettings.model_validate(values)):
        yield tmp_path / "P.log"


def said(file: Path) -> list[str]:
    return [line.split()[-1] for line in file.read_text().splitlines()]


def test_lines_of_one_turn_are_written_at_its_end_in_both_places(
    lines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with together():
        log.info("one")
        log.info("two")
        assert said(lines) == []
    assert said(lines) == ["one", "two"]
    assert capsys.readouterr().err == lines.read_text()
    log.info("three")
    assert said(lines) == ["one", "two", "three"]


def test_they_are_written_whatever_ends_the_turn(lines: Path) -> None:
    def turn() -> None:
        with together():
            log.info("one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        turn()
    assert said(lines) == ["one"]


def test_what_is_serious_is_written_at_once_after_what_waits(lines: Path) -> None:
    with together():
        log.info("one")
        log.warning("two")
        assert said(lines) == ["one", "two"]


def test_other_threads_are_not_kept_waiting(lines: Path) -> None:
    with together():
        log.info("one")
        thread = threading.Thread(target=log.info, args=("two",))
        thread.start()
        thread.join()
        assert said(lines) == ["one", "two"]


def test_no_more_than_a_thousand_wait(lines: Path) -> None:
    with together():
        for number in range(log_lines._MOST_WAITING):
            log.info("%d", number)
        assert len(said(lines)) == log_lines._MOST_WAITING


def test_a_line_is_made_once_for_both_places(lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made: list[str] = []

    class Counted:
        def __str__(self) -> str:
            made.append("x")
            return "counted"

    for handler in logging.getLogger().handlers[:]:
        if not isinstance(handler, log_lines.Lines):
            logging.getLogger().removeHandler(handler)  # pytest's own
    for _ in range(2):
        log.info("%s", Counted())
    assert len(made) == 2
    assert said(lines) == ["counted"] * 2
    assert capsys.readouterr().err.count("counted") == 2
