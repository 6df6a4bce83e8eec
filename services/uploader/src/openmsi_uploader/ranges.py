"""Which bytes of a file are sent: all of them, unless a program of its own brings a selector."""

from collections.abc import Callable, Sequence
from io import BufferedReader, FileIO
from operator import index
from typing import BinaryIO

from openmsi_core.paths import RelativePath
from openmsi_uploader.outcome import Unreadable

Range = tuple[int, int]
"""The first byte and the one after the last."""

Selector = Callable[[str, BinaryIO], Sequence[Range]]
"""Called with a file's path below the folder and the open file, from several threads; returns the ranges to send.

What is delivered under the file's name are the bytes of these ranges, joined in this order. The same content must give
the same ranges. A file for which it raises is not sent: it is tried again, and counted as failing, until it changes.
"""


def chosen(selector: Selector | None, path: RelativePath, file: int, size: int) -> Sequence[Range]:
    """The ranges to send of the open ``file``, which is ``size`` bytes long. Raises Unreadable when there are none."""
    if selector is None:
        return [(0, size)]
    try:
        with FileIO(file, closefd=False) as raw:
            ranges = [(index(start), index(end)) for start, end in selector(path.text, BufferedReader(raw))]
    except Exception as error:  # it is somebody else's code
        raise Unreadable(f"the selector failed: {type(error).__name__}: {error}") from error
    for start, end in ranges:
        if not 0 <= start <= end <= size:
            raise Unreadable(f"the selector names bytes {start} to {end}, and the file has {size}")
    return ranges
