"""Config files as earlier systems had them: the same sections and keys, made from tables."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from openmsi_core.errors import ConfigError
from openmsi_core.settings import load
from openmsi_uploader.settings import WatchSettings

Sections = Mapping[str, Mapping[str, str]]

ENVIRON = {
    "LOCAL_KAFKA_BROKER_BOOTSTRAP_SERVERS": "local:9092",
    "KAFKA_TEST_CLUSTER_BOOTSTRAP_SERVERS": "test:9092",
    "KAFKA_TEST_CLUSTER_USERNAME": "test user",
    "KAFKA_TEST_CLUSTER_PASSWORD": "t$st%sec#ret",
    "KAFKA_PROD_CLUSTER_BOOTSTRAP_SERVERS": "prod:9092",
    "KAFKA_PROD_CLUSTER_USERNAME": "prod user",
    "KAFKA_PROD_CLUSTER_PASSWORD": "prod secret",
    "ACCESS_KEY_ID": "access-key-1",
    "SECRET_KEY_ID": "secret of access-key-1",
    "ENDPOINT_URL": "https://s3.example.org",
    "REGION": "us-east-1",
}
"""What the variables of `OPENMSISTREAM` may be."""

_LOCAL = {"bootstrap.servers": "$LOCAL_KAFKA_BROKER_BOOTSTRAP_SERVERS"}


def _cluster(name: str) -> dict[str, str]:
    return {
        "bootstrap.servers": f"$KAFKA_{name}_CLUSTER_BOOTSTRAP_SERVERS",
        "sasl.mechanism": "PLAIN",
        "security.protocol": "SASL_SSL",
        "sasl.username": f"$KAFKA_{name}_CLUSTER_USERNAME",
        "sasl.password": f"$KAFKA_{name}_CLUSTER_PASSWORD",
    }


def _coders(value: str) -> tuple[dict[str, str], dict[str, str]]:
    return (
        {"key.serializer": "StringSerializer", "value.serializer": f"{value}Serializer"},
        {"key.deserializer": "StringDeserializer", "value.deserializer": f"{value}Deserializer"},
    )


def _clients(value: str, batch: str = "2000000") -> dict[str, dict[str, str]]:
    writing, reading = _coders(value)
    producer = {"batch.size": batch, "linger.ms": "100", "compression.type": "lz4"}
    consumer = {"group.id": "create_new", "auto.offset.reset": "earliest"}
    tuned = {"enable.auto.commit": "False", "fetch.min.bytes": "100000"}
    return {"producer": producer | writing, "consumer": consumer | tuned | reading}


def _plain_clients() -> dict[str, dict[str, str]]:
    writing, reading = _coders("String")
    return {"producer": writing, "consumer": {"group.id": "create_new", "auto.offset.reset": "earliest"} | reading}


def _of(prefix: str, broker: Mapping[str, str]) -> Iterator[tuple[str, Sections]]:
    """The eleven kinds that OpenMSIStream has for each of two clusters."""
    own = {"linger.ms": "100", "compression.type": "lz4"}
    s3 = {key: f"${key.upper()}" for key in ("access_key_id", "secret_key_id", "endpoint_url", "region")}
    reading = {"auto.offset.reset": "earliest"} | _coders("String")[1]
    yield f"{prefix}", {"broker": broker, **_clients("DataFileChunk")}
    for number, node, other in (("", "testing_node", "testing_node_b"), ("_2", "testing_node_2", "testing_node_2b")):
        crypto = {"kafkacrypto": {"node_id": node}, "broker": broker}
        yield f"{prefix}_encrypted{number}", crypto | _clients("DataFileChunk", "200000")
        for kind in ("heartbeats", "logs"):
            yield f"{prefix}_{kind}_enc{number}", {**crypto, "kafkacrypto": {"node_id": other}} | _plain_clients()
    yield f"{prefix}_heartbeats", {"broker": broker, "heartbeat": own, **_clients("String")}
    yield f"{prefix}_logs", {"broker": broker, "log": own, **_clients("String")}
    yield f"{prefix}_metadata_rep_consumer", {"broker": broker, "consumer": reading}
    yield f"{prefix}_s3_transfer", {"broker": broker, "s3": s3, **_clients("DataFileChunk")}


OPENMSISTREAM: dict[str, Sections] = {
    **dict(_of("local_broker_test", _LOCAL)),
    **dict(_of("test", _cluster("TEST"))),
    "prod": {"broker": _cluster("PROD"), **_clients("DataFileChunk")},
}
"""The config files inside OpenMSIStream 1.8.8, by name; a 24th is KafkaCrypto's own (`KAFKACRYPTO`)."""

KAFKACRYPTO: Sections = {
    "DEFAULT": {"node_id": "some-node", "log_level": "20"},
    "some-node": {},
    "some-node-crypto": {},
    "some-node-kafka": {"bootstrap_servers": "b:9093", "security_protocol": "SSL", "ssl_cafile": "/ca.pem"},
    "some-node-kafka-consumer": {"session_timeout_ms": "180000"},
    "some-node-kafka-crypto-producer": {"max_request_size": ""},
}
"""A file as KafkaCrypto makes and reads it."""

CLUSTER: Sections = {
    "cluster": {
        "bootstrap.servers": "pkc-1.example.org:9092",
        "sasl.mechanism": "PLAIN",
        "security.protocol": "SASL_SSL",
        "sasl.username": "LITERALUSER",
        "sasl.password": "literal%pass#word",
    },
    "producer": {"batch.size": "200000", "retries": "2", "linger.ms": "100"} | _coders("DataFileChunk")[0],
    "consumer": {"group.id": "new", "auto.offset.reset": "earliest", "fetch.min.bytes": "100000"}
    | _coders("DataFileChunk")[1],
}
"""The cluster's file of openmsipython 0.0.1."""

SERVICE: Sections = {
    "openmsi_directory_stream_service": {
        "file_directory": "watched",
        "cluster_producer_config": "cluster.config",
        "topic_name": "lecroy_files",
        "n_threads": "5",
        "chunk_size": "16384",
        "queue_max_size": "3000",
        "new_files_only": "False",
    }
}
"""The Windows service's file of openmsipython 0.0.1."""


def text(sections: Sections) -> str:
    """The file."""
    lines = (
        line
        for name, options in sections.items()
        for line in (f"[{name}]", *(f"{key} = {value}" for key, value in options.items()), "")
    )
    return "\n".join(["# an old file", *lines])


def refusal(folder: Path, content: str | bytes, name: str = "config.config", *argv: str) -> str:
    """The one line that an uploader says about this config file."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError) as caught:
        load(WatchSettings, argv or ["place", "--topic_name", "T"], ENVIRON | {"HOME": "/home/u"}, folder)
    line = str(caught.value)
    assert "\n" not in line
    assert "s3cret" not in line
    return line
