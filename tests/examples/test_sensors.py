"""The example keeps every reading once, whatever is uploaded again, in whatever order and by how many workers."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from openmsi_processor import DataFile, Retry
from tests.support.examples import EXAMPLES, example, maker, message, results

sensors = example("sensors")
make = maker("sensors")
TEMPERATURE, HUMIDITY = make.HEADINGS


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROCESSOR_SENSORS_DATABASE", str(tmp_path / "sensors.sqlite"))
    return tmp_path / "sensors.sqlite"


def export(folder: Path, text: str, path: str = "lab3/glovebox.csv", mtime: float = 1e9) -> DataFile:
    place = folder / path.replace("/", "_")
    place.write_text(text, encoding="utf-8")
    os.utime(place, (mtime, mtime))
    return DataFile.local(place, path)


def readings(database: Path) -> list[tuple[str, str, str, float]]:
    with closing(sqlite3.connect(database)) as found:
        return found.execute("SELECT sensor, quantity, time, value FROM readings ORDER BY 1, 2, 3").fetchall()


def made(minutes: int, sensor: str = "lab3/glovebox") -> list[tuple[str, str, str, float]]:
    """What the database must have after so many minutes."""
    times = [str(make.START + timedelta(minutes=minute)) for minute in range(minutes)]
    columns = enumerate((TEMPERATURE, HUMIDITY))
    return sorted((sensor, name, times[m], make.reading(m)[i]) for i, name in columns for m in range(minutes))


def test_a_file_that_grows_adds_its_new_readings(tmp_path: Path, database: Path) -> None:
    for minutes in (3, 10, 25):
        found = message(sensors, export(tmp_path, make.export(minutes), mtime=1e9 + minutes))
        assert readings(database) == made(minutes)
    latest = {"time": "2026-11-20 08:24:00", "value": make.reading(24)[0]}
    assert (found["sensor"], found["readings"], found["latest"][TEMPERATURE]) == ("lab3/glovebox", 50, latest)


def test_a_repeat_changes_nothing_and_says_the_same(tmp_path: Path, database: Path) -> None:
    file = export(tmp_path, make.export(20))
    first = results(sensors, file)
    assert results(sensors, file) == first, "the plot, too"
    assert readings(database) == made(20)


def test_an_older_version_removes_and_changes_nothing(tmp_path: Path, database: Path) -> None:
    right = make.export(4)
    wrong = right.replace(f"{make.reading(2)[0]:.4f}", "99.0000")
    assert right != wrong
    message(sensors, export(tmp_path, right, mtime=2e9))
    message(sensors, export(tmp_path, wrong, mtime=1e9))
    assert readings(database) == made(4)
    message(sensors, export(tmp_path, wrong, mtime=3e9))
    assert ("lab3/glovebox", TEMPERATURE, "2026-11-20 08:02:00", 99.0) in readings(database)


def test_a_line_that_is_being_written_waits_for_the_next_version(tmp_path: Path, database: Path) -> None:
    whole = make.export(5)
    message(sensors, export(tmp_path, whole[: whole.rindex(",")], mtime=1e9))
    assert readings(database) == made(4)
    message(sensors, export(tmp_path, "", "empty.csv"))
    message(sensors, export(tmp_path, whole, mtime=2e9))
    assert readings(database) == made(5)


def test_a_bad_line_is_named_and_leaves_the_database_alone(tmp_path: Path, database: Path) -> None:
    with pytest.raises(ValueError, match="line 3 is no time with 2 numbers behind it"):
        sensors.process(export(tmp_path, make.export(5).replace("2026-11-20 08:01:00,", "broken,")))
    assert not database.exists()


def test_the_name_that_sensorpush_gives_is_taken_apart(tmp_path: Path, database: Path) -> None:
    message(
        sensors, export(tmp_path, make.export(2), "Sensor2-starts-2026-11-20-08-00-00-ends-2026-11-20-09-00-00.csv")
    )
    assert readings(database) == made(2, "Sensor2")


WORKER = """
import sys
from openmsi_processor import DataFile
from tests.support.examples import example
sensors = example("sensors")
sensors.draw = lambda *_: None  # it would keep the workers from meeting in the database
print("ready", flush=True)
sys.stdin.readline()
for place in sys.argv[1:]:
    sensors.process(DataFile.local(place))
"""


def test_many_workers_lose_nothing(tmp_path: Path, database: Path) -> None:
    versions = range(1, 31)
    for sensor in "abc":
        for version in versions:
            export(tmp_path, make.export(version), f"{sensor}-starts-{version:02}.csv", mtime=1e9 + version)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, *sorted(tmp_path.glob(f"*-starts-?[{digits}].csv"))],
            cwd=EXAMPLES.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for digits in ("0-3", "4-6", "7-9")
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.close()  # all at once
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.close()
    assert readings(database) == made(30, "a") + made(30, "b") + made(30, "c")


def test_a_database_that_stays_locked_is_asked_again_later(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "WAIT", 0.0)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Retry, match="others are writing"):
            sensors.process(export(tmp_path, make.export(2)))
    message(sensors, export(tmp_path, make.export(2)))


def test_without_a_database_it_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROCESSOR_SENSORS_DATABASE", raising=False)
    with pytest.raises(RuntimeError, match="set PROCESSOR_SENSORS_DATABASE"):
        sensors.process(export(tmp_path, make.export(2)))
