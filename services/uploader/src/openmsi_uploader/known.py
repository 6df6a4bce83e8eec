"""Which files need no further look. Pure."""

import sys

from openmsi_uploader.source import FileStat


class Known:
    """Files that look as they did when the ledger noted them; several threads may ask, one changes it.

    Of each it keeps 64 bits of path and stat, some 90 bytes of memory. Whoever meets a path that looks otherwise than
    noted drops what was noted, so what is here is always what stands in the ledger: a file that comes to look as it
    did two versions ago is not known.

    That a file which is new or changed has by chance the bits of one of a million others happens once in 10 million
    million such files. It would not be sent before its next change or the next start of the program, where all bits are
    others: they depend on a secret that Python chooses at each start, so nobody can find names for it either.
    """

    def __init__(self) -> None:
        self._marks: set[int] = set()

    def has(self, path: str, stat: FileStat) -> bool:
        """Whether ``path``, which looks like ``stat``, needs no further look."""
        return _mark(path, stat) in self._marks

    def add(self, path: str, stat: FileStat) -> None:
        """The ledger notes ``path`` with ``stat``."""
        self._marks.add(_mark(path, stat))

    def drop(self, path: str, stat: FileStat) -> None:
        """``path`` does not look like ``stat`` any more, or the ledger is about to note another."""
        self._marks.discard(_mark(path, stat))

    def clear(self) -> None:
        """Look at every file again."""
        self._marks.clear()

    def __len__(self) -> int:
        return len(self._marks)


def _mark(path: str, stat: FileStat) -> int:
    mark = hash((path, stat))
    return mark if sys.hash_info.width >= 64 else mark << 32 ^ hash((stat, path))
