"""Heartbeats whose broker is away or refuses them: files do not wait, and no count is lost or told twice."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.broker import USER, Broker, unique
from tests.support.reports import heartbeats
from tests.support.running import wait_for
from tests.support.telling import Watch, beating, drop, produced, settled


@pytest.mark.parametrize("how", ["stop", "kill", "freeze"])
def test_while_their_own_broker_is_away_counts_wait_and_files_do_not(
    kafka: Broker, own_kafka: Broker, topic: str, tmp_path: Path, watch: Watch, how: str
) -> None:
    beats = own_kafka.create_topic(partitions=1)
    uploader = watch(*beating(beats), config=f"[heartbeat]\nbootstrap.servers = {own_kafka.bootstrap}\n")
    uploader.says("reached", 60)
    drop(tmp_path / "data", 5)
    wait_for(lambda: settled(heartbeats(own_kafka.bootstrap, beats)).get("n_messages_produced") == 5, "the first")
    {"stop": own_kafka.stop, "kill": own_kafka.kill, "freeze": own_kafka.freeze}[how]()
    gone = datetime.now(UTC)
    drop(tmp_path / "data", 7)
    wait_for(lambda: produced(kafka, topic)["n_messages_produced"] == 12, "files that do not wait for heartbeats")
    if how != "freeze":
        uploader.says("WARNING heartbeat topic")
    back = datetime.now(UTC)
    (own_kafka.thaw if how == "freeze" else own_kafka.start)()
    wait_for(lambda: settled(heartbeats(own_kafka.bootstrap, beats)).get("n_messages_produced") == 12, "the rest", 60)
    drop(tmp_path / "data", 2)
    wait_for(lambda: produced(kafka, topic)["n_messages_produced"] == 14, "two more")
    assert uploader.stop() == 0
    told = heartbeats(own_kafka.bootstrap, beats)
    assert settled(told) == produced(kafka, topic)
    assert len([beat for beat in told if gone < beat.at < back]) <= 1, "only one waits"
    assert uploader.output.count("WARNING") == (how != "freeze"), uploader.output


def test_a_program_stops_in_time_although_their_broker_is_away(own_kafka: Broker, tmp_path: Path, watch: Watch) -> None:
    beats = own_kafka.create_topic(partitions=1)
    config = f"[heartbeat]\nbootstrap.servers = {own_kafka.bootstrap}\n"
    uploader = watch(*beating(beats), *("--log_topic_name", beats), config=config + config.replace("heartbeat", "log"))
    uploader.says("reached", 60)
    own_kafka.freeze()
    began = time.monotonic()
    assert uploader.stop() == 0
    assert time.monotonic() - began < 6
    assert "heartbeat topic" in uploader.output
    assert "the broker did not take the last of it before the end" in uploader.output


def test_a_topic_that_does_not_exist_is_said_once_and_found_when_it_is_there(
    kafka: Broker, topic: str, tmp_path: Path, watch: Watch
) -> None:
    beats = unique("made-later")
    uploader = watch(*beating(beats))
    uploader.says(f"WARNING heartbeat topic {beats}: topic '{beats}' does not exist on the broker: make it first", 60)
    drop(tmp_path / "data", 3)
    wait_for(lambda: produced(kafka, topic)["n_messages_produced"] == 3, "files that do not wait for heartbeats")
    kafka.create_topic(beats)
    wait_for(lambda: settled(heartbeats(kafka.bootstrap, beats)).get("n_messages_produced") == 3, "the counts", 60)
    assert uploader.stop() == 0
    assert settled(heartbeats(kafka.bootstrap, beats)) == produced(kafka, topic)
    assert uploader.output.count("does not exist") == 1


def test_a_wrong_password_is_said_once_and_the_program_runs_on(
    kafka: Broker, topic: str, beats: str, tmp_path: Path, watch: Watch
) -> None:
    login = f"bootstrap.servers = {kafka.sasl_bootstrap}\nsecurity.protocol = SASL_PLAINTEXT\nsasl.username = {USER}"
    uploader = watch(*beating(beats), config=f"[heartbeat]\n{login}\nsasl.password = not-this-one\n")
    uploader.says(f"WARNING heartbeat topic {beats}: the broker refused the user name or password", 60)
    drop(tmp_path / "data", 3)
    wait_for(lambda: produced(kafka, topic)["n_messages_produced"] == 3, "files that do not wait for heartbeats")
    assert uploader.output.count("WARNING") == 1, uploader.output
    assert uploader.stop() == 0
