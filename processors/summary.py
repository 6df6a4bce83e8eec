"""Tables to numbers and a picture: least, mean and greatest value of each column, and a plot of all of them.

`docker compose --profile processor up` runs it on every CSV file. Change it, or put a file of your own beside it.
"""

import csv
from html import escape

from openmsi_processor import DataFile, Result, ResultFile, processor

WIDTH, HEIGHT = 640, 360
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


@processor(files=r"(?i).*\.csv$")
def summary(file: DataFile) -> Result:
    """The numbers as a JSON message, the plot as an SVG file that any browser shows."""
    columns = read_columns(file.bytes.decode("utf-8-sig"))
    if not columns:
        raise ValueError("there is no column of numbers below a line with names")
    numbers = {
        name: {"n": len(column), "min": min(column), "mean": sum(column) / len(column), "max": max(column)}
        for name, column in columns.items()
    }
    plot = ResultFile(f"{file.relative_path}.svg", draw(file.name, columns))
    return Result(value={"file": file.relative_path, "columns": numbers}, files=[plot])


def read_columns(text: str) -> dict[str, list[float]]:
    """The columns that hold numbers in every line, by the name in the first line."""
    names, *rows = csv.reader(line for line in text.splitlines() if line.strip())
    columns: dict[str, list[float]] = {}
    for number, name in enumerate(names):
        try:
            columns[name.strip()] = [float(row[number]) for row in rows]
        except (ValueError, IndexError):
            continue  # text, or a line that is too short
    return {name: column for name, column in columns.items() if column}


def draw(title: str, columns: dict[str, list[float]]) -> str:
    """Each column as a line, from its least value at the bottom to its greatest at the top, over the line's number."""
    lines = []
    for number, (name, column) in enumerate(columns.items()):
        low, span = min(column), (max(column) - min(column)) or 1.0
        step = (WIDTH - 40) / max(len(column) - 1, 1)
        points = " ".join(
            f"{20 + at * step:.1f},{HEIGHT - 20 - (value - low) / span * (HEIGHT - 80):.1f}"
            for at, value in enumerate(column)
        )
        colour = COLOURS[number % len(COLOURS)]
        label = f"{escape(name)}: {low:g} to {max(column):g}"
        lines.append(f'<polyline fill="none" stroke="{colour}" points="{points}"/>')
        lines.append(f'<text x="{20 + number * 150}" y="45" fill="{colour}">{label}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        f' font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="20" y="25" font-weight="bold">{escape(title)}</text>{"".join(lines)}</svg>\n'
    )
