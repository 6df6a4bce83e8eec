"""Sends what a program tells about itself to a topic, from a thread of its own, whatever else happens."""

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, Producer

from openmsi_core.encryption.cipher import Cipher
from openmsi_core.errors import BadFile
from openmsi_core.kafka import Troubles, make_producer
from openmsi_core.kafka_errors import translate
from openmsi_core.paths import partition_of_key

_log = logging.getLogger(__name__)

STOP_SECONDS = 3.0
"""How long a program that ends waits for the broker to take the rest."""

MAX_BYTES = "message.max.bytes"
"""The option for the size of messages."""

_QUEUE_BYTES = 16 << 20
_RETRY_SECONDS = 30.0
_TOPIC_MS = "3000"  # for which a topic that is not there may still be about to be made
_ASK_SECONDS = 1.0
_PAUSE_SECONDS = 0.02  # before it is looked again whether there is a cipher
_LEFT_TO_LIBRDKAFKA = -1


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message to send."""

    value: bytes
    give_back: Callable[[], None]
    """Called when the broker has not taken it, and never will: what it says must be said again."""
    drop: Callable[[], None]
    """Called instead when it never could, because it is too large."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where messages go."""

    section: str
    """The section of the config file with their options."""
    topic: str
    key: str
    options: Mapping[str, str]
    max_bytes: int
    """Limit for key and value of a message."""


class Reporter:
    """Asks ``compose`` for messages every ``interval`` seconds and sends them; made without connecting.

    A message stays with the producer, which sends it exactly once, until the broker is back; until then nothing new
    is composed, so memory stays bounded. A refused one is given back, and all is tried again. Raises ConfigError for an
    option that librdkafka refuses.
    """

    def __init__(
        self, route: Route, cipher: Future[Cipher], interval: float, compose: Callable[[], list[Parcel]]
    ) -> None:
        self._route = route
        self._cipher = cipher
        self._interval = interval
        self._compose = compose
        self._troubles = Troubles(self._warn)
        self._away = False
        self._connection = Troubles(self._say_away)
        self._producer = self._make_producer()
        self._partition: int | None = None
        self._outstanding = 0
        self._returned: list[Callable[[], None]] = []
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"{route.section} topic", daemon=True)

    def stop(self) -> None:
        """Begin to send the rest; returns at once. The thread ends within `STOP_SECONDS`, or hardly later."""
        self._stop.set()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            if self._outstanding:
                self._producer.poll(0.2)
            elif self._returned:
                self._begin_anew()
                due = min(due, now + _RETRY_SECONDS)
            elif not self._cipher.done():
                self._stop.wait(_PAUSE_SECONDS)
            elif now >= due and self._is_ready(_ASK_SECONDS):
                due = now + self._interval
                self._send()
            else:
                self._stop.wait(min(due - now, 1.0) if due > now else _ASK_SECONDS)
                self._producer.poll(0)
        self._finish(time.monotonic() + STOP_SECONDS)

    def _finish(self, deadline: float) -> None:
        self._wait(deadline)
        if self._returned and not self._outstanding:
            self._begin_anew()
        there = self._cipher.done()
        if not self._outstanding and there and self._is_ready(max(0.1, deadline - time.monotonic())):
            self._send()
            self._wait(deadline)
        if self._outstanding or self._returned or (there and self._partition is None):
            self._warn("the broker did not take the last of it before the end")

    def _wait(self, deadline: float) -> None:
        while self._outstanding and (left := deadline - time.monotonic()) > 0:
            self._producer.poll(min(left, 0.1))

    def _is_ready(self, seconds: float) -> bool:
        """Whether it is known which partition is ours; there must be a cipher. Blocks up to ``seconds``.

        An encrypted key is another every time: where the messages of this program belong, its plain key says.
        """
        if not self._cipher.result().encrypts:
            self._partition = _LEFT_TO_LIBRDKAFKA
        if self._partition is not None:
            return True
        topic = self._route.topic
        try:
            found = self._producer.list_topics(topic, timeout=seconds).topics[topic]
        except KafkaException as error:
            self._producer.poll(0)  # tells of the connection, if it is that
            self._say_away(str(translate(error.args[0], topic)))
            return False
        if found.error is not None:
            self._troubles.say(str(translate(found.error, topic)))
        elif found.partitions:
            self._partition = partition_of_key(self._route.key.encode(), len(found.partitions))
        return self._partition is not None

    def _send(self) -> None:
        route, cipher = self._route, self._cipher.result()
        assert self._partition is not None
        for parcel in self._compose():
            answered = functools.partial(self._answered, parcel.give_back, parcel.drop)
            try:
                self._outstanding += 1
                key = cipher.encrypt(route.topic, "key", route.key.encode())
                value = cipher.encrypt(route.topic, "value", parcel.value)
                self._producer.produce(route.topic, value, key, self._partition, on_delivery=answered)
            except KafkaException as error:
                answered(error.args[0], None)
            except BufferError:
                self._outstanding -= 1
                self._returned.append(parcel.give_back)

    def _answered(
        self, give_back: Callable[[], None], drop: Callable[[], None], error: KafkaError | None, _message: object
    ) -> None:
        self._outstanding -= 1
        if error is None:
            self._away = False
            self._troubles.forget()
            self._connection.forget()
            return
        reason = translate(error, self._route.topic)
        if isinstance(reason, BadFile):
            drop()
            self._troubles.say(f"a message was too large and is left out: give it a smaller {MAX_BYTES}")
        else:
            self._returned.append(give_back)
            self._troubles.say(str(reason))

    def _begin_anew(self) -> None:
        """With another producer: one that has met a fatal error stays broken."""
        for give_back in reversed(self._returned):  # so that what was first is first again
            give_back()
        self._returned.clear()
        self._partition = None
        self._producer = self._make_producer()

    def _make_producer(self) -> Producer:
        return make_producer(
            {"topic.metadata.propagation.max.ms": _TOPIC_MS, **self._route.options, "message.timeout.ms": "0"},
            max_message_bytes=self._route.max_bytes,
            queue_bytes=_QUEUE_BYTES,
            troubles=self._connection,
        )

    def _say_away(self, text: str) -> None:
        """One outage has many faces (refused, timed out, all brokers down): it is said once."""
        if not self._away or text == str(self._connection.refused):
            self._away = True
            self._warn(text)

    def _warn(self, text: str) -> None:
        _log.warning("%s topic %s: %s", self._route.section, self._route.topic, text)
