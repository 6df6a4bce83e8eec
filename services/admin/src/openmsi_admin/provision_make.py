"""Making a node, once."""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from openmsi_admin.printing import say
from openmsi_admin.provision_asked import Wanted, day_of
from openmsi_admin.provision_revoked import revoked_in
from openmsi_core.durable import write_file
from openmsi_core.encryption.certificates import Role, Standing, public_of, roots_of, standing_of
from openmsi_core.encryption.making import ROOT_FILE, make_node, make_root
from openmsi_core.encryption.node import Node
from openmsi_core.encryption.node_files import give, is_whole
from openmsi_core.errors import ConfigError

_DAYS, _KEEP_DAYS = 365.0, 30.0
_MARK = "root.txt"
_FEW_SECONDS = 14 * 86_400.0


def nodes_in(out: Path) -> Iterator[Node]:
    """All nodes in ``out``, by name. Raises OSError."""
    for folder in sorted(out.iterdir()) if out.is_dir() else ():
        if os.path.isfile(folder / f"{folder.name}.config"):  # noqa: PTH113  # Path.is_file() raises for what is locked
            yield Node(folder, folder.name)


def make(wanted: Wanted) -> None:
    """Make the node and say how to use it; one that is there already, and is as wanted, is left as it is.

    Raises ConfigError, also when it is there and is not as wanted, and OSError.
    """
    assert wanted.role
    assert wanted.topics
    node, topics = wanted.node, roots_of(wanted.topics)
    if node.config.exists():
        _check_same(wanted, standing_of(node), topics)
        return
    root = root_of(wanted, may_make=True)
    role: Role = wanted.role  # type: ignore[assignment]  # argparse lets no other through
    try:
        make_node(
            node,
            root,
            role,
            topics,
            wanted.days or _DAYS,
            wanted.keep_days or _KEEP_DAYS,
            owner=wanted.owner,
            revoked=revoked_in(wanted.out),
        )
    except FileExistsError as error:
        raise ConfigError(
            f"{error.args[0]} is there without {node.config.name}: delete what is left of that node, or take another"
            " name"
        ) from None
    standing = standing_of(node)
    say(f"made the node {node.name} ({wanted.role}), {day_of(standing.expires)}")
    say_topics(standing.topics)
    say(f"fingerprint: {standing.public}")
    say("in the config file of the one program that is to use it:")
    say("[kafkacrypto]")
    say(f"config_file = {node.config.absolute()}")


def say_topics(roots: Iterable[str]) -> None:
    """Say what the rights of a node reach to."""
    for root in roots:
        if root.startswith("^"):
            whole = "" if root.endswith("$") else " (and what follows may be anything: end it with $ to forbid that)"
            say(f"it may use topics whose name, up to its first dot, fits {root}{whole}")
        else:
            say(f"it may use topic {root} and all topics whose name begins with {root}.")


def root_of(wanted: Wanted, *, may_make: bool) -> object:
    """The root key, which fits the nodes that are there. Raises ConfigError and OSError."""
    path, mark = wanted.root / ROOT_FILE, wanted.out / _MARK
    # Looked at before the key: another process may make it, and then nodes, at the same time.
    marked = mark.read_text().strip() if mark.exists() else None
    others = list(nodes_in(wanted.out))
    there = path.exists()
    if not there and (others or marked or not may_make):
        raise ConfigError(
            f"there is no {path}, and the nodes of {wanted.out} were signed by a root key: bring it back from where it"
            " is kept, or name its folder with --root"
        )
    root = make_root(wanted.root)
    public = public_of(root)
    if (marked or public) != public or not all(_trusts(node, public) for node in others):
        raise ConfigError(
            f"{path} is not the root key of the nodes in {wanted.out}, and nodes with different ones never read each"
            " other: name the right one with --root, or another folder with --out"
        )
    if not marked:
        if not wanted.out.is_dir():
            wanted.out.mkdir(parents=True, exist_ok=True)
            give(wanted.out, wanted.owner)
        write_file(mark, f"{public}\n".encode())  # for when all nodes were moved to where they are used
    if not there:
        say(f"made the root key {path.absolute()}: who has it may read and write all that is encrypted here")
        say("keep it offline and a backup of it at another place; programs never need it")
    return root


def _trusts(node: Node, public: str) -> bool:
    try:
        return standing_of(node).trusts(public)
    except ConfigError:  # damaged: it is of no use to anybody, and must not stand in the way of others
        return True


def _check_same(wanted: Wanted, there: Standing, topics: list[str]) -> None:
    node = wanted.node
    has = f"{there.role or 'of another kind'} for {', '.join(there.topics)}, {day_of(there.expires)}"
    if not is_whole(node):
        raise ConfigError(f"the node {node.name} in {node.folder} is not whole: delete it, or take another name")
    if (there.role, sorted(there.topics)) != (wanted.role, topics):
        raise ConfigError(
            f"there is a node {node.name} already, and it is another ({has}): take another name, or change it with"
            f" openmsi provision --renew --node {node.name} --role … --topics …"
        )
    if (wanted.root / ROOT_FILE).exists() and not there.trusts(public_of(make_root(wanted.root))):
        raise ConfigError(f"there is a node {node.name} already, signed by another root key: take another name")
    say(f"the node {node.name} is there already ({has}) and stays as it is")
    if there.refused:
        say(f"note: its certificate is not valid: {there.refused}")
    elif 0 < there.expires < time.time() + _FEW_SECONDS:
        say(f"note: renew it soon: openmsi provision --renew --node {node.name}")
