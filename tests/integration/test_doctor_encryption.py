"""`openmsi doctor` of an encrypted topic: the node, the topics for keys, and who can answer. It changes nothing."""

import time
from pathlib import Path

import msgpack
from confluent_kafka import Producer

from openmsi_core.encryption.certificates import standing_of
from openmsi_core.encryption.node import Node
from tests.support.broker import Broker
from tests.support.downloading import Downloads
from tests.support.encrypting import Nodes, section
from tests.support.operating import DOWNLOADER, UPLOADER, doctor, lines
from tests.support.running import Program, wait_for
from tests.support.telling import Uploads


def upload(uploads: Uploads, node: Node) -> Program:
    (uploads.folder / "data" / "a.txt").write_bytes(b"a secret")
    uploader = uploads.start("--upload_existing", config=section(node))
    uploader.says("sent a.txt")
    return uploader


def say(kafka: Broker, topic: str, index: bytes, minutes_ago: float) -> None:
    """Write of a key into an exchange topic, without a certificate."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    at = int((time.time() - minutes_ago * 60) * 1000)
    producer.produce(topic, key=msgpack.packb([index]), value=b"signed", partition=0, timestamp=at)
    assert producer.flush(10) == 0


def test_all_is_well(
    kafka: Broker, topic: str, nodes: Nodes, uploads: Uploads, downloads: Downloads, tmp_path: Path
) -> None:
    up, down = nodes.make("up", "producer", topic), nodes.make("down", "consumer", topic)
    upload(uploads, up)
    downloads.start(config=section(down))
    wait_for(lambda: "a.txt" in downloads.tree, "the file")
    before = {path: path.read_bytes() for path in up.files}
    ran = doctor(tmp_path, kafka.bootstrap, "--topic_name", topic, *UPLOADER, broker=section(up))
    assert lines(ran, "!!") == ""
    public = standing_of(up).public[:8]
    node = lines(ran, "ok", "node")
    assert f"up ({public}), its certificate has 365 days left" in node
    assert f"up may write to {topic}" in node
    assert "up is at work: DataFileUploadDirectory" in node
    assert "the topics for keys are there, and this user has its rights there" in lines(ran, "ok", "exchange")
    assert "hands out its keys for 30 days, longer than the topic keeps records" in lines(ran, "ok", "exchange")
    keys = lines(ran, "ok", "keys")
    assert f"1 key is handed out in the last hour (by node {public}, " in keys
    assert f"1 key is in use in the newest records of {topic}" in keys
    assert before == {path: path.read_bytes() for path in up.files}


def test_nobody_answers(kafka: Broker, topic: str, nodes: Nodes, uploads: Uploads, tmp_path: Path) -> None:
    for suffix in ("reqs", "keys", "subs"):
        kafka.create_topic(
            f"{topic}.{suffix}",
            partitions=2 if suffix == "keys" else 1,
            config={"message.timestamp.type": "CreateTime", "retention.ms": "60000" if suffix == "subs" else "7200000"},
        )
    up = nodes.make("up", "producer", topic, keep_days=2)
    down = nodes.make("down", "consumer", topic, days=9)
    upload(uploads, up).kill()
    ran = doctor(tmp_path, kafka.bootstrap, "--topic_name", topic, broker=section(up))
    assert "no program uses up now" in lines(ran, "ok", "node")
    assert f"up may not read {topic}" in lines(ran, "--", "node")
    assert f"{topic}.keys has several partitions" in lines(ran, "--", "exchange")
    assert "hands out its keys for 2 days, and the topic keeps records 7 days" in lines(ran, "--", "exchange")
    assert "1 of them was not handed out in the last hour" in lines(ran, "--", "keys")
    index = b"a key that died with its node"
    say(kafka, f"{topic}.reqs", index, minutes_ago=12)
    say(kafka, f"{topic}.keys", index, minutes_ago=1)  # by a stranger, so it is no answer
    ran = doctor(tmp_path, kafka.bootstrap, "--topic_name", topic, *DOWNLOADER, broker=section(down))
    assert "1 key is asked for and not handed out for 12 minutes" in lines(ran, "!!", "keys")
    assert "openmsi key-server" in lines(ran, "!!", "keys")
    assert "9 days left" in lines(ran, "--", "node")
    assert f"{topic}.subs keeps messages for 60 s only" in lines(ran, "--", "exchange")


def test_a_node_that_cannot_be_used(kafka: Broker, topic: str, nodes: Nodes, tmp_path: Path) -> None:
    up = nodes.make("up", "producer", topic)
    wrong = doctor(tmp_path, kafka.bootstrap, "--topic_name", topic, *DOWNLOADER, broker=section(up))
    assert f"up may not read {topic}" in lines(wrong, "!!", "node")
    assert f"topics {topic}.keys" in lines(wrong, "--", "exchange")
    up.seed.unlink()
    half = doctor(tmp_path, kafka.bootstrap, "--topic_name", topic, broker=section(up))
    assert "up.seed of node up is missing" in lines(half, "!!", "node")
    gone = doctor(tmp_path, kafka.bootstrap, broker="[kafkacrypto]\nnode_id = nobody\n")
    assert "make the node with openmsi provision" in lines(gone, "!!", "settings")
