"""Who may read and write which topics: making nodes, and looking at the ones that are there.

Beside `crypto` the only module that imports KafkaCrypto. A node's right is one record, signed by a root key: until
when, for which topics and uses, and the node's public key.
"""

import configparser
import io
import os
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgpack

from openmsi_core.durable import CREATE, sync_folder, write_all
from openmsi_core.encryption.node import Node
from openmsi_core.errors import ConfigError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what lies below it uses interfaces that others have deprecated
    from kafkacrypto.chain import process_chain
    from kafkacrypto.cryptokey import CryptoKey
    from kafkacrypto.keys import SignPublicKey, SignSecretKey
    from kafkacrypto.utils import msgpack_default_pack, str_decode, str_encode

Role = Literal["producer", "consumer", "prodcon"]

_READ: Final = ["key-encrypt-request", "key-encrypt-subscribe"]
_WRITE: Final = ["key-encrypt"]
_USES: Final[dict[Role, list[str]]] = {"producer": _WRITE, "consumer": _READ, "prodcon": [*_WRITE, *_READ]}
_ED25519 = 1
_SEED_BYTES = 32
_REPLY_SECONDS = 86_400  # for which a request or reply is valid
_TEST_ROOT = "temporary"
ROOT_FILE = "root.key"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the files of a node say of it."""

    expires: float
    """Seconds since the epoch; 0 = never."""
    trusts_everybody: bool
    """It trusts the root key that is printed in KafkaCrypto's source."""
    refused: str | None
    """Why its certificate is worth nothing; None = it is good, as far as it goes."""
    chain: bytes
    allowed: tuple[bytes, ...]
    denied: tuple[bytes, ...]

    def may(self, use: Literal["read", "write"], topic: str) -> bool:
        """Whether others with the same trust let this node read, or write, ``topic``."""
        root = topic.partition(".")[0]
        return not any(_fault(self, root, each) for each in (_READ if use == "read" else _WRITE))


def standing_of(node: Node) -> Standing:
    """Look at a node that no process uses. Raises ConfigError when its files are damaged, or in use after all."""
    try:
        config = read_node_config(node.config)
        named = config.get("DEFAULT", "node_id")
        sections = {name: _values(config, f"{named}-{name}") for name in ("allowlist", "denylist", "chains")}
    except (OSError, ValueError, configparser.Error) as error:
        raise ConfigError(f"{node.config} is damaged ({error}): provision the node anew") from None
    if named != node.name:
        raise ConfigError(f"{node.config} is the file of the node {named}: it must be called {named}.config")
    chains = list(sections["chains"].values())
    found = Standing(
        0.0,
        _TEST_ROOT in sections["allowlist"],
        None if chains else "it has no certificate",
        chains[0] if chains else b"",
        tuple(sections["allowlist"].values()),
        tuple(sections["denylist"].values()),
    )
    if not chains:
        return found
    refused = _fault(found, None, None)
    return Standing(
        ends(found.chain, found.allowed), found.trusts_everybody, refused, found.chain, found.allowed, found.denied
    )


def ends(chain: bytes, allowed: Iterable[bytes]) -> float:
    """When the earliest of the certificates in ``chain`` ends, seconds since the epoch; 0 = never, or not ours."""
    try:
        return float(process_chain(chain, None, None, allowlist=list(allowed), checktime=lambda: 0)[0][0])
    except ValueError:
        return 0.0


def make_root(folder: Path) -> Any:
    """The root key kept in ``folder``, made there if there is none; durable on return. Raises OSError."""
    path = folder / ROOT_FILE
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        write_secret(path, bytes(SignSecretKey(_ED25519)))
    return SignSecretKey(path.read_bytes())


def make_node(node: Node, root: Any, role: Role, topics: list[str], days: float, keep_days: float) -> None:
    """Make the three files of a new node, readable by this user only, and sign it; durable on return.

    ``days`` is how long the certificate is good, ``keep_days`` how long the node hands out a key after its first use.
    Raises FileExistsError when any of the files is there.
    """
    node.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in node.files:
        if path.exists():
            raise FileExistsError(path)
    write_secret(node.seed, msgpack.packb([0, os.urandom(_SEED_BYTES)], use_bin_type=True))
    identity = CryptoKey(str(node.crypto), keytypes=[_ED25519]).get_spk(0)
    node.crypto.chmod(0o600)
    anchor = _pack([0, _pack([]), SignPublicKey(root)])
    chain = _sign(root, identity, role, topics, days)
    process_chain(chain, None, None, allowlist=[anchor])
    config = _parser()
    config["DEFAULT"] = {"node_id": node.name}
    config[node.name] = {"mgmt_long_keyindex": str_encode(True), "crypto_max_pgen_age": str(int(keep_days * 86_400))}
    config[f"{node.name}-crypto"] = {"maxage": str(_REPLY_SECONDS)}
    config[f"{node.name}-allowlist"] = {"rot0": str_encode(anchor)}
    config[f"{node.name}-chains"] = {"chain0": str_encode(chain)}
    text = io.StringIO()
    config.write(text)
    write_secret(node.config, text.getvalue().encode())


def read_node_config(path: Path) -> configparser.ConfigParser:
    """The library's own file of a node, as it reads it. Raises OSError and configparser.Error."""
    config = _parser()
    config.read_string(path.read_text(encoding="utf-8"))
    return config


def _parser() -> configparser.ConfigParser:
    config = configparser.ConfigParser(delimiters=(":",), comment_prefixes=(";",))
    config.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case of keys
    return config


def _values(config: configparser.ConfigParser, section: str) -> dict[str, Any]:
    if not config.has_section(section):
        return {}
    return {name: str_decode(text) for name, text in config[section].items() if name not in config.defaults()}


def write_secret(path: Path, content: bytes) -> None:
    """Make ``path``, which only this user can read; durable on return. Raises OSError, also when it is there."""
    file = os.open(path, CREATE, 0o600)
    try:
        write_all(file, content, 0)
        os.fsync(file)
    finally:
        os.close(file)
    sync_folder(path.parent)


def _sign(root: Any, identity: Any, role: Role, topics: list[str], days: float) -> bytes:
    roots = [topic if topic.startswith("^") else topic.partition(".")[0] for topic in topics]
    limits = _pack([["usages", _USES[role]], ["topics", roots], ["pathlen", 1]])
    return _pack([root.crypto_sign(_pack([time.time() + days * 86_400, limits, identity]))])


def _fault(standing: Standing, root: str | None, use: str | None) -> str | None:
    try:
        process_chain(standing.chain, root, use, allowlist=list(standing.allowed), denylist=list(standing.denied))
    except ValueError as error:
        printable = getattr(error, "printable", None)
        return str(printable[-1]) if printable else str(error)
    return None


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, default=msgpack_default_pack, use_bin_type=True)
    return packed
