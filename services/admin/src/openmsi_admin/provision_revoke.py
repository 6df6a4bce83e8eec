"""Revoking a node: all others hand it no more keys, and take none from it."""

from pathlib import Path

from openmsi_admin.printing import say
from openmsi_admin.provision_make import nodes_in
from openmsi_admin.provision_revoked import is_fingerprint, note_revoked
from openmsi_core.encryption.certificates import standing_of
from openmsi_core.encryption.changing import refuse
from openmsi_core.encryption.node import Node
from openmsi_core.errors import ConfigError


def revoke(which: str, out: Path) -> int:
    """Let every node in ``out`` refuse the node ``which`` (name or fingerprint), and each that is made there later.

    The node itself does, too, so that it does not start again. Returns 1 while one is in use or cannot be changed.
    Raises ConfigError when there is no such node, and OSError.
    """
    nodes = list(nodes_in(out))
    public, name = _fingerprint(which, out)
    if not nodes:
        raise ConfigError(f"there are no nodes in {out}: name their folder with --out")
    note_revoked(out, public, name)
    remaining = 0
    for node in nodes:
        try:
            if not standing_of(node).denies(public):
                refuse(node, public)
            say(f"{node.name}: refuses it")
        except (ConfigError, OSError) as error:
            remaining += 1
            say(f"{node.name}: NOT YET: {error}")
    if remaining:
        say(f"the node {name or public} may still get keys: mend this, and give the same command again")
        return 1
    say("done; each program refuses it from its next start on, so restart those on other machines, too,")
    say(f"after this command was given there for their nodes: openmsi provision --revoke {public} --out FOLDER")
    say("what the node has read, and keys that it has got, stay with it")
    return 0


def _fingerprint(which: str, out: Path) -> tuple[str, str]:
    node = Node(out / which, which)
    if node.config.is_file():
        if public := standing_of(node).public:
            return public, which
        raise ConfigError(f"the node {which} has no certificate that it trusts itself: nobody accepts it anyway")
    if is_fingerprint(which.lower()):
        return which.lower(), ""
    raise ConfigError(
        f"there is no node {which} in {out}: name one that openmsi provision --list shows, or give its fingerprint"
    )
