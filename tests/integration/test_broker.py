"""The broker that the other integration tests stand on."""

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from tests.support.broker import PASSWORD, USER, Broker, unique


def _send(bootstrap: str, topic: str, value: bytes) -> list[KafkaError | None]:
    producer = Producer({"bootstrap.servers": bootstrap, "message.timeout.ms": 5000})
    outcomes: list[KafkaError | None] = []
    producer.produce(topic, value, on_delivery=lambda error, _: outcomes.append(error))
    producer.flush(20)
    return outcomes


def _first_value(bootstrap: str, topic: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": unique("group"), "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        message = consumer.poll(20)
        assert message is not None
        return message.value()
    finally:
        consumer.close()


def test_a_message_survives_a_restart_and_a_kill(own_kafka: Broker) -> None:
    topic = own_kafka.create_topic()
    assert _send(own_kafka.bootstrap, topic, b"kept") == [None]
    own_kafka.stop()
    own_kafka.start()
    own_kafka.kill()
    own_kafka.start()
    assert _first_value(own_kafka.bootstrap, topic) == b"kept"


def test_topics_are_never_made_by_accident(kafka: Broker) -> None:
    name = unique("misspelt")
    (outcome,) = _send(kafka.bootstrap, name, b"lost")
    assert outcome is not None
    assert name not in kafka.admin().list_topics(timeout=10).topics


def test_a_topic_refuses_messages_above_its_limit(kafka: Broker) -> None:
    topic = kafka.create_topic(partitions=1, config={"max.message.bytes": "1000"})
    (outcome,) = _send(kafka.bootstrap, topic, bytes(2000))
    assert outcome is not None
    assert outcome.code() == KafkaError.MSG_SIZE_TOO_LARGE


@pytest.mark.parametrize(("password", "answers"), [(PASSWORD, True), ("wrong", False)])
def test_the_sasl_listener_tells_passwords_apart(kafka: Broker, password: str, answers: bool) -> None:
    admin = AdminClient(
        {
            "bootstrap.servers": kafka.sasl_bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanisms": "PLAIN",
            "sasl.username": USER,
            "sasl.password": password,
        }
    )
    if answers:
        assert admin.list_topics(timeout=10).brokers
    else:
        with pytest.raises(KafkaException):
            admin.list_topics(timeout=3)
