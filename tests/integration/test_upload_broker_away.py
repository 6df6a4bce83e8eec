"""The uploader and a broker that is not there, goes away, or comes back."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openmsi_core.heartbeat import heartbeat_file
from tests.support.broker import Broker
from tests.support.reading_back import Receiver
from tests.support.running import Program, wait_for

Watch = Callable[..., Program]


@pytest.fixture
def watch(own_kafka: Broker, tmp_path: Path) -> Iterator[Watch]:
    """Starts uploaders of ``data``; at the end they are killed."""
    running: list[Program] = []

    def watch(topic: str, *options: str) -> Program:
        command = ("DataFileUploadDirectory", str(tmp_path / "data"), "--topic_name", topic, *options)
        running.append(Program(tmp_path / "uploader", own_kafka.bootstrap, *command, "--watchdog_lag_time", "0.2"))
        return running[-1]

    yield watch
    for program in running:
        program.kill()


def waiting_for(program: Program) -> str:
    return str(json.loads(heartbeat_file(program.state).read_text())["waiting_for"])


def rss_mb(program: Program) -> float:
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


def test_a_broker_that_is_away_is_waited_for_and_nothing_is_missed(
    own_kafka: Broker, tmp_path: Path, watch: Watch
) -> None:
    topic = own_kafka.create_topic()
    own_kafka.stop()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "before the first start").write_bytes(b"not wanted")
    program = watch(topic)
    program.says("files are noted meanwhile")
    (tmp_path / "data" / "while away").write_bytes(b"wanted")
    wait_for(lambda: own_kafka.bootstrap in waiting_for(program), "the broker in the status")
    own_kafka.start()
    receiver = Receiver(own_kafka.bootstrap, topic)
    receiver.until_files({"while away": b"wanted"}, 60)
    receiver.close()
    assert program.output.count("files are noted meanwhile") == 1
    assert len(program.output.splitlines()) < 20
    assert "Traceback" not in program.output
    assert program.stop() == 0


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_a_broker_that_goes_away_in_the_middle_costs_neither_data_nor_memory(
    own_kafka: Broker, tmp_path: Path, watch: Watch, how: str
) -> None:
    topic = own_kafka.create_topic()
    (tmp_path / "data").mkdir()
    program = watch(topic, "--queue_max_size", "8")
    program.says("reached", 60)
    files = {"first": b"1"}
    (tmp_path / "data" / "first").write_bytes(b"1")
    receiver = Receiver(own_kafka.bootstrap, topic)
    receiver.until_files(files)
    (own_kafka.stop if how == "stop" else own_kafka.freeze)()
    before = rss_mb(program)
    block = bytes(range(256)) * 4000
    for number in range(60):
        files[f"file {number}"] = number.to_bytes(2) + block
        (tmp_path / "data" / f"file {number}").write_bytes(files[f"file {number}"])
    time.sleep(3)
    assert rss_mb(program) - before < 40  # the files are 61 MB
    (own_kafka.start if how == "stop" else own_kafka.thaw)()
    receiver.until_files(files, 120)
    assert {len(receiver.versions(path)) for path in files} == {1}
    receiver.close()
    assert program.stop() == 0


def test_stopping_while_the_broker_is_away_takes_no_longer_than_the_grace_period(
    own_kafka: Broker, tmp_path: Path, watch: Watch
) -> None:
    topic = own_kafka.create_topic()
    (tmp_path / "data").mkdir()
    program = watch(topic)
    program.says("reached", 60)
    own_kafka.kill()
    (tmp_path / "data" / "a").write_bytes(b"a")
    time.sleep(1)
    assert program.stop(seconds=10) == 0
    assert "1 files that were not acknowledged yet are sent at the next start" in program.output
    own_kafka.start()
    program = watch(topic)
    receiver = Receiver(own_kafka.bootstrap, topic)
    receiver.until_files({"a": b"a"})
    receiver.close()
    assert program.stop() == 0
