"""What a program looks at before it uses a node, and the words for what is wrong."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from openmsi_core.encryption.node import Node
from openmsi_core.encryption.opening import Encryption, opened
from openmsi_core.errors import BrokerUnreachable, ConfigError
from tests.support.encrypting import Nodes

NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}
_TEST_ROOT = "kwDEC5GSp3BhdGhsZW4CxCAaE7CuzdZ1HH36Q+QyhDJq0B28IKigCxVmCSqwpUJiDw=="


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    return Nodes(tmp_path / "nodes")


def try_to_open(node: Node, *, reads: Sequence[str] = (), writes: Sequence[str] = ()) -> None:
    """Open the node for a program that is told to stop before it asks the broker."""
    stop = threading.Event()
    stop.set()
    with opened(Encryption(node, NOWHERE, reads, writes, False), "Program", stop, lambda _: None, 0) as cipher:
        assert cipher is None


@contextlib.contextmanager
def refused(*words: str) -> Iterator[None]:
    """The block fails for a reason in one line."""
    with pytest.raises(ConfigError) as caught:
        yield
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


def test_a_good_node_passes(nodes: Nodes) -> None:
    try_to_open(nodes.make("up", "producer", "a"), writes=["a.raw", "a"])
    try_to_open(nodes.make("both", "prodcon", "a", "b"), reads=["a"], writes=["b"])


@pytest.mark.parametrize("which", [0, 1, 2])
def test_each_file_must_be_there(nodes: Nodes, which: int) -> None:
    node = nodes.make("up", "producer", "a")
    node.files[which].unlink()
    with refused(str(node.files[which]), "is missing: delete what is left of that node, and provision a new one"):
        try_to_open(node, writes=["a"])
    assert not node.files[which].exists()


def test_certificates(nodes: Nodes, caplog: pytest.LogCaptureFixture) -> None:
    old = nodes.make("old", "producer", "a", days=0.5 / 86_400)
    time.sleep(0.6)
    with refused("certificate of node old is not valid", "openmsi provision --node old --renew"):
        try_to_open(old, writes=["a"])
    with refused("node aged ends in less than a day", "openmsi provision --node aged --renew"):
        try_to_open(nodes.make("aged", "producer", "a", days=0.5), writes=["a"])
    try_to_open(nodes.make("ripe", "producer", "a", days=10), writes=["a"])
    assert "certificate of node ripe ends in 10 days: renew it with openmsi provision" in caplog.text
    with refused("node up may not write to topic b: provision one that may"):
        try_to_open(nodes.make("up", "producer", "a"), writes=["a", "b"])
    with refused("node down may not write to topic beats: provision one that may"):
        try_to_open(nodes.make("down", "consumer", "a", "beats"), reads=["a"], writes=["beats"])
    with refused("node other may not read topic a: provision one that may"):
        try_to_open(nodes.make("other", "producer", "a"), reads=["a"])


def test_a_node_that_trusts_everybody_is_refused(nodes: Nodes) -> None:
    node = nodes.make("up", "producer", "a")
    text = node.config.read_text()
    node.config.write_text(text.replace("[up-allowlist]\n", f"[up-allowlist]\ntemporary : base64#{_TEST_ROOT}\n"))
    assert node.config.read_text() != text
    with refused("node up trusts KafkaCrypto's public test root: provision it anew"):
        try_to_open(node, writes=["a"])


def test_the_files_of_another_node(nodes: Nodes) -> None:
    node = nodes.make("up", "producer", "a")
    for path in node.files:
        path.rename(path.with_stem("copy"))
    with refused("is the file of the node up: it must be called up.config"):
        try_to_open(Node(node.folder, "copy"), writes=["a"])


@pytest.mark.parametrize("content", [b"", b"\xc1garbage", b"\x93\x01\x02\x03"])
def test_damaged_secrets(nodes: Nodes, content: bytes) -> None:
    from openmsi_core.encryption.crypto import KafkaCryptoCipher
    from openmsi_core.encryption.opening import _open

    for suffix in ("crypto", "seed"):
        node = nodes.make(suffix, "producer", "a")
        (node.folder / f"{suffix}.{suffix}").write_bytes(content)
        with refused("damaged", "provision"):
            _open(KafkaCryptoCipher, Encryption(node, NOWHERE, (), ("a",), False))


def test_one_process_and_one_thread_at_a_time(nodes: Nodes) -> None:
    node, neighbour = nodes.make("up", "producer", "a"), nodes.make("next", "producer", "a")
    for path in neighbour.files:
        path.rename(node.folder / path.name)
    inside, leave, left = threading.Event(), threading.Event(), threading.Event()

    def wait(_status: object) -> None:
        inside.set()
        leave.wait(30)

    def other() -> None:
        wanted = Encryption(node, NOWHERE, (), ("a",), False)
        with contextlib.suppress(BrokerUnreachable), opened(wanted, "First", leave, wait, 60):
            pass
        left.set()

    threading.Thread(target=other, daemon=True).start()
    assert inside.wait(30)
    with refused("node up", "in use by First (node up) (process", "stop that one first, or give each process"):
        try_to_open(node, writes=["a"])
    try_to_open(Node(node.folder, "next"), writes=["a"])  # another one in the same folder
    leave.set()
    assert left.wait(30)


def test_openmsistream_uses_the_node(nodes: Nodes) -> None:
    node = nodes.make("up", "producer", "a")
    code = (
        "import sys; from kafkacrypto.cryptostore import CryptoStore; "
        f"store = CryptoStore(None, {str(node.config)!r}); print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stdin=-1, stdout=-1) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        code = f"""
from pathlib import Path
from openmsi_core.encryption.crypto import KafkaCryptoCipher
from openmsi_core.encryption.node import Node
from openmsi_core.encryption.opening import Encryption, _open
_open(KafkaCryptoCipher, Encryption(Node(Path({str(node.folder)!r}), "up"), {{}}, (), ("a",), False))
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert "is in use by a program that is not ours, such as OpenMSIStream: stop that one first" in done.stderr
        other.stdin.close()  # type: ignore[union-attr]


def test_secrets_that_others_can_read_are_closed_to_them(nodes: Nodes, caplog: pytest.LogCaptureFixture) -> None:
    node = nodes.make("up", "producer", "a")
    node.seed.chmod(0o644)
    try_to_open(node, writes=["a"])
    assert node.seed.stat().st_mode & 0o777 == 0o600
    assert f"{node.seed} could be read by other users of this machine" in caplog.text
    assert str(node.crypto) not in caplog.text


@pytest.mark.parametrize("missing", ["kafkacrypto", "pysodium"])
def test_without_the_library(nodes: Nodes, missing: str) -> None:
    node = nodes.make("up", "producer", "a")
    code = f"""
import sys, threading
from pathlib import Path
sys.modules[{missing!r}] = None
from openmsi_core.encryption.node import Node
from openmsi_core.encryption.opening import Encryption, opened
from openmsi_core.errors import ConfigError
try:
    node = Node(Path({str(node.folder)!r}), "up")
    with opened(Encryption(node, {{}}, (), ("a",), False), "P", threading.Event(), print, 0):
        pass
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert (
        "use an image that is built with WITH_KAFKACRYPTO=1, or pip install 'openmsi-core[encryption]'" in done.stdout
    )
    assert done.stdout.count("\n") == 1
