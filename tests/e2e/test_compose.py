"""``docker compose up`` in a fresh clone: what is dropped into ./data is in ./downloads."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.containers import Images, Stack
from tests.support.running import wait_for

FILES = {
    "plain.csv": b"a,b\n1,2\n",
    "empty.dat": b"",
    "run 1/deep/er/trace.bin": bytes(range(256)) * 40,
    "Grüße/測定 №1 – ½.tif": "größer".encode(),
    "large.raw": random.Random(1).randbytes(5_000_000),
}


@pytest.fixture(scope="module")
def stack(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("clone"), images)
    try:
        stack.compose("up", "--detach")
        yield stack
    finally:
        stack.down()


def _arrives(stack: Stack, files: dict[str, bytes], seconds: float = 60) -> None:
    """Drop ``files`` and wait until exactly their bytes are there."""
    for name, content in files.items():
        stack.drop(name, content)
    try:
        wait_for(lambda: files.items() <= stack.delivered().items(), "the files", seconds)
    except AssertionError:
        print(stack.compose("logs", "--tail=30", "uploader", "downloader"))
        raise


def test_every_kind_of_file_arrives_byte_for_byte(stack: Stack) -> None:
    _arrives(stack, FILES)
    assert stack.delivered() == FILES


def test_a_clone_without_images_can_build_what_it_starts(stack: Stack) -> None:
    services = json.loads(stack.compose("config", "--format=json"))["services"]
    ours = {name for name, service in services.items() if service["image"].startswith("openmsi/")}
    assert ours == {"folders", "uploader", "downloader"}
    assert all("build" in services[name] for name in ours)


def test_nothing_runs_with_more_rights_than_it_needs(stack: Stack) -> None:
    for service in ("uploader", "downloader"):
        said = stack.compose(
            "exec", "-T", service, "sh", "-c", "id -u; grep CapEff /proc/self/status; touch x 2>&1 || true"
        )
        assert "CapEff:\t0000000000000000" in said
        assert "Read-only file system" in said
        assert not said.startswith("0\n")


def test_the_watched_folder_is_read_only(stack: Stack) -> None:
    said = stack.compose("exec", "-T", "uploader", "sh", "-c", "touch data/x 2>&1 || true")
    assert "Read-only file system" in said


def test_the_topic_is_there_with_four_partitions(stack: Stack) -> None:
    topics = "/opt/kafka/bin/kafka-topics.sh"
    said = stack.compose("exec", "-T", "kafka", topics, "--bootstrap-server=kafka:9092", "--describe")
    described = [line for line in said.splitlines() if line.startswith("Topic: ") and "PartitionCount" in line]
    assert [line.split()[1] for line in described if "__" not in line] == ["openmsi-data"]
    assert any("PartitionCount: 4" in line for line in described)


def test_more_downloaders_share_the_work(stack: Stack) -> None:
    stack.compose("up", "--detach", "--scale=downloader=3")
    _arrives(stack, {f"shared/{number:03}.bin": bytes([number]) * 10_000 for number in range(60)})
    groups = {line.split("group ")[1].split()[0] for line in stack.compose("logs").splitlines() if " carries " in line}
    assert len(groups) == 1
    stack.compose("up", "--detach", "--scale=downloader=1")


def test_all_goes_on_after_a_restart_of_everything(stack: Stack) -> None:
    before = stack.delivered()
    stack.compose("down")
    stack.drop("written while all was down.txt", b"late")
    stack.compose("up", "--detach")
    _arrives(stack, {"written after.txt": b"later", "written while all was down.txt": b"late"})
    assert before.items() <= stack.delivered().items()


def test_it_comes_back_after_a_broker_that_died(stack: Stack) -> None:
    stack.compose("kill", "kafka")
    stack.drop("during the outage.txt", b"kept")
    stack.compose("start", "kafka")
    _arrives(stack, {"after the outage.txt": b"new", "during the outage.txt": b"kept"}, 90)


def test_another_cluster_in_the_env_file_starts_no_broker(images: Images, tmp_path: Path) -> None:
    stack = Stack(tmp_path, images)
    example = (tmp_path / "openmsi.env.example").read_text()
    filled = example.replace("SERVERS=\n", "SERVERS=192.0.2.1:9092\n").replace("USERNAME=\n", "USERNAME=00123\n")
    (tmp_path / "openmsi.env").write_text(filled.replace("PASSWORD=\n", "PASSWORD=a#b$x$$ %\n"))
    try:
        stack.compose("up", "--detach")
        assert stack.running() == {"uploader", "downloader"}
        wait_for(lambda: "192.0.2.1:9092" in stack.compose("logs"), "the other cluster's address")
        said = stack.compose("logs")
        assert "SASL_SSL" in said
        assert "a#b" not in said
    finally:
        stack.down()
