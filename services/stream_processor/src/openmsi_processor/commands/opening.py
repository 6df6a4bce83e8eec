"""Opens a producer of a command's own: what a killed call has left open is given up by the next one."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from openmsi_core.kafka import Troubles
from openmsi_core.service import Service
from openmsi_core.transaction import Transaction
from openmsi_processor.processed import Processed
from openmsi_processor.result_producer import WAITING, result_producer
from openmsi_processor.result_topic import ResultTopic
from openmsi_processor.settings import ProcessorSettings

_log = logging.getLogger(__name__)

_TRANSACTION_MS = 30_000
_PATIENCE_SECONDS = 45.0  # longer than that


def tell_of_keys(settings: ProcessorSettings) -> None:
    """Say what becomes of encrypted results once the program has ended."""
    if settings.node is not None and settings.producer_topic_name is not None:
        _log.warning(
            "from now on nobody hands out the keys of these results: a reader that has not asked yet can read them only"
            " while openmsi key-server runs with the node %s",
            settings.node.name,
        )


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
    topic = settings.producer_topic_name or settings.topic_name
    opened = result_producer(
        settings.producer,
        topic,
        transactional_id,
        _TRANSACTION_MS,
        Troubles(_log.warning),
        service,
        settings.output,
    )
    if opened is None:
        yield None
        return
    transaction = Transaction(
        opened.producer, opened.purpose, patience=_PATIENCE_SECONDS, memory=processed, cipher=service.cipher
    )
    results = opened.topic if settings.producer_topic_name else None
    with contextlib.closing(transaction):
        yield Opened(transaction, results, settings.workers + WAITING)
