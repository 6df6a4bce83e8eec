"""What `openmsi provision` makes, changes and revokes, by real programs on a real broker."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsi_core.encryption.certificates import standing_of
from openmsi_core.encryption.making import ROOT_FILE, make_node, make_root
from openmsi_core.encryption.node import Node
from tests.support.broker import Broker
from tests.support.downloading import Downloads
from tests.support.encrypting import section
from tests.support.provisioning import Lab, simply_provisioned
from tests.support.reports import records
from tests.support.running import wait_for
from tests.support.telling import Uploads

DAY = 86_400


class Sites:
    """Uploaders and downloaders of one topic, each in a place of its own."""

    def __init__(self, bootstrap: str, topic: str, folder: Path) -> None:
        self._made: list[Uploads | Downloads] = []
        self._where = (bootstrap, topic)
        self._folder = folder

    def uploads(self, name: str) -> Uploads:
        made = Uploads(*self._where, self._folder / name)
        self._made.append(made)
        return made

    def downloads(self, name: str) -> Downloads:
        made = Downloads(*self._where, self._folder / name)
        self._made.append(made)
        return made

    def kill(self) -> None:
        for each in self._made:
            each.kill()


@pytest.fixture
def sites(kafka: Broker, topic: str, tmp_path: Path) -> Iterator[Sites]:
    made = Sites(kafka.bootstrap, topic, tmp_path)
    yield made
    made.kill()


def test_nobody_deals_with_revoked_nodes(kafka: Broker, topic: str, sites: Sites, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    for name, role in (("good", "producer"), ("bad", "producer"), ("down", "consumer"), ("thief", "consumer")):
        assert lab.make(name, role, topic)[0] == 0
    stolen = {
        name: Node(shutil.copytree(lab.node(name).folder, tmp_path / name / name), name) for name in ("bad", "thief")
    }
    for name in stolen:
        assert lab.provision("--revoke", name)[0] == 0
    good, bad, down, thief = sites.uploads("g"), sites.uploads("b"), sites.downloads("d"), sites.downloads("t")
    sender = good.start("--upload_existing", config=section(lab.node("good")))
    bad.start("--upload_existing", config=section(stolen["bad"])).says("records are encrypted")
    sender.says("records are encrypted")
    (good.folder / "data" / "good.txt").write_bytes(b"good")
    (bad.folder / "data" / "bad.txt").write_bytes(b"bad")

    thief.start(config=section(stolen["thief"]))
    wait_for(lambda: thief.tree == {"bad.txt": b"bad"}, "what thieves tell each other")
    answers = _count(kafka, f"{topic}.keys", stolen["bad"])
    down.start(config=section(lab.node("down")))
    wait_for(lambda: down.tree == {"good.txt": b"good"}, "what is good")
    wait_for(lambda: _count(kafka, f"{topic}.keys", stolen["bad"]) >= answers + 2, "answers of bad, one of them alone")

    assert sender.stop() == 0
    (good.folder / "data" / "new.txt").write_bytes(b"new")
    good.start("--upload_existing", config=section(lab.node("good")))
    asked = _count(kafka, f"{topic}.reqs", stolen["thief"])
    wait_for(lambda: _count(kafka, f"{topic}.reqs", stolen["thief"]) > asked, "one more request of the thief")
    wait_for(lambda: down.tree == {"good.txt": b"good", "new.txt": b"new"}, "what came after that")
    assert thief.tree == {"bad.txt": b"bad"}


def test_a_revoked_node_does_not_start(topic: str, sites: Sites, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.make("up", "producer", topic)
    lab.provision("--revoke", "up")
    uploader = sites.uploads("u").start("--upload_existing", config=section(lab.node("up")))
    assert uploader.exits() == 78
    assert "revoked" in uploader.output


def test_a_node_is_renewed_while_it_is_in_use(kafka: Broker, topic: str, sites: Sites, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    node = lab.node("up")
    make_node(node, make_root(lab.root), "producer", [topic], 3, 30)
    uploader = sites.uploads("u").start("--upload_existing", config=section(node))
    uploader.says("records are encrypted")
    assert "ends in 3 days" in uploader.output
    config = tmp_path / "config.config"
    config.write_text(f"[broker]\nbootstrap.servers = {kafka.bootstrap}\n")
    renewal = ("--renew", "--root", lab.root, "--node", "up", "--days", 500)
    code, said = lab.provision(*renewal)
    assert code == 78
    assert "--publish" in said
    code, said = lab.provision(*renewal, "--publish", config)
    assert code == 0, said
    assert "renewed" in said
    assert uploader.stop() == 0
    assert standing_of(node).expires == pytest.approx(time.time() + 500 * DAY, abs=300)
    code, said = lab.provision(*renewal, "--publish", config)  # not in use: both ways
    assert code == 0, said

    assert lab.provision(*renewal[:-1], 700)[0] == 0
    later = standing_of(node).expires
    again = sites.uploads("again").start("--upload_existing", config=section(node))
    again.says("records are encrypted")
    (tmp_path / "again" / "data" / "x.txt").write_bytes(b"x")
    down = sites.downloads("d")
    lab.make("down", "consumer", topic)
    down.start(config=section(lab.node("down")))
    wait_for(lambda: down.tree == {"x.txt": b"x"}, "a sign that the older certificates were read again")
    assert standing_of(node).expires == later


@pytest.mark.parametrize("old", [False, True], ids=["today", "earlier releases"])
def test_nodes_of_kafkacryptos_own_script_do_their_work(sites: Sites, tmp_path: Path, *, old: bool) -> None:
    root = make_root(tmp_path / "root")
    up = simply_provisioned(tmp_path / "up", "up", "producer", old=old, root=root)
    down = simply_provisioned(tmp_path / "down", "down", "consumer", old=old, root=root)
    uploads, downloads = sites.uploads("u"), sites.downloads("d")
    uploads.start("--upload_existing", config=section(up))
    (uploads.folder / "data" / "x.txt").write_bytes(b"x")
    downloads.start(config=section(down))
    wait_for(lambda: downloads.tree == {"x.txt": b"x"}, "the file")
    for node in (up, down):
        assert standing_of(node).refused is None


@pytest.mark.parametrize("named", [True, False], ids=["--owner", "owner of the folder"])
def test_root_makes_nodes_for_others(tmp_path: Path, *, named: bool) -> None:
    lab = Lab(tmp_path)
    if not named:
        lab.out.mkdir()
        os.chown(lab.out, 1000, 1001)
    code, said = lab.make("up", "producer", "files", *(["--owner", "1000:1001"] if named else []))
    assert code == 0, said
    node = lab.node("up")
    for path in (lab.out, node.folder, *node.folder.iterdir()):
        assert (path.stat().st_uid, path.stat().st_gid) == (1000, 1001), path
    lab.provision("--root", lab.root, "--renew", "--node", "up")
    for path in (node.folder, *node.folder.iterdir()):
        assert (path.stat().st_uid, path.stat().st_gid) == (1000, 1001), path
    assert (lab.root / ROOT_FILE).stat().st_uid == 0


def _count(kafka: Broker, topic: str, node: Node) -> int:
    """How many records in ``topic`` hold the certificate of ``node``."""
    public = bytes.fromhex(standing_of(node).public)
    return sum(public in (message.value() or b"") for message in records(kafka.bootstrap, topic))
