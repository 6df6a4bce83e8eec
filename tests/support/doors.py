"""Ways into a broker for what stands between it and its clients (a proxy, see tests/faults/toxiproxy.py)."""

import random
import socket
from collections.abc import Iterable
from dataclasses import dataclass

_QUIET_PORTS = range(20_000, 30_000)
"""No system gives these to a connection by itself, so one that is free stays free."""


@dataclass(frozen=True, slots=True)
class Door:
    """Who has it listens at ``outside``, where the broker says that it is, and passes all on to ``inside``."""

    name: str
    outside: str
    inside: str


def make_doors(inside: Iterable[int]) -> list[Door]:
    """A door for each of these ports, at which the broker will listen."""
    doors: dict[int, Door] = {}
    for number, port in enumerate(inside):
        while _is_taken(outside := random.choice(_QUIET_PORTS)) or outside in doors:
            pass
        doors[outside] = Door(f"DOOR{number}", f"127.0.0.1:{outside}", f"127.0.0.1:{port}")
    return list(doors.values())


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
