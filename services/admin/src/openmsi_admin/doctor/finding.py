"""What a check has to say: a line that is green, red or yellow."""

import enum
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class Level(enum.StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    BAD = "!!"
    """Something must be mended before files can travel, or files are lost."""
    UNSURE = "--"
    """Worth knowing, or it could not be found out."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at and what was found."""

    level: Level
    about: str
    text: str
    todo: str = ""
    """What a person must do; empty when there is nothing, or the text says it."""


def ok(about: str, text: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, about, text)


def bad(about: str, text: str, todo: str = "") -> Finding:
    """This must be mended."""
    return Finding(Level.BAD, about, text, todo)


def unsure(about: str, text: str, todo: str = "") -> Finding:
    """Worth knowing, or not known."""
    return Finding(Level.UNSURE, about, text, todo)


def bounded(call: Callable[[], T], seconds: float) -> T:
    """What ``call`` returns or raises; TimeoutError after ``seconds``: a dead network mount holds a call for ever."""
    answers: queue.SimpleQueue[tuple[T, None] | tuple[None, Exception]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((call(), None))
        except Exception as error:
            answers.put((None, error))

    threading.Thread(target=run, name="check", daemon=True).start()
    try:
        value, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # mypy does not tell the two kinds of pairs apart


def duration(seconds: float) -> str:
    """A length of time in the largest unit of which there are at least two."""
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{seconds:.0f} s"
