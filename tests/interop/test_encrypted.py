"""Encrypted topics: programs of both sides on one of them, each with a node of its own, read each other."""

import json
from pathlib import Path
from typing import Any

import pytest

from openmsi_core.encryption.node import Node
from tests.interop import openmsistream
from tests.interop.lab import Lab, stop_theirs, wait_for_files
from tests.interop.openmsistream import Theirs, as_they_provision, delivered
from tests.interop.test_reports import telling
from tests.interop.trees import Tree, write
from tests.support.decrypting import committed, decrypting
from tests.support.encrypting import Nodes, section
from tests.support.running import Program, wait_for
from tests.support.telling import Uploads

FILES = {
    "run/1/several chunks.dat": bytes(range(256)) * 3000,
    "run/ü secret.txt": b"one chunk",
    "top.csv": b"1,2\n",
}
CHUNK = "131072"
READERS = ("our receiver", "their receiver")


class Sides:
    """One uploader and one downloader of each side."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.beats, self.log = (lab.broker.create_topic(partitions=1) for _ in range(2))
        self._nodes = Nodes(lab.folder / "nodes")
        self._all = (lab.topic, self.beats, self.log)
        names = {"our sender": "producer", "their sender": "prodcon", **dict.fromkeys(READERS, "prodcon")}
        self.nodes = {name: self.node(name.replace(" ", "-"), role) for name, role in names.items()}
        self.uploads = Uploads(lab.broker.bootstrap, lab.topic, lab.folder / "our lab")
        self.watched = lab.new_folder()
        self.outs: list[Path] = []

    def node(self, name: str, role: Any) -> Node:
        """One more, for all topics."""
        return self._nodes.make(name, role, *self._all)

    def drop(self, stem: str) -> Tree:
        """New files for both uploaders; the empty one is not sent by theirs."""
        ours = {f"ours/{stem}/{path}": content for path, content in FILES.items()} | {f"ours/{stem}/empty": b""}
        theirs = {f"theirs/{stem}/{path}": content for path, content in FILES.items()}
        write(ours, self.lab.folder / "our lab" / "data")
        write(theirs, self.watched)
        return ours | theirs

    def start(self) -> None:
        """Start all four; ours go on, theirs begin anew."""
        told = {name: telling(self.beats, self.log, name) for name in self.nodes}
        config = {name: section(node) for name, node in self.nodes.items()}
        options = ("--upload_existing", "--chunk_size", CHUNK)
        self.our_up = self.uploads.start(*options, *told["our sender"], config=config["our sender"])
        wait_for(lambda: self.our_up.output.count("records are encrypted") > len(self.outs), "the topics for keys")
        watch = ("DataFileUploadDirectory", str(self.watched), *options, *told["their sender"])
        self.their_up = self.lab.theirs(*watch, config=config["their sender"])
        self.outs.append(self.lab.new_folder())
        down = ("DataFileDownloadDirectory", str(self.outs[-1]), *told["their receiver"])
        self.their_down = self.lab.theirs(*down, config=config["their receiver"])
        self.our_down = self.lab.downloads.start(*told["our receiver"], config=config["our receiver"])

    def stop(self) -> None:
        """Stop all four; their downloader, when it is asked to with encryption, ends with a traceback."""
        assert self.our_up.stop() == self.our_down.stop() == 0
        stop_theirs(self.their_up)
        self.their_down.kill()

    our_up: Program
    our_down: Program
    their_up: Theirs
    their_down: Theirs


@pytest.fixture
def sides(lab: Lab) -> Any:
    made = Sides(lab)
    yield made
    made.uploads.kill()


@pytest.mark.parametrize("partitions", [4])
def test_each_reads_what_both_have_sent_also_after_restarts(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = sides.lab
    first = sides.drop("first")
    sides.start()
    wait_for(lambda: lab.downloads.tree == first, "all files here", 90)
    wait_for_files(sides.outs[0], first)
    assert delivered(sides.outs[0]) == first
    sides.stop()
    both = first | sides.drop("second")
    for name in ("our sender", "our receiver"):  # their provisioning left them so, and now they are ours
        as_they_provision(sides.nodes[name])
    sides.start()
    wait_for(lambda: lab.downloads.tree == both, "all files here", 90)
    wait_for_files(sides.outs[1], both)  # a new group of theirs: also with keys from before the restart
    assert delivered(sides.outs[1]) == both
    assert lab.downloads.reasons == []
    for message in committed(lab.broker.bootstrap, lab.topic):
        assert b"secret" not in (message.value() or b"")

    monkeypatch.setattr(openmsistream, "_CONFIG", openmsistream._CONFIG.replace("DataFileChunk", "String"))
    reader = Theirs(
        lab.new_folder(),
        lab.broker.bootstrap,
        "read_texts.py",
        "--topic_name",
        sides.beats,
        config=section(sides.node("their-reader", "consumer")),
    )
    try:
        for name in sides.nodes:
            reader.says(f'["{name}_heartbeat", "{{\\"timestamp\\"', 60)
    finally:
        reader.kill()
    with decrypting(lab.broker.bootstrap, sides.node("our-reader", "consumer"), sides.beats, sides.log) as opened:
        beats = opened.read(sides.beats)
        assert {each.key.decode().removesuffix("_heartbeat") for each in beats} == sides.nodes.keys()
        assert all("timestamp" in json.loads(each.value) for each in beats)
        assert {each.key.decode() for each in opened.read(sides.log)} == {f"{name}_log" for name in sides.nodes}
    sides.stop()
