"""What a worker has answered, checked: user code shares its process and may have written there itself."""

import math
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openmsi_processor.worker.answer import GIVEN

_LONGEST_WAIT = 86400.0  # seconds: nothing behind a file is done with for good as long as it waits


def checked(answer: Mapping[str, Any], blobs: Sequence[bytes], desk: Path) -> dict[str, Any]:
    """The answer for a file that was worked on at ``desk``.

    It has ``is`` = "done" with ``key`` and ``value`` (a number in ``blobs``, or None), ``headers`` (pairs of name and
    number) and ``files`` (each with ``name`` and ``path``, a plain file), or "retry" with ``text`` and ``after``
    (seconds), or "failed" with ``text``, ``traceback`` and ``worn``. Raises ValueError for anything else.
    """
    try:
        match answer["is"]:
            case "done":
                return {
                    "is": "done",
                    "key": _blob(answer["key"], blobs),
                    "value": _blob(answer["value"], blobs),
                    "headers": [(_text(name), _number(number, blobs)) for name, number in answer["headers"]],
                    "files": [
                        {"name": _text(each["name"]), "path": _given(each["given"], desk)} for each in answer["files"]
                    ],
                }
            case "retry":
                after = float(answer["after"])
                if not math.isfinite(after):
                    raise ValueError("no time to wait")
                return {"is": "retry", "text": _text(answer["text"]), "after": min(max(after, 0.0), _LONGEST_WAIT)}
            case "failed":
                texts = {name: _text(answer[name]) for name in ("text", "traceback")}
                return {"is": "failed", **texts, "worn": bool(answer["worn"])}
    except (LookupError, TypeError, ValueError, OverflowError, OSError) as error:
        raise ValueError(f"this is no answer: {error}") from None
    raise ValueError("this is no answer")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text is missing")
    return value


def _number(value: Any, blobs: Sequence[bytes]) -> int:
    if type(value) is not int or not 0 <= value < len(blobs):
        raise TypeError("bytes are missing")
    return value


def _blob(value: Any, blobs: Sequence[bytes]) -> int | None:
    return None if value is None else _number(value, blobs)


def _given(value: Any, desk: Path) -> str:
    """Only a file of its own there: through a link the service would take what is not the code's to give."""
    if type(value) is not int:
        raise TypeError("a file is missing")
    place = desk / GIVEN / str(value)
    if not all(stat.S_ISDIR(os.lstat(folder).st_mode) for folder in (desk, place.parent)):
        raise TypeError("a link is no folder")
    found = os.lstat(place)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise TypeError("a result file is no plain file")
    return str(place)
