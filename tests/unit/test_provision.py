"""`openmsi provision`: a node is made whole, once, and never by halves."""

import itertools
import os
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from openmsi_core.encryption.certificates import standing_of
from openmsi_core.encryption.making import ROOT_FILE
from openmsi_core.encryption.node import Node
from openmsi_core.encryption.opening import check_files
from tests.support.provisioning import Lab, killed_after, opened_by_openmsistream, state


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_a_node_is_made_for_its_user_alone(lab: Lab) -> None:
    before = os.umask(0)
    try:
        code, said = lab.make("up", "producer", "files.raw,^lab$")
    finally:
        os.umask(before)
    node = lab.node("up")
    assert code == 0, said
    assert "keep it offline" in said
    assert f"config_file = {node.config}" in said
    assert "all topics whose name begins with files." in said
    for path in (*node.files, lab.root / ROOT_FILE):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (node.folder, lab.root):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    check_files(node)
    standing = standing_of(node)
    assert (standing.refused, standing.trusts_everybody, standing.role) == (None, False, "producer")
    assert standing.public in said
    assert standing.may("write", "files.more")
    assert standing.may("write", "lab.x")
    assert not standing.may("write", "laboratory")
    assert not standing.may("read", "files.raw")


def test_the_same_again_touches_nothing(lab: Lab, tmp_path: Path) -> None:
    lab.make("up", "prodcon", "b,a.x")
    before = state(tmp_path)
    (lab.root / ROOT_FILE).rename(tmp_path / "taken offline")
    code, said = lab.make("up", "prodcon", "a,b", "--days", 3)
    (tmp_path / "taken offline").rename(lab.root / ROOT_FILE)
    assert code == 0
    assert "is there already" in said
    assert state(tmp_path) == before


@pytest.mark.parametrize(("role", "topics"), [("consumer", "files"), ("producer", "other"), ("prodcon", "files,other")])
def test_another_node_of_that_name_is_refused(lab: Lab, tmp_path: Path, role: str, topics: str) -> None:
    lab.make("up")
    before = state(tmp_path)
    code, said = lab.make("up", role, topics)
    assert code == 78
    assert "producer for files" in said
    assert "--renew --node up" in said
    assert state(tmp_path) == before


def test_a_folder_that_is_there_is_used(lab: Lab) -> None:
    """As a volume is, which is mounted in its place and cannot be renamed."""
    node = lab.node("up")
    (node.folder / "lost+found").mkdir(parents=True)
    node.folder.chmod(0o755)
    code, said = lab.make("up")
    assert code == 0, said
    assert stat.S_IMODE(node.folder.stat().st_mode) == 0o700
    check_files(node)


@pytest.mark.parametrize("left", [".seed", ".crypto", ".config"])
def test_what_others_left_is_not_overwritten(lab: Lab, left: str) -> None:
    node = lab.node("up")
    node.folder.mkdir(parents=True)
    (node.folder / f"up{left}").write_bytes(b"x")
    code, said = lab.make("up")
    assert code == 78, said
    assert (node.folder / f"up{left}").read_bytes() == b"x"
    assert [path.name for path in node.folder.iterdir() if path != node.lock] == [f"up{left}"]


def test_a_lost_root_key_is_not_replaced(lab: Lab) -> None:
    lab.make("up")
    (lab.root / ROOT_FILE).unlink()
    code, said = lab.make("down", "consumer")
    assert code == 78
    assert "bring it back" in said
    assert not (lab.root / ROOT_FILE).exists()
    (lab.root / ROOT_FILE).write_bytes(b"half a key")
    code, said = lab.make("down", "consumer")
    assert code == 78
    assert "is damaged" in said


def test_a_root_key_is_not_replaced_when_all_nodes_were_moved_away(lab: Lab, tmp_path: Path) -> None:
    lab.make("up")
    lab.node("up").folder.rename(tmp_path / "at the instrument")
    lab.root.rename(tmp_path / "taken offline")
    code, said = lab.make("down", "consumer")
    assert code == 78
    assert "bring it back" in said
    (tmp_path / "taken offline").rename(lab.root)
    assert lab.make("down", "consumer")[0] == 0


def test_several_processes_begin_at_once(lab: Lab) -> None:
    command = [sys.executable, "-c", "import sys; from openmsi_admin.main import main; sys.exit(main())", "provision"]
    options = ["--root", str(lab.root), "--out", str(lab.out), "--role", "prodcon", "--topics", "t", "--node"]
    running = [subprocess.Popen([*command, *options, f"node{number}"], stdout=subprocess.PIPE) for number in range(4)]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4, said
    (public,) = {standing_of(lab.node(f"node{number}")).allowed for number in range(4)}
    assert public


def test_nodes_of_two_root_keys_are_kept_apart(lab: Lab, tmp_path: Path) -> None:
    lab.make("up")
    code, said = lab.provision("--root", tmp_path / "b", "--node", "x", "--role", "producer", "--topics", "t")
    assert code == 78, said
    other = Lab(tmp_path / "other")
    other.make("down")
    code, said = lab.provision("--root", other.root, "--node", "down", "--role", "consumer", "--topics", "files")
    assert code == 78
    assert "is not the root key" in said


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ({"name": "süß node"}, "such as s-node"),
        ({"name": "../up"}, "such as up"),
        ({"name": "DEFAULT"}, "cannot be the name"),
        ({"name": "nul.x"}, "cannot be the name"),
        ({"name": "x" * 65}, "64 at most"),
        ({"topics": "a b"}, "cannot be the name of a topic"),
        ({"topics": ","}, "names no topic"),
        ({"topics": ".x"}, "cannot be the name of a topic"),
        ({"topics": "chains"}, "cannot be the name of a topic"),
        ({"topics": "^a(b"}, "is no regular expression"),
        ({"topics": r"^a\.b"}, "before the first dot"),
    ],
)
def test_names_that_cannot_be(lab: Lab, words: dict[str, str], hint: str) -> None:
    code, said = lab.make(words.get("name", "up"), "producer", words.get("topics", "files"))
    assert code == 64
    assert hint in said
    assert not lab.out.exists()


def test_the_root_key_is_not_kept_with_nodes(lab: Lab) -> None:
    for root in (lab.out, lab.out / "up", lab.out / "up" / "x"):
        code, said = lab.provision("--root", root, "--node", "up", "--role", "producer", "--topics", "t")
        assert code == 64
        assert "must not be kept with the nodes" in said


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library leaves a file open
def test_openmsistream_opens_it(lab: Lab) -> None:
    lab.make("Up-1")
    before = standing_of(lab.node("Up-1"))
    assert opened_by_openmsistream(lab.node("Up-1")) == ("Up-1.kafkacrypto", before.public)
    assert standing_of(lab.node("Up-1")) == before


def test_without_the_library() -> None:
    code = "import sys; sys.modules['kafkacrypto'] = None; from openmsi_admin.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "provision", "--list"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 78
    assert "pip install 'openmsi-core[encryption]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_secret_is_printed(lab: Lab) -> None:
    said = "".join(
        run[1]
        for run in (
            lab.make("up", "prodcon"),
            lab.make("up", "prodcon"),
            lab.provision("--list"),
            lab.provision("--list", "--json"),
            lab.provision("--renew", "--root", lab.root, "--node", "up"),
            lab.provision("--revoke", "up"),
        )
    )
    node = lab.node("up")
    node.crypto.write_bytes(node.crypto.read_bytes()[:70])
    said += lab.provision("--list")[1] + lab.provision("--renew", "--root", lab.root, "--node", "up")[1]
    assert "damaged" in said
    for path in (node.crypto, node.seed, lab.root / ROOT_FILE):
        content = path.read_bytes()
        for start in range(len(content) - 8):
            assert content[start : start + 8].hex() not in said.replace(standing_public(said), "")


def standing_public(said: str) -> str:
    """The fingerprint in ``said``: the second half of a secret key of this kind is the public one."""
    return said.partition("fingerprint: ")[2][:64]


def test_killed_anywhere_it_leaves_no_half_node(tmp_path: Path) -> None:
    whole = 0
    for steps in itertools.count(1):
        lab = Lab(tmp_path / str(steps))
        killed = killed_after(steps, tmp_path, partial(lab.make, "up"))
        node, seeds = lab.node("up"), {path.read_bytes() for path in lab.out.rglob("*.seed")}
        was_whole = node.config.exists()
        if was_whole:
            whole += 1
            assert standing_of(node).refused is None
            check_files(node)
        code, said = lab.make("up")
        assert code == 0, f"killed after {steps} steps: {said}"
        _check_whole(lab, node)
        assert (node.seed.read_bytes() in seeds) == was_whole
        if not killed:
            break
    assert steps > 20
    assert whole > 1


def _check_whole(lab: Lab, node: Node) -> None:
    check_files(node)
    assert standing_of(node).refused is None
    if not (node.folder / ".making").exists():
        assert sorted(path.name for path in node.folder.iterdir()) == ["up.config", "up.crypto", "up.lock", "up.seed"]
    assert len((lab.root / ROOT_FILE).read_bytes()) == 64
