"""Encrypted topics in all that is neither uploader nor downloader: reports, S3, processors, relay, replay, inspect."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import pytest
from confluent_kafka import Producer

from openmsi_core.encryption.headers import SEALED
from openmsi_core.encryption.node import Node
from openmsi_core.generation import Generation, version_of
from openmsi_core.paths import RelativePath, partition_of
from openmsi_core.quarantine import Quarantine
from tests.support.broker import Broker, unique
from tests.support.decrypting import Decrypting, Opened, as_bytes, committed, decrypting
from tests.support.downloading import Downloads
from tests.support.encrypting import Nodes, section
from tests.support.operating import openmsi
from tests.support.processing import Processors
from tests.support.relaying import Relays
from tests.support.reports import records
from tests.support.running import QUICK_SESSION, Program, wait_for
from tests.support.sending import chunks, upload
from tests.support.telling import Uploads, beating
from tests.support.transferring import Transfers

LOST = {"secret lost/1.csv": b"the secret 1", "secret lost/2.csv": b"the secret 2"}
KEPT = {"secret/a.csv": b"the secret a" * 50_000, "secret/b.csv": b"the secret b", "c.csv": b""}


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def nothing_is_plain(kafka: Broker, *topics: str) -> None:
    """Fails when a word of what was sent can be read by anybody."""
    for topic in topics:
        for message in committed(kafka.bootstrap, topic):
            seen = str([message.key(), message.value(), message.headers()])
            assert not [word for word in ("secret", ".csv", "timestamp", "openmsi-path") if word in seen]


@dataclass
class World:
    """A topic to which somebody has written who is gone, and somebody who is there."""

    kafka: Broker
    topic: str
    nodes: Nodes
    folder: Path

    def node(self, role: Any, *topics: str) -> Node:
        """A node of its own for the topic and for ``topics``."""
        return self.nodes.make(unique("node"), role, self.topic, *topics)


@pytest.fixture(scope="module")
def world(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Shared, because it takes some seconds to make: nobody changes it."""
    folder = tmp_path_factory.mktemp("world")
    made = World(kafka, kafka.create_topic(), Nodes(folder / "nodes"), folder)
    gone, there = (Uploads(kafka.bootstrap, made.topic, folder / name) for name in ("gone", "there"))
    try:
        for uploads, files in ((gone, LOST), (there, KEPT)):
            write(uploads.folder / "data", files)
            program = uploads.start("--upload_existing", config=section(made.node("producer")))
            for path in files:
                program.says(f"sent {path} ")
            if uploads is gone:
                assert program.stop() == 0
        yield made
    finally:
        gone.kill()
        there.kill()


def test_reports_are_sealed_and_those_of_a_program_stay_in_order(kafka: Broker, topic: str, tmp_path: Path) -> None:
    nodes, uploads = Nodes(tmp_path / "nodes"), Uploads(kafka.bootstrap, topic, tmp_path)
    beats, plain = kafka.create_topic(), kafka.create_topic()
    log = kafka.create_topic(config={"max.message.bytes": "2000"})
    node, reader = nodes.make("up", "producer", topic, beats, log), nodes.make("eye", "consumer", beats, log)
    stem = "secret " + "x" * 100
    try:
        program = uploads.start(
            *beating(beats),
            *("--log_topic_name", log, "--log_program_id", "UP", "--log_interval_secs", "2"),
            config=section(node) + "\n[log]\nmessage.max.bytes = 2000\n",
        )
        program.says("reached", 60)
        write(tmp_path / "data", {f"{stem} {number:03}": b"x" for number in range(200)})
        wait_for(lambda: program.output.count("sent secret") == 200, "the files")
        with decrypting(kafka.bootstrap, reader, beats, log) as opened:
            wait_for(lambda: opened.read(beats) and opened.read(log), "the first reports")
            assert program.stop() == 0  # from here on nobody gives keys, and none are needed
            told, lines = opened.read(beats), opened.read(log)
    finally:
        uploads.kill()
    assert len(told) > 2
    assert {each.key for each in told} == {b"UP_heartbeat"}
    assert json.loads(told[0].value).keys() == {"timestamp", "n_messages_produced", "n_bytes_produced"}
    times = [json.loads(each.value)["timestamp"] for each in told]
    assert times == sorted(times)
    assert {each.partition for each in told} == {usual_partition(kafka, plain, b"UP_heartbeat")}
    assert {each.key for each in lines} == {b"UP_log"}
    said = [line for each in lines for line in json.loads(each.value)["messages"]]
    assert sum("sent secret" in line for line in said) == 200
    assert "too large" not in program.output
    assert max(each.size for each in lines) > 1500
    nothing_is_plain(kafka, beats, log)


def test_a_node_that_may_not_write_reports_is_refused(world: World, downloads: Downloads) -> None:
    downloads.topic = world.topic
    program = downloads.start(*beating("beats"), config=section(world.node("consumer")))
    assert program.exits() == 78
    assert "may not write to topic beats" in program.output


def usual_partition(kafka: Broker, topic: str, key: bytes) -> int | None:
    """Where librdkafka sends a plain record with ``key``."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(topic, b"x", key)
    producer.flush(10)
    return records(kafka.bootstrap, topic)[0].partition()


def test_a_bucket_gets_what_was_encrypted(world: World, transfers: Transfers) -> None:
    transfers.topic = world.topic
    program = transfers.start(config=section(world.node("consumer")))
    wait_for(lambda: transfers.tree == KEPT, "all files but those whose keys nobody has", 60)
    assert program.stop() == 0


CODE = """
@processor(name="sizes", version="1")
def sizes(file: DataFile):
    return Result(value={"size": file.size, "secret": 1}, headers={"own": "secret"})
"""


def results_of(opened: Decrypting, topic: str, partitions: int = 4) -> dict[str, list[Opened]]:
    """Results by the path that their sealed header tells."""
    found: dict[str, list[Opened]] = {}
    for each in opened.read(topic):
        assert each.headers.keys() == {SEALED, "openmsi-made-of"}
        sealed = msgpack.unpackb(opened.open(topic, "value", each.headers[SEALED]))
        path = sealed["openmsi-path"].decode()
        assert sealed["own"] == b"secret"
        assert each.partition == partition_of(RelativePath(path), partitions)
        found.setdefault(path, []).append(each)
    return found


def wait_until_said(program: Program, text: str, times: int) -> None:
    wait_for(lambda: program.output.count(text) >= times, f"{times} × {text}", 60)


def test_results_are_there_once_and_sealed_whatever_is_killed(
    kafka: Broker, processors: Processors, tmp_path: Path
) -> None:
    nodes, uploads = Nodes(tmp_path / "nodes"), Uploads(kafka.bootstrap, processors.topic, tmp_path / "lab")
    up = nodes.make("up", "producer", processors.topic)
    node = nodes.make("work", "prodcon", processors.topic, processors.results)
    eye = nodes.make("eye", "consumer", processors.results)
    files = {f"secret/{number}.csv": random.randbytes(random.randrange(1, 5000)) for number in range(60)}
    code, config = (
        processors.code(CODE.replace("    return", "    import time; time.sleep(0.05)\n    return")),
        section(node),
    )
    try:
        write(tmp_path / "lab" / "data", files)
        uploads.start("--upload_existing", config=section(up))
        for turn in range(3):
            program = processors.start(code, config=config + QUICK_SESSION)
            wait_until_said(program, "processed secret", 6 * turn + 6)
            program.kill()
        program = processors.start(code, config=config + QUICK_SESSION)
        with decrypting(kafka.bootstrap, eye, processors.results) as opened:
            wait_for(lambda: len(committed(kafka.bootstrap, processors.results)) >= len(files), "all results", 60)
            found = results_of(opened, processors.results)
        assert program.stop() == 0
    finally:
        uploads.kill()
    assert Counter({path: len(each) for path, each in found.items()}) == Counter(files.keys())
    assert {path: json.loads(each[0].value)["size"] for path, each in found.items()} == {
        path: len(content) for path, content in files.items()
    }
    nothing_is_plain(kafka, processors.topic, processors.results)


KILLED = """
import os, signal, sys, openmsi_admin.main
from openmsi_processor.commands.attempts import Attempts
Attempts._remember = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
sys.exit(openmsi_admin.main.main())
"""


def test_a_retry_knows_its_sealed_results_again_without_their_key(processors: Processors, tmp_path: Path) -> None:
    node = Nodes(tmp_path / "nodes").make("retry", "prodcon", processors.topic, processors.results)
    (chunk,), by = chunks("secret.csv", b"secret"), upload(b"secret")
    processors.output.mkdir()
    Quarantine(processors.output, processors.topic).file(
        Generation.of(chunk, by), b"secret", 0, version_of(chunk, by, (1, 2)), "it is bad", {"processor": "sizes"}
    )
    code = processors.code(CODE)
    words = ("quarantine", "retry", "--processor", str(code), "--producer_topic_name", processors.results)
    for call in (("python", "-c", KILLED), ("openmsi",)):
        ran = processors.run("retry", *call, *words, str(processors.output), config=section(node))
        assert ran.exits() == (0 if call == ("openmsi",) else -9), ran.output
    assert "secret.csv: its result was sent by an earlier call" in ran.output
    assert len(committed(processors.bootstrap, processors.results)) == 1


def test_replay_waits_for_keys_and_goes_on_without_those_that_nobody_has(
    world: World, processors: Processors, tmp_path: Path
) -> None:
    processors.topic = world.topic
    node, eye = world.node("prodcon", processors.results), world.node("consumer", processors.results)
    code = processors.code(CODE)
    where = ("--producer_topic_name", processors.results, "--output_dir", str(processors.output))
    command = ("openmsi", "replay", world.topic, "--processor", str(code), "--since", "1h", *where)
    config = section(node) + QUICK_SESSION
    with decrypting(world.kafka.bootstrap, eye, processors.results) as opened:
        ran = processors.run("replay", *command, "--max_wait_per_decrypt", "8", config=config)
        ran.says("records, 8 s at most", 60)
        second = processors.run("second", *command, config=config)
        assert second.exits() == 78
        assert f"the node {node.name} " in second.output
        assert "is in use by replay" in second.output
        ran.says("replayed 3 files with sizes, version 1; 0 failed")
        assert "left out: all files of which 2 records belong to, for nobody gave their keys" in ran.output
        assert ran.exits() == 0
        assert f"only while openmsi key-server runs with the node {node.name}" in ran.output
        processors.run("keys", "openmsi", "key-server", config=section(node))
        assert results_of(opened, processors.results).keys() == KEPT.keys()
    assert not list(ran.state.glob("replay-*"))


OLD_CLASS = """
from openmsi_processor import DataFileStreamProcessor

class Watcher(DataFileStreamProcessor):
    def _process_downloaded_data_file(self, datafile, lock):
        return None

    def _undecryptable_message_callback(self, msg):
        assert not msg.value.isCleartext()
        name = f"{msg.topic}-{msg.partition}-{msg.offset}-{msg.timestamp}"
        (self._output_dir / name).write_text(f"{bytes(msg.key).hex()} {bytes(msg.value).hex()}")

if __name__ == "__main__":
    Watcher.run_from_command_line()
"""


def test_old_classes_are_told_of_what_nobody_can_decrypt(world: World, processors: Processors) -> None:
    processors.folder.mkdir(exist_ok=True)
    (script := processors.folder / "old.py").write_text(OLD_CLASS)
    topic = ("--topic_name", world.topic, "--output_dir", str(processors.output))
    program = processors.run(
        "old",
        "StreamProcessor",
        str(script),
        *topic,
        "--max_wait_per_decrypt",
        "4",
        config=section(world.node("consumer")),
    )
    for path in KEPT:
        program.says(f"processed {path} ", 60)
    sent = {
        f"{world.topic}-{m.partition()}-{m.offset()}-{m.timestamp()[1]}": [as_bytes(m.key()), as_bytes(m.value())]
        for m in committed(world.kafka.bootstrap, world.topic)
    }
    wait_for(lambda: len(list(processors.output.glob(f"{world.topic}-*"))) == len(LOST), "the callbacks")
    for place in processors.output.glob(f"{world.topic}-*"):
        assert [bytes.fromhex(each) for each in place.read_text().split()] == sent[place.name]
    assert program.stop() == 0


def test_a_relay_reads_and_writes_with_its_own_node(world: World, tmp_path: Path, kafka: Broker) -> None:
    target, elsewhere = kafka.create_topic(), kafka.create_topic()
    node = world.node("prodcon", target)
    relays, downloads = (
        Relays(kafka.bootstrap, world.topic, target, tmp_path),
        Downloads(kafka.bootstrap, target, tmp_path),
    )
    command = ("openmsi", "relay", elsewhere, "--topic_name", world.topic)
    try:
        refused = relays.run("refused", *command, config=section(node))
        assert refused.exits() == 78
        assert f"may not write to topic {elsewhere}" in refused.output
        relay = relays.run("relay", "openmsi", "relay", target, *command[3:], config=section(node) + QUICK_SESSION)
        downloads.start(config=section(world.nodes.make(unique("node"), "consumer", target)))
        wait_for(lambda: downloads.tree == KEPT, "all files but those whose keys nobody has", 60)
        assert relay.stop() == 0
    finally:
        relays.kill()
        downloads.kill()
    nothing_is_plain(kafka, target)


def test_inspect_shows_files_with_a_node_and_counts_without(world: World, tmp_path: Path, downloads: Downloads) -> None:
    def inspect(node: Node | None, *options: str) -> Any:
        more = section(node) if node else ""
        ran = openmsi(tmp_path, world.kafka.bootstrap, "inspect", world.topic, *options, broker=more)
        assert (ran.code, ran.err) == (0, ""), (ran.out, ran.err)
        return ran.out

    shown = inspect(None)
    total = sum(len(message) for message in committed(world.kafka.bootstrap, world.topic))
    lines = len(committed(world.kafka.bootstrap, world.topic))
    assert f"{lines} records (" in shown
    assert "are encrypted, and what is in them is not known here: a config file with a [kafkacrypto]" in shown
    assert "bad records" not in shown
    assert "carries something else" not in shown
    found = json.loads(inspect(None, "--json"))
    assert (found["bad"], found["uploads"], found["encrypted"]["records"]) == ([], [], lines)
    assert found["encrypted"]["bytes"] == total
    node = world.node("consumer")
    found = json.loads(inspect(node, "--json"))
    assert {each["path"]: each["state"] for each in found["uploads"]} == dict.fromkeys(KEPT, "current")
    assert found["encrypted"]["records"] == len(LOST)
    assert "nobody gave their keys" in found["encrypted"]["reason"]
    downloads.topic = world.topic
    downloads.start(config=section(node)).says("records are encrypted")
    assert f"the node {node.name} " in (shown := " ".join(inspect(node).split()))
    assert "is in use by DataFileDownloadDirectory" in shown
