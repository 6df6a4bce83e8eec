"""`openmsi tracker fill`: adds what can be found out, keeps what people wrote, tells no secret."""

import contextlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from openmsi_admin import tracker_command
from openmsi_admin.main import main
from tests.support.disk_faults import Faults, Killed

WRITTEN = '{\n  "zz": "ours",\n  "type": "Producer ü",\n  "machine_metadata": {"b": 1, "a": [null, 2.5]}\n}\n'
SECRET = "the-secret-word"
INSPECTED = [
    {
        "Id": "c1",
        "Name": "/openmsi-uploader-1",
        "Image": "sha256:11",
        "State": {"Status": "running"},
        "Mounts": [
            {"Type": "bind", "Source": "/lab/data", "Destination": "/home/openmsi/data"},
            {"Type": "volume", "Name": "openmsi_uploader-state", "Source": "/v", "Destination": "/home/openmsi/state"},
        ],
        "Config": {
            "Image": "openmsi/uploader:0.1.0",
            "Env": [f"CONFLUENT_PASSWORD={SECRET}", "OPENMSI_TOPIC_NAME=lab"],
            "Cmd": ["DataFileUploadDirectory", "data"],
        },
    },
    {
        "Name": "/openmsi-kafka-1",
        "Image": "sha256:22",
        "State": {"Status": "exited"},
        "Mounts": [],
        "Config": {"Image": "apache/kafka:4.3.1", "Env": None, "Cmd": None},
    },
]
IMAGES = [{"Id": "sha256:11", "RepoDigests": []}, {"Id": "sha256:22", "RepoDigests": ["apache/kafka@sha256:33"]}]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tracker.json beside a config file and an env file with a password in it."""
    for name in ("OPENMSI_ENV_FILE", "OPENMSI_TOPIC_NAME", "OPENMSI_OUTPUT_DIR", "SERVERS", "PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    config = "[broker]\nbootstrap.servers = $SERVERS\nsasl.username = user\nsasl.password = $PASSWORD\n"
    (tmp_path / "config.config").write_text(f"{config}client.id = id-$$PASSWORD\n[consumer]\nclient.id = $PASSWORD\n")
    (tmp_path / "openmsi.env").write_text(f"SERVERS=b:1\nPASSWORD={SECRET}\nOPENMSI_OUTPUT_DIR=out\n")
    written = tmp_path / "tracker.json"
    written.write_text(WRITTEN)
    return written


def fill(file: Path, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    """What is in the file afterwards, and what was printed."""
    assert main(["tracker", "fill", str(file)]) == 0
    data: dict[str, Any] = json.loads(file.read_text())
    return data, capsys.readouterr().out


def docker(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A stand-in for the docker command, which says what a real one has said."""
    (folder / "bin").mkdir()
    (folder / "inspected").write_text(json.dumps(INSPECTED))
    (folder / "images").write_text(json.dumps(IMAGES))
    (folder / "bin" / "docker").write_text(f'#!/bin/sh\ncd {folder}\necho "$*" >> asked\n{script}\n')
    (folder / "bin" / "docker").chmod(0o755)
    (folder / "compose.yaml").write_text("services: {}\n")
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")


ANSWERS = 'case "$*" in compose*ps*) echo c1; echo c2;; "inspect c1 c2") cat inspected;; image*) cat images;; esac'


def test_what_people_wrote_stays_as_it_is(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, printed = fill(file, capsys)
    found = data.pop("found_out")
    assert data == json.loads(WRITTEN)
    assert list(data) == ["zz", "type", "machine_metadata"]
    assert list(data["machine_metadata"]) == ["b", "a"]
    assert "Producer ü" in file.read_text()
    assert found["machine"]["host_name"] == os.uname().nodename
    assert found["machine"]["operating_system"]
    assert found["machine"]["time_zone"]
    assert found["versions"].keys() >= {"openmsi-core", "openmsi-uploader", "python", "librdkafka"}
    assert "filled in at, by, machine, versions, settings" in printed
    assert f"not found: containers and image digests: there is no compose.yaml in {file.parent}" in printed


def test_again_only_what_was_found_out_is_written_anew(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, _ = fill(file, capsys)
    first["found_out"] = {"at": "long ago", "gone": 1}
    first["later"] = "by a person"
    file.write_text(json.dumps(first))
    second, _ = fill(file, capsys)
    assert list(second) == ["zz", "type", "machine_metadata", "found_out", "later"]
    assert second["found_out"]["at"] != "long ago"
    assert "gone" not in second["found_out"]


def test_settings_without_secrets(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, _ = fill(file, capsys)
    assert SECRET not in file.read_text()
    settings = data["found_out"]["settings"]
    assert settings["DataFileDownloadDirectory"] == {
        "output_dir": str(file.parent / "out"),
        "consumer.bootstrap.servers": "b:1",
        "consumer.client.id": "***",
        "consumer.sasl.mechanisms": "PLAIN",
        "consumer.sasl.password": "***",
        "consumer.sasl.username": "user",
        "consumer.security.protocol": "SASL_SSL",
    }
    assert "upload_dir" not in settings["DataFileUploadDirectory"]


def test_settings_that_cannot_be_read_are_named_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "config.config").unlink()
    data, printed = fill(file, capsys)
    assert "settings" not in data["found_out"]
    assert printed.count("not found: settings: the config file") == 1


def test_containers_and_digests(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docker(file.parent, monkeypatch, ANSWERS)
    data, printed = fill(file, capsys)
    assert "not found" not in printed
    assert data["found_out"]["containers"] == {
        "openmsi-uploader-1": {
            "image": "openmsi/uploader:0.1.0",
            "image_id": "sha256:11",
            "command": "DataFileUploadDirectory data",
            "topic": "lab",
            "folders": {"/home/openmsi/data": "/lab/data", "/home/openmsi/state": "openmsi_uploader-state"},
            "state": "running",
        },
        "openmsi-kafka-1": {
            "image": "apache/kafka:4.3.1",
            "image_id": "sha256:22",
            "image_digests": ["apache/kafka@sha256:33"],
            "state": "exited",
        },
    }
    assert SECRET not in file.read_text()
    asked = (file.parent / "asked").read_text().splitlines()
    assert asked[0] == f"compose --project-directory {file.parent} ps --all --quiet"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'warning' >&2; echo 'Cannot connect to the Docker daemon' >&2; exit 1", "Cannot connect"),
        ("exit 3", "exit code 3"),
        ("exit 0", "nothing of"),
        ('case "$*" in compose*) echo c1;; *) echo nonsense;; esac', "is not understood"),
        ('case "$*" in compose*) echo c1;; *) echo "[{}]";; esac', "is not understood"),
    ],
)
def test_a_docker_that_does_not_answer_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], script: str, says: str
) -> None:
    docker(file.parent, monkeypatch, script)
    data, printed = fill(file, capsys)
    assert "containers" not in data["found_out"]
    (line,) = (line for line in printed.splitlines() if line.startswith("not found"))
    assert says in line


def test_no_docker_at_all(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "compose.yaml").write_text("services: {}\n")
    monkeypatch.setenv("PATH", str(file.parent))
    assert "there is no docker command here" in fill(file, capsys)[1]


def test_the_file_keeps_its_owner_rights_and_link(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given_to: list[tuple[Path, int, int]] = []
    monkeypatch.setattr(os, "chown", lambda *given: given_to.append(given))  # the real one is root's
    file.chmod(0o640)
    link = file.parent / "link.json"
    link.symlink_to(file)
    before = file.stat()
    fill(link, capsys)
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert given_to == [(file, before.st_uid, before.st_gid)]


def test_a_kill_at_any_call_leaves_a_whole_file(file: Path) -> None:
    data = {**json.loads(WRITTEN), "found_out": {"at": "now"}}
    for number in range(100):
        file.write_text(WRITTEN)
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, number, None)
            with contextlib.suppress(Killed):
                tracker_command._replace(file, data)
        assert json.loads(file.read_text()) in (json.loads(WRITTEN), data)
        if not faults.happened:
            assert json.loads(file.read_text()) == data
            return
    pytest.fail("it does not end")
