"""Finding the topic: waits for the broker in a thread of its own, however long it takes."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confluent_kafka import Producer

from openmsi_core.errors import ConfigError, Retryable
from openmsi_core.kafka import Troubles, make_admin
from openmsi_core.retry import delay_before
from openmsi_core.topic import RECORD_OVERHEAD, TopicInfo, check_message_size, topic_id, topic_info

_log = logging.getLogger(__name__)

_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Reached:
    """The broker answers, and the topic takes what we send."""

    info: TopicInfo
    topic_id: str
    """See `Target.topic_id`."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker answers, but something must be mended first."""

    error: ConfigError


@dataclass(frozen=True, slots=True)
class TopicOptions:
    """The topic, and how to reach it."""

    topic: str
    chunk_size: int
    producer: Mapping[str, str]


class Connection:
    """Asks for the topic until there is an answer, and hands that to ``tell``."""

    def __init__(
        self,
        producer: Producer,
        options: TopicOptions,
        troubles: Troubles,
        tell: Callable[[Reached | Refused], None],
    ) -> None:
        self._producer = producer
        self._options = options
        self._troubles = troubles
        self._tell = tell

    def seek(self, after: float = 0.0) -> None:
        """Begin to ask in ``after`` seconds; returns at once. One answer follows."""
        threading.Thread(target=self._seek, args=(after,), name="connection", daemon=True).start()

    def _seek(self, after: float) -> None:
        time.sleep(after)
        attempt = 0
        while True:
            try:
                info = find_topic(self._producer, self._options, self._troubles, _ANSWER_SECONDS)
            except Retryable as error:
                attempt += 1
                self._troubles.say(f"{error}; files are noted meanwhile, and sent when it answers")
                time.sleep(delay_before(attempt))
            except ConfigError as error:
                self._tell(Refused(error))
                return
            else:
                admin = make_admin(self._options.producer)
                self._tell(Reached(info, topic_id(admin, self._options.topic, _ANSWER_SECONDS)))
                return


def find_topic(producer: Producer, options: TopicOptions, troubles: Troubles, timeout: float) -> TopicInfo:
    """What must be known before sending; blocks up to about twice ``timeout`` seconds.

    Raises Retryable when no broker answers, ConfigError when it refuses us, the topic or records of our size.
    """
    info = topic_info(producer, options.topic, timeout, troubles)
    check_message_size(options.producer, options.topic, options.chunk_size + RECORD_OVERHEAD, timeout)
    return info
