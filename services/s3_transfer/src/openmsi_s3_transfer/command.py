"""The program `S3TransferStreamProcessor`: every file of a topic, in a bucket."""

import logging

from openmsi_core.carry import carry, prepare
from openmsi_core.durable import disk_errors, write_file
from openmsi_core.errors import ConfigError, Retryable
from openmsi_core.kafka import Troubles
from openmsi_core.paths import RESERVED
from openmsi_core.quarantine import BUCKET
from openmsi_core.service import Service, run
from openmsi_core.staging import Staging
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
            destination = BucketDestination(
                bucket, multipart, settings.topic_name, settings.verify, template=settings.key_template
            )
            prompt = Prompt(destination, settings.n_threads, service.stop)
            where = f"{clients.endpoint}/{settings.bucket_name}"
            carry(settings, service, prompt, staging, settings.work_dir, where)
        finally:
            multipart.close()
            unfinished.close()
    finally:
        staging.close()


def _prepare(settings: TransferSettings) -> Staging:
    """Make the folder for what is not complete yet. Raises ConfigError."""
    folder = settings.work_dir
    staging = prepare(folder)
    try:
        with disk_errors(folder):  # for `openmsi quarantine`: this is no folder to place files in
            write_file(folder / RESERVED / BUCKET, settings.bucket_name.encode())
    except Retryable as error:
        raise ConfigError(str(error)) from None
    return staging
