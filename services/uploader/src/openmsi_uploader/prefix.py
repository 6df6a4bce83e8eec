"""Counts how much of one upload the broker has without a gap, and says when that is worth a note."""

import dataclasses
import time
from collections.abc import Callable

from openmsi_uploader.unfinished import Unfinished

_NOTE_BYTES = 32 * 1024 * 1024
# After a kill, as much is sent again as was acknowledged since the last note: at 500 MB/s a whole second would be too
# long.
_NOTE_SECONDS = 0.1


class Prefix:
    """The acknowledged beginning of one upload. Not safe to use from several threads at once.

    ``begun`` is where it begins: the prefix is empty, or what an earlier try has left.
    """

    def __init__(self, begun: Unfinished, clock: Callable[[], float] = time.monotonic) -> None:
        self._known = begun  # its prefix ends with a record whose offset is known
        self._clock = clock
        self._come = begun.prefix
        self._beyond: dict[int, int | None] = {}
        self._noted, self._noted_at = begun.prefix, clock()

    def landed(self, index: int, offset: int | None) -> Unfinished | None:
        """The broker has chunk ``index`` at ``offset`` (None = it does not say); returns what to note, if it is time.

        Without the offset of the first record nothing is ever to be noted.
        """
        self._beyond[index] = offset
        while (index := self._come + 1) in self._beyond:
            self._come, offset = index, self._beyond.pop(index)
            if offset is not None and (index == 1 or self._known.prefix > 0):
                first = offset if index == 1 else self._known.first_offset
                self._known = dataclasses.replace(self._known, prefix=index, first_offset=first, last_offset=offset)
        if (self._known.prefix - self._noted) * self._known.target.chunk_size < _NOTE_BYTES:
            return None
        return self.rest() if self._clock() - self._noted_at >= _NOTE_SECONDS else None

    def rest(self) -> Unfinished | None:
        """What has come since the last note; None = nothing."""
        if self._known.prefix == self._noted:
            return None
        self._noted, self._noted_at = self._known.prefix, self._clock()
        return dataclasses.replace(self._known, noted=time.time())
