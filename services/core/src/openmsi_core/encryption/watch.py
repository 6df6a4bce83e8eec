"""A watch over a cipher at work: what stops the exchange of keys stops the program, in order or at once."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from typing import Protocol

from openmsi_core.errors import ConfigError, Fatal, InternalError

_log = logging.getLogger(__name__)

_DAY = 86_400.0
FEW_DAYS = 14.0
_TURN_SECONDS = 1.0
_STUCK_TURNS = 30  # of two seconds each
_LAST_WORDS_SECONDS = 5.0


class Watchable(Protocol):
    """What is asked of a `KafkaCryptoCipher`."""

    @property
    def expires(self) -> float:
        """As there."""

    def fault(self) -> Fatal | None:
        """As there."""

    def is_dead(self) -> str | None:
        """As there."""

    def is_stuck(self, seconds: float) -> bool:
        """As there."""


def renew(name: str) -> str:
    """What to do about the certificate of node ``name``."""
    return f"renew it with openmsi provision --node {name} --renew"


def day(seconds: float) -> str:
    """The day on which a certificate ends."""
    return time.strftime("%Y-%m-%d", time.localtime(seconds)) if seconds else "for ever"


@contextlib.contextmanager
def watched(cipher: Watchable, name: str) -> Iterator[None]:
    """Look after the cipher of node ``name`` while inside.

    What can still be ended in order dies as an exception of a thread, see `service.run`. Where a lock of the library's
    is held for ever, nothing would end: that ends the process at once.
    """
    ended = threading.Event()
    threading.Thread(target=_watch, args=(cipher, name, ended), name="key watch", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _watch(cipher: Watchable, name: str, ended: threading.Event) -> None:
    stuck, stopping, until, warned = 0, False, cipher.expires, time.time()
    while not ended.wait(_TURN_SECONDS):
        stuck = stuck + 1 if cipher.is_stuck(_TURN_SECONDS) else 0
        died = cipher.is_dead() or ("hangs" if stuck >= _STUCK_TURNS else None)
        if died and not ended.is_set():
            _end_at_once(f"the exchange of keys of node {name} {died}; ending at once, so that a restart mends it")
        expires = until if stuck else cipher.expires
        if expires != until:
            until = expires
            _log.info("the certificate of node %s was renewed, it is good until %s", name, day(until))
        now = time.time()
        if until and until - now < FEW_DAYS * _DAY and now - warned > _DAY:
            warned = now
            _log.warning("the certificate of node %s ends in %.0f days: %s", name, (until - now) / _DAY, renew(name))
        error = cipher.fault()
        if not error and until and now > until:
            error = ConfigError(f"the certificate of node {name} has ended, nobody takes its keys now: {renew(name)}")
        if error and not stopping and not ended.is_set():
            stopping = True  # and watch on: what ends in order may hang, too
            threading.Thread(target=_die, args=(error,), name="key watch", daemon=True).start()


def _die(error: Fatal) -> None:
    raise error


def _end_at_once(text: str) -> None:
    last = threading.Timer(_LAST_WORDS_SECONDS, os._exit, (InternalError.exit_code,))  # who reads our log may hang, too
    last.daemon = True
    last.start()
    _log.critical("%s", text)
    logging.shutdown()
    if os.isatty(2):
        os.write(2, b"\x1b[?25h\n")  # the progress display hides the cursor
    os._exit(InternalError.exit_code)
