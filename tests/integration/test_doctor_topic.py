"""`openmsi doctor` on topics, groups and rights of a real broker."""

import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from tests.support.broker import USER, Broker, unique
from tests.support.operating import DOWNLOADER, LOGIN, UPLOADER, Ran, delete, doctor, lines, openmsi
from tests.support.running import wait_for
from tests.support.sending import Sender


def test_a_topic_that_is_misspelt(kafka: Broker, tmp_path: Path) -> None:
    topic = kafka.create_topic(unique("microscopy-of-leaves"))
    ran = doctor(tmp_path, kafka.bootstrap, "--topic_name", topic.replace("leaves", "leafs"))
    assert f"did you mean {topic}?" in lines(ran, "!!", "topic")


def test_a_topic_that_loses_chunks(kafka: Broker, tmp_path: Path) -> None:
    config = {"cleanup.policy": "compact", "max.message.bytes": "20000", "min.insync.replicas": "2"}
    topic = kafka.create_topic(config=config)
    bad = lines(doctor(tmp_path, kafka.bootstrap, "--topic_name", topic), "!!", "topic")
    assert "set cleanup.policy=delete" in bad
    assert "use --chunk_size 9760 or raise max.message.bytes" in bad
    assert "too few do for partitions 0, 1, 2, 3" in bad


def commit(kafka: Broker, group: str, *places: TopicPartition) -> None:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group})
    consumer.commit(offsets=list(places), asynchronous=False)
    consumer.close()


def send_at(kafka: Broker, topic: str, days_ago: float) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(topic, b"x", partition=0, timestamp=int((time.time() - 86400 * days_ago) * 1000))
    assert producer.flush(10) == 0


def test_groups_that_keep_up_and_groups_that_do_not(kafka: Broker, tmp_path: Path) -> None:
    config = {"message.timestamp.type": "CreateTime", "retention.ms": "604800000"}
    topic = kafka.create_topic(config=config, partitions=1)
    for days in (5, 1, 0):
        send_at(kafka, topic, days)
    done, quick, slow, other = (unique(name) for name in ("done", "quick", "slow", "other"))
    for group, offset in ((done, 3), (quick, 1), (slow, 0)):
        commit(kafka, group, TopicPartition(topic, 0, offset))
    commit(kafka, other, TopicPartition(kafka.create_topic(), 0, 0))
    ran = doctor(tmp_path, kafka.bootstrap, "--topic_name", topic)
    assert f"{done} has read all" in lines(ran, "ok", "group")
    assert f"{quick} has 2 records to read, the oldest 24 hours old" in lines(ran, "ok", "group")
    behind = f"{slow} has 3 records to read, the oldest 5 days old; retention deletes after 7 days ->"
    assert behind in lines(ran, "--", "group")
    assert other not in ran.out
    named = doctor(tmp_path, kafka.bootstrap, "--topic_name", topic, "--consumer_group_id", quick)
    assert slow not in named.out
    assert f"may read and commit as group {quick}" in lines(named, "ok", "rights")


def test_records_that_were_deleted_before_they_were_read(
    kafka: Broker, topic: str, sender: Sender, tmp_path: Path
) -> None:
    sender.file("a", bytes(9000))
    number, group = sender.partition("a"), unique("group")
    commit(kafka, group, TopicPartition(topic, number, 2))
    delete(kafka, TopicPartition(topic, number, 6))
    ran = doctor(tmp_path, kafka.bootstrap, "--topic_name", topic)
    assert f"{group} has not read records 2 to 5 of partition {number}, and the broker has deleted them" in lines(
        ran, "!!"
    )


def test_a_clock_that_is_behind_the_broker(kafka: Broker, tmp_path: Path) -> None:
    topic = kafka.create_topic(config={"message.timestamp.type": "CreateTime"}, partitions=1)
    send_at(kafka, topic, -1 / 48)  # an hour ahead is the most that brokers take
    ran = doctor(tmp_path, kafka.bootstrap, "--topic_name", topic)
    assert "30 minutes ahead of this machine's clock" in lines(ran, "--", "clock")


@pytest.fixture
def guarded(own_kafka: Broker, tmp_path: Path) -> Broker:
    """A broker that asks what each user may do; whoever comes without a name may do all."""
    own_kafka.stop()
    with (tmp_path / "own-kafka" / "server.properties").open("a") as properties:
        properties.write("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n")
        properties.write("super.users=User:ANONYMOUS\n")
    own_kafka.start()
    return own_kafka


def allow(kafka: Broker, kind: ResourceType, name: str, operation: AclOperation) -> None:
    admin = kafka.admin()
    rule = AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{USER}", "*", operation, AclPermissionType.ALLOW)
    for made in admin.create_acls([rule]).values():
        made.result(10)


def test_rights(guarded: Broker, tmp_path: Path) -> None:
    topic = guarded.create_topic()
    Sender(guarded.bootstrap, topic).file("a", bytes(10))

    def look(*options: str) -> Ran:
        return doctor(tmp_path, guarded.sasl_bootstrap, "--topic_name", topic, *options, broker=LOGIN)

    assert "this user may not use the topic" in lines(look(), "!!", "topic")
    allow(guarded, ResourceType.TOPIC, topic, AclOperation.READ)
    wait_for(lambda: "this user may read" in look().out, "the rule to be known")
    ran = look(*UPLOADER)
    assert "the right WRITE on the topic" in lines(ran, "!!", "rights")
    assert "DESCRIBE_CONFIGS" in lines(ran, "--", "topic")
    ran = look(*DOWNLOADER, "--consumer_group_id", "lab")
    assert "ask whoever runs the broker for the right READ on the group lab" in lines(ran, "!!", "rights")
    allow(guarded, ResourceType.GROUP, "lab", AclOperation.READ)
    wait_for(lambda: look(*DOWNLOADER, "--consumer_group_id", "lab").code == 0, "the rule to be known")
    ran = openmsi(tmp_path, guarded.sasl_bootstrap, "inspect", topic, broker=LOGIN)
    assert (ran.code, ran.err) == (0, "")
    assert "1 complete files" in ran.out
