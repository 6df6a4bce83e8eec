"""Turns to place files: one thread of one process at a time, for as long as that process lives."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from openmsi_core import turns
from openmsi_core.errors import Retryable
from openmsi_core.turns import Turns
from tests.support.placing import path

_HOLD = """\
import sys, pathlib
from openmsi_core.turns import Turns
from openmsi_core.paths import RelativePath
with Turns(pathlib.Path(sys.argv[1])).take(RelativePath.parse("a")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_WAIT_SECONDS", 0.2)


def test_threads_take_turns(tmp_path: Path) -> None:
    both, inside, overlaps = Turns(tmp_path), threading.Lock(), []

    def place() -> None:
        for _ in range(200):
            with both.take(path("a")):
                overlaps.append(not inside.acquire(blocking=False))
                inside.release()

    threads = [threading.Thread(target=place) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(overlaps) == 800
    assert not any(overlaps)


def test_another_process_keeps_its_turn_until_it_dies(tmp_path: Path) -> None:
    ours = Turns(tmp_path)
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(Retryable, match="if it is frozen, end it"), ours.take(path("a")):
            pass
        with ours.take(path("b")):
            pass
        other.kill()
        other.wait()
        with ours.take(path("a")):
            pass


def test_a_turn_ends_with_an_error_too(tmp_path: Path) -> None:
    one, other = Turns(tmp_path), Turns(tmp_path)
    with pytest.raises(ValueError, match="inside"), one.take(path("a")):
        raise ValueError("inside")
    with other.take(path("a")):
        pass


def test_a_lock_file_that_was_removed_does_not_let_two_in(tmp_path: Path) -> None:
    """Both keep it open; who holds a file that is gone excludes nobody who comes later."""
    one, other = Turns(tmp_path), Turns(tmp_path)
    for each in (one, other):
        with each.take(path("a")):
            pass
    for file in (tmp_path / ".openmsi" / "turns").iterdir():
        file.unlink()
    with one.take(path("a")), pytest.raises(Retryable), other.take(path("a")):
        pass
