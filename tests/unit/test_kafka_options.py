"""From the sections of the config file to the options of a Kafka client."""

from pathlib import Path

import pytest

from openmsi_core.config_file import ConfigFile
from openmsi_core.errors import ConfigError
from openmsi_core.kafka_options import client_options, is_secret

CLOUD = {
    "bootstrap.servers": "$CONFLUENT_BOOTSTRAP_SERVERS",
    "sasl.username": "$CONFLUENT_USERNAME",
    "sasl.password": "$CONFLUENT_PASSWORD",
}
NAMED = {"CONFLUENT_BOOTSTRAP_SERVERS": "kafka:9092", "CONFLUENT_USERNAME": "", "CONFLUENT_PASSWORD": ""}


def resolved(environ: dict[str, str], **sections: dict[str, str]) -> dict[str, str]:
    """The options of a producer."""
    return client_options(ConfigFile(Path("config.config"), sections), ["broker", "producer"], environ)


def test_one_file_serves_the_bundled_broker_and_a_cloud() -> None:
    assert resolved(NAMED, broker=CLOUD) == {"bootstrap.servers": "kafka:9092"}
    login = {**NAMED, "CONFLUENT_USERNAME": "key", "CONFLUENT_PASSWORD": "$%#00 secret"}
    assert resolved(login, broker=CLOUD) == {
        "bootstrap.servers": "kafka:9092",
        "sasl.username": "key",
        "sasl.password": "$%#00 secret",
        "security.protocol": "SASL_SSL",
        "sasl.mechanisms": "PLAIN",
    }


@pytest.mark.parametrize("spelling", ["sasl.mechanisms", "sasl.mechanism"])
def test_what_is_given_for_the_login_stays(spelling: str) -> None:
    given = {
        "bootstrap.servers": "b:1",
        "sasl.username": "u",
        "sasl.password": "p",
        "security.protocol": "SASL_PLAINTEXT",
        spelling: "SCRAM-SHA-512",
    }
    assert resolved({}, broker=given) == given


def test_sections_lie_over_one_another() -> None:
    found = resolved(
        {},
        DEFAULT={"client.id": "default", "linger.ms": "1", "n_threads": "3"},
        broker={"bootstrap.servers": "b:1", "linger.ms": "2"},
        producer={"linger.ms": "3"},
        consumer={"group.id": "$UNSET", "not a key": "x"},
    )
    assert found == {"client.id": "default", "bootstrap.servers": "b:1", "linger.ms": "3"}


def test_serializers_of_old_files_are_checked_and_left_out() -> None:
    broker = {"bootstrap.servers": "b:1"}
    producer = {"key.serializer": "StringSerializer", "value.serializer": "DataFileChunkSerializer"}
    assert resolved({}, broker=broker, producer=producer) == broker
    with pytest.raises(ConfigError, match=r"value.serializer in \[producer\].*works with DataFileChunkSerializer only"):
        resolved({}, broker=broker, producer={"value.serializer": "AvroSerializer"})


@pytest.mark.parametrize(
    ("broker", "environ", "complaint"),
    [
        (
            CLOUD,
            {**NAMED, "CONFLUENT_BOOTSTRAP_SERVERS": ""},
            "give CONFLUENT_BOOTSTRAP_SERVERS a value in openmsi.env",
        ),
        (CLOUD, {}, "the environment variable CONFLUENT_BOOTSTRAP_SERVERS is not set"),
        ({}, {}, "no broker is named: put `bootstrap.servers = HOST:PORT` into [broker]"),
        (
            {"bootstrap.server": "b:1"},
            {},
            "[broker] of config.config has 'bootstrap.server' (did you mean bootstrap.servers?)",
        ),
        (
            {"bootstrap_servers": "b:1"},
            {},
            "bootstrap_servers in [broker] of config.config: Kafka has no such option (did",
        ),
        ({"Sasl.Username": "u"}, {}, "(did you mean sasl.username?)"),
        (CLOUD, {**NAMED, "CONFLUENT_USERNAME": "u"}, "sasl.username has a value but sasl.password is empty"),
        (CLOUD, {**NAMED, "CONFLUENT_PASSWORD": "p"}, "sasl.password has a value but sasl.username is empty"),
    ],
)
def test_mistakes_say_what_to_do(broker: dict[str, str], environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolved(environ, broker=broker)
    assert complaint in str(caught.value)


def test_other_logins_need_no_password() -> None:
    oauth = {"bootstrap.servers": "b:1", "sasl.mechanisms": "OAUTHBEARER", "sasl.username": "u"}
    assert resolved({}, broker=oauth)["sasl.mechanisms"] == "OAUTHBEARER"


@pytest.mark.parametrize("key", ["sasl.password", "ssl.key.pem", "ssl.key.password", "sasl.oauthbearer.client.secret"])
def test_what_is_secret(key: str) -> None:
    assert is_secret(key)


@pytest.mark.parametrize("key", ["bootstrap.servers", "sasl.username", "ssl.ca.location", "group.id"])
def test_what_is_not(key: str) -> None:
    assert not is_secret(key)
