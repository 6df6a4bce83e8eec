"""Kinds of values that options have."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

_LEVELS = {"10": "debug", "20": "info", "30": "warning", "40": "error", "50": "critical"}


def _level(value: object) -> object:
    """OpenMSIStream also took Python's numbers, and names in capitals."""
    return _LEVELS.get(value, value.casefold()) if isinstance(value, str) else value


def _topic(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) or value in (".", ".."):
        raise ValueError("a topic's name has 1 to 249 letters, digits, dots, underscores and hyphens")
    return value


Level = Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_level)]
TopicName = Annotated[str, AfterValidator(_topic)]
Seconds = Annotated[float, Field(gt=0)]
