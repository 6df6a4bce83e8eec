"""The files of a KafkaCrypto node: where they are, and that one process at a time uses them."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from openmsi_core.config_file import ConfigFile, resolve
from openmsi_core.errors import ConfigError
from openmsi_core.state import lock_file

REVOKED = "the node was revoked"
_PREFIX = "file#"  # as KafkaCrypto writes it


@dataclass(frozen=True, slots=True)
class Node:
    """One identity in an encrypted topic: `NODE.config`, `NODE.crypto` and `NODE.seed` in one writable folder."""

    folder: Path
    name: str

    @property
    def config(self) -> Path:
        """Who is trusted, our certificate, and the keys used so far; rewritten while a program runs."""
        return self.folder / f"{self.name}.config"

    @property
    def crypto(self) -> Path:
        """The node's secret key."""
        return self.folder / f"{self.name}.crypto"

    @property
    def seed(self) -> Path:
        """What all its data keys come from. It must never go back in time: no backup of it may ever be restored."""
        return self.folder / f"{self.name}.seed"

    @property
    def lock(self) -> Path:
        """Locked by the process that uses the node; of its own, because a folder may hold several nodes."""
        return self.folder / f"{self.name}.lock"

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """All three."""
        return self.config, self.crypto, self.seed


def node_of(config: ConfigFile, environ: Mapping[str, str], cwd: Path) -> Node | None:
    """The node that `[kafkacrypto]` names; None without that section.

    ``config_file`` is a path (from ``cwd``); ``node_id`` a folder beside the config file or in ``cwd``. Raises
    ConfigError when the section names none, so that nothing is ever sent in the clear by mistake.
    """
    section = config.sections.get("kafkacrypto")
    if section is None:
        return None
    values = {key: resolve(text, environ, f"{key} in [kafkacrypto] of {config.path}") for key, text in section.items()}
    if path := values.get("config_file"):
        file = cwd / Path(path.removeprefix(_PREFIX)).expanduser()
        if not file.is_file():
            raise ConfigError(f"the node's file {file}, named in [kafkacrypto] of {config.path}, is not there")
        return Node(file.parent, file.stem)
    if not (name := values.get("node_id")):
        raise ConfigError(f"[kafkacrypto] of {config.path} names no node: give node_id or config_file a value")
    places = [folder / name for folder in dict.fromkeys((config.path.parent, cwd))]
    for folder in places:
        if (folder / f"{name}.config").is_file():
            return Node(folder, name)
    looked = " or ".join(str(folder) for folder in places)
    raise ConfigError(f"the node {name} has no {name}.config in {looked}: make the node with openmsi provision")


@contextlib.contextmanager
def held(node: Node, description: str) -> Iterator[None]:
    """Have ``node`` for this process while inside; ``description`` tells others what for.

    Two processes on one node would encrypt different records with the same key. Raises ConfigError when another has it.
    """
    what = f"the node {node.name} ({node.folder})"
    with lock_file(node.lock, what, description, "give each process and each replica a node of its own"):
        yield
