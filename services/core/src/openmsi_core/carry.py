"""What the programs that receive files have in common: a member of a group that carries a topic to a destination."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openmsi_core.commits import Commits, ConsumerCommits
from openmsi_core.destination import Destination
from openmsi_core.durable import in_words
from openmsi_core.errors import ConfigError, Retryable, Undone
from openmsi_core.group import group_id
from openmsi_core.kafka import Troubles, make_admin, make_consumer
from openmsi_core.pace import pace_for
from openmsi_core.paths import RelativePath
from openmsi_core.policy import Policy
from openmsi_core.quarantine import Quarantine, Tell
from openmsi_core.receive import Receiver
from openmsi_core.receiver_settings import ReceiverSettings
from openmsi_core.records import Locked
from openmsi_core.retry import delay_before
from openmsi_core.service import Service
from openmsi_core.staging import Staging
from openmsi_core.status import Status
from openmsi_core.topic import TopicInfo, check_cluster, topic_id, wait_for_topic

_log = logging.getLogger(__name__)

_PREFETCH_BYTES = 24 << 20
_ANSWER_SECONDS = 5.0
_QUIET_SECONDS = 300.0  # after which a failure has nothing to do with the one before


def prepare(folder: Path) -> Staging:
    """Make ``folder``, and see that what is not complete yet can be staged in it. Raises ConfigError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(in_words(error, folder)) from None
    staging = Staging(folder)
    try:
        staging.folder.start()
    except Retryable as error:
        raise ConfigError(str(error)) from None
    return staging


@dataclass(frozen=True, slots=True)
class Transacted:
    """Instead of `ConsumerCommits`: commits with more than offsets, and a thread more for each file that waits."""

    commits: Commits
    workers: int
    cluster_id: str
    """Of the brokers that commit: the topic must be there, too."""
    beat: Callable[[Status], None]
    """Instead of the service's own."""


def group_of(settings: ReceiverSettings, where: str) -> str:
    """The consumer group of a receiver whose destination is called ``where``; see `group_id`."""
    return group_id(
        settings.consumer_group_id, settings.consumer, settings.state_dir, f"{where}\n{settings.topic_name}"
    )


def carry(
    settings: ReceiverSettings,
    service: Service,
    destination: Destination,
    staging: Staging,
    folder: Path,
    where: str,
    group: str = "",
    wanted: Callable[[RelativePath], bool] = lambda _: True,
    transacted: Transacted | None = None,
    tell: Tell = lambda _content, _facts: None,
    tell_undecryptable: Callable[[Locked], None] = lambda _locked: None,
) -> None:
    """Carry all files of the topic to ``destination``, which is called ``where``, until the program is to stop.

    Quarantine is in ``folder``, and calls ``tell`` and ``tell_undecryptable``. ``group`` is what `group_of` says unless
    given; files are left out when they are not ``wanted``. Blocks; waits for the broker and for the topic. On return
    offsets are committed and the group is left. Raises Fatal, and Undone where ``transacted`` does.
    """
    group = group or group_of(settings, where)
    troubles, plain = Troubles(_log.warning), ConsumerCommits()
    pace = pace_for(settings.bandwidth_limit)
    consumer = make_consumer(
        settings.consumer, group_id=group, queue_bytes=_PREFETCH_BYTES, troubles=troubles, pace=pace, on_commit=plain
    )
    info = wait_for_topic(consumer, settings.topic_name, troubles, service.stop, service.beat)
    if info is None:
        consumer.close()
        return
    if transacted:
        check_cluster(info.cluster_id, transacted.cluster_id)
    _log.info("group %s carries topic %s to %s", group, settings.topic_name, where)
    quarantine = Quarantine(folder, settings.topic_name, tell, tell_undecryptable)
    commits = transacted.commits if transacted else plain
    workers = transacted.workers if transacted else settings.n_threads
    policy = _policy(settings, info, group, wanted, workers)
    Receiver(
        consumer, destination, staging, quarantine, troubles, commits, policy, service.counts, service.cipher, pace
    ).run(service.stop, transacted.beat if transacted else service.beat)


def begin_anew_when_undone(work: Callable[[], None], stop: threading.Event) -> None:
    """Do ``work``, again after a pause whenever it raises Undone, until it returns or ``stop`` is set."""
    failures = 0
    while not stop.is_set():
        begun = time.monotonic()
        try:
            work()
            break
        except Undone as error:
            failures = 1 if time.monotonic() - begun > _QUIET_SECONDS else failures + 1
            _log.warning("beginning anew: %s", error)
            stop.wait(delay_before(failures))


def _policy(
    settings: ReceiverSettings, info: TopicInfo, group: str, also: Callable[[RelativePath], bool], workers: int
) -> Policy:
    pattern = settings.download_regex

    def wanted(path: RelativePath) -> bool:
        return (pattern is None or pattern.match(path.text) is not None) and also(path)

    return Policy(
        topic=settings.topic_name,
        topic_id=topic_id(make_admin(settings.consumer), settings.topic_name, _ANSWER_SECONDS),
        group=group,
        topic_partitions=info.partitions,
        wanted=wanted,
        workers=workers,
        idle_seconds=settings.idle_quarantine_hours * 3600,
        start=settings.consumer.get("auto.offset.reset", "earliest"),
        sharing="group",
        on_lost_offsets=settings.on_lost_offsets,
        key_seconds=settings.key_seconds,
    )
