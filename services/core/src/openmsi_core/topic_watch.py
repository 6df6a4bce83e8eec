"""Notices that a topic is not what it was when a program began."""

import contextlib
import logging
import time
from collections.abc import Callable, Collection

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from openmsi_core.errors import Retryable, Undone
from openmsi_core.kafka import Troubles
from openmsi_core.status import Status
from openmsi_core.topic import certain_topic_id, topic_info

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 30.0
_ANSWER_SECONDS = 1.0


class TopicWatch:
    """Tells how it goes, and looks at ``topics`` now and then."""

    def __init__(
        self, producer: Producer, admin: AdminClient, topics: Collection[str], beat: Callable[[Status], None]
    ) -> None:
        self._producer = producer
        self._admin = admin
        self._topics = topics
        self._beat = beat
        self._known: dict[str, tuple[int, str]] = {}
        self._due = 0.0

    def __call__(self, status: Status) -> None:
        """The receiver's beat. Raises Undone when a topic has got more partitions or was made anew."""
        self._beat(status)
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _LOOK_SECONDS
        with contextlib.suppress(Retryable):
            for topic in self._topics:
                info = topic_info(self._producer, topic, _ANSWER_SECONDS, Troubles(_log.debug))
                found = info.partitions, certain_topic_id(self._admin, topic, _ANSWER_SECONDS)
                if self._known.setdefault(topic, found) != found:
                    raise Undone(f"topic {topic} has {found[0]} partitions now, or was made anew")
