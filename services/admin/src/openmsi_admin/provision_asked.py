"""What `openmsi provision` was asked for, checked."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from openmsi_core.encryption.node import Node
from openmsi_core.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_NOT_NAMES = re.compile(r"default|con|prn|aux|nul|(com|lpt)[0-9]", re.IGNORECASE)  # INI's, and Windows' devices
_TOPIC = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,248}")
_OF_KAFKACRYPTO = ("chains", "allowlist", "denylist")
_MOST_DAYS = 36_500.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A node, and what it shall be; None = not said."""

    out: Path
    name: str
    root: Path
    role: str | None
    topics: list[str] | None
    days: float | None
    keep_days: float | None
    owner: tuple[int, int] | None

    @property
    def node(self) -> Node:
        """Where its files are, or are to be."""
        return Node(self.out / self.name, self.name)


def days_of(option: str, days: float | None) -> float | None:
    """``days`` as they are. Raises UsageError when they make no sense."""
    if days is not None and not 1 <= days <= _MOST_DAYS:
        raise UsageError(f"{option} must be between 1 and {_MOST_DAYS:.0f}")
    return days


def node_name(text: str) -> str:
    """``text``, if it can be a file, a section in a config file and a consumer group. Raises UsageError."""
    if _NAME.fullmatch(text) and not _NOT_NAMES.fullmatch(text.partition(".")[0]):
        return text
    better = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:64].rstrip("-._")
    hint = f", such as {better}" if better and not _NOT_NAMES.fullmatch(better.partition(".")[0]) else ""
    raise UsageError(f"{text!r} cannot be the name of a node: take letters a to z, digits, - and _ (64 at most){hint}")


def topics_of(text: str) -> list[str]:
    """The topics in ``text``, which are set apart by commas. Raises UsageError when one cannot be a topic."""
    topics = [each.strip() for each in text.split(",") if each.strip()]
    if not topics:
        raise UsageError("--topics names no topic")
    for topic in topics:
        if topic.startswith("^"):
            _check_expression(topic)
        elif not _TOPIC.fullmatch(topic) or topic in _OF_KAFKACRYPTO:
            raise UsageError(f"{topic!r} in --topics cannot be the name of a topic with files")
    return topics


def _check_expression(text: str) -> None:
    try:
        re.compile(text.encode())
    except re.error as error:
        raise UsageError(
            f"{text!r} in --topics is no regular expression ({error}); it may hold no comma, which ends a topic"
        ) from None
    if r"\." in text:
        raise UsageError(f"{text!r} in --topics fits no topic: only what stands before the first dot of a name counts")


def owner_of(text: str | None, out: Path) -> tuple[int, int] | None:
    """To whom files are to belong that are made in ``out``: what ``text`` says, else root gives them to its owner.

    None = to whom makes them. Raises UsageError.
    """
    if text is None:
        if not hasattr(os, "geteuid") or os.geteuid() != 0 or not out.exists():
            return None
        there = out.stat()
        return there.st_uid, there.st_gid
    uid, _, gid = text.partition(":")
    if not uid.isdecimal() or not (gid or uid).isdecimal():
        raise UsageError(f"--owner {text}: give a user id and a group id, as numbers, such as 1000:1000")
    return int(uid), int(gid or uid)


def day_of(seconds: float) -> str:
    """A date for people."""
    return f"until {time.strftime('%Y-%m-%d', time.localtime(seconds))}" if seconds else "for ever"
