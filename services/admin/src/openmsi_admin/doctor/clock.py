"""Whether this machine's clock is right, as far as that can be known without asking the internet."""

import ctypes
import sys
import time
from collections.abc import Iterator

from confluent_kafka.admin import AdminClient

from openmsi_admin.doctor.finding import Finding, bad, duration, ok, unsure
from openmsi_admin.doctor.network import SECONDS
from openmsi_core.bystander import EVERYTHING, NEWEST, offsets
from openmsi_core.errors import Fatal

_EARLIEST = 1_735_689_600  # 2025-01-01; this program is younger
_TOLERANCE_SECONDS = 60
_UNSYNCHRONISED = 0x40  # STA_UNSYNC of adjtimex(2)


def check_clock() -> Iterator[Finding]:
    """Is the date possible, and is the clock held right by NTP?"""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if time.time() < _EARLIEST:
        yield bad("clock", f"it says {now}, which is past", "set this machine's clock, by NTP if it can be")
        return
    match _synchronised():
        case True:
            yield ok("clock", f"it says {now} and is synchronised")
        case False:
            yield unsure("clock", f"it says {now}, and the system does not know it to be synchronised", "set up NTP")
        case None:
            yield unsure("clock", f"it says {now}; whether it is synchronised cannot be known here")


def check_newest(admin: AdminClient, topic: str, partitions: int, settings: dict[str, str]) -> Iterator[Finding]:
    """Compare our clock with the time of the newest record in ``topic``, which no record may be ahead of."""
    try:
        newest = offsets(admin, topic, range(partitions), NEWEST, EVERYTHING, SECONDS)
    except Fatal:
        return
    ahead = max((moment for _, moment in newest.values()), default=-1) / 1000 - time.time()
    if ahead > _TOLERANCE_SECONDS:
        by_broker = settings.get("message.timestamp.type") == "LogAppendTime"
        text = f"a record in {topic} has a time that is {duration(ahead)} ahead of this machine's clock"
        todo = "compare the clocks of this machine and of the broker" if by_broker else "look at the senders' clocks"
        yield bad("clock", text, todo) if by_broker else unsure("clock", text, todo)


class _Timex(ctypes.Structure):
    """The beginning of ``struct timex``, with room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def _synchronised() -> bool | None:
    """What the kernel says; None when it does not."""
    if sys.platform != "linux":
        return None
    found = _Timex()
    if ctypes.CDLL(None).adjtimex(ctypes.byref(found)) < 0:
        return None
    return not found.status & _UNSYNCHRONISED
