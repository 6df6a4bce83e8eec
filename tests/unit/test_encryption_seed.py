"""Keys of a node: durable before their first use, and never used for two different records."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import msgpack
import pytest

from openmsi_core.encryption.crypto import KafkaCryptoCipher
from openmsi_core.encryption.node import Node
from openmsi_core.encryption.seed import counter_of
from openmsi_core.errors import ConfigError
from tests.support.encrypting import Nodes

NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}
Open = Callable[..., KafkaCryptoCipher]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    (tmp_path / "state").mkdir()
    return Nodes(tmp_path / "nodes").make("up", "producer", "^.*")


@pytest.fixture
def opened(node: Node, tmp_path: Path) -> Iterator[Open]:
    """Opens the node; the one before is closed."""
    made: list[KafkaCryptoCipher] = []

    def begin(state: Path | None = tmp_path / "state") -> KafkaCryptoCipher:
        if made:
            made.pop().close()
        made.append(KafkaCryptoCipher(node, NOWHERE, False, state))
        return made[-1]

    yield begin
    if made:
        made.pop().close()


def snapshot(node: Node) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in node.files}


def restore(files: dict[Path, bytes]) -> None:
    for path, content in files.items():
        path.write_bytes(content)


def place(message: bytes) -> tuple[bytes, bytes]:
    """Key index and counter of an encrypted record."""
    index, counter, _ = msgpack.unpackb(message[1:], raw=True)
    return index, counter


def test_no_key_and_counter_twice(opened: Open) -> None:
    seen: set[tuple[str, str, bytes, bytes]] = set()
    count = 0
    lock = threading.Lock()

    def encrypt(cipher: KafkaCryptoCipher) -> None:
        nonlocal count
        for number in range(200):
            for topic in ("a.raw", "b"):
                for field in ("key", "value"):
                    found = (topic, field, *place(cipher.encrypt(topic, field, bytes(number))))
                    with lock:
                        seen.add(found)
                        count += 1

    for _ in range(4):
        cipher = opened()
        threads = [threading.Thread(target=encrypt, args=(cipher,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(seen) == count == 4 * 4 * 200 * 4


def test_a_seed_that_went_back_is_refused_for_good_by_the_keys_beside_it(node: Node, opened: Open) -> None:
    for _ in range(3):
        opened(None).encrypt("a", "value", b"")
    seed = node.seed.read_bytes()
    opened(None)  # this one encrypts nothing, so that its key is not among the old ones
    opened(None).encrypt("a", "value", b"")
    node.seed.write_bytes(seed)
    for _ in range(5):
        with pytest.raises(ConfigError, match=r"gone back in time.*delete the node up, and provision a new one"):
            opened(None)
        assert node.seed.read_bytes() == seed  # so it is refused again


def test_all_files_restored_are_refused_by_the_mark_in_the_state_folder(node: Node, opened: Open) -> None:
    opened().encrypt("a", "value", b"")
    backup = snapshot(node)
    opened()  # no key was used, and the mark counts all the same: it might have been
    restore(backup)
    for _ in range(3):
        with pytest.raises(ConfigError, match="gone back in time"):
            opened()
        assert snapshot(node) == backup


def test_a_lost_state_folder_stops_nobody(opened: Open, tmp_path: Path) -> None:
    opened().encrypt("a", "value", b"")
    (marked,) = (tmp_path / "state").iterdir()
    marked.unlink()
    opened().encrypt("a", "value", b"")
    assert marked.read_bytes() == b"2"


def test_a_new_node_of_the_same_name_begins_anew(node: Node, opened: Open, tmp_path: Path) -> None:
    for _ in range(3):
        opened().close()
    for path in node.files:
        path.unlink()
    Nodes(tmp_path / "nodes").make("up", "producer", "^.*")
    assert counter_of(node.seed.read_bytes()) == 0
    opened().encrypt("a", "value", b"")


def test_a_damaged_mark_says_what_to_do(opened: Open, tmp_path: Path) -> None:
    opened().close()
    (marked,) = (tmp_path / "state").iterdir()
    marked.write_bytes(b"")
    with pytest.raises(ConfigError, match="is damaged: delete it if the node's files were never restored"):
        opened()


@pytest.mark.parametrize("step", ["copy", "osfsync", "replace"])
def test_nothing_is_encrypted_with_a_key_that_cannot_be_kept(
    node: Node, opened: Open, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    cipher = opened()
    first = cipher.encrypt("a", "value", b"")
    monkeypatch.setattr(f"kafkacrypto.utils.{step}", full)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"cannot keep a new key \(No space left on device\).*disk is not full"):
            cipher.encrypt("b", "value", b"secret")
    assert cipher.fault() is not None
    monkeypatch.undo()
    again = opened()
    assert place(again.encrypt("b", "value", b""))[0] != place(first)[0]
    assert set(again.held()) == {"a", "b"}
    del cipher
    with warnings.catch_warnings():  # the library leaves files open then
        warnings.simplefilter("ignore")
        gc.collect()


_DIES = """\
import os
from pathlib import Path
from kafkacrypto import utils
from openmsi_core.encryption.crypto import KafkaCryptoCipher
from openmsi_core.encryption import seed
from openmsi_core.encryption.node import Node

real, calls = {owner}.{step}, 0

def dies(*arguments):
    global calls
    calls += 1
    if calls == {at}:
        os._exit(9)
    return real(*arguments)

{owner}.{step} = dies
cipher = KafkaCryptoCipher(Node(Path({folder!r}), "up"), {{"bootstrap.servers": "127.0.0.1:1"}}, False, Path({state!r}))
print(cipher.encrypt("a", "value", b"").hex(), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize(
    ("owner", "step", "at"),
    [
        ("os", "fsync", 1),
        ("seed", "write_file", 1),
        ("utils", "osfsync", 1),
        ("utils", "replace", 1),
        ("utils", "osclose", 1),
    ],
)
def test_killed_at_any_step_the_node_goes_on_with_another_key(
    node: Node, opened: Open, tmp_path: Path, owner: str, step: str, at: int
) -> None:
    code = _DIES.format(owner=owner, step=step, at=at, folder=str(node.folder), state=str(tmp_path / "state"))
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (9, ""), done.stderr
    before = node.seed.read_bytes()
    cipher = opened()
    assert counter_of(node.seed.read_bytes()) == counter_of(before) + 1
    made = place(cipher.encrypt("a", "value", b"x"))
    assert not node.config.with_suffix(".config.tmp").exists()
    assert made[1] == b"\0" * 16
    opened().encrypt("a", "value", b"x")


def test_a_record_in_hand_means_that_its_key_is_kept(node: Node, opened: Open, tmp_path: Path) -> None:
    code = _DIES.format(owner="utils", step="osclose", at=99, folder=str(node.folder), state=str(tmp_path / "state"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    index, _ = place(bytes.fromhex(done.stdout))
    keys = opened()._keys
    assert index in keys._pgens["a"]


def test_each_step_of_the_seed_is_synced(node: Node, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    cipher = opened()
    first = place(cipher.encrypt("a", "value", b""))
    synced: list[tuple[int, int]] = []
    real = os.fsync

    def fsync(file: int) -> None:
        if os.path.samestat(os.fstat(file), node.seed.stat()):
            synced.append((file, counter_of(node.seed.read_bytes())))  # what a power cut would leave from here on
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    with cipher._keys._lock:  # as the library does each day
        cipher._keys._seed.increment()
        cipher._keys._cur_pgens = {}
    assert [counter for _, counter in synced] == [2]
    assert place(cipher.encrypt("a", "value", b""))[0] != first[0]
