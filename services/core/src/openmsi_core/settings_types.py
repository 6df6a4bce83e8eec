"""Kinds of values that options have."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from openmsi_core.timetable import parse

_LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
_MOST_THREADS = 64


def _level(value: object) -> object:
    """OpenMSIStream also took Python's numbers, `notset`, and names in capitals."""
    if not isinstance(value, str):
        return value
    if not value.isdecimal():
        return "debug" if value.casefold() == "notset" else value.casefold()
    return next((name for number, name in _LEVELS.items() if int(value) <= number), "critical")


def _topic(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) or value in (".", ".."):
        raise ValueError("a topic's name has 1 to 249 letters, digits, dots, underscores and hyphens")
    return value


def _limit(value: str) -> str:
    parse(value)
    return value


Level = Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_level)]
TopicName = Annotated[str, AfterValidator(_topic)]
Threads = Annotated[int, Field(ge=1), AfterValidator(lambda count: min(count, _MOST_THREADS))]
"""More than can do any good are brought down: OpenMSIStream took any number."""
Seconds = Annotated[float, Field(gt=0)]
BandwidthLimit = Annotated[str, AfterValidator(_limit)]
"""A rate or a timetable, as `parse` reads it."""
