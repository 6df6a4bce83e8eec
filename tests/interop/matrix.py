"""Compares what was sent with what arrived, and counts: who sent it (rows), who received it (columns)."""

import hashlib
from collections.abc import Mapping

from tests.interop.trees import Tree

Facts = dict[str, str]
"""Path → size and hash."""


class Matrix:
    """Trees and files that were compared and found identical."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], tuple[int, int]] = {}

    def same(self, sent: Mapping[str, Tree], consumer: str, found: Facts) -> None:
        """Assert that ``found`` is all that was ``sent`` (producer → what it sent), byte for byte, and nothing else."""
        wanted = facts(all_of(sent))
        wrong = [path for path in sorted(wanted | found) if wanted.get(path) != found.get(path)]
        assert not wrong, "\n".join(f"{path!r}: sent {wanted.get(path)}, found {found.get(path)}" for path in wrong)
        for producer, files in sent.items():
            trees, count = self._cells.get((producer, consumer), (0, 0))
            self._cells[producer, consumer] = (trees + 1, count + len(files))

    def table(self) -> list[str]:
        """Lines of text; none when nothing was compared."""
        if not self._cells:
            return []
        rows = list(dict.fromkeys(producer for producer, _ in self._cells))
        columns = list(dict.fromkeys(consumer for _, consumer in self._cells))
        lines = [["sent by \\ received by", *columns]]
        lines += [[row, *(self._cell(row, column) for column in columns)] for row in rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]

    def _cell(self, row: str, column: str) -> str:
        trees, files = self._cells.get((row, column), (0, 0))
        return f"{trees} trees, {files} files" if trees else "-"


def facts(files: Tree) -> Facts:
    """The facts of these files."""
    return {path: fact(len(data), hashlib.sha512(data).hexdigest()) for path, data in files.items()}


def fact(size: int, sha512: str) -> str:
    """What is compared of one file."""
    return f"{size} bytes, {sha512}"


def all_of(sent: Mapping[str, Tree]) -> Tree:
    """What all producers together have sent."""
    return {path: data for files in sent.values() for path, data in files.items()}
