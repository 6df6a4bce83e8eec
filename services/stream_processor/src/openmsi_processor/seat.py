"""The place of one worker; another takes it when the first has ended."""

import contextlib
import threading
from collections.abc import Iterator

from openmsi_core.retry import Backoff
from openmsi_processor.trust import Trust
from openmsi_processor.worker_process import WorkerProcess


class Seat:
    """Used by as many threads at once as its worker serves files."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.Lock()
        """Held while a worker is started."""
        self.worker: WorkerProcess | None = None
        self.backoff = Backoff()
        self.worn = False
        """Whether the next who has it alone is to `vacate` it."""
        self._trust = Trust()
        self._users = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def used(self, alone: bool) -> Iterator[bool]:
        """Use it with others, or ``alone``; says which."""
        with self._changed:
            self._changed.wait_for(lambda: self._users == 0 if alone else self._users >= 0)
            self._users = -1 if alone else self._users + 1
        try:
            yield alone
        finally:
            with self._changed:
                self._users = 0 if alone else self._users - 1
                self._changed.notify_all()

    def note(self, path: str, failed: bool, worn: bool) -> None:
        """Say how its worker did with the file called ``path``; ``worn`` = the worker must be replaced."""
        with self._changed:
            self.worn = self._trust.lost(path, failed, worn) or self.worn

    def vacate(self, why: str) -> None:
        """End its worker, if there is one, whatever it does. Never raises."""
        self.worn = False
        worker = self.worker
        if worker is not None:
            worker.kill(why)
            worker.wait()
