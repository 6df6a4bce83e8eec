"""The program `DataFileDownloadDirectory`: every file of a topic, in a folder."""

import logging
from pathlib import Path

from openmsi_core.commits import ConsumerCommits
from openmsi_core.durable import in_words
from openmsi_core.errors import ConfigError, Retryable
from openmsi_core.folder_destination import FolderDestination
from openmsi_core.group import group_id
from openmsi_core.kafka import Troubles, make_admin, make_consumer
from openmsi_core.paths import RelativePath
from openmsi_core.placing import Folder
from openmsi_core.policy import Policy
from openmsi_core.quarantine import Quarantine
from openmsi_core.receive import Receiver
from openmsi_core.service import Service, run
from openmsi_core.staging import Staging
from openmsi_core.topic import TopicInfo, topic_id, wait_for_topic
from openmsi_downloader.settings import DownloadSettings

_log = logging.getLogger(__name__)

_PREFETCH_BYTES = 24 << 20


def main() -> int:
    """Run the program; returns its exit code."""
    return run("DataFileDownloadDirectory", DownloadSettings, _download)


def _download(settings: DownloadSettings, service: Service) -> None:
    staging, folder = _prepare(settings.output_dir)
    try:
        group = group_id(
            settings.consumer_group_id,
            settings.consumer,
            settings.state_dir,
            f"{settings.output_dir}\n{settings.topic_name}",
        )
        troubles, commits = Troubles(_log.warning), ConsumerCommits()
        consumer = make_consumer(
            settings.consumer, group_id=group, queue_bytes=_PREFETCH_BYTES, troubles=troubles, on_commit=commits
        )
        info = wait_for_topic(consumer, settings.topic_name, troubles, service.stop, service.beat)
        if info is None:
            consumer.close()
            return
        _log.info("group %s carries topic %s to %s", group, settings.topic_name, settings.output_dir)
        Receiver(
            consumer,
            FolderDestination(folder, staging.own),
            staging,
            Quarantine(settings.output_dir, settings.topic_name),
            troubles,
            commits,
            _policy(settings, info, group),
            service.counts,
        ).run(service.stop, service.beat)
    finally:
        staging.close()


def _prepare(output: Path) -> tuple[Staging, Folder]:
    """Make the output folder and see that files can be staged and placed. Raises ConfigError."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(in_words(error, output)) from None
    staging, folder = Staging(output), Folder(output)
    try:
        staging.folder.start()
    except Retryable as error:
        raise ConfigError(str(error)) from None
    folder.check(staging.own)
    if not folder.has_times:
        _log.warning("%s cannot keep the times of files: they get the time of their arrival", output)
    if not folder.has_marks:
        _log.warning("%s cannot keep extended attributes: versions are told apart by their times only", output)
    return staging, folder


def _policy(settings: DownloadSettings, info: TopicInfo, group: str) -> Policy:
    pattern = settings.download_regex

    def wanted(path: RelativePath) -> bool:
        return pattern is None or pattern.match(path.text) is not None

    return Policy(
        topic=settings.topic_name,
        topic_id=topic_id(make_admin(settings.consumer), settings.topic_name, 5.0),
        group=group,
        topic_partitions=info.partitions,
        wanted=wanted,
        workers=settings.n_threads,
        idle_seconds=settings.idle_quarantine_hours * 3600,
        start=settings.consumer.get("auto.offset.reset", "earliest"),
        sharing="group",
        on_lost_offsets=settings.on_lost_offsets,
    )
