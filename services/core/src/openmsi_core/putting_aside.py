"""Encrypted records into quarantine, some at the same time: each one waits for the disk most of its time."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from openmsi_core.errors import Retryable
from openmsi_core.quarantine import Quarantine
from openmsi_core.records import Locked
from openmsi_core.retry import Backoff

AT_A_TIME = 64
"""Records that are worth one call: about 0.1 s on an ordinary disk."""

_WRITERS = 8


class PuttingAside:
    """What puts the records of one receiver aside. All methods belong to the receiver's thread."""

    def __init__(self, quarantine: Quarantine, clock: Callable[[], float] = time.monotonic) -> None:
        self._quarantine = quarantine
        self._disk = Backoff(clock)
        self._writers = ThreadPoolExecutor(_WRITERS, "put aside")

    @property
    def trouble(self) -> str | None:
        """Why the disk refuses at the moment."""
        return self._disk.reason

    @property
    def waits(self) -> bool:
        """Whether it is too early to call `put` again."""
        return self._disk.waiting

    def put(self, records: Sequence[tuple[Locked, float]]) -> list[bool]:
        """Put each record aside, that has waited for so many seconds; says of each if it is in quarantine now, durably.

        Blocks on the disk.
        """
        refusals = list(self._writers.map(lambda record: self._put(*record), records))
        if reasons := [reason for reason in refusals if reason is not None]:
            self._disk.failed(reasons[0])
        elif records:
            self._disk.succeeded()
        for (locked, _), reason in zip(records, refusals, strict=True):
            if reason is None:
                self._quarantine.tell_undecryptable(locked)  # in this thread, after all writing
        return [reason is None for reason in refusals]

    def close(self) -> None:
        """End the threads."""
        self._writers.shutdown()

    def _put(self, locked: Locked, waited: float) -> str | None:
        try:
            self._quarantine.undecryptable(locked, f"its key did not come within {waited:.0f} s")
        except Retryable as error:
            return str(error)
        return None
