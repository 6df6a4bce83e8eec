"""The command `openmsi` in the images, beside the services of a laboratory."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import ROOT
from tests.support.containers import Images, Stack
from tests.support.running import wait_for

FILES = {"plain.csv": b"a,b\n1,2\n", "run 1/trace.bin": bytes(range(256)) * 5000}


@pytest.fixture(scope="module")
def stack(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("clone"), images)
    try:
        stack.compose("up", "--detach")
        for name, content in FILES.items():
            stack.drop(name, content)
        wait_for(lambda: stack.delivered() == FILES, "the files", 60)
        yield stack
    finally:
        stack.down()


def openmsi(stack: Stack, service: str, *words: str) -> str:
    """Run ``openmsi`` in a service's container; its standard output."""
    return stack.compose("exec", "-T", service, "openmsi", *words)


@pytest.mark.parametrize("service", ["uploader", "downloader"])
def test_every_word_is_in_every_image(stack: Stack, service: str) -> None:
    said = openmsi(stack, service, "--help")
    words = {line.split()[0] for line in said.splitlines() if line.startswith("  ")}
    assert words == {
        *("config", "doctor", "inspect", "key-server", "migrate-config", "provision", "quarantine", "relay", "tracker"),
    }
    for word in words:
        assert f"openmsi {word}" in openmsi(stack, service, word, "--help") or word in ("key-server", "relay")


def test_what_is_in_the_topic_is_listed(stack: Stack) -> None:
    found = json.loads(openmsi(stack, "uploader", "inspect", "openmsi-data", "--json"))
    assert {each["path"]: each["state"] for each in found["uploads"]} == dict.fromkeys(FILES, "current")


@pytest.mark.parametrize("service", ["uploader", "downloader"])
def test_the_doctor_finds_nothing_wrong_with_what_make_up_starts(stack: Stack, service: str) -> None:
    said = openmsi(stack, service, "doctor", "--topic_name", "openmsi-data", "data")
    assert "!!" not in said, said


def test_the_settings_of_each_service_are_in_order(stack: Stack) -> None:
    assert "DataFileUploadDirectory" in openmsi(stack, "uploader", "config", "check")
    assert "DataFileDownloadDirectory" in openmsi(stack, "downloader", "config", "check")


def test_the_tracker_is_filled_with_what_docker_says(stack: Stack) -> None:
    tracker = stack.folder / "tracker.json"
    shutil.copy(ROOT / "tracker.json", tracker)
    program = Path(sys.executable).with_name("openmsi")
    env = {**stack.environment, "CONFLUENT_BOOTSTRAP_SERVERS": "kafka:9092"}
    done = subprocess.run(
        [program, "tracker", "fill", tracker], cwd=stack.folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    containers = json.loads(tracker.read_text())["found_out"]["containers"]
    images = {each["image"] for each in containers.values()}
    assert {image.partition(":")[0] for image in images} >= {"openmsi/uploader", "openmsi/downloader"}, containers
