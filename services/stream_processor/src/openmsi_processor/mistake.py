"""A mistake in user code that its author must mend before anything can run."""

from collections.abc import Callable
from typing import Any


class Mistake(Exception):
    """One line: what is wrong, and where."""

    def __init__(self, text: str, where: Callable[..., Any] | None = None) -> None:
        """``where`` is the function that the mistake is about."""
        code = getattr(where, "__code__", None)
        super().__init__(f"{code.co_filename}, line {code.co_firstlineno}: {text}" if code else text)
