"""Keeps a store that hangs from holding up its program."""

import threading
import time
from collections.abc import Callable

from openmsi_core.deliveries import CompleteFile
from openmsi_core.destination import Destination
from openmsi_core.errors import Retryable
from openmsi_core.generation import Verdict, Version
from openmsi_core.paths import RelativePath
from openmsi_s3_transfer.crew import Crew, result_of

_VERDICT_SECONDS = 3.0  # well below any max.poll.interval.ms: the receiver's thread must go on polling
_QUIET_SECONDS = 30.0


class Prompt:
    """A destination that always returns in time: `verdict` within seconds, `deliver` soon after ``stop`` is set.

    What it leaves behind then ends by itself, or with the program; to the files it is as if that had been killed.
    """

    def __init__(
        self,
        destination: Destination,
        workers: int,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._destination = destination
        self._stop = stop
        self._clock = clock
        self._deliveries = Crew(workers, "store")
        self._verdicts = Crew(1, "ask")
        self._quiet_until = 0.0

    def verdict(self, path: RelativePath, version: Version) -> Verdict:
        """As `Destination.verdict`."""
        if self._clock() < self._quiet_until:
            raise Retryable("the store did not answer a moment ago")
        asked = self._verdicts.submit(self._destination.verdict, path, version)
        try:
            return asked.result(_VERDICT_SECONDS)
        except TimeoutError:
            self._quiet_until = self._clock() + _QUIET_SECONDS
            raise Retryable("the store does not answer in time") from None

    def deliver(self, file: CompleteFile) -> Verdict:
        """As `Destination.deliver`."""
        return result_of(self._deliveries.submit(self._destination.deliver, file), self._stop)
