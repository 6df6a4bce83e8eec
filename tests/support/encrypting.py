"""Nodes for encrypted topics, as `openmsi provision` makes them."""

from pathlib import Path

from openmsi_core.encryption.certificates import Role
from openmsi_core.encryption.making import make_node, make_root
from openmsi_core.encryption.node import Node


class Nodes:
    """A root key, and nodes that it has signed, below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = make_root(folder / "root")

    def make(self, name: str, role: Role, *topics: str, days: float = 365, keep_days: float = 30) -> Node:
        """A new node that may use ``topics``."""
        node = Node(self.folder / name, name)
        make_node(node, self._root, role, list(topics), days, keep_days)
        return node


def section(node: Node) -> str:
    """What a config file needs so that a program uses ``node``."""
    return f"\n[kafkacrypto]\nconfig_file = {node.config}\n"
