"""``WITH_KAFKACRYPTO=1`` in openmsi.env: the same commands, and nothing between the two ends that can be read."""

import json
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.containers import Images, Stack, run
from tests.support.running import wait_for

_TEXT = b"annealed at 873 K for two hours\n"
_FILES = {
    "sample-7/notes.txt": _TEXT * 5_000,
    "sample-7/detector.raw": random.Random(7).randbytes(3_000_000),
    "empty.dat": b"",
}
_SEGMENTS = ("exec", "-T", "kafka", "grep", "-rlF", "--include=*.log")
_NODES = {"uploader", "downloader"}
_HAS = """\
from importlib.util import find_spec
from ctypes.util import find_library
print(*[name for name in ("kafkacrypto", "pysodium", "setuptools") if find_spec(name)], find_library("sodium"))
"""
_WORKS = """\
from importlib.metadata import files
from openmsi_core.encryption import certificates, crypto
there = {each.name: each.locate() for each in files("kafkacrypto") if each.locate().exists()}
print("Version 2" in there["LICENSE"].read_text(), "crypto.py" in there)
"""


@pytest.fixture(scope="module")
def crypto(images: Images) -> Images:
    """The images with encryption, by the command that users have for it."""
    run("tools/build", "--profile=processor", env={"WITH_KAFKACRYPTO": "1"})
    names = ("uploader", "downloader", "stream_processor")
    return replace(images, **{name: f"{getattr(images, name)}-crypto" for name in names})


@pytest.fixture(scope="module")
def stack(crypto: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("clone"), crypto)
    stack.settings(WITH_KAFKACRYPTO="1")
    try:
        stack.compose("up", "--detach")
        yield stack
    finally:
        stack.down()


def _arrives(stack: Stack, files: dict[str, bytes], seconds: float = 60) -> None:
    for name, content in files.items():
        stack.drop(name, content)
    _has_all(stack, files, seconds)


def _has_all(stack: Stack, files: dict[str, bytes], seconds: float = 60) -> None:
    try:
        wait_for(lambda: files.items() <= stack.delivered().items(), "the files", seconds)
    except AssertionError:
        print(stack.compose("logs", "--tail=30", "uploader-node", "downloader-node", "uploader", "downloader"))
        raise


def _segments_with(stack: Stack, text: str) -> set[str]:
    found = stack.compose(*_SEGMENTS, "-e", text, "/var/lib/kafka/data", check=False).split()
    return {Path(path).parent.name for path in found}


def _node_files(stack: Stack) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (stack.folder / "nodes").rglob("*.crypto")}


def test_files_arrive_and_the_broker_has_nothing_to_read(stack: Stack) -> None:
    _arrives(stack, _FILES)
    assert stack.delivered() == _FILES
    assert any(each.startswith("openmsi-data-") for each in _segments_with(stack, "openmsi-upload")), (
        "grep finds nothing"
    )
    for text in ("annealed", "sample-7", "notes.txt", "detector", "empty.dat"):
        assert _segments_with(stack, text) == set(), text


def test_each_service_sees_its_own_node_and_not_the_root_key(stack: Stack) -> None:
    nodes = stack.folder / "nodes"
    assert {path.name for path in nodes.iterdir() if path.is_dir()} == _NODES
    for secret in (*nodes.rglob("*.crypto"), *nodes.rglob("*.seed"), stack.folder / "openmsi_root/root.key"):
        assert secret.stat().st_mode & 0o077 == 0, secret
    for service in ("uploader", "downloader"):
        seen = stack.compose("exec", "-T", service, "find", "/home", "-name", "*.crypto", "-o", "-name", "root.key")
        assert [Path(path).name for path in seen.split()] == [f"{service}.crypto"]


def test_files_arrive_after_a_restart_of_both(stack: Stack) -> None:
    stack.compose("restart", "downloader", "uploader")
    _arrives(stack, {"after a restart.txt": _TEXT})


def test_all_is_still_readable_after_down_and_up(stack: Stack) -> None:
    before, nodes = stack.delivered(), _node_files(stack)
    stack.compose("down")
    for path in [path for path in stack.downloads.rglob("*") if path.is_file() and ".openmsi" not in path.parts]:
        path.unlink()
    stack.drop("while all was down.txt", b"late")
    stack.settings(WITH_KAFKACRYPTO="1", OPENMSI_CONSUMER_GROUP_ID="reads-all-of-it")
    stack.compose("up", "--detach")
    _has_all(stack, before | {"while all was down.txt": b"late"}, 90)
    assert _node_files(stack) == nodes
    assert "made" not in stack.compose("logs", "uploader-node", "downloader-node")


def test_a_second_downloader_on_one_node_is_refused_with_words(stack: Stack) -> None:
    said = _refused(stack, "downloader", "DataFileDownloadDirectory")
    assert "the node downloader (/home/openmsi/downloader) is in use by DataFileDownloadDirectory" in said
    assert "a node of its own" in said


@pytest.mark.parametrize(
    ("node", "words"),
    [("", "names no node"), ("stranger", "the node stranger has no stranger.config")],
    ids=["no node named", "node not there"],
)
def test_without_a_node_nothing_starts(stack: Stack, node: str, words: str) -> None:
    assert words in _refused(stack, "uploader", "DataFileUploadDirectory", f"--env=KAFKACRYPTO_NODE_ID={node}")


def test_an_image_without_encryption_does_not_start(stack: Stack, images: Images) -> None:
    (stack.folder / "plain.yaml").write_text(f"services: {{uploader: {{image: '{images.uploader}'}}}}\n")
    stack.compose("stop", "uploader")
    said = _refused(stack, "uploader", "DataFileUploadDirectory", files=("-f", "compose.yaml", "-f", "plain.yaml"))
    assert "use an image that is built with WITH_KAFKACRYPTO=1" in said


def _refused(stack: Stack, service: str, program: str, *options: str, files: tuple[str, ...] = ()) -> str:
    """What ``program`` says, which is to end with 78, in one more container of ``service``."""
    run_once = (*files, "run", "--rm", "-T", "--no-deps", "--entrypoint=sh", *options, service)
    return stack.compose(*run_once, "-c", f"{program} data 2>&1; test $? = 78")


def test_the_default_images_have_none_of_it(images: Images, crypto: Images) -> None:
    for image in (images.uploader, images.downloader, images.stream_processor):
        assert run("docker", "run", "--rm", "--network=none", image, "python", "-c", _HAS).split() == ["None"]
        assert _described(image)["Labels"]["org.opencontainers.image.licenses"] == "MIT"
        assert not [line for line in _described(image)["Env"] if line.startswith("MALLOC_")]


def test_the_images_with_it_work_locked_down_and_hold_its_licence(images: Images, crypto: Images) -> None:
    locked = ("--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--user=12345:23456")
    for service in ("uploader", "downloader", "stream_processor"):
        image, plain = getattr(crypto, service), getattr(images, service)
        assert run("docker", "run", *locked, image, "python", "-c", _WORKS).split() == ["True", "True"]
        found = run("docker", "run", *locked, image, "python", "-c", _HAS).split()
        assert found == ["kafkacrypto", "pysodium", "libsodium.so.23"]
        assert "GPL-2.0-only" in _described(image)["Labels"]["org.opencontainers.image.licenses"]
        assert sum(line.startswith("MALLOC_") for line in _described(image)["Env"]) == 2
        added = _size(image) - _size(plain)
        assert 0 < added < 5_000_000, f"encryption adds {added / 1e6:.1f} MB to {service}"


def test_provision_node_works_in_an_image(crypto: Images, tmp_path: Path) -> None:
    folder = ("-v", f"{tmp_path}:/work", "-w", "/work", f"--user={os.getuid()}:{os.getgid()}")
    words = ("ProvisionNode", "--node=lab-uploader", "--role=producer", "--topics=lab")
    run("docker", "run", "--rm", "--network=none", *folder, crypto.downloader, *words)
    made = {path.name for path in (tmp_path / "nodes/lab-uploader").iterdir()}
    assert {f"lab-uploader.{end}" for end in ("config", "crypto", "seed")} <= made


def _described(image: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(run("docker", "image", "inspect", image))[0]["Config"]
    return config


def _size(image: str) -> int:
    return int(run("docker", "image", "inspect", "--format={{.Size}}", image))
