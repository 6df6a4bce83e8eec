"""Who answers for keys: the uploader while it runs, `UploadDataFile` for a while, `openmsi key-server` for either."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsi_core.encryption.node import Node
from tests.support.broker import Broker
from tests.support.downloading import Downloads
from tests.support.encrypting import Nodes, section
from tests.support.running import Program, Programs, wait_for
from tests.support.telling import Uploads

FILE = {"a.txt": b"a secret " * 1000}
WAITS = 3.0  # longer than a receiver needs for a key that somebody has


@pytest.fixture
def programs(kafka: Broker, tmp_path: Path) -> Iterator[Programs]:
    made = Programs(kafka.bootstrap, tmp_path)
    yield made
    made.kill()


def upload(uploads: Uploads, node: Node) -> Program:
    """An uploader that has sent `FILE`."""
    for name, content in FILE.items():
        (uploads.folder / "data" / name).write_bytes(content)
    uploader = uploads.start("--upload_existing", config=section(node))
    uploader.says("sent a.txt")
    return uploader


def nothing_comes(downloads: Downloads, downloader: Program) -> None:
    downloader.says("reading partitions")
    time.sleep(WAITS)
    assert downloads.tree == {}
    assert downloads.reasons == []


def test_keys_of_a_node_whose_uploader_is_off(
    programs: Programs, uploads: Uploads, downloads: Downloads, topic: str, nodes: Nodes, tmp_path: Path
) -> None:
    up, down = nodes.make("up", "producer", topic), nodes.make("down", "consumer", topic)
    uploader = upload(uploads, up)
    refused = programs.run("too-early", "openmsi", "key-server", config=section(up))
    assert refused.exits() == 78
    assert "is in use by DataFileUploadDirectory" in refused.output
    uploader.kill()  # at once: the key of what the broker has must be in the node's files
    downloader = downloads.start(config=section(down))
    nothing_comes(downloads, downloader)
    shutil.move(up.folder, tmp_path / "moved")
    moved = section(Node(tmp_path / "moved", "up"))
    server = programs.run("server", "openmsi", "key-server", "--topic_name", f"{topic}-other", config=moved)
    server.says(f"handing out 1 keys for topic {topic}")
    server.says(f"the node up has no keys for topic {topic}-other")
    wait_for(lambda: downloads.tree == FILE, "the file", 10)
    assert list(server.state.glob("heartbeat-*.json"))
    assert server.stop() == 0
    again = programs.run("again", "openmsi", "key-server", config=moved)
    again.says(f"handing out 1 keys for topic {topic}, ")  # a start makes none
    assert again.stop() == 0
    assert downloader.stop() == 0


def test_an_uploader_that_comes_back_and_has_nothing_to_send(
    uploads: Uploads, downloads: Downloads, topic: str, nodes: Nodes
) -> None:
    up, down = nodes.make("up", "producer", topic), nodes.make("down", "consumer", topic)
    assert upload(uploads, up).stop() == 0
    downloader = downloads.start(config=section(down))
    nothing_comes(downloads, downloader)
    uploader = uploads.start(config=section(up))
    uploader.says("records are encrypted")
    wait_for(lambda: downloads.tree == FILE, "the file", 15)
    assert uploader.stop() == downloader.stop() == 0


def test_one_file_whose_sender_stays_for_its_readers(
    programs: Programs, downloads: Downloads, topic: str, nodes: Nodes, tmp_path: Path
) -> None:
    up, down = nodes.make("up", "producer", topic), nodes.make("down", "consumer", topic)
    (tmp_path / "a.txt").write_bytes(FILE["a.txt"])
    command = ("UploadDataFile", str(tmp_path / "a.txt"), "--topic_name", topic)
    once = programs.run("once", *command, "--serve_keys", "0", config=section(up))
    assert once.exits() == 0
    assert "from now on nobody hands out the keys of a.txt" in once.output
    sender = programs.run("sender", *command, config=section(up))
    sender.says("handing out its keys for 60 s")
    downloader = downloads.start(config=section(down))
    wait_for(lambda: downloads.tree == FILE, "the file", 20)  # with the keys of both
    assert sender.stop() == 0
    assert "from now on nobody hands out the keys of a.txt" in sender.output
    assert "openmsi key-server" in sender.output
    assert downloader.stop() == 0


def test_what_has_no_keys_to_hand_out(programs: Programs, topic: str, nodes: Nodes, tmp_path: Path) -> None:
    reader = nodes.make("reader", "consumer", topic)
    refused = programs.run("reader", "openmsi", "key-server", config=section(reader))
    assert refused.exits() == 78
    assert "the node reader has no keys to hand out" in refused.output
    plain = programs.run("plain", "openmsi", "key-server")
    assert plain.exits() == 78
    assert "names no node" in plain.output
    (tmp_path / "b.txt").write_bytes(b"b")
    command = ("UploadDataFile", str(tmp_path / "b.txt"), "--topic_name", topic, "--serve_keys", "9")
    sent = programs.run("sent", *command)
    assert sent.exits() == 0
    assert "serve_keys has no effect" in sent.output
