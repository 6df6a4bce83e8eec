"""Records whose key is not to be had hold up nobody: others go on, nothing is passed over, nothing grows."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsi_core.encryption.node import Node
from tests.support.broker import Broker, unique
from tests.support.downloading import Downloads
from tests.support.encrypting import Nodes, section
from tests.support.reports import records
from tests.support.running import QUICK_SESSION, Program, wait_for
from tests.support.telling import Uploads

MB = 1_000_000


class Lab:
    """Uploaders with nodes of their own, and one downloader."""

    def __init__(self, kafka: Broker, topic: str, folder: Path) -> None:
        self.nodes = Nodes(folder / "nodes")
        for name in ("live", "dead"):
            self.nodes.make(name, "producer", topic)
        self.nodes.make("down", "consumer", topic)
        self._uploads = {name: Uploads(kafka.bootstrap, topic, folder / name) for name in ("live", "dead")}
        self._count = 0

    def section(self, name: str) -> str:
        return section(Node(self.nodes.folder / name, name))

    def start(self, name: str) -> Program:
        program = self._uploads[name].start("--upload_existing", config=self.section(name))
        program.says("records are encrypted")
        return program

    def drop(self, name: str, content: bytes) -> str:
        self._count += 1
        path = f"{name}-{self._count}"
        (self._uploads[name].folder / "data" / path).write_bytes(content)
        return path

    def kill(self) -> None:
        for uploads in self._uploads.values():
            uploads.kill()


@pytest.fixture
def lab(kafka: Broker, topic: str, tmp_path: Path) -> Iterator[Lab]:
    made = Lab(kafka, topic, tmp_path)
    yield made
    made.kill()


def test_a_dead_producer_delays_nobody_and_loses_nothing(
    kafka: Broker, topic: str, lab: Lab, downloads: Downloads
) -> None:
    dead = {lab.drop("dead", os.urandom(MB)): None for _ in range(10)}
    uploader = lab.start("dead")
    wait_for(lambda: uploader.output.count("sent dead") == len(dead), "the files of the dead one to be sent")
    assert uploader.stop() == 0
    at_first = dict.fromkeys(range(4), 0)
    for message in records(kafka.bootstrap, topic):
        at_first[message.partition() or 0] += 1

    group, config = unique("group"), lab.section("down") + QUICK_SESSION
    options = ("--consumer_group_id", group, "--update_seconds", "1")
    lab.start("live")
    downloader = downloads.start(*options, config=config)
    first = lab.drop("live", b"first")
    wait_for(lambda: first in downloads.tree, "the key of the live one")
    slowest = 0.0
    for _ in range(10):
        path, began = lab.drop("live", os.urandom(MB // 4)), time.monotonic()
        wait_for(lambda path=path: path in downloads.tree, "a file of the live one")  # type: ignore[misc]
        slowest = max(slowest, time.monotonic() - began)
    print(f"beside 10 MB of a dead producer a file takes {slowest:.2f} s at most")
    assert slowest < 5.0
    downloader.says("records that wait for a key: ")
    assert downloader.stop() == 0
    assert all(at <= 0 for p, at in downloads.committed(group).items() if at_first[p]), "they hold their offsets"
    assert downloads.reasons == []

    downloader = downloads.start(*options, config=config)
    seen = downloader.output.count("records that wait for a key")
    wait_for(lambda: downloader.output.count("records that wait for a key") > seen, "the records to wait again")
    downloader.kill()  # nothing of it is said to anybody
    lab.start("dead")
    downloads.start(*options, name="another", config=config)
    wait_for(lambda: dead.keys() <= downloads.tree.keys(), "the files of the dead one", 60)
    assert downloads.reasons == []
