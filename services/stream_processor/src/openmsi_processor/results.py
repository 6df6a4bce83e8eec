"""Opens the result topic: a producer whose transactions hold results and offsets."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from openmsi_core.carry import Transacted
from openmsi_core.durable import disk_errors
from openmsi_core.errors import TakenOver, Undone
from openmsi_core.kafka import Troubles, make_admin
from openmsi_core.locks import try_lock
from openmsi_core.service import Service
from openmsi_core.state import instance_id
from openmsi_core.topic_watch import TopicWatch
from openmsi_core.transaction import Transaction
from openmsi_processor.processed import Processed
from openmsi_processor.result_producer import WAITING, result_producer
from openmsi_processor.result_topic import ResultTopic
from openmsi_processor.settings import ProcessorSettings

_log = logging.getLogger(__name__)

_TRANSACTION_MS = 30_000
_PATIENCE_SECONDS = 15.0  # beyond that: a broker looks every ten seconds for transactions that took too long
_ENOUGH_BYTES = 4 << 20  # in one transaction: even at 2 Mbit/s it is through in time


@dataclass(frozen=True, slots=True)
class Results:
    """How results are sent."""

    transaction: Transaction
    topic: ResultTopic
    transacted: Transacted


@contextlib.contextmanager
def results_of(
    settings: ProcessorSettings, group: str, service: Service, processed: Processed, interrupt: Callable[[], None]
) -> Iterator[Results | None]:
    """The transactions of this process and the topic that they write to; None when the program stops before.

    ``processed`` is told of commits; ``interrupt`` is called once what is being worked on cannot be sent. Blocks until
    the broker answers. Raises ConfigError, and Undone, also when transactions are refused inside: then begin anew.
    """
    topic = settings.producer_topic_name
    assert topic is not None
    troubles = Troubles(_log.warning)
    longest = _longest(settings.producer)
    with _transactional_id(settings.state_dir, group) as transactional_id:
        opened = result_producer(
            settings.producer, topic, transactional_id, longest, troubles, service, settings.output
        )
        if opened is None:
            yield None
            return
        try:
            transaction = Transaction(
                opened.producer,
                opened.purpose,
                patience=longest / 1000 + _PATIENCE_SECONDS,
                memory=processed,
                enough=_ENOUGH_BYTES,
                on_close=interrupt,
                cipher=service.cipher,
            )
            admin = make_admin(settings.producer)
            watch = TopicWatch(opened.producer, admin, (settings.topic_name, topic), service.beat)
            transacted = Transacted(transaction, settings.workers + WAITING, opened.cluster_id, watch)
            with contextlib.closing(transaction):
                yield Results(transaction, opened.topic, transacted)
        except TakenOver:  # no other process has our name as long as the state folder is not a copy of another
            raise Undone(
                f"the broker has given up a transaction of this process, which took more than {longest / 1000:g} s (was"
                " the machine asleep?), or a copy of its state folder is in use: never copy one that is not empty"
            ) from None


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


def _longest(options: Mapping[str, str]) -> int:
    """Milliseconds that a transaction may take."""
    given = options.get("transaction.timeout.ms", "")
    return int(given) if given.isdecimal() else _TRANSACTION_MS
