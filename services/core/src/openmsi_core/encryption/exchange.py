"""The topics over which nodes exchange keys: they must be there before any node starts."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from openmsi_core.encryption.rights import CONTROL_TOPICS, Rights, check_rights
from openmsi_core.errors import BrokerUnreachable, Retryable
from openmsi_core.kafka import Troubles, make_admin
from openmsi_core.kafka_errors import translate
from openmsi_core.status import Status

_log = logging.getLogger(__name__)

_ANSWER_SECONDS = 5.0
_EXCHANGE = {"retention.ms": "3600000", "cleanup.policy": "delete"}
_CONTROL = {"cleanup.policy": "compact"}


def exchange_topics(topics: Iterable[str]) -> dict[str, dict[str, str]]:
    """Every topic that KafkaCrypto needs beside ``topics``, with its settings; one partition each."""
    roots = sorted({topic.partition(".")[0] for topic in topics})
    exchange = {f"{root}.{suffix}": _EXCHANGE for root in roots for suffix in ("reqs", "keys", "subs")}
    return exchange | dict.fromkeys(CONTROL_TOPICS, _CONTROL)


def wait_for_exchange_topics(
    options: Mapping[str, str],
    topics: Collection[str],
    rights: Rights,
    troubles: Troubles,
    stop: threading.Event,
    beat: Callable[[Status], None],
    seconds: float,
) -> bool:
    """Make those of `exchange_topics` that are missing, as soon as a broker answers; False when ``stop`` is set before.

    ``rights`` are those that this user needs. Raises BrokerUnreachable after ``seconds``, ConfigError when rights are
    missing, or topics that we may not make.
    """
    until = time.monotonic() + seconds
    while not stop.is_set():
        try:
            admin = make_admin(options, troubles)
            make_exchange_topics(admin, topics, troubles)
            check_rights(admin, rights, _ANSWER_SECONDS)
        except Retryable as error:
            if time.monotonic() >= until:
                address = options.get("bootstrap.servers", "")
                raise BrokerUnreachable(f"the broker {address} did not answer within {seconds:g} s ({error})") from None
            troubles.say(str(error))
            beat(Status(waiting_for=str(error)))
            stop.wait(1.0)
        else:
            return True
    return False


def make_exchange_topics(admin: AdminClient, topics: Iterable[str], troubles: Troubles) -> None:
    """Make those of `exchange_topics` that are missing, where we may. Blocks for some seconds.

    Raises Retryable, and ConfigError when the broker refuses us.
    """
    wanted = exchange_topics(topics)
    try:
        there = admin.list_topics(timeout=_ANSWER_SECONDS).topics
    except KafkaException as error:
        admin.poll(0)  # delivers what librdkafka knows better to `troubles`
        raise (troubles.refused or translate(error.args[0])) from None
    missing = {name: config for name, config in wanted.items() if name not in there}
    if not missing:
        return
    made = admin.create_topics([NewTopic(name, 1, config=config) for name, config in missing.items()])
    for name, future in made.items():
        try:
            future.result(_ANSWER_SECONDS)
            _log.info("made topic %s, for the exchange of keys", name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                _log.debug("topic %s cannot be made: %s", name, error)  # `check_rights` says what is needed of them
        except TimeoutError:
            raise Retryable("the broker does not answer") from None
