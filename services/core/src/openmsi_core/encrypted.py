"""A record that nobody could decrypt, as two files, with the names that OpenMSIStream gives them."""

import base64
import datetime
from typing import Any

from openmsi_core.records import Locked, Record

BEGINNING = "encrypted_message_from_"
KEY = "_key.bin"
VALUE = "_value.bin"
STAMPS = ("produced", "received", "consumed")
"""What may stand between the topic and the time."""

_LONGEST_NAME = 255
_TIME = "on_%b_%d_%Y_at_%H_%M_%S_%f"
_UNKNOWN_TIME = "on_Jan_01_1970_at_00_00_00_000000"


def names(topic: str, record: Record) -> tuple[str, str]:
    """The names of the files of its key and its value.

    Of very long names of topics the end is missing, so that the names of the files fit into 255 bytes.
    """
    longest = _LONGEST_NAME - len(f"{BEGINNING}_{STAMPS[0]}_{_UNKNOWN_TIME}{VALUE}")
    stem = f"{BEGINNING}{topic[:longest]}_{record.stamped}_{_time_in_name(record)}"
    return f"{stem}{KEY}", f"{stem}{VALUE}"


def topic_in(name: str) -> str | None:
    """The topic that the ``name`` of one of these files begins with; None for another file.

    A topic with ``_produced_`` or the like in its own name cannot be told from one without; the last one counts.
    """
    if not name.startswith(BEGINNING):
        return None
    end = max(name.rfind(f"_{stamp}_on_") for stamp in STAMPS)
    return name[len(BEGINNING) : end] if end > len(BEGINNING) else None


def facts(locked: Locked) -> dict[str, Any]:
    """All else that is to be known of such a record, as JSON has it; see `headers_of`."""
    record, index = locked.record, locked.missing.key_index
    return {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "has_key": record.key is not None,
        "key_index": index.hex() if isinstance(index, bytes) else str(index),
        "headers": [(name, _to_text(content)) for name, content in locked.named],
    }


def headers_of(kept: list[tuple[str, str | None]]) -> list[tuple[str, bytes | None]]:
    """The headers that `facts` noted, as they were. Raises ValueError."""
    return [(name, None if text is None else base64.b64decode(text, validate=True)) for name, text in kept]


def _to_text(content: object) -> str | None:
    raw = content.encode() if isinstance(content, str) else content
    return base64.b64encode(raw).decode() if isinstance(raw, bytes) else None


def _time_in_name(record: Record) -> str:
    """In local time, with the offset to UTC that holds now: so OpenMSIStream has it, also over the end of summer."""
    now = datetime.datetime.now().astimezone()
    try:
        known = record.stamped != "consumed"
        time = datetime.datetime.fromtimestamp(record.timestamp / 1000, now.tzinfo) if known else now
        return f"{time:{_TIME}}"
    except (ValueError, OverflowError, OSError):  # any number may be there
        return _UNKNOWN_TIME
