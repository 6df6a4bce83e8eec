"""A mistake in user code that its author must mend before anything can run."""

from collections.abc import Callable
from typing import Any


class Mistake(Exception):
    """One line: what is wrong, and where."""

    def __init__(self, text: str, where: Callable[..., Any] | None = None) -> None:
        """``where`` is the function that the mistake is about."""
        place = place_of(where)
        super().__init__(f"{place}: {text}" if place else text)
        self.has_place = bool(place)


def place_of(function: Callable[..., Any] | None) -> str:
    """File and line of its definition; empty for what is not written in Python."""
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}, line {code.co_firstlineno}" if code else ""
