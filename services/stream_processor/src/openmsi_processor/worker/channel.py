"""Messages between the service and a worker: a JSON object and any number of byte strings after it."""

import contextlib
import json
import os
import struct
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

CUT_OFF = 74
"""Exit code of a worker that cannot use its channel any more (EX_IOERR of sysexits.h)."""

_LENGTH = struct.Struct(">I")
_LONGEST_HEAD = 16 << 20
_ANY_SIZE = 1 << 40


class Channel:
    """Two streams, one each way. Any thread may send, one receives."""

    def __init__(self, reading: IO[bytes], writing: IO[bytes], most: int = _ANY_SIZE) -> None:
        """``most`` is how many bytes the byte strings of one message may have that is received."""
        self._reading = reading
        self._writing = writing
        self._most = most
        self._sending = threading.Lock()

    def stay_here(self) -> None:
        """Copies of this process do not get the channel: one that user code makes must not answer in our place."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._leave)

    def send(self, head: Mapping[str, Any], blobs: Sequence[bytes | memoryview] = ()) -> None:
        """Send one message. Blocks while the other side does not read; raises OSError when it is gone."""
        text = json.dumps({**head, "blobs": [len(blob) for blob in blobs]}).encode()
        with self._sending:
            self._writing.write(_LENGTH.pack(len(text)) + text)
            for blob in blobs:
                self._writing.write(blob)
            self._writing.flush()

    def receive(self) -> tuple[dict[str, Any], list[bytes]] | None:
        """The next message; None when the other side is gone. Blocks. Raises ValueError for what is no message."""
        start = self._reading.read(_LENGTH.size)
        if len(start) < _LENGTH.size:
            return None
        size = _LENGTH.unpack(start)[0]
        if size > _LONGEST_HEAD:
            raise ValueError("no message is so long")
        text = self._reading.read(size)
        if len(text) < size:
            return None
        head, sizes = _parsed(text)
        if sum(sizes) > self._most:
            raise ValueError("no message holds so much")
        blobs = [self._reading.read(size) for size in sizes]
        return (head, blobs) if [len(blob) for blob in blobs] == sizes else None

    def close(self) -> None:
        """Close both ways. Never raises."""
        for stream in (self._writing, self._reading):
            with contextlib.suppress(OSError):
                stream.close()

    def _leave(self) -> None:
        """Not closed: the next file that is opened would get their numbers."""
        with contextlib.suppress(OSError, ValueError):
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (self._writing, self._reading):
                os.dup2(nothing, stream.fileno(), inheritable=False)
            os.close(nothing)


def _parsed(text: bytes) -> tuple[dict[str, Any], list[int]]:
    try:
        head = json.loads(text)
        sizes = head.pop("blobs")
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        raise ValueError("this is no message") from None
    if not isinstance(head, dict) or not isinstance(sizes, list):
        raise ValueError("this is no message")  # noqa: TRY004  # of the other side, not of the caller
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise ValueError("this is no message")
    return head, sizes
