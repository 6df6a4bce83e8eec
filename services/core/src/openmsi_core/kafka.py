"""Makes Kafka clients, and enforces the settings that safety needs.

The meaning of every key is in librdkafka's CONFIGURATION.md.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from openmsi_core.errors import ConfigError
from openmsi_core.kafka_errors import translate
from openmsi_core.pace import Pace

_log = logging.getLogger(__name__)
_librdkafka_log = logging.getLogger("librdkafka")
_librdkafka_log.setLevel(logging.CRITICAL)  # it repeats every failed connection; `Troubles` says the same, rarely

_REPEAT_SECONDS = 300.0
_FETCH_BYTES = 8 << 20
_PACED_FETCH_BYTES = 64 << 10
_NUMBER = re.compile(r"\d+")

Client = TypeVar("Client", Producer, Consumer, AdminClient)

_SAFE_PRODUCER = {"enable.idempotence": "true", "acks": "all"}
_PRODUCER_ALIASES = {
    "request.required.acks",
    "retries",
    "message.send.max.retries",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "queue.buffering.max.kbytes",
    "delivery.timeout.ms",
    "message.timeout.ms",
}
_SAFE_CONSUMER = {
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "isolation.level": "read_committed",  # what a transaction gave up was never sent
    # Offsets out of range must be seen, not silently jumped over: the receiver decides (see receive).
    "auto.offset.reset": "error",
    "partition.assignment.strategy": "cooperative-sticky",
}
_COMMON = {"socket.keepalive.enable": "true", "reconnect.backoff.max.ms": "10000"}


class Troubles:
    """Collects what librdkafka reports beside its return values, and passes each on in words, rarely.

    The same text reaches ``tell`` at most once in five minutes. `refused` holds the newest report that only a change
    of settings can mend (credentials, TLS), and is None once the broker has answered.
    """

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._told: dict[str, float] = {}
        self.refused: ConfigError | None = None

    def __call__(self, error: KafkaError) -> None:
        """librdkafka's ``error_cb``; runs inside poll()."""
        translated = translate(error)
        if isinstance(translated, ConfigError):
            self.refused = translated
        self.say(str(translated))

    def say(self, text: str) -> None:
        """Tell ``text`` unless it was told in the last five minutes, be it with other numbers (times, counts)."""
        now, key = self._clock(), _NUMBER.sub("", text)
        if now - self._told.get(key, -_REPEAT_SECONDS) >= _REPEAT_SECONDS:
            self._told = {told: at for told, at in self._told.items() if now - at < _REPEAT_SECONDS}
            self._told[key] = now
            self._tell(text)

    def forget(self) -> None:
        """The broker answers again: the next trouble is news."""
        self._told.clear()
        self.refused = None


def make_producer(
    options: Mapping[str, str], *, max_message_bytes: int, queue_bytes: int, troubles: Troubles
) -> Producer:
    """A producer that never reports a record as delivered before all in-sync replicas have it, in order, once.

    Records wait in a queue of at most ``queue_bytes`` for as long as the broker is away (``produce`` raises
    BufferError when it is full) unless ``options`` set ``message.timeout.ms``. Does not connect. Raises ConfigError
    for an option that librdkafka refuses. Source: KIP-98 (idempotent producer).
    """
    timeout = options.get("message.timeout.ms", options.get("delivery.timeout.ms", "0"))
    enforced = _enforce(options, _SAFE_PRODUCER, _PRODUCER_ALIASES) | {
        "queue.buffering.max.kbytes": str(max(1, queue_bytes // 1024)),
        "message.max.bytes": str(max_message_bytes),
        "message.timeout.ms": timeout,
    }
    return _make(Producer, {"linger.ms": "5"} | _COMMON | enforced, troubles)


def make_consumer(
    options: Mapping[str, str],
    *,
    group_id: str,
    queue_bytes: int,
    troubles: Troubles,
    pace: Pace | None = None,
    on_commit: Callable[[KafkaError | None, list[TopicPartition]], None] = lambda _error, _places: None,
) -> Consumer:
    """A consumer that commits nothing by itself and stops at a lost offset instead of jumping.

    Prefetches at most about ``queue_bytes``, less where ``pace`` asks for it. ``on_commit`` hears, inside poll(), what
    became of commits that nobody waited for. Does not connect. Raises ConfigError for a refused option.
    Source: KIP-429 (cooperative rebalancing).
    """
    partition_bytes = _FETCH_BYTES
    if pace is not None:
        # What comes ahead must be little beside what the rate allows in a minute, and nothing may come twice: asked for
        # less, a broker gives one batch of records, however large, and cuts none in two.
        queue_bytes, partition_bytes = int(min(queue_bytes, pace.slowest / 2)), _PACED_FETCH_BYTES
    tuned = {
        "queued.max.messages.kbytes": str(max(1, queue_bytes // 1024)),
        "fetch.queue.backoff.ms": "10",  # the default of 1 s stalls a fast reader with a small queue
        "fetch.error.backoff.ms": "100",
        # A broker fills each answer to the brim and cuts the last record in two, to be sent once more: with the default
        # of 1 MiB, chunks of 512 KiB would come twice.
        "max.partition.fetch.bytes": str(partition_bytes),
        "fetch.max.bytes": str(_FETCH_BYTES),
        "max.poll.interval.ms": "600000",
        "session.timeout.ms": "15000",  # how long the files of a killed process wait for another
    }
    enforced = _enforce(options, _SAFE_CONSUMER, {"auto.commit.enable"}) | {"group.id": group_id}
    return _make(Consumer, tuned | _COMMON | enforced, troubles, on_commit=on_commit)


def make_admin(options: Mapping[str, str], troubles: Troubles | None = None) -> AdminClient:
    """A client that asks questions; does not connect. What it meets beside its answers is told ``troubles`` only."""
    return _make(AdminClient, _COMMON | connection_options(options), troubles or Troubles(_log.debug))


def _enforce(options: Mapping[str, str], safe: Mapping[str, str], aliases: set[str]) -> dict[str, str]:
    for key in options:
        if (key in safe and options[key].lower() != safe[key]) or key in aliases:
            _log.debug("option %s of the config file is replaced by what safe delivery needs", key)
    return {key: value for key, value in options.items() if key not in aliases} | dict(safe)


def connection_options(options: Mapping[str, str]) -> dict[str, str]:
    """Those of ``options`` that every client of the same cluster needs."""
    prefixes = ("bootstrap.", "security.", "sasl.", "ssl.", "metadata.broker.", "client.id")
    return {key: value for key, value in options.items() if key.startswith(prefixes)}


def _make(kind: Callable[..., Client], options: Mapping[str, str], troubles: Troubles, **callbacks: Any) -> Client:
    try:
        return kind(dict(options) | {"error_cb": troubles} | callbacks, logger=_librdkafka_log)
    except KafkaException as error:
        said = error.args[0].str().strip()
        raise ConfigError(f"the config file has a Kafka option that cannot be used: {said}") from None
