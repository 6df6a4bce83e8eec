"""Leaves a store alone for as long as it asks with ``Retry-After``: no thread sends it anything meanwhile."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from openmsi_core.errors import Retryable
from openmsi_s3_transfer.client import Clients
from openmsi_s3_transfer.refusals import BUSY, Busy, seconds_asked


class Quiet:
    """Watches all requests of ``clients`` and their answers.

    During the silence the quick client raises Busy at once, and the others wait, so that what was sent of a large file
    is not lost; when ``stop`` is set it raises Retryable.
    """

    def __init__(self, clients: Clients, stop: threading.Event, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoint = clients.endpoint
        self._stop = stop
        self._clock = clock
        self._until = 0.0
        for client, before in (
            (clients.quick, self._refuse),
            (clients.patient, self._wait),
            (clients.steady, self._wait),
        ):
            client.meta.events.register("before-send.s3", before)
            client.meta.events.register("response-received.s3", self._heard)

    @property
    def seconds(self) -> float:
        """How long it still lasts."""
        return max(0.0, self._until - self._clock())

    def _refuse(self, **_: Any) -> None:
        if left := self.seconds:
            raise Busy(f"{self._endpoint} is busy and asked to be left alone for a while", left)

    def _wait(self, **_: Any) -> None:
        while left := self.seconds:
            if self._stop.wait(left):
                raise Retryable("the program stops: the next start sends it anew")

    def _heard(self, response_dict: Mapping[str, Any] | None, **_: Any) -> None:
        if response_dict is not None and response_dict["status_code"] in BUSY:
            self._until = max(self._until, self._clock() + seconds_asked(response_dict["headers"]))
