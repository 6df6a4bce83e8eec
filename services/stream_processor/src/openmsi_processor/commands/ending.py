"""Notices when a replay has come to its end."""

import threading
import time
from collections.abc import Mapping

from openmsi_core.service import Service, Status
from openmsi_core.transaction import Transaction

_SILENCE_SECONDS = 60.0


class End:
    """The receiver's beat: says when all that is ``needed`` (partition → offset) is done and committed."""

    def __init__(self, transaction: Transaction, needed: Mapping[int, int], service: Service) -> None:
        self._watermark = transaction.watermark
        self._needed = needed
        self._service = service
        self._last: object = None
        self._changed = time.monotonic()
        self.reached = threading.Event()
        """Set when there is nothing more to do, or nothing has been to do for a minute."""
        self.all_done = False

    def __call__(self, status: Status) -> None:
        """As `Service.beat`."""
        self._service.beat(status)
        at = {number: self._watermark.committable(number) or 0 for number in self._needed}
        self.all_done = all(at[number] >= behind for number, behind in self._needed.items())
        self.all_done &= status.oldest_pending_seconds is None
        seen = at, status.files_done, status.files_pending, status.bytes_pending
        if seen != self._last or status.oldest_pending_seconds is not None:
            self._last, self._changed = seen, time.monotonic()
        silent = time.monotonic() - self._changed > _SILENCE_SECONDS
        if self.all_done or silent or self._service.stop.is_set():
            self.reached.set()
