"""``docker run`` with our images, as users of earlier systems type it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.containers import Container, Images, lab_folder
from tests.support.running import wait_for
from tests.support.sending import Sender

Run = Callable[..., Container]
# The part of the command that never changes; "--network host" because the test's broker is on this machine.
_MOUNTS = ["-v", "./config.config:/home/openmsi/config.config", "--env-file", "openmsi.env", "--network", "host"]
_LOCKED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]


@pytest.fixture
def lab(tmp_path: Path, kafka: Broker) -> Path:
    return lab_folder(tmp_path / "lab", kafka.bootstrap)


@pytest.fixture
def start(lab: Path) -> Iterator[Run]:
    """Starts containers in the laboratory's folder; they go when the test ends."""
    containers: list[Container] = []

    def run_container(*arguments: str) -> Container:
        containers.append(Container(lab, *arguments))
        return containers[-1]

    yield run_container
    for container in containers:
        container.remove()


@pytest.mark.parametrize(
    "options",
    [[], ["--user", f"{os.getuid()}:{os.getgid()}"], ["--user", "12345:23456"], [*_LOCKED, "--user", "12345:23456"]],
    ids=["as the image says", "as me", "as a stranger", "locked down"],
)
def test_the_ez_way(start: Run, lab: Path, images: Images, kafka: Broker, topic: str, options: list[str]) -> None:
    command = f"DataFileDownloadDirectory data --config config.config --topic_name {topic}"
    container = start("-v", "./downloads:/home/openmsi/data", *_MOUNTS, *options, images.downloader, *command.split())
    Sender(kafka.bootstrap, topic).file("deep/er/file.txt", b"content")
    wait_for((lab / "downloads/deep/er/file.txt").exists, "the file")
    assert (lab / "downloads/deep/er/file.txt").read_bytes() == b"content"
    assert container.stop() == 0


def test_a_folder_one_may_not_write_to_is_one_clear_line(start: Run, lab: Path, images: Images, topic: str) -> None:
    (lab / "downloads").chmod(0o755)
    command = ["DataFileDownloadDirectory", "data", "--config", "config.config", "--topic_name", topic]
    container = start(
        "-v", "./downloads:/home/openmsi/data", *_MOUNTS, "--user", "12345:23456", images.downloader, *command
    )
    assert container.exits() == 78
    complaint = [line for line in container.output.splitlines() if "12345" in line]
    assert len(complaint) == 1
    assert "write" in complaint[0]
    assert "/home/openmsi/data" in complaint[0]
    assert "Traceback" not in container.output


def test_one_file_is_sent_from_a_container(start: Run, lab: Path, images: Images, topic: str) -> None:
    (lab / "note.txt").write_text("sent")
    container = start(
        "-v", ".:/home/openmsi/data:ro", *_MOUNTS, images.uploader,
        "UploadDataFile", "data/note.txt", "--config", "config.config", "--topic_name", topic,
    )  # fmt: skip
    assert container.exits() == 0, container.output
    download = f"DataFileDownloadDirectory data --config config.config --topic_name {topic}"
    start("-v", "./downloads:/home/openmsi/data", *_MOUNTS, images.downloader, *download.split())
    wait_for((lab / "downloads/note.txt").exists, "the file")


def test_a_shell_in_the_image(start: Run, images: Images) -> None:
    container = start("--entrypoint", "/bin/bash", images.downloader, "-c", "pwd; id -u; echo $HOME")
    assert container.exits() == 0
    assert container.output.split() == ["/home/openmsi", "1000", "/home/openmsi"]
