"""A part of a file that is sent as if it were a file: memory stays small however large the part is."""

import io
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_STEP = 1 << 20


_seeking = threading.Lock()


def _read_at(file: int, room: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(file, [room], offset)
    with _seeking:  # Windows: the parts share one position
        os.lseek(file, offset, os.SEEK_SET)
        data = os.read(file, len(room))
    room[: len(data)] = data
    return len(data)


class Window(io.RawIOBase):
    """The ``size`` bytes at ``start`` of an open ``file``, which must stay open. Has a position of its own."""

    def __init__(self, file: int, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._position = 0

    def __len__(self) -> int:
        return self._size

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes: what is sent again begins anew."""
        return True

    def tell(self) -> int:
        """Bytes from its beginning."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """As of any file."""
        room = memoryview(buffer).cast("B")[: max(0, self._size - self._position)]
        count = _read_at(self._file, room, self._start + self._position) if len(room) else 0
        self._position += count
        return count

    def pieces(self) -> Iterator[bytes]:
        """All of it from the beginning, a piece at a time; the position is at the beginning again afterwards."""
        self.seek(0)
        while piece := self.read(_STEP):
            yield piece
        self.seek(0)
