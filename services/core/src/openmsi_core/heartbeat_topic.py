"""Heartbeats on a topic, as OpenMSIStream sends them: that the program lives, and what it did since the one before.

The key is ``<program id>_heartbeat``, the value JSON as text.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from openmsi_core.counters import Counters
from openmsi_core.reporter import Parcel

_KINDS = {"consumer": ("read", "processed"), "producer": ("produced",)}


def heartbeat_key(program_id: str) -> str:
    """The key of the heartbeats of a program."""
    return f"{program_id}_heartbeat"


def count_names(clients: Sequence[str]) -> list[str]:
    """The counts that the heartbeat of a program with these Kafka clients carries."""
    kinds = [kind for client, kinds in _KINDS.items() if client in clients for kind in kinds]
    return [f"n_{unit}_{kind}" for unit in ("messages", "bytes") for kind in kinds]


def heartbeat(names: Sequence[str], counters: Counters) -> list[Parcel]:
    """The one message that is due: with it, the counts are told. A refused one gives them back."""
    taken = counters.take()
    give_back = functools.partial(counters.give_back, taken)
    return [Parcel(_encode(names, taken, datetime.now(UTC)), give_back, give_back)]


def _encode(names: Sequence[str], counts: Mapping[str, int], now: datetime) -> bytes:
    return json.dumps({"timestamp": now.isoformat()} | {name: counts.get(name, 0) for name in names}).encode()
