"""Processors written for OpenMSIStream, with only their import lines changed, by `python` and by `StreamProcessor`."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.old_processors import OldProcessors
from tests.support.running import Program
from tests.support.sending import Sender, chunks, upload

FILES = {"run/1/a_1.csv": b"1\n2\n3", "a_2.csv": b"4\n5", "run/b_1.csv": b"6"}


@pytest.fixture(params=["python", "StreamProcessor"])
def old(kafka: Broker, topic: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[OldProcessors]:
    made = OldProcessors(kafka.bootstrap, topic, kafka.create_topic(), tmp_path)
    made.how = request.param
    yield made
    made.kill()


@pytest.fixture
def sent(sender: Sender) -> Sender:
    for path, content in FILES.items():
        sender.file(path, content)
    return sender


def done(program: Program, *paths: str) -> None:
    for path in paths or FILES:
        program.says(f"processed {path} ")


def test_plotter(old: OldProcessors, sent: Sender) -> None:
    program = old.old(old.changed("plotter.py"), "--n_threads", "3", "--logger_stream_level", "debug")
    done(program)
    assert program.stop() == 0
    assert (old.output / "run/1/a_1_plot.txt").read_text() == "*\n**\n***"
    assert (old.output / "a_2_plot.txt").read_text() == "****\n*****"
    assert f"DEBUG run/b_1.csv: plotted {old.output}/run/b_1.csv" in program.output
    assert f"INFO  Listening to the {old.topic} topic" in program.output
    assert "INFO  3 messages read, 3 processed, 3 files since 20" in program.output
    assert "INFO      run/1/a_1.csv" in program.output


def test_metadata(old: OldProcessors, sent: Sender) -> None:
    program = old.old(old.changed("metadata.py"), "--producer_topic_name", old.results)
    done(program)
    assert program.stop() == 0
    results = old.read()
    assert {path: [each.json["sum"] for each in several] for path, several in results.items()} == {
        "run/1/a_1.csv": [6],
        "a_2.csv": [9],
        "run/b_1.csv": [6],
    }
    one = results["run/1/a_1.csv"][0]
    assert one.key == "run_1_a_1.csv_chunk_processing_result"
    assert one.value == b'{"file": "run/1/a_1.csv", "lines": 3, "sum": 6, "unit": "\\u00b5m"}'
    assert one.headers["openmsi-processor"] == "CSVMetadata"
    assert "3 messages read, 3 processed, 3 files read, 3 with metadata" in program.output


def test_message_of_its_own_from_a_thread(old: OldProcessors, sent: Sender) -> None:
    program = old.old(old.changed("own_message.py"), "--producer_topic_name", old.results)
    done(program)
    assert program.stop() == 0
    assert {path: (each.key, each.value) for path, [each] in old.read().items()} == {
        "run/1/a_1.csv": ("run_1_a_1.csv_chunk_processing_result_reversed", b"3\n2\n1"),
        "a_2.csv": ("_a_2.csv_chunk_processing_result_reversed", b"5\n4"),
        "run/b_1.csv": ("run_b_1.csv_chunk_processing_result_reversed", b"6"),
    }
    assert f"done: 3 3 3 3 {old.results}: a_1.csv, a_2.csv, b_1.csv" in program.output


def test_arguments_and_constructor_of_its_own(old: OldProcessors, sent: Sender, tmp_path: Path) -> None:
    table = tmp_path / "results.txt"
    table.write_text("old\n")
    program = old.old(old.changed("database.py"), "--table", str(table), "--drop_existing", "-v", "--n_threads", "4")
    done(program)
    assert program.stop() == 0
    assert sorted(table.read_text().splitlines()) == ["a_2.csv 9", "run/1/a_1.csv 6", "run/b_1.csv 6"]
    assert "INFO  True sessions closed, 3 files" in program.output
    assert "processed 3 msgs and 3 files: a_2.csv, run/1/a_1.csv, run/b_1.csv" in program.output


def test_parser_of_its_own_and_a_live_plot(old: OldProcessors, sent: Sender) -> None:
    program = old.old(old.changed("live.py"), "--scale", "2.5")
    done(program)
    assert program.stop() == 0
    assert json.loads((old.output / "points.json").read_text()) == {"a": [2.5, 10.0], "b": [15.0]}
    assert "Processed 3 files with 3 threads" in program.output


def test_constructed_by_hand_on_disk(old: OldProcessors, sent: Sender) -> None:
    sent.file("left out.txt", b"0")
    program = old.script(old.changed("on_disk.py"), old.topic, str(old.output), "config.config")
    done(program)
    assert program.stop() == 0
    assert (old.output / "run/1/a_1.csv").read_bytes() == b"1\n2\n3"
    assert (old.output / "run/1/a_1.csv.sum").read_text() == f"6 5 {old.topic}"
    assert "left out" not in program.output


def test_callback_of_a_file_that_failed(old: OldProcessors, sent: Sender) -> None:
    sent.file("run/c_1.csv", b"no number", size=3)
    program = old.old(old.changed("plotter.py"))
    program.says("put run/c_1.csv in quarantine")
    assert program.stop() == 0
    assert (old.output / "c_1.csv.failed").read_text() == "run/c_1.csv"
    assert program.output.count("WARNING run/c_1.csv: WARNING: no plot for") == 1
    assert "INFO  6 messages read, 3 processed, 3 files since 20" in program.output


def test_callback_of_a_file_with_wrong_bytes(old: OldProcessors, sender: Sender) -> None:
    pieces = [replace(chunk, file_hash=bytes(64)) for chunk in chunks("run/wrong.csv", b"1,2,3", size=2)]
    sender.chunks(pieces, upload(b"1,2,3"))
    program = old.old(old.changed("plotter.py"))
    program.says("put run/wrong.csv in quarantine")
    program.says("WARNING run/wrong.csv: the hash of ")
    sender.file("run/c_1.csv", b"1")
    program.says("processed run/c_1.csv ")
    assert program.stop() == 0
    assert program.output.count("the hash of ") == 1
