"""`UploadDataFile`: exit code 0 means that the broker has acknowledged all of the file."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.reading_back import Receiver
from tests.support.running import POWERLESS, Program

Send = Callable[..., Program]


@pytest.fixture
def send(kafka: Broker, topic: str, tmp_path: Path) -> Iterator[Send]:
    """Starts the program for one file."""
    running: list[Program] = []

    def send(path: Path, *options: str, prefix: tuple[str, ...] = ()) -> Program:
        command = ("UploadDataFile", str(path), "--topic_name", topic, *options)
        running.append(Program(tmp_path / "program", kafka.bootstrap, *command, prefix=prefix))
        return running[-1]

    yield send
    for program in running:
        program.kill()


@pytest.mark.parametrize("size", [0, 1, 524_288, 20_000_000])
def test_exit_0_means_that_all_of_it_is_there(send: Send, tmp_path: Path, receiver: Receiver, size: int) -> None:
    path = tmp_path / "a file.tif"
    path.write_bytes(os.urandom(size))
    assert send(path).exits() == 0
    receiver.until_files({"a file.tif": path.read_bytes()}, seconds=5)


def test_it_is_sent_whenever_asked_and_the_later_upload_wins(send: Send, tmp_path: Path, receiver: Receiver) -> None:
    path = tmp_path / "a"
    for content in (b"1", b"2", b"2", b"1"):
        path.write_bytes(content)
        assert send(path, "--chunk_size", "1024").exits() == 0
    receiver.until(lambda: len(receiver.uploads) == 4)
    assert receiver.versions("a") == [b"1", b"2", b"2", b"1"]
    ids = [arrived.upload.upload_id for arrived in receiver.uploads]
    assert ids == sorted(ids)
    assert len({arrived.upload.source for arrived in receiver.uploads}) == 1


def test_what_is_not_a_file_is_exit_65(send: Send, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    for name, text in (("missing", "does not exist"), ("folder", "not a regular file"), ("link", "not a regular file")):
        program = send(tmp_path / name)
        assert program.exits() == 65
        assert f"{tmp_path / name} " in program.output
        assert text in program.output
        assert "Traceback" not in program.output


def test_a_file_that_may_not_be_read_is_exit_65(send: Send, tmp_path: Path) -> None:
    (tmp_path / "a").touch(mode=0)
    program = send(tmp_path / "a", prefix=POWERLESS)
    assert program.exits() == 65
    assert f"{tmp_path / 'a'}: user id 0 may not read it" in program.output


def test_a_file_that_keeps_changing_is_exit_65_and_one_that_changed_once_is_sent(
    send: Send, tmp_path: Path, receiver: Receiver
) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(100_000_000))
    done = threading.Event()

    def write() -> None:
        with path.open("r+b", buffering=0) as file:
            for number in itertools.count():
                if done.wait(0.002):
                    return
                file.seek(number % 100_000_000)
                file.write(b"x")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        program = send(path)
        assert program.exits(60) == 65
        assert "keeps changing" in program.output
        program = send(path)
        program.says("UploadDataFile 0.1.0 starts")
    finally:
        done.set()
        writer.join()
    assert program.exits(60) == 0
    receiver.until_files({"a": path.read_bytes()})
