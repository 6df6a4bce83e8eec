"""What a receiver is told by its user."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from openmsi_core.paths import RelativePath

KEY_SECONDS = 600.0
"""For which an encrypted record waits for its key, unless the user says otherwise."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a receiver is told by its user."""

    topic: str
    topic_id: str
    """Tells it from another topic of the same name; empty when the broker cannot say."""
    group: str
    topic_partitions: int
    wanted: Callable[[RelativePath], bool]
    workers: int
    """Files delivered at the same time."""
    idle_seconds: float
    """After which an unfinished file goes to quarantine."""
    start: str
    """``earliest`` or ``latest``: where a new group begins."""
    sharing: Literal["group", "nobody"]
    """With whom the partitions are shared: the members of the group, or nobody, so that this process reads them all."""
    on_lost_offsets: Literal["continue", "stop"]
    """When the broker has deleted records that were never read."""
    key_seconds: float = KEY_SECONDS
    """For which an encrypted record waits for its key."""
