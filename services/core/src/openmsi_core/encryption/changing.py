"""Changing what a node that is there may do, and whom it refuses."""

import configparser
import contextlib
from collections.abc import Iterator

from openmsi_core.encryption.certificates import Standing, deny, encode, lock_for_library
from openmsi_core.encryption.node import Node, held
from openmsi_core.encryption.node_files import give, new_node_config, replace, text_of
from openmsi_core.errors import ConfigError


def put_certificate(node: Node, standing: Standing, chain: bytes, keep_days: float | None) -> None:
    """Put ``chain`` in the place of the certificate that ``node`` has; all else stays, but for ``keep_days``.

    Durable on return. Raises ConfigError when a program uses the node, and OSError.
    """
    with _changed(node, "openmsi provision --renew") as config:
        for section in (f"{node.name}-chains", f"{node.name}-crypto"):
            for key, text in list(config[section].items()) if config.has_section(section) else []:
                if text == encode(standing.chain):
                    config[section][key] = encode(chain)
        if keep_days is not None:
            config[node.name]["crypto_max_pgen_age"] = str(int(keep_days * 86_400))


def refuse(node: Node, public: str) -> None:
    """Let ``node`` refuse the node with the fingerprint ``public`` from its next start on.

    Durable on return. Raises ConfigError when a program uses the node, and OSError.
    """
    with _changed(node, "openmsi provision --revoke") as config:
        deny(config, node.name, [public])


@contextlib.contextmanager
def _changed(node: Node, what: str) -> Iterator[configparser.ConfigParser]:
    folder = node.folder.stat()
    with held(node, what), node.config.open("r+", encoding="utf-8") as file:
        give(node.lock, (folder.st_uid, folder.st_gid))  # else its own program could not lock it
        try:
            lock_for_library(file)
        except OSError:
            raise ConfigError(f"the node {node.name} is in use by another program: stop that one first") from None
        config = new_node_config()
        config.read_file(file)  # from here: to open and close it once more would drop the lock
        before = text_of(config)
        yield config
        if (after := text_of(config)) != before:
            replace(node.config, after)
