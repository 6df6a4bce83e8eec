"""With the least rights on the broker, over TLS and with a login, everything works; with one less, it says which."""

import itertools
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from openmsi_core.encryption.node import Node
from tests.support.broker import jars_folder, unique
from tests.support.downloading import tree
from tests.support.encrypting import Nodes, section
from tests.support.guarded import BEING, USERS, GuardedBroker, Right, in_transactions, receiving, sending
from tests.support.running import Program, Programs, wait_for

CONTROL = ("chains", "allowlist", "denylist")
CODE = """\
from openmsi_processor import DataFile, Result, processor

@processor
def count(file: DataFile) -> Result:
    return Result(value=b"counted")
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedBroker]:
    broker = GuardedBroker(tmp_path_factory.mktemp("guarded"), jars_folder())
    try:
        broker.start()
        for name in CONTROL:
            broker.create_topic(name, partitions=1, config={"cleanup.policy": "compact"})
        yield broker
    finally:
        broker.stop()


class Lab:
    """Programs on the guarded broker, each with a node and a user of its own."""

    def __init__(self, broker: GuardedBroker, folder: Path) -> None:
        self.broker = broker
        self.folder = folder
        self.nodes = Nodes(folder / "nodes")
        self.programs = Programs(broker.secure, folder)
        self._users = itertools.cycle(USERS)

    def topic(self) -> str:
        """A new one with its exchange topics, as an administrator makes them."""
        name = self.broker.create_topic()
        for suffix in ("reqs", "keys", "subs"):
            self.broker.create_topic(f"{name}.{suffix}", partitions=1, config={"retention.ms": "3600000"})
        return name

    def user(self, rights: list[Right]) -> str:
        """One who may do just this."""
        name = next(self._users)
        self.broker.revoke(name)
        self.broker.grant(name, rights)
        return name

    def run(self, name: str, user: str, node: Node, *command: str) -> Program:
        config = self.broker.trust + section(node)
        return self.programs.run(name, *command, env=self.broker.environment(user), config=config)

    def uploader(self, user: str, node: Node, topic: str, *options: str) -> Program:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        (data / "a.txt").write_bytes(b"a secret")
        watching = ("--watchdog_lag_time", "0.1", "--upload_existing")
        return self.run(
            "up", user, node, "DataFileUploadDirectory", str(data), "--topic_name", topic, *watching, *options
        )

    def downloader(self, user: str, node: Node, topic: str, group: str, out: str = "out") -> Program:
        options = ("--topic_name", topic, "--consumer_group_id", group)
        return self.run(node.name, user, node, "DataFileDownloadDirectory", str(self.folder / out), *options)

    def count(self, topic: str) -> int:
        """Records that are in ``topic``."""
        with closing(Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": unique()})) as consumer:
            places = [TopicPartition(topic, number) for number in range(4)]
            return sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)

    def may_write(self, user: str, topic: str) -> bool:
        """Try it."""
        errors: list[KafkaError | None] = []
        producer = Producer(self._client(user))
        try:
            producer.produce(topic, b"x", partition=0, on_delivery=lambda error, _: errors.append(error))
        except KafkaException as refused:
            errors.append(refused.args[0])
        producer.flush(10)
        (error,) = errors
        assert error is None or error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        return error is None

    def may_read(self, user: str, topic: str) -> bool:
        """Try it, from the beginning of partition 0."""
        with closing(Consumer({**self._client(user), "group.id": unique(), "enable.partition.eof": True})) as consumer:
            consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
            until = time.monotonic() + 10
            while time.monotonic() < until:
                message = consumer.poll(0.2)
                error = message.error() if message else None
                if message and error is None:
                    return True
                if error and error.code() in (KafkaError._PARTITION_EOF, KafkaError.TOPIC_AUTHORIZATION_FAILED):
                    return error.code() == KafkaError._PARTITION_EOF
        raise AssertionError(f"nothing was heard of {topic}")

    def _client(self, user: str) -> dict[str, str]:
        login = {"sasl.mechanism": "PLAIN", "sasl.username": user, "sasl.password": f"{user}-password"}
        address = {"bootstrap.servers": self.broker.secure, "ssl.ca.location": str(self.broker.authority)}
        return {**address, **login, "security.protocol": "SASL_SSL"}


@pytest.fixture
def lab(guarded: GuardedBroker, tmp_path: Path) -> Iterator[Lab]:
    made = Lab(guarded, tmp_path)
    yield made
    made.programs.kill()


def test_least_rights_are_enough(lab: Lab) -> None:
    topic, results, beats = lab.topic(), lab.topic(), lab.topic()
    up, down = lab.nodes.make("up", "producer", topic, beats), lab.nodes.make("down", "consumer", topic)
    work = lab.nodes.make("work", "prodcon", topic, results)
    sender = lab.user([*BEING, *sending(topic), *sending(beats)])
    beating = ("--heartbeat_topic_name", beats, "--heartbeat_interval_secs", "0.5")
    uploader = lab.uploader(sender, up, topic, *beating)
    lab.downloader(lab.user([*BEING, *receiving(topic, "readers")]), down, topic, "readers")
    lab.folder.joinpath("code.py").write_text(CODE)
    rights = [*BEING, *receiving(topic, "workers"), *sending(results), *in_transactions("workers")]
    options = ("--topic_name", topic, "--producer_topic_name", results, "--consumer_group_id", "workers")
    lab.run("work", lab.user(rights), work, "StreamProcessor", str(lab.folder / "code.py"), *options)
    wait_for(lambda: "a.txt" in tree(lab.folder / "out"), "the file")
    wait_for(lambda: lab.count(beats) and lab.count(results), "a heartbeat and a result")
    asked = lab.run(
        "doctor", sender, up, "openmsi", "doctor", "--topic_name", topic, "--program", "DataFileUploadDirectory"
    )
    assert asked.exits() == 0, asked.output
    assert f"this user cannot read {topic}, {topic}.keys: not all is seen" in asked.output
    assert uploader.stop() == 0
    serving = [right for name in (topic, beats) for right in sending(name)[1:]]
    server = lab.run("server", lab.user([*BEING, *serving]), up, "openmsi", "key-server")
    server.says(f"handing out 1 keys for topic {topic}")
    late = lab.nodes.make("late", "consumer", topic)
    lab.downloader(lab.user([*BEING, *receiving(topic, "late")]), late, topic, "late", out="late")
    wait_for(lambda: "a.txt" in tree(lab.folder / "late"), "the file, with a key from the key server")
    assert server.stop() == 0


LESS = [
    ("producer", "chains", "READ on topic chains"),
    ("producer", "{}", "WRITE on topic {}"),
    ("producer", "{}.keys", "WRITE on topic {}.keys"),
    ("producer", "{}.reqs", "READ on topic {}.reqs"),
    ("consumer", "{}", "READ on topic {}"),
    ("consumer", "{}.reqs", "WRITE on topic {}.reqs"),
    ("consumer", "{}.subs", "WRITE on topic {}.subs"),
    ("consumer", "denylist", "READ on topic denylist"),
    ("consumer", "readers", "may not use its consumer group, ask for the right READ on that group"),
]


def test_a_right_that_is_missing_is_named(lab: Lab) -> None:
    topic = lab.topic()
    up, down = lab.nodes.make("up", "producer", topic), lab.nodes.make("down", "consumer", topic)
    for role, missing, words in LESS:
        rights = [*BEING, *sending(topic)] if role == "producer" else [*BEING, *receiving(topic, "readers")]
        less = [right for right in rights if right.name != missing.format(topic)]
        assert len(less) == len(rights) - 1
        user = lab.user(less)
        program = lab.uploader(user, up, topic) if role == "producer" else lab.downloader(user, down, topic, "readers")
        assert program.exits() == 78, missing
        (line,) = [each for each in program.output.splitlines() if "CRITICAL" in each][-1:]
        assert words.format(topic) in line
    admin = lab.broker.admin()  # the result is lost when the client goes first
    admin.delete_topics([f"{topic}.keys"])[f"{topic}.keys"].result(10)
    program = lab.uploader(lab.user([*BEING, *sending(topic)]), up, topic)
    assert program.exits() == 78
    assert f"the topics {topic}.keys are missing, and we may not make them" in program.output


def test_readers_write_nothing_and_senders_read_nothing(lab: Lab) -> None:
    topic = lab.topic()
    reader, sender = lab.user([*BEING, *receiving(topic, "g")]), lab.user([*BEING, *sending(topic)])
    for name in (topic, f"{topic}.keys", "chains", "denylist"):
        assert lab.may_write(reader, name) is False
    assert lab.may_write(sender, topic) is True
    assert lab.may_write(sender, "denylist") is False
    assert lab.may_read(sender, topic) is False
    assert lab.may_read(sender, f"{topic}.reqs") is True
