"""Calls user code for one file, and puts right what it may have left behind in the process."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openmsi_processor.data_file import DataFile
from openmsi_processor.result import Retry
from openmsi_processor.worker.answer import answer_of
from openmsi_processor.worker.loading import in_words, trace_of

Answer = tuple[dict[str, Any], list[bytes]]


def call(function: Callable[[DataFile], Any], given: DataFile, file: Path, place: Callable[..., Any]) -> Answer:
    """The answer to ``given`` by a function of the user's ``file`` that is defined at ``place``. Never raises."""
    try:
        returned = function(given)
        if isinstance(returned, Retry):
            raise returned
        return answer_of(returned, given)
    except Retry as retry:
        return {"is": "retry", "after": retry.after, "text": str(retry)}, []
    except BaseException as error:  # also SystemExit and KeyboardInterrupt: they are no reason to end the worker
        return failed(error, file, place)


def failed(error: BaseException, file: Path, place: Callable[..., Any] | None = None) -> Answer:
    """The answer that tells of ``error``. Never raises."""
    try:
        text, trace = in_words(error, file, place), trace_of(error)
    except BaseException:  # of the memory that is left, or of what user code says of its errors
        text, trace = f"{file}: an error that cannot be shown", ""
    # After want of memory anything may be broken in the process.
    return {"is": "failed", "text": text, "traceback": trace, "worn": isinstance(error, MemoryError)}, []


class Order:
    """The state of the process as it was when the user's file had been loaded."""

    def __init__(self) -> None:
        self._folder = Path.cwd()
        self._kept = [(number, os.dup(number), _identity(number)) for number in (1, 2)]
        self._streams = sys.stdout, sys.stderr

    def restore(self) -> None:
        """Working folder, standard output and standard error are as they were. Never raises."""
        with contextlib.suppress(OSError):
            os.chdir(self._folder)
        for number, kept, identity in self._kept:
            with contextlib.suppress(OSError):
                if _identity(number) != identity:
                    os.dup2(kept, number)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # replaced, closed, or of a kind of its own
                stream.flush()
        for name, stream, number in zip(("stdout", "stderr"), self._streams, (1, 2), strict=True):
            if getattr(getattr(sys, name), "closed", True):
                whole = stream if stream is not None and not stream.closed else None
                setattr(sys, name, whole or open(number, "w", buffering=1, closefd=False))  # noqa: SIM115


def _identity(number: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino
