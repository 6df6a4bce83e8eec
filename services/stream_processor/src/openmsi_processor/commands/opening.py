"""Opens a producer of a command's own: what a killed call has left open is given up by the next one."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from openmsi_core.errors import Retryable, Undone
from openmsi_core.kafka import Troubles, make_admin, make_producer
from openmsi_core.service import Service
from openmsi_core.topic import certain_topic_id, largest_message, wait_for_topic
from openmsi_core.transaction import Transaction
from openmsi_processor.processed import Processed
from openmsi_processor.result_topic import ResultTopic
from openmsi_processor.settings import ProcessorSettings

_log = logging.getLogger(__name__)

_QUEUE_BYTES = 48_000_000
_LARGEST = 1_048_588  # bytes of a record, where the topic does not say: Kafka's own default
_TRANSACTION_MS = "30000"
_PATIENCE_SECONDS = 45.0  # longer than that
_ANSWER_SECONDS = 5.0
_WAITING = 64  # files whose results wait for their commit


@dataclass(frozen=True, slots=True)
class Opened:
    """A producer's transactions; results go into them where there is a topic for results."""

    transaction: Transaction
    results: ResultTopic | None
    workers: int


@contextlib.contextmanager
def transactions(
    settings: ProcessorSettings, transactional_id: str, service: Service, processed: Processed
) -> Iterator[Opened | None]:
    """Transactions named ``transactional_id``, of which ``processed`` is told; None when the program is to end.

    Of two processes with one name, the later goes on. Blocks until the broker answers. Raises ConfigError and Undone.
    """
    troubles, options = Troubles(_log.warning), settings.producer
    topic = settings.producer_topic_name or settings.topic_name
    largest = largest_message(options, topic, _ANSWER_SECONDS) or _LARGEST
    more = {
        "transaction.timeout.ms": _TRANSACTION_MS,
        "message.timeout.ms": _TRANSACTION_MS,
        "transactional.id": transactional_id,
    }
    producer = make_producer(
        {**options, **more}, max_message_bytes=largest, queue_bytes=_QUEUE_BYTES, troubles=troubles
    )
    info = wait_for_topic(producer, topic, troubles, service.stop, service.beat)
    if info is None:
        yield None
        return
    try:
        purpose = f"{topic}/{certain_topic_id(make_admin(options), topic, _ANSWER_SECONDS)}"
    except Retryable as error:
        raise Undone(str(error)) from None
    transaction = Transaction(producer, purpose, patience=_PATIENCE_SECONDS, memory=processed)
    results = ResultTopic(topic, info.partitions, largest) if settings.producer_topic_name else None
    with contextlib.closing(transaction):
        yield Opened(transaction, results, settings.workers + _WAITING)
