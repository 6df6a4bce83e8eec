"""`openmsi inspect` on a real broker."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import msgpack
import pytest
from confluent_kafka import Producer, TopicPartition

from openmsi_admin.inspect_contents import Contents, State
from openmsi_admin.inspect_read import QUEUE_BYTES, Extent, Reading, extents
from openmsi_core.bystander import bystander
from openmsi_core.chunk import encode_headers, encode_key, encode_value
from openmsi_core.kafka import Troubles
from tests.support.broker import Broker, unique
from tests.support.operating import OPENMSI, Ran, delete, openmsi
from tests.support.sending import Sender, chunks, upload

CONTENT = bytes(range(256)) * 12


def inspect(folder: Path, kafka: Broker, topic: str, *options: str) -> Ran:
    return openmsi(folder, kafka.bootstrap, "inspect", topic, *options)


def found(folder: Path, kafka: Broker, topic: str) -> dict[str, Any]:
    ran = inspect(folder, kafka, topic, "--json")
    assert (ran.code, ran.err) == (0, "")
    contents: dict[str, Any] = json.loads(ran.out)
    return contents


def states(contents: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["path"], each["state"]) for each in contents["uploads"]]


def test_files_of_both_systems(kafka: Broker, topic: str, sender: Sender, tmp_path: Path) -> None:
    sender.file("run7/a.tif", CONTENT, by=upload(CONTENT, "instrument-17"))
    sender.chunks(chunks("run7/b.tif", CONTENT), None)
    sender.file("run7/a.tif", CONTENT[:10], by=upload(CONTENT[:10], "instrument-17"))
    sender.chunks(list(chunks("half", CONTENT))[:3], upload(CONTENT))
    sender.file("empty", b"")
    ran = inspect(tmp_path, kafka, topic)
    assert (ran.code, ran.err) == (0, "")
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[1][:4] == ["empty", "0", "B", "complete"]
    assert lines[2][:7] == ["half", "3.0", "kB", "3", "of", "4", "chunks"]
    assert lines[3][:5] == ["run7/a.tif", "3.1", "kB", "complete,", "superseded"]
    assert lines[3][-2:] == ["instrume", str(sender.partition("run7/a.tif"))]
    assert lines[4][:4] == ["run7/a.tif", "10", "B", "complete"]
    assert lines[5][:5] == ["run7/b.tif", "3.1", "kB", "complete,", "scattered"]
    assert lines[5][-2:] == ["OpenMSIStream", "0-3"]


def test_nothing_is_committed_and_no_group_is_made(kafka: Broker, topic: str, sender: Sender, tmp_path: Path) -> None:
    sender.file("a", CONTENT)
    before = groups(kafka)
    assert states(found(tmp_path, kafka, topic)) == [("a", "current")]
    assert groups(kafka) == before


def groups(kafka: Broker) -> set[str]:
    listed = kafka.admin().list_consumer_groups().result(10).valid
    assert listed is not None
    return {group.group_id for group in listed}


def test_a_topic_that_is_empty(kafka: Broker, topic: str, tmp_path: Path) -> None:
    ran = inspect(tmp_path, kafka, topic)
    assert (ran.code, ran.err) == (0, "")
    assert "the topic is empty" in ran.out


def test_a_topic_of_something_else(kafka: Broker, topic: str, sender: Sender, tmp_path: Path) -> None:
    for number in range(3):
        sender.record(None, b'{"temperature": %d}' % number, partition=number)
    sender.record(b"gone", None)
    ran = inspect(tmp_path, kafka, topic)
    assert ran.code == 0
    assert "this topic carries something else" in ran.out
    assert "3 × the record is not MessagePack" in ran.out
    assert "1 × the record is a tombstone" in ran.out


def test_a_topic_that_is_missing(kafka: Broker, tmp_path: Path) -> None:
    ran = inspect(tmp_path, kafka, unique("nowhere"))
    assert (ran.code, ran.out) == (78, "")
    (line,) = ran.err.splitlines()
    assert "does not exist" in line


def test_a_broker_that_is_away(tmp_path: Path) -> None:
    ran = openmsi(tmp_path, "127.0.0.1:9", "inspect", "t")
    assert (ran.code, ran.out) == (69, "")
    assert "127.0.0.1:9" in ran.err.splitlines()[-1]
    assert "openmsi doctor" in ran.err.splitlines()[-1]


def test_messages_of_earlier_versions(kafka: Broker, topic: str, sender: Sender, tmp_path: Path) -> None:
    for chunk in chunks("old.dat", CONTENT):
        fields = msgpack.unpackb(encode_value(chunk), raw=False)
        sender.record(encode_key(chunk), msgpack.packb(fields[:9], use_bin_type=True), chunk.index % 4)
    (old,) = found(tmp_path, kafka, topic)["uploads"]
    assert (old["state"], old["mtime"], old["size"]) == ("current", None, len(CONTENT))


def test_a_file_whose_beginning_was_deleted(kafka: Broker, topic: str, sender: Sender, tmp_path: Path) -> None:
    sender.file("a", CONTENT)
    sender.file("b", CONTENT)
    cut = TopicPartition(topic, sender.partition("a"), 2)
    delete(kafka, cut)
    ran = inspect(tmp_path, kafka, topic)
    assert "2 of 4 chunks: its beginning has been deleted by retention" in ran.out
    assert f"partition {cut.partition}: what was before offset 2 has been deleted" in ran.out


class Transaction:
    """A producer in the middle of a transaction."""

    def __init__(self, kafka: Broker, topic: str) -> None:
        self._topic = topic
        self.producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": unique("tx")})
        self.producer.init_transactions(10)
        self.producer.begin_transaction()

    def file(self, path: str) -> None:
        by = upload(CONTENT)
        for chunk in chunks(path, CONTENT):
            headers = dict[str, str | bytes | None](encode_headers(by))
            self.producer.produce(self._topic, encode_value(chunk), encode_key(chunk), 0, headers=headers)
        self.producer.flush()


def test_transactions(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """Their marks lie at the end of the log and are no records; what was given up was never there."""
    done = Transaction(kafka, topic)
    done.file("done")
    done.producer.commit_transaction(10)
    given_up = Transaction(kafka, topic)
    given_up.file("given up")
    given_up.producer.abort_transaction(10)
    assert states(found(tmp_path, kafka, topic)) == [("done", "current")]
    open_one = Transaction(kafka, topic)
    open_one.file("under way")
    contents = found(tmp_path, kafka, topic)
    assert states(contents) == [("done", "current")]
    assert contents["partitions"][0] == {"partition": 0, "begin": 0, "end": 10, "open_transactions": 4}
    assert "a transaction has not ended" in inspect(tmp_path, kafka, topic).out
    open_one.producer.abort_transaction(10)


def read(kafka: Broker, topic: str, places: list[Extent]) -> tuple[Reading, Contents]:
    options = {"bootstrap.servers": kafka.bootstrap}
    troubles = Troubles(print)
    consumer = bystander(options, troubles, QUEUE_BYTES)
    try:
        reading, contents = Reading(consumer, kafka.admin(), topic, places, troubles), Contents()
        reading.run(contents.add, lambda: None)
        return reading, contents
    finally:
        consumer.close()


def test_what_comes_while_it_reads_is_left_out(kafka: Broker, topic: str, sender: Sender) -> None:
    sender.chunks(chunks("a", CONTENT), None)
    places = extents(kafka.admin(), topic, 4)
    sender.chunks(chunks("b", CONTENT), None)
    reading, contents = read(kafka, topic, places)
    assert [sent.file.generation.path.text for sent, _ in contents.uploads({})] == ["a"]
    assert reading.done == reading.total == 4


def test_what_is_deleted_while_it_reads(kafka: Broker, topic: str, sender: Sender) -> None:
    sender.file("a", CONTENT)
    number = sender.partition("a")
    places = extents(kafka.admin(), topic, 4)
    cut = TopicPartition(topic, number, 3)
    delete(kafka, cut)
    reading, contents = read(kafka, topic, places)
    assert reading.extents[number] == Extent(number, 3, 4, 4)
    assert [state for _, state in contents.uploads({number: True})] == [State.BEGINNING_DELETED]


def test_all_is_deleted_while_it_reads(kafka: Broker, topic: str, sender: Sender) -> None:
    sender.file("a", CONTENT)
    places = extents(kafka.admin(), topic, 4)
    cut = TopicPartition(topic, sender.partition("a"), 4)
    delete(kafka, cut)
    _, contents = read(kafka, topic, places)
    assert contents.records == 0


@pytest.fixture
def large(kafka: Broker, tmp_path: Path) -> str:
    """A topic that takes some seconds to read: the records of one upload, again and again."""
    topic = kafka.create_topic(partitions=1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    (value,) = (encode_value(chunk) for chunk in chunks("a", bytes(800_000), size=800_000))
    for _ in range(400):
        producer.produce(topic, value, b"key", 0)
        producer.flush()
    (tmp_path / "config.config").write_text(f"[broker]\nbootstrap.servers = {kafka.bootstrap}\n")
    return topic


def test_a_terminal_shows_how_far_it_is_and_ctrl_c_ends_it(large: str, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["env", "--default-signal=INT", OPENMSI, "inspect", large],  # what a shell starts with & ignores it
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    until = time.monotonic() + 30
    while b"records read" not in shown and process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError):  # it has ended
            shown += os.read(ours, 4096)
    assert b"/400" in shown, shown
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in shown + os.read(ours, 65536)
    os.close(ours)
