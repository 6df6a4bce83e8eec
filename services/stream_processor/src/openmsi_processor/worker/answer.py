"""What a function has returned, as a message for the service."""

import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

from openmsi_processor.data_file import DataFile
from openmsi_processor.result import Result, ResultFile

_JSON_TYPES = (dict, list, tuple, int, float, bool)


def answer_of(returned: Any, file: DataFile) -> tuple[dict[str, Any], list[bytes]]:
    """The message and its byte strings. Raises TypeError or ValueError for what cannot be sent, OSError."""
    result = returned if isinstance(returned, Result) else Result(value=returned)
    blobs: list[bytes] = []
    head: dict[str, Any] = {"is": "done", "key": None, "value": None, "headers": [], "files": []}

    def keep(content: bytes) -> int:
        blobs.append(content)
        return len(blobs) - 1

    if result.key is not None:
        head["key"] = keep(_text_or_bytes(result.key, "the key"))
    if result.value is not None:
        head["value"] = keep(encode(result.value))
    for name, value in dict(result.headers).items():
        if not isinstance(name, str):
            raise TypeError(f"the name of a header must be text, not {type(name).__name__}")
        head["headers"].append([name, keep(_text_or_bytes(value, f"header {name}"))])
    for each in result.files:
        name, content = _named(each, file)
        if isinstance(content, Path):
            head["files"].append({"name": name, "path": str(content.absolute()), "size": content.stat().st_size})
        else:
            head["files"].append({"name": name, "blob": keep(content)})
    return head, blobs


def encode(value: Any) -> bytes:
    """A result's value as bytes: text as UTF-8, bytes as they are, the rest as JSON. Raises TypeError, ValueError."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, _JSON_TYPES):
        raise TypeError(
            f"a function must return a dict, list, number, text, bytes, Result or None, not {type(value).__name__}"
        )
    try:
        return json.dumps(value, allow_nan=False, default=_plain).encode()
    except ValueError as error:
        raise ValueError(f"the result cannot be written as JSON: {error}") from None


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy, and paths, as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"the result cannot be written as JSON: it holds a {type(value).__name__}")


def _text_or_bytes(value: Any, what: str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise TypeError(f"{what} must be text or bytes, not {type(value).__name__}")


def _named(each: Any, file: DataFile) -> tuple[str, bytes | Path]:
    if isinstance(each, ResultFile):
        content = each.content.encode() if isinstance(each.content, str) else each.content
        return each.name, content
    path = Path(each).absolute()
    below = path.relative_to(file.scratch) if path.is_relative_to(file.scratch) else Path(path.name)
    return str(PurePosixPath(file.subdir) / PurePosixPath(*below.parts)), path
