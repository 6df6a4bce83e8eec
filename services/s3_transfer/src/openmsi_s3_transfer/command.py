"""The program `S3TransferStreamProcessor`: every file of a topic, in a bucket."""

import logging

from openmsi_core.commits import ConsumerCommits
from openmsi_core.durable import disk_errors, in_words, write_file
from openmsi_core.errors import ConfigError, Retryable
from openmsi_core.group import group_id
from openmsi_core.kafka import Troubles, make_admin, make_consumer
from openmsi_core.paths import RESERVED, RelativePath
from openmsi_core.policy import Policy
from openmsi_core.quarantine import BUCKET, Quarantine
from openmsi_core.receive import Receiver
from openmsi_core.service import Service, run
from openmsi_core.staging import Staging
from openmsi_core.topic import TopicInfo, topic_id, wait_for_topic
from openmsi_s3_transfer.bucket import Bucket
from openmsi_s3_transfer.bucket_destination import BucketDestination
from openmsi_s3_transfer.client import make_clients
from openmsi_s3_transfer.crew import Crew, result_of
from openmsi_s3_transfer.multipart import Multipart
from openmsi_s3_transfer.prompt import Prompt
from openmsi_s3_transfer.quiet import Quiet
from openmsi_s3_transfer.settings import TransferSettings
from openmsi_s3_transfer.unfinished import Unfinished
from openmsi_s3_transfer.wait_for_bucket import create, refuse, wait_for_bucket

_log = logging.getLogger(__name__)

_PREFETCH_BYTES = 24 << 20


def main() -> int:
    """Run the program; returns its exit code."""
    return run("S3TransferStreamProcessor", TransferSettings, _transfer)


def _transfer(settings: TransferSettings, service: Service) -> None:
    clients = make_clients(settings)
    Quiet(clients, service.stop)
    staging = _prepare(settings)
    try:
        make = create if settings.create_bucket else refuse
        troubles = Troubles(_log.warning)
        bucket = wait_for_bucket(clients, settings, make, troubles, service.stop, service.beat)
        if bucket is None:
            return
        unfinished = Unfinished(settings.state_dir / "unfinished" / settings.bucket_name)
        multipart = Multipart(bucket, unfinished, service.stop)
        try:
            if count := result_of(Crew(1, "abort").submit(unfinished.abort_dead, multipart.abort), service.stop):
                _log.info("aborted %d unfinished uploads of an earlier run", count)
            _receive(settings, service, bucket, multipart, staging)
        finally:
            multipart.close()
            unfinished.close()
    finally:
        staging.close()


def _receive(
    settings: TransferSettings, service: Service, bucket: Bucket, multipart: Multipart, staging: Staging
) -> None:
    where = f"{bucket.clients.endpoint}/{settings.bucket_name}"
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
    destination = BucketDestination(
        bucket, multipart, settings.topic_name, settings.verify, template=settings.key_template
    )
    Receiver(
        consumer,
        Prompt(destination, settings.n_threads, service.stop),
        staging,
        Quarantine(settings.work_dir, settings.topic_name),
        troubles,
        commits,
        _policy(settings, info, group),
        service.counts,
    ).run(service.stop, service.beat)


def _prepare(settings: TransferSettings) -> Staging:
    """Make the folder for what is not complete yet. Raises ConfigError."""
    folder = settings.work_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(in_words(error, folder)) from None
    staging = Staging(folder)
    try:
        staging.folder.start()
        with disk_errors(folder):  # for `openmsi quarantine`: this is no folder to place files in
            write_file(folder / RESERVED / BUCKET, settings.bucket_name.encode())
    except Retryable as error:
        raise ConfigError(str(error)) from None
    return staging


def _policy(settings: TransferSettings, info: TopicInfo, group: str) -> Policy:
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
