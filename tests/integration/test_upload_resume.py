"""An uploader that is killed in the middle of a large file goes on where the broker's acknowledgements ended."""

import hashlib
import os
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from openmsi_core.chunk import decode_headers, decode_value
from openmsi_core.paths import RelativePath, partition_of
from tests.support.broker import Broker
from tests.support.running import Program, wait_for

MIB = 1024 * 1024
SIZE = 512 * MIB
CHUNK = MIB // 2

Start = Callable[[], Program]


class Topic:
    """What is in the topic of one file, by upload; no more of it is kept than hashes."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False})
        self._place = TopicPartition(topic, partition_of(RelativePath("large"), 4), 0)

    @property
    def end(self) -> int:
        """Records in it."""
        return int(self._consumer.get_watermark_offsets(self._place, timeout=30)[1])

    def read(self) -> tuple[Counter[str], dict[str, dict[int, int]], str]:
        """Records by upload, how often each of its chunks came, and the SHA-512 of the last one that is whole."""
        uploads, chunks, end = Counter[str](), dict[str, dict[int, int]](), self.end
        self._consumer.assign([self._place])
        digest, following, whole = hashlib.sha512(), 1, ""
        for _ in range(end):
            message = self._consumer.poll(30)
            assert message is not None
            assert message.error() is None
            chunk, upload = decode_value(message.value()), decode_headers(message.headers())
            assert upload
            if not uploads[upload.upload_id]:
                digest, following = hashlib.sha512(), 1
            uploads[upload.upload_id] += 1
            counts = chunks.setdefault(upload.upload_id, {})
            counts[chunk.index] = counts.get(chunk.index, 0) + 1
            if chunk.index == following:
                digest.update(chunk.data)
                following += 1
            if following > chunk.total:
                whole = digest.hexdigest()
        return uploads, chunks, whole

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "data").mkdir()
    yield tmp_path / "data"
    shutil.rmtree(tmp_path / "data")


@pytest.fixture
def start(own_kafka: Broker, tmp_path: Path, source: Path) -> Iterator[Start]:
    """Starts uploaders with the same state; at the end they are killed."""
    running: list[Program] = []
    topic = own_kafka.create_topic("resume")

    def start() -> Program:
        command = ("DataFileUploadDirectory", str(source), "--topic_name", topic, "--upload_existing")
        running.append(
            Program(
                tmp_path / "uploader",
                own_kafka.bootstrap,
                *command,
                "--watchdog_lag_time",
                "0.2",
                "--queue_max_size",
                "16",
            )
        )
        return running[-1]

    yield start
    for program in running:
        program.kill()


@pytest.fixture
def topic(own_kafka: Broker, start: Start) -> Iterator[Topic]:
    topic = Topic(own_kafka.bootstrap, "resume")
    yield topic
    topic.close()


def write_large(path: Path, seed: int) -> str:
    """`SIZE` bytes in which no two chunks are alike; returns their SHA-512."""
    block, digest = random.Random(seed).randbytes(CHUNK - 8), hashlib.sha512()
    with path.open("wb") as file:
        for number in range(SIZE // CHUNK):
            data = number.to_bytes(8) + block
            digest.update(data)
            file.write(data)
    return digest.hexdigest()


def kill_at(program: Program, topic: Topic, records: int) -> int:
    """Kill it once so many records are at the broker; how many were there in the end."""
    while topic.end < records:
        assert program.process.poll() is None, program.output
        time.sleep(0.002)
    program.kill()
    return topic.end


def test_a_file_of_which_nine_tenths_were_sent_costs_128_mib_at_most(
    start: Start, source: Path, topic: Topic, tmp_path: Path
) -> None:
    digest = write_large(source / "large", 1)
    there = kill_at(start(), topic, SIZE // CHUNK * 9 // 10)
    assert there < SIZE // CHUNK, "it was killed too late"
    program = start()
    program.says("sent large", 120)
    uploads, chunks, whole = topic.read()
    ((upload_id, records),) = uploads.items()
    assert chunks[upload_id].keys() == set(range(1, SIZE // CHUNK + 1))
    repeated = (records - SIZE // CHUNK) * CHUNK
    print(f"{there} of {SIZE // CHUNK} records were there, {repeated // MIB} MiB came twice")
    assert repeated <= 128 * MIB
    assert whole == digest
    assert program.output.count("going on with large: ") == 1
    assert program.stop() == 0


def test_what_changed_meanwhile_is_sent_anew(start: Start, source: Path, topic: Topic) -> None:
    write_large(source / "large", 1)
    kill_at(start(), topic, SIZE // CHUNK // 2)
    digest = write_large(source / "large", 2)
    program = start()
    program.says("sent large", 120)
    uploads, chunks, whole = topic.read()
    first, second = uploads
    assert first < second
    assert uploads[second] == len(chunks[second]) == SIZE // CHUNK
    assert whole == digest
    assert "going on with" not in program.output
    assert program.stop() == 0


def test_a_topic_that_was_made_anew_gets_all_of_it(start: Start, source: Path, topic: Topic, own_kafka: Broker) -> None:
    digest = write_large(source / "large", 1)
    kill_at(start(), topic, SIZE // CHUNK // 2)
    admin = own_kafka.admin()
    admin.delete_topics(["resume"])["resume"].result(30)
    wait_for(lambda: "resume" not in admin.list_topics(timeout=10).topics, "the end of the topic")
    own_kafka.create_topic("resume")
    program = start()
    program.says("sent large", 120)
    uploads, chunks, whole = topic.read()
    ((upload_id, records),) = uploads.items()
    assert records == len(chunks[upload_id]) == SIZE // CHUNK
    assert whole == digest
    assert program.stop() == 0


def test_a_ledger_that_is_damaged_while_it_is_used_is_begun_anew(start: Start, source: Path, topic: Topic) -> None:
    for number in range(300):
        (source / f"file {number}").write_bytes(b"x")
    program = start()
    wait_for(lambda: program.output.count("INFO  sent ") == 300, "all files", 60)
    time.sleep(0.5)
    (ledger,) = program.state.glob("ledger-*.sqlite")
    other = sqlite3.connect(ledger, timeout=30)
    with other:
        other.execute("INSERT INTO meta VALUES ('by', 'test')")  # what the program has in memory counts no more
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    with ledger.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(ledger.stat().st_size - 4096))
    (source / "new").write_bytes(b"new")
    program.says("every file is sent again", 60)
    wait_for(lambda: program.output.count("INFO  sent ") >= 601, "all files again", 60)
    assert program.stop() == 0
    assert len(list(program.state.glob("*.damaged-*"))) == 1
