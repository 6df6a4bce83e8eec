"""Ids of uploads: UUIDv7 (RFC 9562), each greater as text than all before it from the same state folder.

Receivers let the greater id of one source win, so an id must never fall behind one that was used before, not even
when the clock was set back or the program was killed: a bound that no id has passed is kept in the state folder.
"""

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from openmsi_core.durable import write_file
from openmsi_core.errors import ConfigError

_FILE = "upload-ids"
_COUNTER_BITS = 12
_RANDOM_BITS = 62
_NO_TIME = 1 << 48  # milliseconds: more than a UUIDv7 has room for


class UploadIds:
    """Makes ids; safe to use from several threads.

    ``reserve_ms``: how far beyond the present each durable bound reaches, in milliseconds; one id in so many
    milliseconds waits for the disk, and after a restart ids begin at the bound. ``owner`` names what the ids are for,
    without blanks.
    """

    def __init__(
        self,
        state_dir: Path,
        reserve_ms: int,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        owner: str = "",
    ) -> None:
        self._path = state_dir / _FILE
        self._reserve = reserve_ms
        self._clock = clock_ms
        self._lock = threading.Lock()
        self._owner = owner
        self._bound, last_owner = self._kept()
        self._last_ms = self._bound
        self._counter = -1
        self.shared = last_owner != owner
        """Whether others made ids with this state folder since its ``owner`` did last; known from the beginning."""

    def next(self) -> str:
        """The next id. Raises OSError when the bound cannot be made durable."""
        with self._lock:
            ms = max(self._clock(), self._last_ms)
            counter = self._counter + 1 if ms == self._last_ms else 0
            if counter >> _COUNTER_BITS:
                ms, counter = ms + 1, 0
            if ms >= self._bound:
                ms, counter = max(ms, self._kept()[0]), 0  # another program may use the same state folder
                write_file(self._path, f"{ms + self._reserve} {self._owner}".strip().encode())
                self._bound = ms + self._reserve
            self._last_ms, self._counter = ms, counter
        return _uuid7(ms, counter)

    def _kept(self) -> tuple[int, str]:
        try:
            bound, _, owner = self._path.read_text(encoding="ascii").partition(" ")
            if not 0 <= int(bound) < _NO_TIME:
                raise ValueError
            return int(bound), owner
        except FileNotFoundError:
            return 0, ""
        except ValueError:
            raise ConfigError(
                f"{self._path} is damaged: restore it from a backup, or write the present time in it, in milliseconds"
                " since 1970"
            ) from None


def any_made(state_dir: Path) -> bool:
    """Whether ids were ever made with this state folder."""
    return (state_dir / _FILE).exists()


def _uuid7(ms: int, counter: int) -> str:
    """RFC 9562, section 5.7, with a counter in the 12 bits of rand_a (section 6.2, method 1)."""
    rest = f"{0b10 << _RANDOM_BITS | random.getrandbits(_RANDOM_BITS):016x}"
    return f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{counter:03x}-{rest[:4]}-{rest[4:]}"
