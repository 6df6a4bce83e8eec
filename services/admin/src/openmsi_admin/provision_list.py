"""Which nodes there are."""

import time
from pathlib import Path

from openmsi_admin.printing import say, show_json, show_table
from openmsi_admin.provision_make import nodes_in
from openmsi_admin.provision_revoked import revoked_in
from openmsi_core.encryption.certificates import standing_of
from openmsi_core.encryption.node import Node
from openmsi_core.errors import ConfigError

_DAY = 86_400.0


def list_nodes(out: Path, *, as_json: bool) -> None:
    """Print the nodes in ``out``; nothing is changed. Raises ConfigError and OSError."""
    revoked = revoked_in(out)
    rows = [_row(node, revoked) for node in nodes_in(out)]
    here = {row["fingerprint"] for row in rows}
    rows += [_gone(public, what) for public, what in revoked.items() if public not in here]
    if as_json:
        show_json(rows)
    elif rows:
        columns = ("node", "role", "topics", "days left", "state", "fingerprint")
        table = [tuple(_text(row[column.replace(" ", "_")]) for column in columns) for row in rows]
        show_table(columns, table, long=("topics", "state", "fingerprint"))
    else:
        say(f"there are no nodes in {out}: name their folder with --out")


def _row(node: Node, revoked: dict[str, str]) -> dict[str, object]:
    empty: dict[str, object] = dict.fromkeys(("role", "topics", "days_left", "state", "fingerprint"))
    try:
        found = standing_of(node)
    except ConfigError as error:
        return {"node": node.name} | empty | {"state": str(error)}
    days = int((found.expires - time.time()) / _DAY) if found.expires else None
    state = f"revoked {revoked[found.public]}" if found.public in revoked else found.refused or "ok"
    return {
        "node": node.name,
        "role": found.role,
        "topics": list(found.topics),
        "days_left": days,
        "state": state,
        "fingerprint": found.public or None,
    }


def _gone(public: str, what: str) -> dict[str, object]:
    return {
        "node": what.partition(" ")[2] or None,
        "role": None,
        "topics": None,
        "days_left": None,
        "state": f"revoked {what}",
        "fingerprint": public,
    }


def _text(value: object) -> str:
    match value:
        case None:
            return "–"
        case list():
            return ", ".join(value)
        case _:
            return str(value)
