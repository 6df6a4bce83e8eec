"""Many threads do something together, and one ends it for all of them: who waits for whom. No Kafka, no disk."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from openmsi_core.errors import OpenMSIError


class Gate:
    """Threads go in while it is open; once it was closed behind them and all are done, one call lets them go."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        """Held while `inside` calls ``enter``."""
        self._group = 0
        self._busy = 0
        self._closed = False
        self._since: float | None = None
        self._over: OpenMSIError | None = None

    @contextlib.contextmanager
    def inside(self, enter: Callable[[], None]) -> Iterator[None]:
        """Call ``enter``, do what is inside and wait for `release`. What ``enter`` raises is passed on.

        Blocks as well until the gate is open. Raises what `end` was given, at any point, unless all are released
        already. Not to be left by an error without `end`: the others would wait for ever.
        """
        with self.lock:
            self.lock.wait_for(lambda: not self._closed or self._over)
            self.check()
            enter()
            self._busy += 1
            group = self._group
        yield
        with self.lock:
            self._busy -= 1
            self._since = self._since or time.monotonic()
            self.lock.notify_all()
            self.lock.wait_for(lambda: self._group > group or self._over)
            if self._group == group:
                self.check()

    def waits(self, linger: float, patience: float) -> bool:
        """Whether somebody has been done for ``linger`` seconds and all are, or somebody for ``patience`` seconds."""
        with self.lock:
            seconds = 0.0 if self._since is None else time.monotonic() - self._since
            return self._since is not None and seconds >= (patience if self._busy else linger)

    def close(self, seconds: float) -> bool:
        """Let nobody in any more; returns whether all are done, within ``seconds``. Raises what `end` was given."""
        with self.lock:
            self._closed = True
            self.lock.wait_for(lambda: not self._busy or self._over, seconds)
            self.check()
            return not self._busy

    def release(self) -> None:
        """Let all go who are done, and others in."""
        with self.lock:
            self._group += 1
            self._since = None
            self._closed = False
            self.lock.notify_all()

    def end(self, error: OpenMSIError) -> OpenMSIError:
        """Everybody gets ``error`` from now on, wherever they wait; returns the first that there was."""
        with self.lock:
            self._over = self._over or error
            self.lock.notify_all()
            return self._over

    def check(self) -> None:
        """Raises what `end` was given."""
        if self._over is not None:
            raise self._over
