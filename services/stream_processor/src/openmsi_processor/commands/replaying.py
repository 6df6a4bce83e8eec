"""One replay: what is to be read, reading it, and leaving no trace of it."""

import contextlib
import logging
from collections.abc import Iterator

from confluent_kafka import Consumer

from openmsi_core.carry import prepare
from openmsi_core.errors import Undone
from openmsi_core.kafka import Troubles, make_admin, make_consumer
from openmsi_core.pace import pace_for
from openmsi_core.placing import Folder
from openmsi_core.policy import Policy
from openmsi_core.quarantine import Quarantine
from openmsi_core.receive import Receiver
from openmsi_core.records import Locked
from openmsi_core.service import Service, Status
from openmsi_core.staging import Staging
from openmsi_core.topic import wait_for_topic
from openmsi_processor.commands.chosen import ChosenDestination
from openmsi_processor.commands.crews import Working
from openmsi_processor.commands.ending import End
from openmsi_processor.commands.opening import Opened, transactions
from openmsi_processor.commands.plan import Order, begin, end, forget
from openmsi_processor.commands.span import Found, scan
from openmsi_processor.destination import ProcessingDestination
from openmsi_processor.output import Output
from openmsi_processor.processed import Processed
from openmsi_processor.settings import ProcessorSettings

_log = logging.getLogger(__name__)

_PREFETCH_BYTES = 24 << 20
_KEY_SECONDS = 60.0  # for which a key is waited for, unless told otherwise: somebody sits there and waits
_KNOWN_SECONDS = 1.0  # the same for keys that were waited for already


class _Aside(Quarantine):
    """Nothing stays of it: what could not be decrypted was counted before, and lies in the topic."""

    def undecryptable(self, locked: Locked, reason: str) -> None:
        """As `Quarantine.undecryptable`."""


class Replaying:
    """A replay; `run` may be called again after Undone."""

    def __init__(self, order: Order, settings: ProcessorSettings, service: Service, work: Working) -> None:
        self._order = order
        self._settings = settings
        self._service = service
        self._work = work
        self._topic = settings.topic_name
        self._pace = pace_for(settings.bandwidth_limit)
        self._troubles = Troubles(_log.warning)
        self._in_quarantine = 0
        self.finished = False
        self.failed = 0

    def run(self) -> None:
        """Replay until the end, or until the program stops. Raises Undone and Fatal."""
        order, service = self._order, self._service
        self._in_quarantine = 0
        with contextlib.ExitStack() as stack:
            # What OpenMSIStream has sent twice cannot be told from one another but by what was done.
            file = str(order.folder / "processed.sqlite")
            processed = stack.enter_context(contextlib.closing(Processed(file, order.group)))
            processed.begin()
            opened = stack.enter_context(transactions(self._settings, order.group, service, processed))
            if opened is None:
                return
            with self._consumer() as consumer:
                info = wait_for_topic(consumer, self._topic, self._troubles, service.stop, service.beat)
                if info is None:
                    return
                plan = begin(consumer, order, self._topic, info.partitions)
                if plan.resumed:
                    _log.info("going on with a replay that did not come to its end")
                found = scan(
                    consumer,
                    self._topic,
                    plan.span,
                    order.wanted,
                    self._tick,
                    service.cipher,
                    self._key_seconds,
                    self._pace,
                )
            if found is None:
                return
            destination = self._read(opened, processed, found, len(plan.span.starts))
        self.failed += destination.failed
        if self.finished:
            with self._consumer() as consumer:
                end(consumer, self._topic, plan)
            forget(make_admin(self._settings.consumer), order)
            self._say(destination, found)

    def _read(self, opened: Opened, processed: Processed, found: Found, partitions: int) -> ChosenDestination:
        settings, work = self._settings, self._work
        quarantine = Quarantine(settings.output, self._topic)
        for path, (generation, version) in list(found.newest.items()):
            if quarantine.has(generation, version.logged):
                del found.newest[path]
                self._in_quarantine += 1
        staging = prepare(settings.output)
        try:
            folder = Folder(settings.output)
            folder.check(staging.own)
            output = Output(folder, staging.own, settings.mode)
            inner = ProcessingDestination(
                work.crew,
                output,
                processed,
                self._topic,
                work.made_by,
                opened.transaction,
                opened.results,
                self._service.counts,
            )
            destination = ChosenDestination(inner, found.newest, quarantine)
            self._receive(opened, destination, staging, found, partitions)
            return destination
        finally:
            staging.close()

    def _receive(
        self, opened: Opened, destination: ChosenDestination, staging: Staging, found: Found, partitions: int
    ) -> None:
        needed: dict[int, int] = {}
        for path in found.newest:
            for number, behind in found.behind[path].items():
                needed[number] = max(behind, needed.get(number, 0))
        reading = End(opened.transaction, needed, self._service)
        policy = Policy(
            topic=self._topic,
            topic_id="",
            group=self._order.group,
            topic_partitions=partitions,
            wanted=lambda path: path.text in found.newest,
            workers=opened.workers,
            idle_seconds=float(1 << 31),
            start="earliest",
            sharing="nobody",
            on_lost_offsets="continue",
            key_seconds=_KNOWN_SECONDS,
        )
        Receiver(
            make_consumer(
                self._settings.consumer,
                group_id=self._order.group,
                queue_bytes=_PREFETCH_BYTES,
                troubles=self._troubles,
                pace=self._pace,
            ),
            destination,
            staging,
            _Aside(self._order.folder, self._topic),
            self._troubles,
            opened.transaction,
            policy,
            self._service.counts,
            self._service.cipher,
            self._pace,
        ).run(reading.reached, reading)
        self.finished = reading.all_done
        if not self.finished and not self._service.stop.is_set():
            raise Undone("files that were there have not come again")

    def _say(self, destination: ChosenDestination, found: Found) -> None:
        by = self._work.made_by
        _log.info(
            "replayed %d files with %s, version %s; %d failed, %d were left out (a newer version is there)",
            destination.done,
            by.name,
            by.version,
            destination.failed,
            destination.left_out,
        )
        _log.info(
            "left out: %d older versions, %d files that are not whole, %d that are in quarantine",
            found.older,
            found.incomplete,
            self._in_quarantine,
        )
        if found.locked:
            _log.warning(
                "left out: all files of which %d records belong to, for nobody gave their keys: start whoever sent"
                " them, or openmsi key-server with that node, and replay once more",
                found.locked,
            )

    @property
    def _key_seconds(self) -> float:
        named = {"max_wait_per_decrypt", "max_initial_wait_per_decrypt"} & self._settings.model_fields_set
        return self._settings.key_seconds if named else _KEY_SECONDS

    def _tick(self) -> bool:
        self._service.beat(Status(waiting_for="what is in the topic"))
        return self._service.stop.is_set()

    @contextlib.contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        consumer = make_consumer(
            {**self._settings.consumer, "enable.partition.eof": "true"},
            group_id=self._order.group,
            queue_bytes=_PREFETCH_BYTES,
            troubles=self._troubles,
            pace=self._pace,
        )
        try:
            yield consumer
        finally:
            consumer.close()
