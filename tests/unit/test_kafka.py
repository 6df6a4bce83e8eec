"""Kafka's errors in words, said rarely; and no config file makes delivery unsafe."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError

from openmsi_core import kafka
from openmsi_core.commits import ConsumerCommits
from openmsi_core.errors import BadFile, ConfigError, InternalError, OpenMSIError, Retryable
from openmsi_core.kafka import Troubles, make_consumer, make_producer
from openmsi_core.kafka_errors import translate
from tests.support.clocks import Clocks


class Heard:
    """Troubles with a clock that stands."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lines: list[str] = []
        self.troubles = Troubles(self.lines.append, lambda: self.now)


@pytest.fixture
def heard() -> Heard:
    return Heard()


def test_the_same_trouble_is_told_once_in_five_minutes(heard: Heard) -> None:
    for _ in range(60):
        heard.troubles.say("the disk is full")
        heard.troubles.say("the broker is away")
        heard.now += 10
    assert heard.lines == ["the disk is full", "the broker is away"] * 2


def test_numbers_make_no_other_trouble(heard: Heard) -> None:
    for seconds in range(100):
        heard.troubles.say(f"connect failed after {seconds} ms ({seconds // 3} identical errors)")
    assert len(heard.lines) == 1


def test_what_was_told_long_ago_is_forgotten(heard: Heard) -> None:
    for number in range(1000):
        heard.troubles.say(f"the name {'x' * number} is bad")
        heard.now += 60
    assert len(heard.troubles._told) < 10


def test_after_an_answer_the_next_trouble_is_news(heard: Heard) -> None:
    heard.troubles(KafkaError(KafkaError._AUTHENTICATION, "no"))
    assert isinstance(heard.troubles.refused, ConfigError)
    heard.troubles.forget()
    assert heard.troubles.refused is None
    heard.troubles(KafkaError(KafkaError._AUTHENTICATION, "no"))
    assert len(heard.lines) == 2


def test_only_what_settings_can_mend_is_a_refusal(heard: Heard) -> None:
    heard.troubles(KafkaError(KafkaError._TRANSPORT, "connection refused"))
    assert heard.troubles.refused is None


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (KafkaError._AUTHENTICATION, ConfigError, "user name or password"),
        (KafkaError.SASL_AUTHENTICATION_FAILED, ConfigError, "user name or password"),
        (KafkaError._SSL, ConfigError, "certificates"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, ConfigError, "ask for the right"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, ConfigError, "ask for the right"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, ConfigError, "kafka-topics.sh --create --topic scans "),
        (KafkaError.TOPIC_EXCEPTION, ConfigError, "not a valid topic name"),
        (KafkaError.MSG_SIZE_TOO_LARGE, BadFile, "--chunk_size"),
        (KafkaError._RESOLVE, Retryable, "bootstrap.servers"),
        (KafkaError._TRANSPORT, Retryable, "does not answer"),
        (KafkaError._ALL_BROKERS_DOWN, Retryable, "does not answer"),
        (KafkaError._TIMED_OUT, Retryable, "does not answer"),
        (KafkaError.REBALANCE_IN_PROGRESS, Retryable, ""),
    ],
)
def test_errors_in_words(code: int, kind: type[OpenMSIError], words: str) -> None:
    error = translate(KafkaError(code, "the reason"), "scans")
    assert type(error) is kind
    assert words in str(error)
    assert "\n" not in str(error)


def test_a_client_that_is_dead_ends_the_program() -> None:
    assert isinstance(translate(KafkaError(KafkaError._FATAL, "fenced", fatal=True)), InternalError)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The options that reach librdkafka."""
    options: dict[str, str] = {}

    def client(given: dict[str, Any], logger: object) -> object:
        options.update({key: value for key, value in given.items() if key != "error_cb"})
        return object()

    for kind in ("Producer", "Consumer"):
        monkeypatch.setattr(kafka, kind, client)
    return options


UNSAFE = {
    "acks": "0",
    "enable.idempotence": "false",
    "enable.auto.commit": "true",
    "retries": "0",
    "max.in.flight": "99",
}


def producer(options: dict[str, str]) -> object:
    return make_producer(options, max_message_bytes=1_000_000, queue_bytes=1 << 20, troubles=Troubles(print))


def consumer(options: dict[str, str]) -> object:
    return make_consumer(
        options, group_id="group", queue_bytes=1 << 20, troubles=Troubles(print), on_commit=ConsumerCommits()
    )


def test_a_producer_is_always_safe(made: dict[str, str]) -> None:
    producer(UNSAFE | {"request.required.acks": "0", "linger.ms": "7", "sasl.password": "0%#$"})
    assert (made["acks"], made["enable.idempotence"], made["message.timeout.ms"]) == ("all", "true", "0")
    assert not {"request.required.acks", "retries", "max.in.flight"} & made.keys()
    assert (made["linger.ms"], made["sasl.password"]) == ("7", "0%#$")
    assert (made["queue.buffering.max.kbytes"], made["message.max.bytes"]) == ("1024", "1000000")


@pytest.mark.parametrize("name", ["message.timeout.ms", "delivery.timeout.ms"])
def test_a_time_limit_for_sending_can_be_set(made: dict[str, str], name: str) -> None:
    producer({name: "5000"})
    assert made["message.timeout.ms"] == "5000"
    assert "delivery.timeout.ms" not in made


def test_a_consumer_is_always_safe(made: dict[str, str]) -> None:
    unsafe = {"auto.offset.reset": "latest", "auto.commit.enable": "true", "enable.auto.offset.store": "true"}
    consumer(
        UNSAFE | unsafe | {"partition.assignment.strategy": "range", "group.id": "other", "session.timeout.ms": "6000"}
    )
    assert (made["enable.auto.commit"], made["enable.auto.offset.store"]) == ("false", "false")
    assert (made["auto.offset.reset"], made["partition.assignment.strategy"]) == ("error", "cooperative-sticky")
    assert (made["group.id"], made["session.timeout.ms"]) == ("group", "6000")
    assert "auto.commit.enable" not in made


@pytest.mark.parametrize("make", [producer, consumer])
def test_librdkafka_takes_our_options(make: Callable[[dict[str, str]], object]) -> None:
    make({"bootstrap.servers": "127.0.0.1:1"})


@pytest.mark.parametrize("make", [producer, consumer])
def test_an_option_that_librdkafka_does_not_know(make: Callable[[dict[str, str]], object]) -> None:
    with pytest.raises(ConfigError, match=r"no\.such\.option"):
        make({"bootstrap.servers": "127.0.0.1:1", "no.such.option": "1"})


def test_a_consumer_with_a_limit_has_little_ahead_and_gets_nothing_twice(made: dict[str, str]) -> None:
    pace = Clocks().pace("08:00,1M 12:00,10M 18:00,off")
    make_consumer({}, group_id="group", queue_bytes=24 << 20, troubles=Troubles(print), pace=pace)
    assert made["queued.max.messages.kbytes"] == "512"  # half a second of the slowest row
    assert made["max.partition.fetch.bytes"] == "65536"
    make_consumer({}, group_id="group", queue_bytes=24 << 20, troubles=Troubles(print))
    assert (made["queued.max.messages.kbytes"], made["max.partition.fetch.bytes"]) == ("24576", str(8 << 20))
