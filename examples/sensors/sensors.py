"""Readings of sensors into one SQLite database, and a plot of each sensor that is always up to date.

Reads the CSV files that SensorPush's application exports; any CSV file with a time in its first column and numbers in
all others will do. PROCESSOR_SENSORS_DATABASE says where the database is.
"""

import csv
import os
import sqlite3
from contextlib import closing
from datetime import datetime

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from openmsi_processor import DataFile, Result, Retry, processor

WAIT = 30.0  # seconds, for other workers that write
TABLE = """CREATE TABLE IF NOT EXISTS readings (
    sensor TEXT, quantity TEXT, time TEXT, value REAL, exported REAL, PRIMARY KEY (sensor, quantity, time)
) WITHOUT ROWID"""
# The same reading comes again with every longer file: it stays one row. Of two files with different values for it, the
# one that was exported later is right, in whatever order they come.
PUT = """INSERT INTO readings VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET value = excluded.value, exported = excluded.exported WHERE excluded.exported >= exported"""
GET = "SELECT quantity, time, value FROM readings WHERE sensor = ? ORDER BY quantity, time"


@processor(files=r"(?i).*\.csv$", name="sensors")
def process(file: DataFile) -> Result:
    """All rows into the database; a plot of all that it knows of the sensor, and the latest values as a message."""
    sensor = name_of(file)
    rows = read(file.bytes.decode("utf-8-sig"))
    series = store(sensor, [(sensor, *row, file.mtime) for row in rows])
    plot = file.scratch / f"{file.name}.png"
    draw(plot, sensor, series)
    latest = {quantity: {"time": readings[-1][0], "value": readings[-1][1]} for quantity, readings in series.items()}
    count = sum(len(readings) for readings in series.values())
    return Result(value={"sensor": sensor, "readings": count, "latest": latest}, files=[plot])


def name_of(file: DataFile) -> str:
    """The sensor's: the file's without what SensorPush puts behind it, and its folder."""
    name = file.name[: -len(".csv")].partition("-starts-")[0]
    return f"{file.subdir}/{name}" if file.subdir else name


def read(text: str) -> list[tuple[str, str, float]]:
    """Quantity, time and value of every reading. Raises ValueError for what is no table of numbers over time."""
    lines = list(csv.reader(text.splitlines()))
    if not lines:
        return []  # a file that was only begun
    _, *quantities = (heading.partition(" (calibrated")[0].strip() for heading in lines[0])
    found = []
    for number, (time, *values) in enumerate(lines[1:], start=2):
        try:
            moment = datetime.fromisoformat(time).isoformat(" ")  # one way to write it, so that it is one key
            row = [
                (quantity, moment, float(value)) for quantity, value in zip(quantities, values, strict=True) if value
            ]
        except ValueError:
            if number == len(lines) and not text.endswith("\n"):
                break  # it was being written; it comes whole with the next version
            raise ValueError(f"line {number} is no time with {len(quantities)} numbers behind it") from None
        found += row
    return found


def store(sensor: str, rows: list[tuple]) -> dict[str, list[tuple[str, float]]]:
    """Write all rows or none, and return all readings of the sensor by quantity.

    Called again, because the service was killed before the result was committed, it changes nothing. Other workers
    write into the same database: each waits for its turn.
    """
    place = os.environ.get("PROCESSOR_SENSORS_DATABASE")
    if not place:
        raise RuntimeError("set PROCESSOR_SENSORS_DATABASE to the file that shall be the database")
    try:
        with closing(sqlite3.connect(place, timeout=WAIT, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute(TABLE)
            database.executemany(PUT, rows)
            database.execute("COMMIT")
            series: dict[str, list[tuple[str, float]]] = {}
            for quantity, time, value in database.execute(GET, [sensor]):
                series.setdefault(quantity, []).append((time, value))
            return series
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise Retry(after=10, reason="others are writing into the database") from None
        raise


def draw(place: os.PathLike, sensor: str, series: dict[str, list[tuple[str, float]]]) -> None:
    figure = Figure(figsize=(8, 1 + 1.6 * max(1, len(series))), layout="constrained")
    figure.suptitle(sensor)
    for axes, quantity in zip(
        figure.subplots(max(1, len(series)), sharex=True, squeeze=False)[:, 0], series, strict=False
    ):
        times, values = zip(*series[quantity], strict=True)
        axes.plot([datetime.fromisoformat(time) for time in times], values, linewidth=1)
        axes.set_ylabel(quantity.replace(" (", "\n("))
        axes.xaxis.set_major_formatter(ConciseDateFormatter(AutoDateLocator()))
        axes.grid(alpha=0.3)
    figure.savefig(place, dpi=90)
