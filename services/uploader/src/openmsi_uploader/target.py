"""Where records go."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """Where records go, and what is the same in all of them."""

    topic: str
    partitions: int
    source: str
    """Id of this uploader instance."""
    chunk_size: int
    topic_id: str = ""
    """What tells this topic from a later one with its name; ``""`` = unknown, then no upload can be continued."""
