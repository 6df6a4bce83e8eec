"""The state folder: one holder at a time, an id that stays."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from openmsi_core.errors import ConfigError
from openmsi_core.state import default_state_dir, instance_id, lock_state_dir, make_state_dir

HOLD = """
import sys
from pathlib import Path
from openmsi_core.state import lock_state_dir
with lock_state_dir(Path(sys.argv[1]), "DataFileUploadDirectory /data to topic T"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_holder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError) as caught, lock_state_dir(tmp_path, "another"):
            pass
        assert f"DataFileUploadDirectory /data to topic T (process {holder.pid} on " in str(caught.value)
        assert caught.value.exit_code == 78
        holder.kill()
        holder.wait()
        with lock_state_dir(tmp_path, "another"):
            assert "another" in (tmp_path / "lock").read_text()


def test_the_lock_ends_with_the_block_and_a_stale_file_means_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("left behind { by a crash")
    for _ in range(2):
        with lock_state_dir(tmp_path, "me"):
            pass


def test_a_holder_whose_words_cannot_be_read_is_another_process(tmp_path: Path) -> None:
    with lock_state_dir(tmp_path, "me"):
        (tmp_path / "lock").write_text("[]")
        with pytest.raises(ConfigError, match="is in use by another process"), lock_state_dir(tmp_path, "you"):
            pass


def test_the_id_stays_and_differs_between_folders(tmp_path: Path) -> None:
    first = instance_id(tmp_path / "a")
    assert len(first) == 32
    assert instance_id(tmp_path / "a") == first
    assert instance_id(tmp_path / "b") != first
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["id"]


def test_processes_that_ask_at_once_get_one_id(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(instance_id, [tmp_path] * 64))) == 1


def test_a_file_system_without_hard_links_has_an_id_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert instance_id(tmp_path) == instance_id(tmp_path)


def test_a_damaged_id_is_not_replaced_in_silence(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("")
    with pytest.raises(ConfigError, match=r"id is damaged: restore it, or delete it"):
        instance_id(tmp_path)


def test_a_state_folder_that_cannot_be_made_is_a_line_to_act_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        ConfigError, match=rf"^the state folder .* cannot be used .*user id {os.getuid()} .*--state_dir"
    ):
        make_state_dir(tmp_path / "file" / "state")


def test_where_the_platform_keeps_state(monkeypatch: pytest.MonkeyPatch) -> None:
    def folder(platform: str, **environ: str) -> Path:
        monkeypatch.setattr(sys, "platform", platform)
        return default_state_dir("P", Path("/data"), "T", environ).parent

    assert folder("linux", HOME="/h") == Path("/h/.local/state/openmsi")
    assert folder("linux", HOME="/h", XDG_STATE_HOME="/x") == Path("/x/openmsi")
    assert folder("darwin", HOME="/h") == Path("/h/Library/Application Support/openmsi")
    assert folder("win32", LOCALAPPDATA="/l") == Path("/l/openmsi")
