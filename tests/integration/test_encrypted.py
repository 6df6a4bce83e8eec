"""Files through an encrypted topic: readable at both ends, and nowhere between."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsi_core.encryption.node import Node
from tests.perf.watching import peak_memory
from tests.support.broker import Broker, unique
from tests.support.downloading import Downloads
from tests.support.encrypting import Nodes, section
from tests.support.reports import records
from tests.support.running import QUICK_SESSION, Program, wait_for
from tests.support.telling import Uploads

MB = 1_000_000


class Lab:
    """Uploaders to ``topic``, each with a folder, a state folder and a node of its own."""

    def __init__(self, kafka: Broker, topic: str, folder: Path) -> None:
        self.nodes = Nodes(folder / "nodes")
        self.down = self.nodes.make("down", "consumer", topic)
        self._folder, self._bootstrap, self._topic = folder, kafka.bootstrap, topic
        self._uploads: dict[str, Uploads] = {}

    def start(self, name: str, node: Node | None = None) -> Program:
        """An uploader of the folder ``name``."""
        if name not in self._uploads:
            self._uploads[name] = Uploads(self._bootstrap, self._topic, self._folder / name)
        node = node or self.nodes.make(name, "producer", self._topic)
        program = self._uploads[name].start("--upload_existing", config=section(node))
        program.says("records are encrypted")
        return program

    def drop(self, name: str, files: dict[str, bytes]) -> None:
        for path, content in files.items():
            (self._folder / name / "data" / path).write_bytes(content)

    def kill(self) -> None:
        for uploads in self._uploads.values():
            uploads.kill()


@pytest.fixture
def lab(kafka: Broker, topic: str, tmp_path: Path) -> Iterator[Lab]:
    made = Lab(kafka, topic, tmp_path)
    yield made
    made.kill()


def test_files_travel_and_nobody_else_reads_them(kafka: Broker, topic: str, lab: Lab, downloads: Downloads) -> None:
    files = {f"secret-{number}.txt": f"the secret {number} ".encode() * 100_000 for number in range(4)}
    uploader = lab.start("up")
    lab.drop("up", files)
    downloader = downloads.start(config=section(lab.down))
    wait_for(lambda: downloads.tree == files, "all files")
    for message in records(kafka.bootstrap, topic):
        assert b"secret" not in (message.value() or b"")
        assert b"secret" not in (message.key() or b"")
    assert downloader.stop() == 0
    assert uploader.stop() == 0


def test_what_strangers_send_under_another_root_is_never_a_file(
    topic: str, lab: Lab, downloads: Downloads, tmp_path: Path
) -> None:
    stranger = Nodes(tmp_path / "strangers").make("stranger", "producer", topic)
    lab.start("stranger", stranger)
    lab.drop("stranger", {"forged": b"from a stranger"})
    lab.start("up")
    lab.drop("up", {"good": b"from us"})
    downloads.start("--max_wait_per_decrypt", "8", config=section(lab.down))
    wait_for(lambda: len(downloads.reasons) == 1, "the record of the stranger in quarantine", 60)
    assert downloads.tree == {"good": b"from us"}
    assert "its key did not come" in str(downloads.reasons[0]["reason"])


def test_state_folders_that_are_lost_lose_no_file(lab: Lab, downloads: Downloads, tmp_path: Path) -> None:
    node = lab.nodes.make("up", "producer", downloads.topic)
    uploader = lab.start("up", node)
    files = {f"file-{number}": os.urandom(MB) for number in range(3)}
    lab.drop("up", files)
    downloader = downloads.start(config=section(lab.down))
    wait_for(lambda: downloads.tree == files, "all files")
    uploader.kill()
    downloader.kill()
    shutil.rmtree(uploader.state)
    shutil.rmtree(downloader.state)
    shutil.rmtree(downloads.out)
    uploader = lab.start("up", node)
    lab.drop("up", {"later": b"later"})
    downloads.start(config=section(lab.down))
    wait_for(lambda: downloads.tree == {**files, "later": b"later"}, "all files, and one more", 60)
    assert downloads.reasons == []


def test_more_than_may_wait_pauses_the_member_and_nothing_else(lab: Lab, downloads: Downloads) -> None:
    node = lab.nodes.make("up", "producer", downloads.topic)
    files = {f"file-{number}": os.urandom(5 * MB) for number in range(24)}
    uploader = lab.start("up", node)
    lab.drop("up", files)
    wait_for(lambda: uploader.output.count("sent file") == len(files), "all files to be sent", 120)
    assert uploader.stop() == 0
    group = unique("group")
    options = ("--consumer_group_id", group, "--update_seconds", "1")
    downloader = downloads.start(*options, config=section(lab.down) + QUICK_SESSION)
    downloader.says("records that wait for a key: ", 60)
    time.sleep(6.0)  # three times as long as the group waits for a member that says nothing
    assert "lost partitions" not in downloader.output
    assert downloads.tree == {}
    lab.start("up", node)
    wait_for(lambda: downloads.tree == files, "all files", 90)
    memory = peak_memory(downloader.process.pid)
    print(f"peak memory {memory / MB:.0f} MB")
    assert memory < 300 * MB
    assert downloads.reasons == []
