"""What values on the command line are turned into, and what is refused."""

import argparse
import logging
import re
from pathlib import Path

_LEVELS = ("notset", "debug", "info", "warning", "error", "critical")


def level(text: str) -> int:
    """Python's number of a level of the log."""
    if text.casefold() in _LEVELS:
        return int(getattr(logging, text.upper()))
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(_LEVELS)}")
    return int(text)


def positive_int(text: str) -> int:
    """A number of at least 1."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def positive_float(text: str) -> float:
    """A number of at least 0."""
    if not (number := float(text)) >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def power_of_two(text: str) -> int:
    """1, 2, 4 …"""
    if positive_int(text).bit_count() != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no power of two")
    return int(text)


def regex(text: str) -> re.Pattern[str]:
    """A regular expression."""
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None


def existing_file(text: str | Path) -> Path:
    """The absolute path of a file that is there."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return Path(text).resolve()


def existing_dir(text: str | Path) -> Path:
    """The absolute path of a folder that is there."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text}")
    return Path(text).resolve()


def create_dir(text: str | Path) -> Path:
    """The absolute path of a folder, which is made if it is missing."""
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"the folder {text} cannot be made: {error.strerror}") from None
    return Path(text).resolve()


def config_path(text: str | Path) -> Path:
    """The absolute path of a config file; ``name`` may stand for ``name.config``."""
    path = Path(text)
    return existing_file(path if path.is_file() or "." in path.name else path.with_name(f"{path.name}.config"))
