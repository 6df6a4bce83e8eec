"""Which consumer group a receiver belongs to."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from openmsi_core.state import instance_id

FRESH = frozenset({"create_new", "new"})
"""Names that stand for a group of which nobody has heard before."""


def group_id(asked: str | None, options: Mapping[str, str], state_dir: Path, place: str) -> str:
    """The group asked for on the command line, else in the config file, else one of this installation's own.

    The last is made of an id kept in ``state_dir`` and of ``place`` (destination and topic), so that a restart resumes
    and two installations never share a group by accident. ``create_new`` and ``new`` make a fresh group each run.
    """
    group = asked or options.get("group.id")
    if group in FRESH:
        return f"openmsi-{uuid4().hex}"
    if group:
        return group
    digest = hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()
    return f"openmsi-{instance_id(state_dir)[:12]}-{digest[:8]}"
