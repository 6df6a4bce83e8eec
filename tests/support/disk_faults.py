"""Lets one call to the operating system fail, or be the last one of a process."""

import os
from collections.abc import Callable
from typing import Any

import pytest

_CALLS = ("open", "write", "read", "lseek", "fsync", "replace", "unlink", "mkdir", "rmdir", "setxattr", "utime")


class Killed(BaseException):
    """The process ends here."""


class Faults:
    """Counts the calls; the one with number ``at`` fails with ``code``, or is the last one if that is None."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int, code: int | None) -> None:
        self.count = 0
        self._at = at
        self._code = code
        for name in _CALLS:
            patch.setattr(os, name, self._watched(getattr(os, name)))

    @property
    def happened(self) -> bool:
        return self.count > self._at

    def _watched(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            number, self.count = self.count, self.count + 1
            if self._code is None and number >= self._at:  # whoever is dead cannot tidy up either
                raise Killed
            if self._code is not None and number == self._at:
                raise OSError(self._code, os.strerror(self._code))
            return real(*args, **named)

        return call
