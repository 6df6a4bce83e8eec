"""What a function has returned, as a message for the service."""

import json
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from openmsi_processor.data_file import DataFile
from openmsi_processor.result import Result, ResultFile

GIVEN = "given"
"""The folder, beside the scratch folder, from which the service takes result files: plain files called 0, 1 …"""

_JSON_TYPES = (dict, list, tuple, int, float, bool)
MOST_BYTES = 32 << 20
"""Of a value: more than brokers take, and little enough for the service's memory. Result files may be of any size."""

_MOST_AROUND = 1 << 20  # bytes of the key and the headers
_BLOCK = 1 << 20


def answer_of(returned: Any, file: DataFile) -> tuple[dict[str, Any], list[bytes]]:
    """The message and its byte strings. Raises TypeError or ValueError for what cannot be sent, OSError."""
    result = returned if isinstance(returned, Result) else Result(value=returned)
    blobs: list[bytes] = []
    head: dict[str, Any] = {"is": "done", "key": None, "value": None, "headers": [], "files": []}
    desk = _Desk(file)

    def keep(content: bytes) -> int:
        blobs.append(content)
        return len(blobs) - 1

    if result.key is not None:
        head["key"] = keep(_text_or_bytes(result.key, "the key"))
    if not isinstance(result.headers, Mapping):
        raise TypeError(f"headers must be a dict of texts, not {type(result.headers).__name__}")
    for name, value in result.headers.items():
        if not isinstance(name, str):
            raise TypeError(f"the name of a header must be text, not {type(name).__name__}")
        head["headers"].append(
            [_printable(name, "the name of a header"), keep(_text_or_bytes(value, f"header {name}"))]
        )
    if sum(map(len, blobs)) > _MOST_AROUND:
        raise ValueError(f"the key and the headers have more than {_MOST_AROUND} bytes: put that into the value")
    if result.value is not None:
        value = encode(result.value)
        if len(value) > MOST_BYTES:
            raise ValueError(f"the result has {len(value)} bytes, too many for a message: return it as a result file")
        head["value"] = keep(value)
    if isinstance(result.files, str | bytes | os.PathLike | ResultFile):
        raise TypeError(f"files must be a list: files=[{result.files!r}]")
    for each in result.files:
        name, content = _named(each, file)
        if any(name == other["name"] for other in head["files"]):
            raise ValueError(f"two result files are called {name}")
        head["files"].append({"name": name, "given": desk.take(content)})
    return head, blobs


def encode(value: Any) -> bytes:
    """A result's value as bytes: text as UTF-8, bytes as they are, the rest as JSON. Raises TypeError, ValueError."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return _printable(value, "the result").encode()
    if not isinstance(value, _JSON_TYPES) and not hasattr(value, "tolist"):
        raise TypeError(
            f"a function must return a dict, list, number, text, bytes, Result or None, not {type(value).__name__}"
        )
    try:
        return json.dumps(value, allow_nan=False, default=_plain).encode()
    except RecursionError:
        raise ValueError("the result cannot be written as JSON: it is nested too deeply") from None
    except (TypeError, ValueError) as error:
        more = " (NaN and infinity: give None instead)" if "Out of range float" in str(error) else ""
        raise type(error)(f"the result cannot be written as JSON: {error}{more}") from None


class _Desk:
    """Collects what the service is to take. It is done here, with the rights and within the time of user code."""

    def __init__(self, file: DataFile) -> None:
        self._scratch = file.desk / "results"
        self._given = file.desk / GIVEN
        self._count = 0

    def take(self, content: bytes | Path) -> int:
        """Returns the number under which it is now. A file in the scratch folder is moved, any other copied."""
        self._given.mkdir(parents=True, exist_ok=True)
        number, self._count = self._count, self._count + 1
        place = self._given / str(number)
        if isinstance(content, bytes):
            place.write_bytes(content)
            return number
        if not content.exists():
            raise ValueError(f"there is no result file {content}")
        found = content.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"the result file {content} is no file: name each file in it")
        real = content.resolve()
        if real == content.absolute() and real.is_relative_to(self._scratch.resolve()) and found.st_nlink == 1:
            real.replace(place)
        else:
            with content.open("rb") as source, place.open("xb") as target:
                shutil.copyfileobj(source, target, _BLOCK)
        return number


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy, and paths, as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"it holds a {type(value).__name__}")


def _text_or_bytes(value: Any, what: str) -> bytes:
    if isinstance(value, str):
        return _printable(value, what).encode()
    if isinstance(value, bytes):
        return value
    raise TypeError(f"{what} must be text or bytes, not {type(value).__name__}")


def _printable(text: str, what: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} is no text: {text[:80]!r}") from None
    return text


def _named(each: Any, file: DataFile) -> tuple[str, bytes | Path]:
    if isinstance(each, ResultFile):
        content = each.content.encode() if isinstance(each.content, str) else each.content
        if not isinstance(content, bytes | os.PathLike):
            raise TypeError(f"result file {each.name}: its content must be bytes, text or a Path")
        name = _printable(str(each.name), "the name of a result file")
        return name, content if isinstance(content, bytes) else Path(content)
    if not isinstance(each, str | os.PathLike):
        raise TypeError(f"a result file must be a path or a ResultFile, not {type(each).__name__}")
    path = Path(each).absolute()
    below = path.relative_to(file.scratch) if path.is_relative_to(file.scratch) else Path(path.name)
    name = str(PurePosixPath(file.subdir) / PurePosixPath(*below.parts))
    return _printable(name, "the name of a result file"), path
