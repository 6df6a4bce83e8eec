"""``docker compose --profile processor up`` in a fresh clone: a function runs on what is dropped into ./data."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.containers import Images, Stack
from tests.support.running import wait_for

PROCESSOR = "--profile=processor"
TABLE = b"time,temperature,sample\n1,20.5,a\n2,21.5,b\n3,19.5,c\n"
_READ = """\
import json, sys
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
consumer = Consumer({"bootstrap.servers": "kafka:9092", "group.id": "none", "enable.partition.eof": True})
consumer.assign([TopicPartition("openmsi-results", number, OFFSET_BEGINNING) for number in range(4)])
ended = 0
while ended < 4:
    message = consumer.poll(10)
    if message.error():
        ended += 1
    else:
        print(json.dumps([dict(message.headers())["openmsi-path"].decode(), json.loads(message.value())]))
consumer.close()
"""


@pytest.fixture(scope="module")
def stack(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("clone"), images)
    try:
        stack.compose(PROCESSOR, "up", "--detach")
        yield stack
    finally:
        stack.down()


def _results(stack: Stack) -> dict[str, list[Any]]:
    """What a reader of what is committed finds in the result topic, by the path of the input."""
    found = defaultdict(list)
    for line in stack.compose("exec", "-T", "stream_processor", "python", "-c", _READ).splitlines():
        path, value = json.loads(line)
        found[path].append(value)
    return dict(found)


def _there(stack: Stack, *names: str) -> None:
    """Wait for these files in ./results."""
    try:
        wait_for(lambda: all((stack.results / name).is_file() for name in names), "the result files", 60)
    except AssertionError:
        print(stack.compose("logs", "--tail=30", "uploader", "stream_processor"))
        raise


def test_each_table_gives_a_plot_and_a_message(stack: Stack) -> None:
    stack.drop("run 1/probe.csv", TABLE)
    stack.drop("no table.csv", b"nothing\n")
    stack.drop("other.bin", b"\0")
    _there(stack, "run 1/probe.csv.svg")
    assert (stack.results / "run 1/probe.csv.svg").read_text().count("<polyline") == 2
    wait_for(lambda: _results(stack), "the message", 30)
    columns = {"n": 3, "min": 19.5, "mean": 20.5, "max": 21.5}
    time = {"n": 3, "min": 1.0, "mean": 2.0, "max": 3.0}
    value = {"file": "run 1/probe.csv", "columns": {"time": time, "temperature": columns}}
    assert _results(stack) == {"run 1/probe.csv": [value]}
    wait_for(lambda: "other.bin" in stack.delivered(), "the file that is no table")
    quarantine = stack.results / ".openmsi/quarantine"
    wait_for(
        lambda: list(quarantine.glob("*/*/reason.json")) or list(quarantine.glob("*/reason.json")), "the other", 60
    )
    said = stack.compose("logs", "stream_processor")
    assert "summary.py, line" in said
    assert "there is no column of numbers" in said


def test_nothing_runs_with_more_rights_than_it_needs(stack: Stack) -> None:
    look = "id -u; grep CapEff /proc/self/status; touch x custom_folder/x 2>&1 || true"
    said = stack.compose("exec", "-T", "stream_processor", "sh", "-c", look)
    assert "CapEff:\t0000000000000000" in said
    assert said.count("Read-only file system") == 2
    assert not said.startswith("0\n")
    stack.compose("exec", "-T", "stream_processor", "python", "-m", "openmsi_core.health")


def test_more_of_them_share_the_work_and_another_function_takes_over(stack: Stack) -> None:
    code = (
        "from openmsi_processor import processor\n@processor(files='shared/')\ndef size(file):\n    return file.size\n"
    )
    (stack.folder / "processors" / "size.py").write_text(code)
    stack.settings(OPENMSI_PROCESSOR_FILE="custom_folder/size.py", PROCESSOR_UNIT="mm")
    stack.compose(PROCESSOR, "up", "--detach", "--scale=stream_processor=2")
    files = {f"shared/{number:02}.bin": b"x" * number for number in range(30)}
    for name, content in files.items():
        stack.drop(name, content)
    wait_for(lambda: _results(stack).keys() >= files.keys(), "the results", 60)
    found = _results(stack)
    assert {path: found[path] for path in files} == {path: [len(content)] for path, content in files.items()}
    assert len(found["run 1/probe.csv"]) == 1
    logs = stack.compose("logs", "--no-log-prefix", "stream_processor").splitlines()
    assert len({line.split("group ")[1].split()[0] for line in logs if " carries " in line and "size in" in line}) == 1


def test_what_the_profile_starts(images: Images, tmp_path: Path) -> None:
    stack = Stack(tmp_path, images)
    plain = set(stack.compose("config", "--services").split())
    both = {"stream_processor", "results-folder"}
    assert set(stack.compose(PROCESSOR, "config", "--services").split()) - plain == {*both, "result-topics"}
    services = json.loads(stack.compose(PROCESSOR, "config", "--format=json"))["services"]
    assert all("build" in services[name] for name in both)
    stack.settings(CONFLUENT_BOOTSTRAP_SERVERS="192.0.2.1:9092")
    assert set(stack.compose(PROCESSOR, "config", "--services").split()) == {*both, "uploader", "downloader", "folders"}
