"""`openmsi provision --renew`, `--revoke` and `--list`, and nodes that KafkaCrypto's own script has made."""

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from openmsi_core.encryption.certificates import refuse_older, sign, standing_of
from openmsi_core.encryption.making import make_node, make_root
from openmsi_core.encryption.node import Node, held
from openmsi_core.encryption.node_files import read_node_config
from tests.support.provisioning import Lab, exchange_of, killed_after, simply_provisioned, state
from tests.support.running import wait_for

DAY = 86_400
Use = Callable[[Node], AbstractContextManager[None]]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path)
    for name, role in (("up", "producer"), ("down", "consumer")):
        assert made.make(name, role)[0] == 0
    return made


@contextmanager
def in_use(node: Node) -> Iterator[None]:
    """``node`` is in use by a program of ours."""
    with held(node, "DataFileUploadDirectory"):
        yield


@contextmanager
def in_use_elsewhere(node: Node) -> Iterator[None]:
    """``node`` is in use by another program that has the library open, as OpenMSIStream does."""
    code = (
        "import fcntl, sys; file = open(sys.argv[1], 'r+');"
        "fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(node.config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield


def renew(lab: Lab, name: str, *more: object) -> tuple[int, str]:
    return lab.provision("--renew", "--root", lab.root, "--node", name, *more)


def test_a_renewed_node_keeps_its_keys(lab: Lab) -> None:
    node = lab.node("up")
    config = read_node_config(node.config)
    config["up-crypto"]["oldkeys"] = "base64#AAAA"
    with node.config.open("w") as file:
        config.write(file)
    before, files = standing_of(node), state(node.folder)
    code, said = renew(lab, "up", "--days", 700)
    assert code == 0, said
    after = standing_of(node)
    assert (after.public, after.role, after.topics, after.refused) == (before.public, "producer", ("files",), None)
    assert after.expires == pytest.approx(time.time() + 700 * DAY, abs=60)
    assert read_node_config(node.config)["up-crypto"]["oldkeys"] == "base64#AAAA"
    assert {path for path, was in state(node.folder).items() if was != files[path]} <= {
        str(node.config),
        str(node.lock),
    }


def test_a_node_that_has_ended_is_renewed_with_other_rights(lab: Lab) -> None:
    node = Node(lab.out / "old", "old")
    make_node(node, make_root(lab.root), "producer", ["files"], -1, 30)
    assert standing_of(node).refused == "it has ended"
    code, said = renew(lab, "old", "--role", "prodcon", "--topics", "^x$,y.z", "--keep_keys_days", 2)
    assert code == 0, said
    after = standing_of(node)
    assert (after.refused, after.role, after.topics) == (None, "prodcon", ("^x$", "y"))
    assert read_node_config(node.config)["old"]["crypto_max_pgen_age"] == str(2 * DAY)


@pytest.mark.parametrize("use", [in_use, in_use_elsewhere])
def test_a_node_in_use_is_not_renewed(lab: Lab, use: Use) -> None:
    node = lab.node("up")
    before = node.config.read_bytes()
    with use(node):
        code, said = renew(lab, "up")
        assert code == 78
        assert "in use" in said
        assert "--publish" in said
        assert node.config.read_bytes() == before
    assert renew(lab, "up")[0] == 0


def test_killed_anywhere_a_renewal_leaves_the_old_or_the_new(lab: Lab, tmp_path: Path) -> None:
    node = lab.node("up")
    for steps in itertools.count(1):
        before = standing_of(node)
        killed = killed_after(steps, tmp_path, lambda: renew(lab, "up"))
        after = standing_of(node)
        assert (after.refused, after.public, after.role) == (None, before.public, "producer")
        assert renew(lab, "up")[0] == 0
        assert standing_of(node).expires > before.expires
        if not killed:
            break
    assert steps > 8
    assert {path.suffix for path in node.folder.iterdir()} == {".config", ".crypto", ".seed", ".lock"}


def test_nobody_hands_keys_to_a_node_that_has_ended(lab: Lab) -> None:
    old = Node(lab.out / "old", "old")
    make_node(old, make_root(lab.root), "consumer", ["files"], 0.5 / DAY, 30)
    up, asking = exchange_of(lab.node("up")), exchange_of(old)
    (request, _), *_ = asking.signed_epks("files")
    answer = up.encrypt_keys([b"index"], [b"k" * 32], "files", msgval=request)
    assert asking.decrypt_keys("files", msgval=answer[0]) == {b"index": b"k" * 32}
    wait_for(lambda: standing_of(old).refused, "its end")
    assert up.encrypt_keys([b"index"], [b"k" * 32], "files", msgval=request) is None


def test_only_its_own_root_key_renews_a_node(lab: Lab, tmp_path: Path) -> None:
    other = Lab(tmp_path / "other")
    other.make("x")
    code, said = lab.provision("--renew", "--root", other.root, "--node", "up")
    assert code == 78
    assert "is not the root key" in said
    code, said = lab.provision("--renew", "--root", tmp_path / "none", "--node", "up")
    assert code == 78
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("by_name", [True, False], ids=["name", "fingerprint"])
def test_all_nodes_refuse_a_revoked_one_also_later_ones(lab: Lab, tmp_path: Path, *, by_name: bool) -> None:
    lab.make("thief", "consumer")
    public = standing_of(lab.node("thief")).public
    code, said = lab.provision("--revoke", "thief" if by_name else public)
    assert code == 0, said
    lab.make("later")
    for name in ("up", "down", "later", "thief"):
        assert standing_of(lab.node(name)).denies(public), name
    assert standing_of(lab.node("thief")).refused == "the node was revoked"
    assert standing_of(lab.node("up")).refused is None
    before = {path: was for path, was in state(tmp_path).items() if not path.endswith(".lock")}
    assert lab.provision("--revoke", public)[0] == 0
    assert {path: was for path, was in state(tmp_path).items() if not path.endswith(".lock")} == before
    code, said = renew(lab, "thief")
    assert code == 78
    assert "was revoked" in said


@pytest.mark.parametrize("use", [in_use, in_use_elsewhere])
def test_revoking_is_not_done_while_a_node_is_in_use(lab: Lab, use: Use) -> None:
    lab.make("thief", "consumer")
    public = standing_of(lab.node("thief")).public
    with use(lab.node("up")):
        code, said = lab.provision("--revoke", "thief")
        assert code == 1
        assert "up: NOT YET" in said
        assert "in use" in said
        assert standing_of(lab.node("down")).denies(public)
        assert not standing_of(lab.node("up")).denies(public)
    assert lab.provision("--revoke", "thief")[0] == 0
    assert standing_of(lab.node("up")).denies(public)


def test_revoking_nobody(lab: Lab, tmp_path: Path) -> None:
    before = state(tmp_path)
    code, said = lab.provision("--revoke", "nobody")
    assert code == 78
    assert "there is no node nobody" in said
    assert state(tmp_path) == before


def test_the_list(lab: Lab) -> None:
    lab.make("both", "prodcon", "a,b.c", "--days", 30.5)
    lab.provision("--revoke", "up")
    gone = "ab" * 32
    lab.provision("--revoke", gone)
    lab.node("down").crypto.write_bytes(b"")
    code, said = lab.provision("--list", "--json")
    assert code == 0
    rows = {row["node"]: row for row in json.loads(said)}
    assert rows["both"] == {
        "node": "both",
        "role": "prodcon",
        "topics": ["a", "b"],
        "days_left": 30,
        "state": "ok",
        "fingerprint": standing_of(lab.node("both")).public,
    }
    assert "revoked 20" in rows["up"]["state"]
    assert "is damaged" in rows["down"]["state"]
    assert rows[None]["fingerprint"] == gone
    table = lab.provision("--list")[1]
    assert all(word in table for word in ("both", "a, b", gone))


def test_an_older_certificate_never_replaces_a_newer_one(lab: Lab) -> None:
    node = lab.node("up")
    standing, root = standing_of(node), make_root(lab.root)
    days = {each: sign(root, standing.public, "producer", ["files"], each) for each in (10, 400, 700)}
    exchange = exchange_of(node)
    refuse_older(exchange, standing.expires, standing.allowed)
    assert exchange.replace_spk_chain(days[10]) is None
    assert exchange.replace_spk_chain(days[700]) == days[700]
    assert exchange.replace_spk_chain(days[400]) is None


@pytest.mark.parametrize("old", [False, True], ids=["today", "earlier releases"])
def test_nodes_of_kafkacryptos_own_script_are_good(tmp_path: Path, *, old: bool) -> None:
    node = simply_provisioned(tmp_path / "x", "x", "producer", old=old)
    standing = standing_of(node)
    assert (standing.refused, standing.trusts_everybody, standing.role) == (None, False, "producer")
    assert standing.may("write", "anything.at.all")
    assert not standing.may("read", "anything")
    assert standing.expires > time.time() + 3600 * DAY


def test_the_key_that_everybody_knows_is_found_under_any_name(tmp_path: Path) -> None:
    assert standing_of(simply_provisioned(tmp_path / "x", "x", "producer", test_root=True)).trusts_everybody


def test_a_certificate_for_another_key_is_worth_nothing(lab: Lab) -> None:
    lab.node("up").crypto.write_bytes(lab.node("down").crypto.read_bytes())
    assert "another key" in str(standing_of(lab.node("up")).refused)
