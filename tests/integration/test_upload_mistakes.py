"""What a user can get wrong when starting an uploader: one line that says what to do, and the right exit code."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.broker import PASSWORD, USER, Broker, unique
from tests.support.running import CONFIG, POWERLESS, Program

NOWHERE = "127.0.0.1:9"
Start = Callable[..., Program]


@pytest.fixture
def start(kafka: Broker, tmp_path: Path) -> Iterator[Start]:
    running: list[Program] = []

    def start(*command: str, bootstrap: str = kafka.bootstrap, name: str = "uploader", **options: object) -> Program:
        program = Program(tmp_path / name, bootstrap, *command, **options)  # type: ignore[arg-type]  # passed on
        running.append(program)
        return program

    yield start
    for program in running:
        program.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("a")
    return tmp_path / "data"


def commands(folder: Path, topic: str) -> list[tuple[str, ...]]:
    """Both programs, for what concerns both."""
    return [
        ("DataFileUploadDirectory", str(folder), "--topic_name", topic),
        ("UploadDataFile", str(folder / "a"), "--topic_name", topic, "--timeout_seconds", "5"),
    ]


def sasl_config(folder: Path) -> str:
    """The config file for a broker that asks for a password but not for TLS."""
    path = folder.parent / "sasl.config"
    path.write_text(CONFIG + "security.protocol = SASL_PLAINTEXT\n")
    return str(path)


def last_line(program: Program) -> str:
    assert "Traceback" not in program.output
    return program.output.splitlines()[-1]


def test_the_upload_folder_is_missing(start: Start, tmp_path: Path) -> None:
    program = start("DataFileUploadDirectory", str(tmp_path / "missing"), "--topic_name", "t")
    assert program.exits() == 78
    assert f"the upload folder {tmp_path / 'missing'} does not exist: make it" in last_line(program)


def test_the_upload_folder_is_a_file(start: Start, folder: Path) -> None:
    program = start("DataFileUploadDirectory", str(folder / "a"), "--topic_name", "t")
    assert program.exits() == 78
    assert "is not a folder: to send one file use UploadDataFile" in last_line(program)


def test_the_upload_folder_may_not_be_read(start: Start, folder: Path) -> None:
    folder.chmod(0)
    program = start("DataFileUploadDirectory", str(folder), "--topic_name", "t", prefix=POWERLESS)
    assert program.exits() == 78
    assert f"user id 0 may not read the upload folder {folder}: give it the rights to list" in last_line(program)


def test_the_state_folder_lies_in_the_upload_folder(start: Start, folder: Path) -> None:
    program = start("DataFileUploadDirectory", str(folder), "--topic_name", "t", "--state_dir", str(folder / "state"))
    assert program.exits() == 78
    assert "name a place outside it with --state_dir" in last_line(program)


def test_the_topic_does_not_exist(start: Start, folder: Path) -> None:
    topic = unique()
    for command in commands(folder, topic):
        program = start(*command, name=command[0])
        assert program.exits() == 78
        assert f"topic '{topic}' does not exist" in last_line(program)
        assert f"kafka-topics.sh --create --topic {topic}" in last_line(program)


def test_the_password_is_wrong(kafka: Broker, start: Start, folder: Path, topic: str) -> None:
    for command in commands(folder, topic):
        env = {"CONFLUENT_USERNAME": USER, "CONFLUENT_PASSWORD": "wrong-password"}
        program = start(
            *command, "--config", sasl_config(folder), bootstrap=kafka.sasl_bootstrap, env=env, name=command[0]
        )
        assert program.exits() == 78
        assert "the broker refused the user name or password" in last_line(program)
        assert "wrong-password" not in program.output


def test_the_password_is_right(kafka: Broker, start: Start, folder: Path, topic: str) -> None:
    env = {"CONFLUENT_USERNAME": USER, "CONFLUENT_PASSWORD": PASSWORD}
    watching, one_file = commands(folder, topic)
    program = start(*watching, "--config", sasl_config(folder), bootstrap=kafka.sasl_bootstrap, env=env)
    program.says("reached")
    assert program.stop() == 0
    program = start(*one_file, "--config", sasl_config(folder), bootstrap=kafka.sasl_bootstrap, env=env)
    assert program.exits() == 0
    assert PASSWORD not in program.output


def test_the_topic_takes_only_smaller_messages(kafka: Broker, start: Start, folder: Path) -> None:
    topic = kafka.create_topic(config={"max.message.bytes": "200000"})
    for command in commands(folder, topic):
        program = start(*command, name=command[0])
        assert program.exits() == 78
        assert "accepts messages of 200000 bytes" in last_line(program)
        assert "--chunk_size 189760" in last_line(program)
        program = start(*command, "--chunk_size", "189760", name=f"{command[0]}-small")
        if "Directory" in command[0]:
            program.says("reached")
            assert program.stop() == 0
        else:
            assert program.exits() == 0


def test_one_file_and_no_broker_is_exit_69_within_the_time_limit(start: Start, folder: Path) -> None:
    began = time.monotonic()
    program = start(
        "UploadDataFile", str(folder / "a"), "--topic_name", "t", "--timeout_seconds", "3", bootstrap=NOWHERE
    )
    assert program.exits() == 69
    assert 3 <= time.monotonic() - began < 10
    assert f"the broker {NOWHERE} did not answer within 3 s" in last_line(program)


def test_watching_and_no_broker_waits(start: Start, folder: Path) -> None:
    program = start("DataFileUploadDirectory", str(folder), "--topic_name", "t", bootstrap=NOWHERE)
    program.says("files are noted meanwhile")
    time.sleep(3)
    assert program.process.poll() is None
    assert program.stop(seconds=10) == 0


def test_a_second_uploader_on_the_same_state_folder_is_refused(start: Start, folder: Path, topic: str) -> None:
    first = start("DataFileUploadDirectory", str(folder), "--topic_name", topic)
    first.says("reached")
    second = start(
        "DataFileUploadDirectory", str(folder), "--topic_name", topic, "--state_dir", str(first.state), name="2"
    )
    assert second.exits() == 78
    assert (
        f"in use by DataFileUploadDirectory of {folder} to topic {topic} (process {first.process.pid} on"
        in last_line(second)
    )
    assert first.process.poll() is None
