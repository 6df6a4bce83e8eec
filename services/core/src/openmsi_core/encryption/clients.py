"""What the exchange of keys wants of its Kafka clients: answers at once, errors in words, and never an exception.

KafkaCrypto asks for clients of its own kinds; these are what `crypto` puts before them.
"""

import contextlib
import logging
from collections.abc import Iterable
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from openmsi_core.encryption.rights import CONTROL_TOPICS
from openmsi_core.errors import ConfigError
from openmsi_core.kafka import Troubles
from openmsi_core.kafka_errors import translate

_MOST_RECORDS = 100
_ANSWER_SECONDS = 2.0
_LONGEST_TEXT = 300
_QUIET = ("kafkacrypto.cryptokey",)  # says at each start which kinds of keys are not installed
_NO_NEWS = ("Utilizing new chain", "were requested but not received", "openmsi_core.errors")


def get_to_know(client: Consumer | Producer, topics: Iterable[str]) -> None:
    """Find the brokers for ``topics``: librdkafka does that once a second only. Blocks for some answers."""
    for topic in topics:
        with contextlib.suppress(KafkaException):  # it is no worse than before
            client.list_topics(topic, timeout=_ANSWER_SECONDS)


class Letter(NamedTuple):
    """A message, as KafkaCrypto wants it."""

    topic: str
    offset: int
    key: bytes | None
    value: bytes | None


class Listening(Consumer):
    """`poll` comes back with the first message, and tells errors; all is read from its beginning."""

    tell: "Telling"
    unknown: list[str]
    """Topics to get to know in the next `poll`: calls from another thread would wait for ever, while this one polls."""

    def poll(self, timeout_ms: int = 0, max_records: int | None = None) -> dict[Any, list[Letter]]:  # type: ignore[override]  # noqa: ARG002
        """What is there, by partition; waits for the first of it only. Called by KafkaCrypto's thread."""
        while self.unknown:
            get_to_know(self, [self.unknown.pop()])
        if not self.assignment():  # it does that next
            return {}
        messages = self.consume(1, timeout_ms / 1000)
        if messages:
            messages += self.consume(_MOST_RECORDS, 0)
        found: dict[Any, list[Letter]] = {}
        for message in messages:
            topic, offset, error = message.topic(), message.offset(), message.error()
            if error is not None:
                self.tell.error(error, topic or "")
            elif topic is not None and offset is not None:
                place, key, value = (topic, message.partition()), message.key(), message.value()
                found.setdefault(place, []).append(Letter(topic, offset, _raw(key), _raw(value)))
        return found

    def assign_and_seek(self, places: Iterable[Any]) -> None:
        """Read from these places on, each a topic, a partition and an offset, 0 for the beginning.

        Never from where a group has stopped: a broker that has no coordinator yet does not answer that question, and
        nothing would be read for ever.
        """
        Consumer.assign(
            self, [TopicPartition(each.topic, each.partition, each.offset or OFFSET_BEGINNING) for each in places]
        )


class Sending(Producer):
    """`send` that never raises, and tells what did not arrive: whoever waits for it asks again."""

    tell: "Telling"

    def send(self, topic: str, value: bytes | None = None, key: bytes | None = None) -> None:
        """Queue a message."""
        try:
            self.produce(topic, value=value, key=key, partition=0, on_delivery=self._answered)
        except KafkaException as error:
            self.tell.error(error.args[0], topic)
        except BufferError:
            return

    def _answered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.tell.error(error, message.topic() or "")


class Telling(logging.Handler):
    """Tells what goes wrong with the exchange of keys: in one line, rarely, and nothing that others say anyhow.

    As a handler it does so with the warnings of KafkaCrypto, which are tracebacks.
    """

    def __init__(self, troubles: Troubles) -> None:
        super().__init__(logging.WARNING)
        self._troubles = troubles

    def error(self, error: KafkaError, topic: str = "") -> None:
        """Tell what only a person can mend."""
        if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:  # no group is used: it only has a name
            return
        translated = translate(error, topic)
        if isinstance(translated, ConfigError) and topic not in CONTROL_TOPICS:
            self._troubles.say(f"keys cannot be exchanged: {translated}")

    def __call__(self, error: KafkaError) -> None:
        """librdkafka's ``error_cb``."""
        self.error(error)

    def emit(self, record: logging.LogRecord) -> None:
        """As `logging.Handler.emit`."""
        text = record.getMessage().strip()
        if text and record.name not in _QUIET and not any(known in text for known in _NO_NEWS):
            self._troubles.say(f"exchange of keys: {text.splitlines()[-1][:_LONGEST_TEXT]}")

    def take_over(self, name: str) -> None:
        """Be the only one to hear the loggers of library ``name``, from warnings on: below that it logs secrets."""
        logger = logging.getLogger(name)
        logger.handlers[:] = [self]
        logger.setLevel(logging.WARNING)
        logger.propagate = False


def _raw(field: str | bytes | None) -> bytes | None:
    return field.encode() if isinstance(field, str) else field
