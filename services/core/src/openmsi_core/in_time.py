"""Calls that may never return, given up after a while."""

import queue
import threading
from collections.abc import Callable


def in_time(seconds: float, call: Callable[..., object], *arguments: object) -> None:
    """Call and wait; raises what the call raises, and TimeoutError after ``seconds``.

    Then the call is left to itself, in a thread that does not keep the program from ending. Signals are handled
    meanwhile, which C code in the main thread would keep waiting.
    """
    outcome: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            call(*arguments)
        except Exception as error:
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=run, name="in time", daemon=True).start()
    try:
        error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
