"""Heartbeats on a topic: their sums are what was sent and received."""

import socket
from pathlib import Path

from openmsi_core.chunk import decode_value
from openmsi_core.errors import BadFile
from openmsi_core.state import instance_id
from tests.support.broker import PASSWORD, USER, Broker
from tests.support.downloading import Downloads
from tests.support.reports import heartbeats, records
from tests.support.running import wait_for
from tests.support.sending import Sender
from tests.support.telling import Watch, beating, drop, produced, settled

KINDS = ("read", "processed")


def received(kafka: Broker, topic: str) -> dict[str, int]:
    """What is in the topic, as a downloader counts it."""
    size = 0
    for message in records(kafka.bootstrap, topic):
        value = message.value()
        assert isinstance(value, bytes)
        try:
            size += len(decode_value(value).data)
        except BadFile:
            size += len(value)
    messages = len(records(kafka.bootstrap, topic))
    return {f"n_{unit}_{kind}": n for unit, n in (("messages", messages), ("bytes", size)) for kind in KINDS}


def test_the_sums_are_what_was_sent_and_what_was_received(
    kafka: Broker, topic: str, beats: str, tmp_path: Path, watch: Watch, downloads: Downloads, sender: Sender
) -> None:
    sender.record(b"key", b"this is no chunk")
    poison = produced(kafka, topic)
    uploader = watch("--chunk_size", "1024", *beating(beats))
    downloader = downloads.start(*beating(beats, "DOWN"))
    uploader.says("reached", 60)
    for count in range(1, 5):
        drop(tmp_path / "data", count)
        wait_for(lambda: len(downloads.tree) == len(list((tmp_path / "data").iterdir())), "the files")
    assert uploader.stop() == downloader.stop() == 0
    told = heartbeats(kafka.bootstrap, beats)
    ours = {name: count - poison[name] for name, count in produced(kafka, topic).items()}
    assert settled(told) == ours
    assert ours["n_messages_produced"] == 10 * 5
    assert settled(told, "DOWN") == received(kafka, topic)
    for program in ("UP", "DOWN"):
        own = [beat for beat in told if beat.program == program]
        assert len([beat for beat in own if any(beat.counts.values())]) > 1
        assert not any(own[0].counts.values()), "the first is sent at the start"
        assert [beat.at for beat in own] == sorted(beat.at for beat in own)


def test_they_go_on_while_a_large_file_is_sent_and_received(
    kafka: Broker, topic: str, beats: str, tmp_path: Path, watch: Watch, downloads: Downloads
) -> None:
    uploader = watch("--queue_max_size", "2", *beating(beats, interval="0.05"))
    downloader = downloads.start(*beating(beats, "DOWN", "0.05"))
    uploader.says("reached", 60)
    (tmp_path / "data" / "large").write_bytes(bytes(range(256)) * 1_000_000)
    uploader.says("sent large", 120)
    downloader.says("placed large", 120)
    assert uploader.stop() == downloader.stop() == 0
    told = heartbeats(kafka.bootstrap, beats)
    assert settled(told) == produced(kafka, topic)
    assert settled(told, "DOWN") == received(kafka, topic)
    for program in ("UP", "DOWN"):
        assert len([beat for beat in told if beat.program == program and any(beat.counts.values())]) > 5


def test_their_own_broker_may_want_a_password_which_nobody_sees(
    kafka: Broker, own_kafka: Broker, topic: str, tmp_path: Path, watch: Watch
) -> None:
    beats = own_kafka.create_topic(partitions=1)
    login = (
        f"bootstrap.servers = {own_kafka.sasl_bootstrap}\nsecurity.protocol = SASL_PLAINTEXT\nsasl.username = {USER}"
    )
    uploader = watch(*beating(beats), config=f"[heartbeat]\n{login}\nsasl.password = {PASSWORD}\n")
    uploader.says("reached", 60)
    drop(tmp_path / "data", 3)
    wait_for(lambda: settled(heartbeats(own_kafka.bootstrap, beats)).get("n_messages_produced") == 3, "the counts")
    assert uploader.stop() == 0
    assert "heartbeat.sasl.password=***" in uploader.output
    assert PASSWORD not in uploader.output


def test_without_a_name_they_have_one_that_survives_a_restart(kafka: Broker, beats: str, watch: Watch) -> None:
    options = ("--heartbeat_topic_name", beats)
    for run in (1, 2):
        uploader = watch(*options)
        wait_for(lambda: uploader.output.count("reached") == run, "the broker", 60)  # noqa: B023  # called at once
        assert uploader.stop() == 0
        told = heartbeats(kafka.bootstrap, beats)
        assert len(told) == 2 * run, "one at the start and one at the end"
    name = f"{socket.gethostname()}-DataFileUploadDirectory-{instance_id(uploader.state)[:8]}"
    assert {beat.program for beat in told} == {name}


def test_the_topic_of_the_files_is_refused(topic: str, watch: Watch) -> None:
    uploader = watch(*beating(topic))
    assert uploader.exits() == 78
    assert f"heartbeat_topic_name is '{topic}', the topic of the files: give it a topic of its own" in uploader.output
