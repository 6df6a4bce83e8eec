"""Making nodes, and the root key that signs them."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from openmsi_core.durable import create_once
from openmsi_core.encryption.certificates import (
    Role,
    deny,
    encode,
    entry,
    new_key,
    pack,
    public_of,
    read_key,
    sign,
    standing_of,
)
from openmsi_core.encryption.node import Node
from openmsi_core.encryption.node_files import SECRET, Owner, install, new_node_config, text_of
from openmsi_core.errors import ConfigError

ROOT_FILE = "root.key"
_EPHEMERAL = [5, 2, 1]  # kinds of keys for an exchange, the best first; those that are not installed are passed over
_SECRET_BYTES = 32
_QUICK = {  # for OpenMSIStream: its library's defaults take a minute to get the first key
    "mgmt_long_keyindex": "True",
    "crypto_sub_interval": "5",
    "mgmt_poll_interval": "100",
}
_REPLY_SECONDS = 86_400  # for which a request or reply is valid


def make_root(folder: Path) -> Any:
    """The root key kept in ``folder``, made there if there is none; durable on return.

    Raises OSError, and ConfigError when it is damaged.
    """
    path = folder / ROOT_FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        create_once(path, new_key()[0], SECRET)
    try:
        return read_key(path.read_bytes())
    except ValueError:
        raise ConfigError(f"the root key {path} is damaged: bring it back from its backup") from None


def make_node(
    node: Node,
    root: Any,
    role: Role,
    topics: list[str],
    days: float,
    keep_days: float,
    *,
    owner: Owner | None = None,
    revoked: Iterable[str] = (),
) -> None:
    """Make the three files of a new node, readable by ``owner`` (or this user) only, and sign it; durable on return.

    ``days`` is how long the certificate is good, ``keep_days`` how long the node hands out a key after its first use,
    ``revoked`` the fingerprints of nodes that it is to refuse. An interrupted call leaves no node, and is to be
    repeated. Raises FileExistsError when any of the files is there, OSError, and ConfigError.
    """
    secret, public = new_key()
    name = node.name
    config = new_node_config(
        {
            "DEFAULT": {"node_id": name},
            name: {"crypto_max_pgen_age": str(int(keep_days * 86_400)), **_QUICK},
            f"{name}-crypto": {"maxage": str(_REPLY_SECONDS)},
            f"{name}-allowlist": {"rot0": entry(public_of(root))},
            f"{name}-kafka-crypto-consumer": {"auto_offset_reset": "earliest"},
            f"{name}-chains": {"chain0": encode(sign(root, public, role, topics, days))},
        }
    )
    deny(config, name, revoked)

    def check(made: Node) -> None:
        standing = standing_of(made)
        if standing.public != public or standing.role != role or standing.trusts_everybody:
            raise ConfigError(f"the new node {name} does not check out: please report this")

    files = {
        ".config": text_of(config),
        ".crypto": pack([2, [secret], os.urandom(_SECRET_BYTES), False, _EPHEMERAL]),
        ".seed": pack([0, os.urandom(_SECRET_BYTES)]),
    }
    install(node, files, check, owner)
