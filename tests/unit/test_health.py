"""Heartbeat and health check: progress, not existence."""

import json
import socket
from pathlib import Path

import pytest

from openmsi_core.health import main, unhealthy
from openmsi_core.heartbeat import Heartbeat, heartbeat_file
from openmsi_core.status import Status, size


def beaten(state: Path, status: Status, at: float = 1000.0) -> Path:
    Heartbeat(state, "P").write(status, at)
    return state


@pytest.mark.parametrize(
    ("status", "now", "reason"),
    [
        (Status(), 1000.0, None),
        (Status(), 1060.0, None),
        (Status(), 1061.0, "the program has not turned its loop for 61 s"),
        (Status(waiting_for="broker b:1"), 1100.0, "not turned its loop for 100 s (waiting for broker b:1)"),
        (Status(), 5.0, "not turned its loop for -995 s"),  # written before the machine was started again
        (Status(oldest_pending_seconds=3500.0), 1001.0, None),
        (Status(oldest_pending_seconds=3550.0), 1055.0, "a file has waited for 3605 s, more than 3600 s"),
    ],
)
def test_healthy_means_progress(tmp_path: Path, status: Status, now: float, reason: str | None) -> None:
    found = unhealthy(beaten(tmp_path, status), 3600, now)
    assert found == reason if reason is None else found is not None and reason in found


def test_no_heartbeat_and_a_damaged_one_are_unhealthy(tmp_path: Path) -> None:
    assert unhealthy(tmp_path, 3600, 0.0) == f"no program runs with the state folder {tmp_path}"
    for damage in ("", "[]", "{}", '{"monotonic": null, "oldest_pending_seconds": 1}'):
        heartbeat_file(tmp_path).write_text(damage)
        assert "cannot be read" in (unhealthy(tmp_path, 3600, 0.0) or "")


def test_the_check_prints_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beaten(tmp_path / ".", Status(oldest_pending_seconds=50.0))
    (tmp_path / "openmsi.env").write_text(f"OPENMSI_STATE_DIR={tmp_path}\n")
    assert main({}, tmp_path, 1001.0) == 0
    assert main({"OPENMSI_HEALTH_MAX_PENDING_SECONDS": "20"}, tmp_path, 1001.0) == 1
    assert main({"OPENMSI_HEALTH_MAX_PENDING_SECONDS": "soon"}, tmp_path, 1001.0) == 1
    assert main({"OPENMSI_STATE_DIR": ""}, tmp_path, 1001.0) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0] == "healthy"
    assert lines[1] == "unhealthy: a file has waited for 51 s, more than 20 s"
    assert lines[3] == "unhealthy: OPENMSI_STATE_DIR does not say which state folder to look at"


def test_the_file_is_written_once_a_second_and_whole(tmp_path: Path) -> None:
    heartbeat = Heartbeat(tmp_path, "P")
    for files, now in enumerate((10.0, 10.5, 10.9, 11.0)):
        heartbeat.write(Status(files_done=files), now)
        written = json.loads(heartbeat_file(tmp_path).read_text())
        assert (written["monotonic"], written["files_done"]) == ((11.0, 3) if now == 11.0 else (10.0, 0))
    assert written["program"] == "P"
    assert list(tmp_path.iterdir()) == [heartbeat_file(tmp_path)]


def test_replicas_with_one_state_folder_are_checked_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beaten(tmp_path, Status(), at=1000.0)
    monkeypatch.setattr(socket, "gethostname", lambda: "another-container")
    assert unhealthy(tmp_path, 3600, 1000.0) is not None
    beaten(tmp_path, Status(), at=5000.0)
    assert unhealthy(tmp_path, 3600, 5000.0) is None
    monkeypatch.undo()
    assert unhealthy(tmp_path, 3600, 5000.0) is not None


def test_a_disk_that_cannot_be_written_does_not_stop_the_program(tmp_path: Path) -> None:
    heartbeat = Heartbeat(tmp_path / "gone", "P")
    heartbeat.write(Status(), 1.0)
    heartbeat.remove()


def test_status_in_words() -> None:
    assert str(Status()) == "0 files (0 B) done, 0 files (0 B) pending"
    busy = Status(3, 4_200_000_000, 2, 1500, 12.4, {"skipped: hidden": 3, "quarantined": 1}, "broker b:1")
    assert str(busy) == (
        "3 files (4.2 GB) done, 2 files (1.5 kB) pending, the oldest for 12 s"
        "; quarantined: 1; skipped: hidden: 3; waiting for broker b:1"
    )


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_999, "1000.0 kB"),
        (10**6, "1.0 MB"),
        (3 * 10**15, "3000.0 TB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text
