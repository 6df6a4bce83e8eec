"""Threads for what may hang in the network: they do not keep the program from ending."""

import concurrent.futures
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

from openmsi_core.errors import Retryable

P = ParamSpec("P")
T = TypeVar("T")

_GRACE_SECONDS = 4.0  # less than a receiver gives its deliveries to come to an end
_LOOK_SECONDS = 0.5


class Crew:
    """``size`` threads. Safe for use by several others."""

    def __init__(self, size: int, name: str) -> None:
        self._work = queue.SimpleQueue[Callable[[], None]]()
        for number in range(size):
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True).start()

    def submit(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> "Future[T]":
        """Have ``work`` done by the next thread that is free. Does not block."""
        future = Future[T]()

        def do() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    result = work(*arguments, **options)
                except BaseException as error:  # who waits for it sorts it
                    future.set_exception(error)
                else:
                    future.set_result(result)

        self._work.put(do)
        return future

    def _run(self) -> None:
        while True:
            self._work.get()()


def result_of(future: "Future[T]", stop: threading.Event) -> T:
    """What came out of it; blocks for as long as it takes, but only for some seconds once ``stop`` is set.

    Raises what it raised, and Retryable when it is left to itself because the program stops.
    """
    until = None
    while not concurrent.futures.wait([future], _LOOK_SECONDS).done:
        if stop.is_set():
            until = until or time.monotonic() + _GRACE_SECONDS
            if time.monotonic() > until:
                raise Retryable("the program stops, and the store did not answer: the next start goes on")
    return future.result()
