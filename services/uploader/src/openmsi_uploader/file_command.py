"""`UploadDataFile`: send one file; exit code 0 means that the broker has acknowledged all of it.

Of an encrypted topic it stays for a while and hands out the keys of the file: nobody else has them.
"""

import dataclasses
import functools
import logging
import threading
import time
from pathlib import Path
from queue import SimpleQueue

from openmsi_core.errors import BadFile, BadInput, BrokerUnreachable, Fatal, OpenMSIError, Retryable
from openmsi_core.kafka import Troubles, make_producer
from openmsi_core.pace import fitting, pace_for
from openmsi_core.paths import RelativePath
from openmsi_core.service import Service, run
from openmsi_core.state import instance_id
from openmsi_core.status import Status, size
from openmsi_core.topic import RECORD_OVERHEAD, TopicInfo
from openmsi_uploader.connection import TopicOptions, find_topic
from openmsi_uploader.outcome import Job, NotSent, Outcome, Unreadable
from openmsi_uploader.ranges import Selector
from openmsi_uploader.settings import FileSettings
from openmsi_uploader.source import ContentChanged, FileStat, look_at
from openmsi_uploader.target import Target
from openmsi_uploader.upload import Uploader
from openmsi_uploader.upload_id import UploadIds

_log = logging.getLogger(__name__)

_TRIES = 5
_PAUSE_SECONDS = 1.0
_ANSWER_SECONDS = 2.0


def main(selector: Selector | None = None) -> int:
    """The program; returns its exit code. ``selector`` names the bytes of the file that are sent (default: all)."""
    return run(FileSettings.program, FileSettings, functools.partial(send, selector=selector))


def send(settings: FileSettings, service: Service, selector: Selector | None = None) -> None:
    """Return when the broker has acknowledged every record of ``settings.filepath``. Raises Fatal otherwise.

    With encryption: `serve_keys` seconds later, or when the program is told to stop.
    """
    _look(settings.filepath)
    sender = _OneFile(settings, service, selector)
    for _ in range(_TRIES):
        stat = _look(settings.filepath)
        error = sender.try_to_send(stat)
        if error is None:
            _log.info("sent %s (%s)", settings.filepath, size(stat.size))
            _hand_out_keys(settings, service, Status(files_done=1, bytes_done=stat.size))
            return
        if not isinstance(error, ContentChanged):
            raise _as_fatal(error, settings.filepath)
        service.stop.wait(_PAUSE_SECONDS)
    raise BadInput(f"{settings.filepath} keeps changing while it is read: send it when it is complete")


def _hand_out_keys(settings: FileSettings, service: Service, sent: Status) -> None:
    service.beat(sent)
    if settings.node is None:
        return
    if settings.serve_keys and not service.stop.is_set():
        _log.info("handing out its keys for %g s; it is sent, so Ctrl-C loses nothing", settings.serve_keys)
    until = time.monotonic() + settings.serve_keys
    while (left := until - time.monotonic()) > 0 and not service.stop.is_set():
        service.beat(dataclasses.replace(sent, waiting_for=f"readers that ask for its keys, {left:.0f} s more"))
        service.stop.wait(min(left, _PAUSE_SECONDS))
    service.beat(sent)
    _log.warning(
        "from now on nobody hands out the keys of %s: a receiver that has not asked yet can read it only while an"
        " uploader with the node %s runs, or openmsi key-server",
        settings.filepath.name,
        settings.node.name,
    )


class _OneFile:
    """A producer that has found its topic."""

    def __init__(self, settings: FileSettings, service: Service, selector: Selector | None) -> None:
        self._settings = settings
        self._service = service
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._troubles = Troubles(_log.warning)
        self._producer = make_producer(
            settings.producer,
            max_message_bytes=settings.chunk_size + RECORD_OVERHEAD,
            queue_bytes=48_000_000,
            troubles=self._troubles,
        )
        pace = pace_for(settings.bandwidth_limit)
        self._uploader = Uploader(
            settings.filepath.parent,
            self._producer,
            self._outcomes.put,
            selector=selector,
            cipher=service.cipher,
            pace=pace,
        )
        self._ids = UploadIds(settings.state_dir, reserve_ms=1)
        source = instance_id(settings.state_dir)
        chunk_size = fitting(settings.chunk_size, pace)
        self._target = Target(settings.topic_name, self._find_topic().partitions, source, chunk_size)

    def try_to_send(self, stat: FileStat) -> OpenMSIError | None:
        """Send the file once; None = all of it is acknowledged."""
        try:
            path = RelativePath.parse(self._settings.filepath.name)
        except BadFile as error:
            return error
        job = Job(path, stat, self._ids.next(), before=None)
        threading.Thread(target=self._uploader.upload, args=(job, self._target), daemon=True).start()
        while self._outcomes.empty():
            self._uploader.poll(0.1)
            if self._service.stop.is_set():
                raise BrokerUnreachable(f"stopped before the broker had all of {path}: send it again")
            if self._uploader.silent_for() > self._settings.timeout_seconds:
                raise BrokerUnreachable(f"{self._address} stopped answering before it had all of {path}: send it again")
        outcome = self._outcomes.get()
        return outcome.error if isinstance(outcome, NotSent) else None

    def _find_topic(self) -> TopicInfo:
        options = TopicOptions(self._settings.topic_name, self._settings.chunk_size, self._settings.producer)
        deadline = time.monotonic() + self._settings.timeout_seconds
        while not self._service.stop.is_set():
            wait = min(_ANSWER_SECONDS, max(0.1, deadline - time.monotonic()))
            try:
                return find_topic(self._producer, options, self._troubles, wait)
            except Retryable as error:
                if time.monotonic() >= deadline:
                    raise BrokerUnreachable(
                        f"{self._address} did not answer within {self._settings.timeout_seconds:g} s: check"
                        f" bootstrap.servers and that the broker runs ({error})"
                    ) from None
        raise BrokerUnreachable("stopped before anything was sent")

    @property
    def _address(self) -> str:
        return f"the broker {self._settings.producer.get('bootstrap.servers', '')}"


def _look(path: Path) -> FileStat:
    try:
        stat = look_at(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be looked at ({error.strerror})") from None
    if stat is None:
        what = "is not a regular file (a folder or a link)" if path.exists() else "does not exist"
        raise BadInput(f"{path} {what}: name the file to send")
    return stat


def _as_fatal(error: OpenMSIError, path: Path) -> Fatal:
    match error:
        case Fatal():
            return error
        case Unreadable() | BadFile():
            return BadInput(f"{path}: {error}")
        case _:
            return BrokerUnreachable(f"not all of {path} was acknowledged ({error}): send it again")
