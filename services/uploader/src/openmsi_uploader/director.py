"""The one thread that decides: takes in what happened, moves every path on, and tells how it goes."""

import functools
import logging
import threading
import time

from openmsi_core.kafka import Troubles, make_producer
from openmsi_core.log_lines import together
from openmsi_core.pace import fitting, pace_for
from openmsi_core.service import Service
from openmsi_core.state import instance_id
from openmsi_core.status import Status
from openmsi_core.topic import RECORD_OVERHEAD
from openmsi_uploader.at_broker import ask_extent
from openmsi_uploader.connection import Connection, Reached, Refused, TopicOptions
from openmsi_uploader.filters import Selection
from openmsi_uploader.inbox import Inbox
from openmsi_uploader.intake import Intake
from openmsi_uploader.known import Known
from openmsi_uploader.lanes import Lanes
from openmsi_uploader.ledger import Ledger
from openmsi_uploader.outcome import NotSent, Progress, Same, Sent
from openmsi_uploader.pending import Pending
from openmsi_uploader.priority import prioritised
from openmsi_uploader.ranges import Selector
from openmsi_uploader.reading import SMALL_BYTES
from openmsi_uploader.sending import Sending, Work
from openmsi_uploader.settings import WatchSettings
from openmsi_uploader.target import Target
from openmsi_uploader.upload import Continuing, Uploader
from openmsi_uploader.upload_id import UploadIds
from openmsi_uploader.watch import Batch, FolderAway, News, Place, Walked, Watcher

_log = logging.getLogger(__name__)

_LEAST_SETTLE_SECONDS = 0.05  # clocks of file systems tick slower than processors do
_LONGEST_WAIT = 0.25
_STATUS_SECONDS = 0.2
_SILENCE_SECONDS = 15.0
_RECONNECT_SECONDS = 30.0
_GRACE_SECONDS = 8.0

Message = News | Reached | Refused | Progress | Sent | Same | NotSent


class Director:
    """Watches, sends and keeps the ledger until `Service.stop` is set. Does not connect before `run`."""

    def __init__(
        self,
        settings: WatchSettings,
        selection: Selection,
        service: Service,
        ledger: Ledger,
        ids: UploadIds,
        selector: Selector | None = None,
    ) -> None:
        root = settings.upload_dir
        self._settings = settings
        self._service = service
        self._ledger = ledger
        self._source = instance_id(settings.state_dir)
        self._pace = pace_for(settings.bandwidth_limit)
        self._inbox: Inbox[Message] = Inbox()
        self._known = Known()
        priority = prioritised(settings.priority)
        settle = max(_LEAST_SETTLE_SECONDS, settings.watchdog_lag_time)
        self._pending = Pending(settle, SMALL_BYTES, priority=priority)
        place = Place(root, selection, settings.rescan_seconds, settings.use_polling_observer)
        self._watcher = Watcher(place, self._known, self._inbox.put, self._inbox.look)
        self._intake = Intake(root, selection, ledger, self._pending, self._known, self._watcher, priority.names)
        self._troubles = Troubles(_log.warning)
        self._producer = make_producer(
            settings.producer,
            max_message_bytes=settings.chunk_size + RECORD_OVERHEAD,
            queue_bytes=settings.queue_bytes,
            troubles=self._troubles,
        )
        continuing = Continuing(self._inbox.put, functools.partial(ask_extent, settings.producer))
        self._uploader = Uploader(
            root, self._producer, self._inbox.put, continuing, service.counts, selector, service.cipher, self._pace
        )
        self._lanes: Lanes[Work] = Lanes(
            settings.n_threads,
            lambda work: self._uploader.upload(*work),
            lambda work: priority.rank(work[0].path.text, work[0].stat.size),
        )
        self._sending = Sending(root, self._pending, ledger, self._known, ids, self._lanes)
        options = TopicOptions(settings.topic_name, settings.chunk_size, settings.producer)
        self._connection = Connection(self._producer, options, self._troubles, self._inbox.put)
        self._seeking = False
        self._ever_reached = False
        self._waiting_for: str | None = None
        self._folder_away: str | None = None
        self._status_due = 0.0

    def run(self) -> None:
        """Return when stopped and everything that the broker acknowledged is in the ledger.

        Raises ConfigError when the broker refuses us at the start, InternalError when the producer is broken.
        """
        threading.Thread(target=self._poll, name="poller", daemon=True).start()
        self._watcher.start()
        while not self._service.stop.is_set():
            self._turn()
        self._finish()

    def _turn(self) -> None:
        self._take_in(self._wait())
        now = time.monotonic()
        self._intake.work_off(now)
        self._intake.check_due(now)
        self._sending.hand_out(now)
        self._sending.commit(now)
        if self._ledger.lost:
            self._ledger.lost = False
            self._send_all_again()
        if self._sending.target is None and not self._seeking:
            self._seeking, self._waiting_for = True, f"the broker {self._address}"
            self._connection.seek(_RECONNECT_SECONDS if self._ever_reached else 0.0)
        if now >= self._status_due:
            self._status_due = now + _STATUS_SECONDS
            self._service.beat(self._status(now))

    def _wait(self) -> float:
        """Seconds until something is due."""
        now = time.monotonic()
        times = (self._pending.next_due(), self._sending.next_due(), now + _LONGEST_WAIT)
        return min(when for when in times if when is not None) - now

    def _take_in(self, timeout: float) -> None:
        taken = self._inbox.take(timeout)
        now = time.monotonic()
        with together():
            for message in taken.messages:
                self._handle(message, now)
        if taken.overflowed:
            self._intake.dropped()
        self._intake.look(taken.looks, time.monotonic)

    def _handle(self, message: Message, now: float) -> None:
        match message:
            case Batch():
                self._intake.add(message)
            case Walked(tally):
                if self._folder_away:
                    _log.info("the folder %s is back", self._settings.upload_dir)
                self._folder_away = None
                self._intake.walked(tally)
            case FolderAway(reason):
                if not self._folder_away:
                    _log.error("the folder %s is away (%s): waiting for it", self._settings.upload_dir, reason)
                self._folder_away = f"the folder {self._settings.upload_dir} ({reason})"
            case Reached():
                self._reached(message)
            case Refused():
                self._refused(message)
            case Progress():
                self._sending.note(message, now)
            case Sent() | Same() | NotSent():
                self._sending.judge(message, now)

    def _reached(self, reached: Reached) -> None:
        topic, info = self._settings.topic_name, reached.info
        _log.info("broker %s reached: topic %s has %d partitions", self._address, topic, info.partitions)
        if not self._ledger.belongs_to(info.cluster_id):
            _log.warning(
                "this is ANOTHER KAFKA CLUSTER (%s) than before: every file sent to the old one is sent again",
                info.cluster_id,
            )
            self._send_all_again()
        chunk_size = fitting(self._settings.chunk_size, self._pace)
        self._sending.target = Target(topic, info.partitions, self._source, chunk_size, reached.topic_id)
        self._seeking, self._ever_reached, self._waiting_for = False, True, None

    def _send_all_again(self) -> None:
        self._known.clear()
        self._watcher.look_everywhere()

    def _refused(self, refused: Refused) -> None:
        if not self._ever_reached:
            raise refused.error
        self._troubles.say(str(refused.error))
        self._waiting_for = str(refused.error)
        self._seeking = False

    def _status(self, now: float) -> Status:
        waiting = self._pending.waiting(now)
        silent = self._uploader.silent_for() > _SILENCE_SECONDS
        broker = self._waiting_for or (f"the broker {self._address} to acknowledge" if silent else None)
        return Status(
            files_done=self._sending.done.files,
            bytes_done=self._sending.done.bytes,
            files_pending=waiting.files,
            bytes_pending=waiting.size,
            oldest_pending_seconds=None if waiting.oldest_since is None else now - waiting.oldest_since,
            notes=self._intake.notes(waiting),
            waiting_for=self._folder_away or self._sending.trouble or broker,
        )

    def _finish(self) -> None:
        """Take nothing new; give what is at the producer a few seconds to be acknowledged; write the ledger."""
        deadline = time.monotonic() + _GRACE_SECONDS
        self._uploader.stop()
        self._lanes.close(timeout=1.0)
        while len(self._producer) and time.monotonic() < deadline:
            self._take_in(0.05)
            self._service.beat(self._status(time.monotonic()))
        self._take_in(0.0)
        self._sending.commit_now(time.monotonic())
        self._service.beat(self._status(time.monotonic()))
        self._watcher.stop(timeout=1.0)
        if rest := len(self._pending):
            _log.info("%d files that were not acknowledged yet are sent at the next start", rest)

    def _poll(self) -> None:
        while True:
            self._uploader.poll(1.0)

    @property
    def _address(self) -> str:
        return self._settings.producer.get("bootstrap.servers", "")
