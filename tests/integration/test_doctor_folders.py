"""`openmsi doctor` on real file systems: full, read-only, without inodes, with limits."""

import os
import subprocess
import sys
from pathlib import Path

from openmsi_admin.doctor.asked import DOWNLOADER, UPLOADER
from openmsi_admin.doctor.finding import Finding, Level
from openmsi_admin.doctor.folders import check_folder
from openmsi_core.state import lock_state_dir
from tests.faults.mounts import read_only, small_disk
from tests.support import operating
from tests.support.broker import Broker
from tests.support.operating import doctor, lines
from tests.support.running import POWERLESS


def levels(findings: list[Finding]) -> list[Level]:
    return [finding.level for finding in findings]


def texts(findings: list[Finding], level: Level) -> str:
    return "\n".join(f"{finding.text} -> {finding.todo}" for finding in findings if finding.level is level)


def times(folder: Path) -> dict[Path, tuple[int, int]]:
    """When each file and folder was last changed."""
    found = {path: path.stat() for path in [folder, *folder.rglob("*")]}
    return {path: (stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in found.items()}


def test_a_watched_folder_is_looked_at_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "in" / "run7").mkdir(parents=True)
    (tmp_path / "in" / "run7" / "a").touch()
    before = times(tmp_path / "in")
    with read_only(tmp_path / "in"):
        findings = list(check_folder(tmp_path / "in", UPLOADER))
    assert set(levels(findings)) == {Level.OK}
    assert "1 files in 2 folders" in texts(findings, Level.OK)
    assert times(tmp_path / "in") == before


def test_an_output_folder_that_is_read_only(tmp_path: Path) -> None:
    with read_only(tmp_path):
        assert "is read-only" in texts(list(check_folder(tmp_path, DOWNLOADER)), Level.BAD)


def test_an_output_folder_that_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        (disk / "big").write_bytes(bytes(65536))
        assert "delivery goes on by itself" in texts(list(check_folder(disk, DOWNLOADER)), Level.BAD)


def test_an_output_folder_that_is_nearly_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        (disk / "big").write_bytes(bytes(1_010_000))
        findings = list(check_folder(disk, DOWNLOADER))
        assert Level.BAD not in levels(findings)
        assert "free some space soon" in texts(findings, Level.UNSURE)


def test_an_output_folder_without_inodes(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m,nr_inodes=100") as disk:
        (disk / ".openmsi").mkdir()
        for number in range(94):
            (disk / f"{number}").touch()
        assert "(inodes)" in texts(list(check_folder(disk, DOWNLOADER)), Level.UNSURE)


def test_an_output_folder_with_its_staging_on_another_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / ".openmsi" / "staging", "size=1m"):
        assert "two file systems" in texts(list(check_folder(tmp_path, DOWNLOADER)), Level.BAD)


def test_an_instance_that_the_system_does_not_give(tmp_path: Path) -> None:
    """A real limit, in a user name space of its own."""
    program = f"""
from pathlib import Path
from openmsi_admin.doctor.filesystem import check_events
for finding in check_events("watched", Path({str(tmp_path)!r}), 1):
    print(finding.level, finding.text, finding.todo)
"""
    script = 'echo 0 > /proc/sys/user/max_inotify_instances && exec python3 -c "$0"'
    python = Path(sys.executable).parent
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", script, program],
        capture_output=True, text=True, env={"PATH": f"{python}:/usr/bin:/bin"}, timeout=30,
    )  # fmt: skip
    assert "!! this user has used up fs.inotify.max_user_instances" in done.stdout, done.stdout + done.stderr


def test_folders_without_rights(kafka: Broker, topic: str, tmp_path: Path) -> None:
    for name in ("in/run7", "out", "shut", "home"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "in" / "run7" / "a").touch()
    for path, mode in {"in/run7/a": 0o600, "shut": 0o700, "out": 0o755, "home": 0o755}.items():
        (tmp_path / path).chmod(mode)
        os.chown(tmp_path / path, 12345, 12345)
    where = f"\n[DEFAULT]\nstate_dir = {tmp_path / 'home' / 'state'}\n"
    options = ("--topic_name", topic)
    ran = doctor(tmp_path, kafka.bootstrap, "in", "shut", *options, broker=where, prefix=POWERLESS)
    assert f"but for 1 of them, such as {tmp_path}/in/run7/a" in lines(ran, "!!", "watched")
    assert f"{tmp_path}/shut cannot be read" in lines(ran, "!!", "watched")
    ran = doctor(tmp_path, kafka.bootstrap, "out", *options, *operating.DOWNLOADER, broker=where, prefix=POWERLESS)
    assert f"user id 0 may not write to {tmp_path}/out" in lines(ran, "!!", "output")
    assert "user id 0 may not make it" in lines(ran, "!!", "state")


def test_a_state_folder_in_use(kafka: Broker, topic: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    where = f"\n[DEFAULT]\nstate_dir = {tmp_path / 'state'}\n"
    with lock_state_dir(tmp_path / "state", "the uploader of the microscope"):
        ran = doctor(tmp_path, kafka.bootstrap, "in", "--topic_name", topic, broker=where)
    assert "in use by the uploader of the microscope" in lines(ran, "ok", "state")
