"""Who may read and write which topics: certificates, made and looked at.

Beside `keys` the only module that imports KafkaCrypto. A node's right is one record, signed by a root key: until
when, for which topics and uses, and the node's public key.
"""

import configparser
import time
import warnings
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Final, Literal

import msgpack

from openmsi_core.encryption.node import REVOKED, Node
from openmsi_core.encryption.node_files import read_node_config, values_of
from openmsi_core.errors import ConfigError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what lies below it uses interfaces that others have deprecated
    from kafkacrypto.chain import key_in_list, process_chain
    from kafkacrypto.keys import SignPublicKey, SignSecretKey
    from kafkacrypto.utils import exclusive_lock, msgpack_default_pack, str_decode, str_encode

Role = Literal["producer", "consumer", "prodcon"]

_READ, _WRITE = "key-encrypt-subscribe", "key-encrypt"
_DIRECTLY = "key-encrypt-request"  # what OpenMSIStream's limited consumers lack: a controller asks for them
_USES: Final[Mapping[Role, list[str]]] = {
    "producer": [_WRITE],
    "consumer": [_DIRECTLY, _READ],
    "prodcon": [_WRITE, _DIRECTLY, _READ],
}
_ED25519 = 1
_TEST_ROOT = bytes.fromhex("1a13b0aecdd6751c7dfa43e43284326ad01dbc20a8a00b1566092ab0a542620f")
_FAULTS = {
    "Expired Chain!": "it has ended",
    "Chain uses denylisted public key": REVOKED,
    "Invalid signing!": "no root key that the node trusts has signed it",
}


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
    role: Role | None = None
    """None = the certificate says none of them."""
    topics: tuple[str, ...] = ()
    """Beginnings of topics (before the first dot), or regular expressions for them, which begin with ``^``."""
    public: str = ""
    """The public key to which the certificate belongs, in hexadecimal digits: the node's fingerprint."""

    def may(self, use: Literal["read", "write"], topic: str) -> bool:
        """Whether others with the same trust let this node read, or write, ``topic``."""
        root = topic.partition(".")[0]
        return _fault(self, root, _READ if use == "read" else _WRITE) is None

    def trusts(self, public: str) -> bool:
        """Whether it trusts the root key with this fingerprint."""
        return key_in_list(SignPublicKey(bytes.fromhex(public)), self.allowed) is not None

    def denies(self, public: str) -> bool:
        """Whether it refuses the node with this fingerprint."""
        return key_in_list(SignPublicKey(bytes.fromhex(public)), self.denied) is not None


def standing_of(node: Node) -> Standing:
    """Look at the files of ``node``; nothing is changed. Raises ConfigError when they are damaged or unreadable."""
    try:
        config = read_node_config(node.config)
        named = config.get("DEFAULT", "node_id")
        sections = {
            name: values_of(config, f"{named}-{name}", str_decode)
            for name in ("allowlist", "denylist", "chains", "crypto")
        }
        own = _own_keys(node)
        standing = _standing(sections, own)
    except PermissionError as error:
        raise ConfigError(f"{error.filename} cannot be read: run this as the user to whom it belongs") from None
    except Exception:  # what the library raises for what is damaged is no closed set
        raise ConfigError(f"{node.config} or {node.crypto.name} is damaged: provision the node anew") from None
    if named != node.name:
        raise ConfigError(f"{node.config} is the file of the node {named}: it must be called {named}.config")
    return standing


def _standing(sections: dict[str, dict[str, Any]], own: set[str] | None) -> Standing:
    # What older releases wrote stands in another section; the library moves it at its next start.
    old = {name: sections["crypto"][name] for name in ("rot", "chainrot", "chain") if name in sections["crypto"]}
    chains = [old.pop("chain")] if "chain" in old else list(sections["chains"].values())
    allowed = (*sections["allowlist"].values(), *old.values())
    denied = tuple(sections["denylist"].values())
    test_root = SignPublicKey(_TEST_ROOT)
    trusts_everybody = key_in_list(test_root, allowed) is not None and key_in_list(test_root, denied) is None
    facts = [(chain, *_facts(chain, allowed)) for chain in chains]
    facts.sort(key=lambda each: own is not None and each[-1] not in own)  # one that is for our key first
    if not facts:
        return Standing(0.0, trusts_everybody, "it has no certificate", b"", allowed, denied)
    chain, expires, role, topics, public = facts[0]
    refused = _fault(Standing(0.0, False, None, chain, allowed, denied), None, None)
    if not refused and own is not None and public not in own:
        refused = "it belongs to another key than the one in the node's .crypto file"
    return Standing(expires, trusts_everybody, refused, chain, allowed, denied, role, topics, public)


def _facts(chain: bytes, allowed: Iterable[bytes]) -> tuple[float, Role | None, tuple[str, ...], str]:
    """When the certificate ends, its role and topics, and whose it is, whether or not it still counts."""
    try:
        found = process_chain(chain, None, None, allowlist=list(allowed), checktime=lambda: 0)[0]
    except ValueError:
        return 0.0, None, (), ""
    limits = {name.decode(): value for name, value in msgpack.unpackb(found[1], raw=True)}
    uses = {use.decode() for use in limits.get("usages", [])}
    roles = [role for role, needed in _USES.items() if uses == set(needed)]
    topics = tuple(topic.decode() for topic in limits.get("topics", []))
    return float(found[0]), roles[0] if roles else None, topics, bytes(found[2]).hex()


def _own_keys(node: Node) -> set[str] | None:
    """Fingerprints of the secret keys of ``node``; None when it has no file of them."""
    try:
        content = node.crypto.read_bytes()
    except FileNotFoundError:
        return None
    unpacker = msgpack.Unpacker(raw=True)
    unpacker.feed(content)
    held_there = unpacker.unpack()
    # Older releases kept [secret, …], then [1, secret, …]; now it is [2, [secret, …], …].
    secrets = held_there[:1] if len(held_there) == 2 else [held_there[1]] if held_there[0] == 1 else held_there[1]
    found: set[str] = set()
    for secret in secrets:
        with suppress(Exception):  # of a kind for which something is not installed: the library passes over it, too
            found.add(bytes(SignPublicKey(SignSecretKey(secret))).hex())
    return found


def ends(chain: bytes, allowed: Iterable[bytes]) -> float:
    """When the earliest of the certificates in ``chain`` ends, seconds since the epoch; 0 = never, or not ours."""
    return _facts(chain, allowed)[0]


def refuse_older(exchange: Any, latest: float, trusted: Collection[bytes]) -> None:
    """Let ``exchange`` (the library's) take no certificate that ends before the one it has, which ends at ``latest``.

    The library takes any that is valid, and the topic with certificates may begin with one that was replaced since.
    """
    take = exchange.replace_spk_chain

    def take_newer(chain: bytes) -> bytes | None:
        nonlocal latest
        end = ends(chain, trusted)
        if end and (not latest or end < latest):
            return None
        taken: bytes | None = take(chain)
        latest = end if taken else latest
        return taken

    exchange.replace_spk_chain = take_newer


def new_key() -> tuple[bytes, str]:
    """A new secret key and its fingerprint."""
    secret = SignSecretKey(_ED25519)
    return bytes(secret), public_of(secret)


def read_key(content: bytes) -> Any:
    """The secret key in ``content``, as `new_key` made it. Raises ValueError when it is damaged."""
    try:
        secret = SignSecretKey(content)
        public_of(secret)
    except Exception as error:  # what the library raises for what is damaged is no closed set
        raise ValueError(error) from None
    return secret


def public_of(secret: Any) -> str:
    """The fingerprint of a secret key."""
    return bytes(SignPublicKey(secret)).hex()


def sign(root: Any, public: str, role: Role, topics: Iterable[str], days: float) -> bytes:
    """A certificate for the node with this fingerprint, good for ``days`` from now."""
    limits = pack([["usages", _USES[role]], ["topics", roots_of(topics)], ["pathlen", 1]])
    identity = SignPublicKey(bytes.fromhex(public))
    return pack([root.crypto_sign(pack([time.time() + days * 86_400, limits, identity]))])


def roots_of(topics: Iterable[str]) -> list[str]:
    """What counts of ``topics``: what stands before their first dot, and regular expressions as they are."""
    return sorted({topic if topic.startswith("^") else topic.partition(".")[0] for topic in topics})


def deny(config: configparser.ConfigParser, name: str, fingerprints: Iterable[str]) -> None:
    """Make the node ``name`` refuse the nodes with these ``fingerprints``, in its ``config``."""
    section = f"{name}-denylist"
    for public in fingerprints:
        if not config.has_section(section):
            config.add_section(section)
        config[section][f"revoked-{public}"] = entry(public)


def encode(value: bytes) -> str:
    """``value`` as it stands in the file of a node."""
    text: str = str_encode(value)
    return text


def lock_for_library(file: IO[str]) -> None:
    """Lock the open `.config` of a node as KafkaCrypto itself does. Raises OSError when another process has it."""
    exclusive_lock(file)


def _fault(standing: Standing, root: str | None, use: str | None) -> str | None:
    topic = None if root is None else root.encode()  # bytes: the library compares text with expressions of bytes
    try:
        process_chain(standing.chain, topic, use, allowlist=list(standing.allowed), denylist=list(standing.denied))
    except ValueError as error:
        printable = getattr(error, "printable", None)
        fault = str(printable[-1]) if printable else str(error)
        return _FAULTS.get(fault, fault)
    return None


def entry(public: str) -> str:
    """A key as it stands in a list of those that a node trusts, or refuses."""
    return encode(pack([0, pack([]), SignPublicKey(bytes.fromhex(public))]))


def pack(value: Any) -> bytes:
    """``value`` as MessagePack, as the library writes it."""
    packed: bytes = msgpack.packb(value, default=msgpack_default_pack, use_bin_type=True)
    return packed


def signer_of(message: bytes, allowed: Iterable[bytes]) -> str | None:
    """The fingerprint of the node that signed a message of an exchange topic.

    None when no trusted root key stands behind it.
    """
    try:
        process_chain(message, None, None, allowlist=list(allowed), checktime=lambda: 0)
        certificate = pack(msgpack.unpackb(message, raw=True)[:-1])
        return _facts(certificate, allowed)[-1] or None
    except Exception:  # what the library raises for garbage is no closed set
        return None
