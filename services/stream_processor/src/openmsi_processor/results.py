"""Opens the result topic: a producer whose transactions hold results and offsets."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka.admin import AdminClient

from openmsi_core.durable import disk_errors
from openmsi_core.errors import Retryable, Undone
from openmsi_core.kafka import Troubles, make_admin, make_producer
from openmsi_core.locks import try_lock
from openmsi_core.service import Service
from openmsi_core.state import instance_id
from openmsi_core.topic import certain_topic_id, largest_message, wait_for_topic
from openmsi_core.transaction import Transaction
from openmsi_processor.processed import Processed
from openmsi_processor.result_topic import ResultTopic
from openmsi_processor.settings import ProcessorSettings

_log = logging.getLogger(__name__)

_QUEUE_BYTES = 48_000_000
_LARGEST = 1_048_588  # bytes of a record, where the topic does not say: Kafka's own default
_TRANSACTION_MS = "60000"
_PATIENCE_SECONDS = 75.0  # longer than that
_ANSWER_SECONDS = 5.0


@contextlib.contextmanager
def results_of(
    settings: ProcessorSettings, group: str, service: Service, processed: list[Processed]
) -> Iterator[tuple[Transaction, ResultTopic] | None]:
    """The transactions of this process and the topic that they write to; None when the program stops before.

    ``processed`` is told of commits; it may be filled later. Blocks until the broker answers. Raises ConfigError, and
    Undone: then begin anew.
    """
    topic = settings.producer_topic_name
    assert topic is not None
    troubles = Troubles(_log.warning)
    options = settings.producer
    largest = largest_message(options, topic, _ANSWER_SECONDS) or _LARGEST
    longest = options.get("transaction.timeout.ms", _TRANSACTION_MS)
    with _transactional_id(settings.state_dir, group) as transactional_id:
        more = {
            "transaction.timeout.ms": longest,
            "message.timeout.ms": longest,
            "transactional.id": transactional_id,
        }
        producer = make_producer(
            {**options, **more}, max_message_bytes=largest, queue_bytes=_QUEUE_BYTES, troubles=troubles
        )
        info = wait_for_topic(producer, topic, troubles, service.stop, service.beat)
        if info is None:
            yield None
            return

        def before() -> None:
            for each in processed:
                try:
                    each.flush()
                except Retryable as error:
                    raise Undone(str(error)) from None

        def after() -> None:
            for each in processed:
                each.confirm()

        purpose = f"{topic}/{_id(make_admin(options), topic)}"
        transaction = Transaction(producer, purpose, patience=_PATIENCE_SECONDS, before=before, after=after)
        try:
            yield transaction, ResultTopic(topic, info.partitions, largest)
        finally:
            transaction.close()


@contextlib.contextmanager
def _transactional_id(state_dir: Path, group: str) -> Iterator[str]:
    """A name that no other process has, and that the next process of this state folder gets, when this one is gone.

    So a restart ends at once what a killed process has left open. Raises Retryable when the disk refuses.
    """
    number, lock = 0, None
    with disk_errors(state_dir):
        while (lock := try_lock(state_dir / f"producer-{number}.lock")) is None:
            number += 1
    with lock:
        yield f"{group}-{instance_id(state_dir)[:12]}-{number}"


def _id(admin: AdminClient, topic: str) -> str:
    try:
        return certain_topic_id(admin, topic, _ANSWER_SECONDS)
    except Retryable as error:
        raise Undone(str(error)) from None
