"""`openmsi provision` in this process, and nodes as others make them."""

import configparser
import contextlib
import io
import itertools
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack

from openmsi_admin.main import main
from openmsi_core.encryption.certificates import standing_of
from openmsi_core.encryption.node import Node

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what lies below it uses interfaces that others have deprecated
    from kafkacrypto.cryptoexchange import CryptoExchange
    from kafkacrypto.cryptokey import CryptoKey
    from kafkacrypto.kafkacryptostore import KafkaCryptoStore
    from kafkacrypto.keys import SignPublicKey, SignSecretKey
    from kafkacrypto.utils import msgpack_default_pack, str_encode

TEN_YEARS = 316_224_000
_USES = {"producer": ["key-encrypt"], "consumer": ["key-encrypt-request", "key-encrypt-subscribe"]}


class Lab:
    """A folder with a root key and nodes in it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.out = folder / "nodes"

    def node(self, name: str) -> Node:
        """The node ``name``, whether or not it is there."""
        return Node(self.out / name, name)

    def provision(self, *words: object) -> tuple[int, str]:
        """`openmsi provision` with these ``words``: exit code, and all that it printed."""
        with io.StringIO() as said, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            return main(["provision", "--out", str(self.out), *map(str, words)]), said.getvalue()

    def make(self, name: str, role: str = "producer", topics: str = "files", *more: object) -> tuple[int, str]:
        """Make a node."""
        words = ("--root", self.root, "--node", name, "--role", role, "--topics", topics)
        return self.provision(*words, *more)


def state(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Content, mode and time of every file below ``folder``."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns) for path in found}


def simply_provisioned(
    folder: Path, name: str, role: str, *, old: bool = False, test_root: bool = False, root: Any = None
) -> Node:
    """A node as KafkaCrypto's own script makes it: chain of two, ten years, all topics, anybody may read its files.

    ``old``: in the format of earlier releases. ``test_root``: it still trusts the root key that everybody knows.
    ``root``: the root key, if other nodes have the same.
    """
    folder.mkdir(parents=True)
    node = Node(folder, name)
    root, between, own = root or SignSecretKey(1), SignSecretKey(1), SignSecretKey(1)
    uses = ["usages", _USES[role]]
    signed = [
        root.crypto_sign(_pack([0, _pack([uses]), SignPublicKey(between)])),
        between.crypto_sign(
            _pack([time.time() + TEN_YEARS, _pack([uses, ["topics", ["^.*$"]], ["pathlen", 1]]), SignPublicKey(own)])
        ),
    ]
    wrapping = os.urandom(32)
    secrets = [bytes(own), wrapping] if old else [2, [bytes(own)], wrapping, False, [5, 2, 1]]
    node.crypto.write_bytes(_pack(secrets))
    node.seed.write_bytes(_pack([0, os.urandom(32)]))
    config = configparser.ConfigParser(delimiters=(":",))
    config["DEFAULT"] = {"node_id": name}
    config[name] = {"cryptokey": f"file#{name}.crypto", "ratchet": f"file#{name}.seed", "mgmt_long_keyindex": "True"}
    config[f"{name}-crypto"] = {"maxage": str(TEN_YEARS)} | ({"chain": str_encode(_pack(signed))} if old else {})
    config[f"{name}-allowlist"] = {"rot0": str_encode(_pack([0, b"\x90", SignPublicKey(root)]))}
    if test_root:
        known = bytes.fromhex("1a13b0aecdd6751c7dfa43e43284326ad01dbc20a8a00b1566092ab0a542620f")
        config[f"{name}-allowlist"]["mine"] = str_encode(_pack([0, b"\x90", known]))
    if not old:
        config[f"{name}-chains"] = {"chain0": str_encode(_pack(signed))}
    with node.config.open("w") as file:
        config.write(file)
    for path in node.files:
        path.chmod(0o644)
    return node


def exchange_of(node: Node) -> CryptoExchange:
    """What the library exchanges keys by in ``node``."""
    standing = standing_of(node)
    return CryptoExchange([standing.chain], CryptoKey(str(node.crypto)), allowlist=standing.allowed)


def killed_after(steps: int, place: Path, work: Callable[[], object]) -> bool:
    """Do ``work`` in a process that is killed before its ``steps``-th step in ``place``; False when it ends before.

    Steps are files opened, written and synced, and whatever changes a folder.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fork beside threads
        child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    counted = itertools.count(1)

    def step() -> None:
        if next(counted) == steps:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, details: tuple[object, ...]) -> None:
        changes = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.chmod", "os.chown")
        if changes or (event == "open" and str(details[0]).startswith(str(place))):
            step()

    write, fsync = os.write, os.fsync

    def counted_write(file: int, data: bytes) -> int:
        step()
        return write(file, data)

    def counted_fsync(file: int) -> None:
        step()
        fsync(file)

    os.write, os.fsync = counted_write, counted_fsync  # type: ignore[assignment]
    sys.addaudithook(hook)
    try:
        work()
    finally:
        os._exit(0)


def opened_by_openmsistream(node: Node) -> tuple[str, str]:
    """Rewrite and read the files of ``node`` as OpenMSIStream does at its start: consumer group and fingerprint."""
    config = configparser.ConfigParser(delimiters=":")
    config.read(node.config)
    config.set(node.name, "log_level", "20")
    with node.config.open("w") as file:
        config.write(file)
    store = KafkaCryptoStore(str(node.config), conf_global_logger=False)
    group: str = store.get_kafka_config("consumer", extra="crypto")["group_id"]
    store.close()
    return group, bytes(CryptoKey(str(node.crypto)).get_spk(0)).hex()


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, default=msgpack_default_pack, use_bin_type=True)
    return packed
