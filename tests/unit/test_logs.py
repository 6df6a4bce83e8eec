"""The log: one line per record, in UTC, to the terminal and a file, never with a secret in it."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from openmsi_core.logs import logging_to
from openmsi_downloader.settings import DownloadSettings

log = logging.getLogger("openmsi_test")
SECRET = "hunter22"


def settings(tmp_path: Path, **given: Any) -> DownloadSettings:
    options: Mapping[str, str] = {"bootstrap.servers": "b:1", "sasl.password": SECRET}
    values: dict[str, Any] = {"output_dir": tmp_path / "out", "topic_name": "T", "state_dir": tmp_path}
    return DownloadSettings(**values, consumer=options, **given)


def test_plain_lines_on_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to("P", settings(tmp_path)):
        log.handle(log.makeRecord(log.name, logging.INFO, "f", 1, "delivered %s", ("a.tif",), None))
        log.debug("unheard")
    line = capsys.readouterr().err
    assert line == (tmp_path / "P.log").read_text()
    assert line.endswith("Z INFO  delivered a.tif\n")
    assert line[4] == line[7] == "-"
    assert len(line.split()[0]) == len("2026-11-20T10:11:12Z")


def test_time_is_utc(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = log.makeRecord(log.name, logging.WARNING, "f", 1, "x", (), None)
    record.created = 1_000_000_000.5
    with logging_to("P", settings(tmp_path)):
        log.handle(record)
    with logging_to("P", settings(tmp_path, log_format="json")):
        log.handle(record)
    plain, as_json = capsys.readouterr().err.splitlines()
    assert plain == "2001-09-09T01:46:40Z WARNING x"
    assert json.loads(as_json) == {
        "time": "2001-09-09T01:46:40.500Z",
        "level": "warning",
        "program": "P",
        "logger": "openmsi_test",
        "message": "x",
    }


def test_levels_are_separate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to("P", settings(tmp_path, logger_stream_level="error", logger_file_level="debug")):
        log.debug("one")
        log.error("two")
    assert "one" not in capsys.readouterr().err
    assert [line.split()[-1] for line in (tmp_path / "P.log").read_text().splitlines()] == ["one", "two"]


def test_libraries_are_heard_from_warning_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to("P", settings(tmp_path, logger_stream_level="debug")):
        logging.getLogger("watchdog").info("chatter")
        logging.getLogger("watchdog").warning("trouble")
    said = capsys.readouterr().err
    assert "trouble" in said
    assert "chatter" not in said


@pytest.mark.parametrize("log_format", ["plain", "json"])
def test_secrets_are_struck_out_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    with logging_to("P", settings(tmp_path, log_format=log_format)):
        log.info("login with %s failed", SECRET)
        try:
            raise ValueError(f"bad password {SECRET}")
        except ValueError:
            log.exception("trouble")
    said = capsys.readouterr().err + (tmp_path / "P.log").read_text()
    assert SECRET not in said
    assert "login with *** failed" in said
    assert "bad password ***" in said


def test_a_name_cannot_forge_a_line_or_drive_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to("P", settings(tmp_path)):
        log.info("delivered %s", "a\nb\x1b[2J\x85\u2028ü\udcff")
    assert (tmp_path / "P.log").read_text().endswith("delivered a\\x0ab\\x1b[2J\\x85\\x2028ü\\xdcff\n")
    assert capsys.readouterr().err.count("\n") == 1


def test_a_log_file_that_cannot_be_opened_costs_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to("P", settings(tmp_path, logger_file_path=tmp_path / "missing" / "x.log")):
        log.info("on it goes")
    warning, line = capsys.readouterr().err.splitlines()
    assert "WARNING there is no log file, because" in warning
    assert line.endswith("on it goes")


def test_a_log_file_may_be_named_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with logging_to("P", settings(tmp_path, logger_file_path=tmp_path / "logs")):
        log.info("x")
    assert (tmp_path / "logs" / "P.log").exists()


def test_a_full_disk_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to("P", settings(tmp_path, logger_file_path=Path("/dev/full"))):
        log.info("one")
        log.info("two")
    said = capsys.readouterr().err
    assert said.count("cannot be written") == 1
    assert "one" in said
    assert "two" in said


def test_the_file_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmsi_core.log_lines._FILE_BYTES", 1000)
    with logging_to("P", settings(tmp_path, logger_stream_level="critical")):
        for number in range(200):
            log.info("line %d", number)
    files = sorted(tmp_path.glob("P.log*"))
    assert [file.name for file in files] == ["P.log", "P.log.1", "P.log.2", "P.log.3", "P.log.4"]
    assert max(file.stat().st_size for file in files) <= 1000


def test_the_log_is_left_as_it_was(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    with logging_to("P", settings(tmp_path)):
        pass
    assert (root.handlers[:], root.level) == before
