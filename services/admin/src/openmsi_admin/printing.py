"""How the words of `openmsi` print: tables for people, JSON for programs, and nothing that moves the cursor."""

import json
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from openmsi_core.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 10_000


def say(text: str) -> None:
    """Print one line."""
    print(printable(text))


def show_json(value: object) -> None:
    """Print ``value`` as JSON, in ASCII, so that any text gets through any pipe."""
    print(json.dumps(value, indent=2))


def console() -> "Console":
    """Standard output, as wide as the terminal; into a pipe, no line is broken. ``COLUMNS`` wins over both."""
    from rich.console import Console  # noqa: PLC0415

    wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_PIPE_WIDTH if wide else None, highlight=False)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, long: Collection[str]) -> None:
    """Print a table as wide as the terminal, breaking the columns ``long``; into a pipe, each row is one line."""
    # Imported here: a word that prints JSON has no use for them.
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    headed = any(column.strip() for column in columns)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False, show_header=headed)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in long)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console().print(table)


def show_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and what belongs to them, in two columns without a heading."""
    show_table(("", " "), facts, long=[" "])
