"""Reporting runs beside the program, and ends with it: no thread is left, and no broker costs a bounded time."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from openmsi_core.encryption.cipher import PLAIN, Cipher
from openmsi_core.errors import ConfigError
from openmsi_core.reporting import reporting
from openmsi_core.settings import ProgramSettings
from openmsi_downloader.settings import DownloadSettings
from openmsi_uploader.settings import FileSettings

BOTH = {"heartbeat_topic_name": "H", "log_topic_name": "L"}


@pytest.fixture
def nobody() -> Iterator[dict[str, str]]:
    """Options for an address where nobody answers."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield {"bootstrap.servers": f"127.0.0.1:{bound.getsockname()[1]}"}


def plain() -> Future[Cipher]:
    """What reports go through without encryption."""
    future: Future[Cipher] = Future()
    future.set_result(PLAIN)
    return future


def settings(tmp_path: Path, options: dict[str, str], **given: Any) -> ProgramSettings:
    values = {"output_dir": tmp_path / "out", "topic_name": "T", "state_dir": tmp_path, "broker": {"a": "b"}}
    return DownloadSettings.model_validate({**values, "heartbeat": options, "log": options, **given})


def ours() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.endswith(" topic")}


def test_a_broker_that_is_away_costs_one_warning_each_and_a_bounded_wait_at_the_end(
    tmp_path: Path, nobody: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    with reporting(settings(tmp_path, nobody, **BOTH), plain()) as counts:
        assert ours() == {"heartbeat topic", "log topic"}
        for _ in range(1000):
            counts.read(5)
            logging.getLogger("openmsi_core.test").warning("a line")
        until = time.monotonic() + 10
        while len(said) < 2 and time.monotonic() < until:
            said = [message for message in caplog.messages if "the broker does not answer" in message]
            threading.Event().wait(0.05)
        began = time.monotonic()
    assert time.monotonic() - began < 4.5
    assert ours() == set()
    assert sorted(message.partition(":")[0] for message in said) == ["heartbeat topic H", "log topic L"]
    left = [message for message in caplog.messages if message.endswith("did not take the last of it before the end")]
    assert sorted(message.partition(":")[0] for message in left) == ["heartbeat topic H", "log topic L"]
    assert len([message for message in caplog.messages if message != "a line"]) == 4


def test_what_nobody_asked_for_does_not_run(tmp_path: Path, nobody: dict[str, str]) -> None:
    with reporting(settings(tmp_path, {}), plain()):
        assert ours() == set()
    given = {"filepath": tmp_path / "f", "topic_name": "T", "state_dir": tmp_path, "heartbeat": nobody, "log": nobody}
    with reporting(FileSettings.model_validate(given | BOTH), plain()):
        assert ours() == set()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"no.such.option": "1"}, "No such configuration property"),
        ({"message.max.bytes": "0"}, "message.max.bytes cannot be '0'"),
        ({"log.level": "loud"}, "log.level cannot be 'loud'"),
        ({"max.logs.per.message": "many"}, "max.logs.per.message cannot be 'many'"),
    ],
)
def test_what_cannot_be_is_said_at_the_start(
    tmp_path: Path, nobody: dict[str, str], options: dict[str, str], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason), reporting(settings(tmp_path, nobody | options, **BOTH), plain()):
        pytest.fail("it has started")
    assert ours() == set()


def test_keys_of_openmsistream_are_taken(tmp_path: Path, nobody: dict[str, str]) -> None:
    theirs = {"prefer.separate.producer": "True", "log.level": "WARNING", "max.logs.per.message": "100"}
    with reporting(settings(tmp_path, nobody | theirs, **BOTH), plain()):
        assert ours() == {"heartbeat topic", "log topic"}


def test_the_topic_of_the_files_is_taken_on_another_broker_only(tmp_path: Path, nobody: dict[str, str]) -> None:
    with (
        pytest.raises(ConfigError, match="log_topic_name is 'T', the topic of the files"),
        reporting(settings(tmp_path, nobody, log_topic_name="T", broker=nobody), plain()),
    ):
        pytest.fail("it has started")
    with reporting(settings(tmp_path, nobody, log_topic_name="T"), plain()):
        assert ours() == {"log topic"}
