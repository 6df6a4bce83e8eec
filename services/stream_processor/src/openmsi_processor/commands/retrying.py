"""Runs files of one quarantine again, and takes those out of it that went well."""

import contextlib
import logging
from collections.abc import Iterator, Sequence

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from openmsi_core.bystander import COMMITTED, bystander
from openmsi_core.carry import group_of, prepare
from openmsi_core.deliveries import Deliveries
from openmsi_core.durable import check_owner, disk_errors
from openmsi_core.errors import ConfigError
from openmsi_core.group import FRESH
from openmsi_core.kafka import Troubles, make_admin
from openmsi_core.locks import try_lock
from openmsi_core.paths import RESERVED
from openmsi_core.placing import Folder
from openmsi_core.service import Service
from openmsi_core.state import instance_id
from openmsi_core.status import Status
from openmsi_processor.commands.attempts import Attempts, Outcome, tell
from openmsi_processor.commands.crews import Working
from openmsi_processor.commands.entries import Entry, Trying
from openmsi_processor.commands.looking import ends_of, results_since, was_made
from openmsi_processor.commands.opening import Opened, transactions
from openmsi_processor.destination import ProcessingDestination
from openmsi_processor.output import Output
from openmsi_processor.processed import Processed
from openmsi_processor.result_topic import Made
from openmsi_processor.settings import ProcessorSettings

_log = logging.getLogger(__name__)

_MEMORY_BYTES = 16 << 20
_QUEUE_BYTES = 8 << 20
_LOOK_SECONDS = 0.02


def retry_all(entries: Sequence[Entry], settings: ProcessorSettings, service: Service, work: Working) -> int:
    """Run ``entries``, all of the output folder of ``settings``; returns how many stay. Raises Undone and Fatal."""
    own = settings.output / RESERVED
    for entry in entries:
        check_owner(entry.folder, "the service")
    with contextlib.ExitStack() as stack:
        with disk_errors(own):
            lock = try_lock(own / "retry.lock")
        if lock is None:
            raise ConfigError("files of this folder are being run again already: wait for the end of that")
        stack.enter_context(lock)
        processed = stack.enter_context(contextlib.closing(Processed(":memory:", "retry")))
        processed.begin()
        opened = None
        if settings.producer_topic_name is not None:
            # A name of this quarantine, so that this call ends what any killed one has left open.
            name = f"openmsi-retry-{instance_id(own)[:16]}"
            opened = stack.enter_context(transactions(settings, name, service, processed))
            if opened is None:
                return len(entries)
        consumer = bystander(settings.consumer, Troubles(_log.warning), _QUEUE_BYTES)
        stack.callback(consumer.close)
        admin = make_admin(settings.consumer)
        made: set[Made] = set()
        for topic, starts in _looks(entries).items():
            marks = results_since(consumer, admin, topic, starts)
            made |= {each.made for each in entries if was_made(each.made, marks, instance_id(own))}
        memory = stack.enter_context(_memory_of_service(settings, work))
        staging = prepare(settings.output)
        stack.callback(staging.close)
        folder = Folder(settings.output)
        folder.check(staging.own)
        output = Output(folder, staging.own, settings.mode)
        destination = _destination(output, processed, opened, settings, service, work)
        attempts = Attempts(destination, memory, made, _trying(admin, opened), staging.own, service.stop)
        return _run(entries, attempts, opened, consumer, settings, service)


def _destination(
    output: Output,
    processed: Processed,
    opened: Opened | None,
    settings: ProcessorSettings,
    service: Service,
    work: Working,
) -> ProcessingDestination:
    transaction, results = (opened.transaction, opened.results) if opened else (None, None)
    topic, counts = settings.topic_name, service.counts
    return ProcessingDestination(work.crew, output, processed, topic, work.made_by, transaction, results, counts)


def _trying(admin: AdminClient, opened: Opened | None) -> Trying | None:
    """What is to be noted of each file before it is tried; None = no result is written."""
    if opened is None or opened.results is None:
        return None
    topic, partitions = opened.results.name, range(opened.results.partitions)
    return Trying(topic, ends_of(admin, topic, partitions, COMMITTED))


def _run(
    entries: Sequence[Entry],
    attempts: Attempts,
    opened: Opened | None,
    consumer: Consumer,
    settings: ProcessorSettings,
    service: Service,
) -> int:
    workers = opened.workers if opened else settings.workers
    deliveries = Deliveries[Outcome](attempts.deliver, workers, _MEMORY_BYTES)
    left, stays = list(reversed(entries)), 0
    by_file = {}
    try:
        while len(deliveries) or (left and not service.stop.is_set()):
            while left and not deliveries.full and not service.stop.is_set():
                entry = left.pop()
                begun = attempts.begin(entry)
                if isinstance(begun, Outcome):
                    stays += tell(entry, begun)
                else:
                    by_file[begun] = entry
                    deliveries.submit(begun)
            for finished in deliveries.collect(_LOOK_SECONDS):
                if finished.error is not None:
                    raise finished.error
                assert finished.outcome is not None
                stays += tell(by_file.pop(finished.file), attempts.end(finished.file, finished.outcome))
            if opened is not None and opened.transaction.eager:
                opened.transaction.later(consumer, settings.topic_name)
            service.beat(Status(files_pending=len(left) + len(deliveries)))
    finally:
        if opened is not None:
            opened.transaction.close()  # whoever waits for a commit
        deliveries.close()
    return stays + len(left)


def _looks(entries: Sequence[Entry]) -> dict[str, dict[int, int]]:
    """Result topic → where to begin to look in each partition."""
    found: dict[str, dict[int, int]] = {}
    for entry in entries:
        if trying := entry.trying():
            starts = found.setdefault(trying.topic, {})
            for number, end in trying.ends.items():
                starts[number] = min(end, starts.get(number, end))
    return found


@contextlib.contextmanager
def _memory_of_service(settings: ProcessorSettings, work: Working) -> Iterator[Processed | None]:
    """What the service knows as processed, if it has this state folder."""
    file = settings.state_dir / "processed.sqlite"
    if not file.exists() or (settings.consumer_group_id or settings.consumer.get("group.id")) in FRESH:
        _log.warning("%s is not there: a file that is sent once more unchanged will be processed once more", file)
        yield None
        return
    group = group_of(settings, f"{work.made_by.name} in {settings.output}")
    with contextlib.closing(Processed(str(file), f"{settings.topic_name}/{group}")) as memory:
        memory.begin()
        yield memory
