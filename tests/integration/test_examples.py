"""An example as a scientist runs it: a file that grows comes through Kafka, and database, plot and results follow."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

from tests.support.examples import EXAMPLES, maker
from tests.support.processing import Processors
from tests.support.running import Program, wait_for
from tests.support.sending import Sender


def have(processors: Processors, program: Program, count: int) -> bool:
    assert program.process.poll() is None, program.output
    return len(processors.read().get("lab3/glovebox.csv", [])) == count


def test_the_sensors_example_follows_a_file_that_grows(processors: Processors, tmp_path: Path) -> None:
    make = maker("sensors")
    sender = Sender(processors.bootstrap, processors.topic)
    env = {"PROCESSOR_SENSORS_DATABASE": str(tmp_path / "sensors.sqlite"), "HOME": str(tmp_path)}
    program = processors.start(EXAMPLES / "sensors" / "sensors.py", env=env)
    for count, minutes in enumerate((5, 60), start=1):
        sender.file("lab3/glovebox.csv", make.export(minutes).encode(), mtime=1.7e9 + minutes)
        wait_for(partial(have, processors, program, count), f"result {count}", 60)
    assert program.stop() == 0
    first, last = (result.json for result in processors.read()["lab3/glovebox.csv"])
    assert (first["readings"], last["readings"]) == (10, 120)
    assert last["latest"][make.HEADINGS[0]] == {"time": "2026-11-20 08:59:00", "value": make.reading(59)[0]}
    with closing(sqlite3.connect(tmp_path / "sensors.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM readings").fetchall() == [(120,)]
    plot = processors.output / "lab3" / "glovebox.csv.png"
    assert plot.read_bytes().startswith(b"\x89PNG")
