"""Messages between the service and a worker: a JSON object and any number of byte strings after it."""

import contextlib
import json
import struct
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

_LENGTH = struct.Struct(">I")


class Channel:
    """Two streams, one each way. Any thread may send, one receives."""

    def __init__(self, reading: IO[bytes], writing: IO[bytes]) -> None:
        self._reading = reading
        self._writing = writing
        self._sending = threading.Lock()

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
        text = self._reading.read(size)
        if len(text) < size:
            return None
        head = json.loads(text)
        blobs = [self._reading.read(size) for size in head.pop("blobs")]
        return head, blobs

    def close(self) -> None:
        """Close both ways. Never raises."""
        for stream in (self._writing, self._reading):
            with contextlib.suppress(OSError):
                stream.close()
