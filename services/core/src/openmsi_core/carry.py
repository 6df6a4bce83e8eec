"""What the programs that receive files have in common: a member of a group that carries a topic to a destination."""

import logging
from pathlib import Path

from openmsi_core.commits import ConsumerCommits
from openmsi_core.destination import Destination
from openmsi_core.durable import in_words
from openmsi_core.errors import ConfigError, Retryable
from openmsi_core.group import group_id
from openmsi_core.kafka import Troubles, make_admin, make_consumer
from openmsi_core.paths import RelativePath
from openmsi_core.policy import Policy
from openmsi_core.quarantine import Quarantine
from openmsi_core.receive import Receiver
from openmsi_core.receiver_settings import ReceiverSettings
from openmsi_core.service import Service
from openmsi_core.staging import Staging
from openmsi_core.topic import TopicInfo, topic_id, wait_for_topic

_log = logging.getLogger(__name__)

_PREFETCH_BYTES = 24 << 20
_ANSWER_SECONDS = 5.0


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


def carry(
    settings: ReceiverSettings, service: Service, destination: Destination, staging: Staging, folder: Path, where: str
) -> None:
    """Carry all files of the topic to ``destination``, which is called ``where``, until the program is to stop.

    Quarantine is in ``folder``. A group that is made for this pair of topic and ``where`` is kept in the state folder.
    Blocks; waits for the broker and for the topic. On return offsets are committed and the group is left. Raises Fatal.
    """
    group = group_id(
        settings.consumer_group_id, settings.consumer, settings.state_dir, f"{where}\n{settings.topic_name}"
    )
    troubles, commits = Troubles(_log.warning), ConsumerCommits()
    consumer = make_consumer(
        settings.consumer, group_id=group, queue_bytes=_PREFETCH_BYTES, troubles=troubles, on_commit=commits
    )
    info = wait_for_topic(consumer, settings.topic_name, troubles, service.stop, service.beat)
    if info is None:
        consumer.close()
        return
    _log.info("group %s carries topic %s to %s", group, settings.topic_name, where)
    quarantine = Quarantine(folder, settings.topic_name)
    policy = _policy(settings, info, group)
    Receiver(consumer, destination, staging, quarantine, troubles, commits, policy, service.counts).run(
        service.stop, service.beat
    )


def _policy(settings: ReceiverSettings, info: TopicInfo, group: str) -> Policy:
    pattern = settings.download_regex

    def wanted(path: RelativePath) -> bool:
        return pattern is None or pattern.match(path.text) is not None

    return Policy(
        topic=settings.topic_name,
        topic_id=topic_id(make_admin(settings.consumer), settings.topic_name, _ANSWER_SECONDS),
        group=group,
        topic_partitions=info.partitions,
        wanted=wanted,
        workers=settings.n_threads,
        idle_seconds=settings.idle_quarantine_hours * 3600,
        start=settings.consumer.get("auto.offset.reset", "earliest"),
        sharing="group",
        on_lost_offsets=settings.on_lost_offsets,
    )
