"""The bucket at the start: waited for, made, or found missing."""

import logging
import threading
import time
from collections.abc import Callable
from uuid import uuid4

from botocore.exceptions import ClientError

from openmsi_core.errors import ConfigError, Retryable
from openmsi_core.kafka import Troubles
from openmsi_core.paths import RESERVED
from openmsi_core.status import Status
from openmsi_s3_transfer.bucket import Bucket
from openmsi_s3_transfer.client import Clients
from openmsi_s3_transfer.crew import Crew, result_of
from openmsi_s3_transfer.keys import prefix_of
from openmsi_s3_transfer.probe import find_abilities
from openmsi_s3_transfer.refusals import Busy, NoBucket, refusals
from openmsi_s3_transfer.settings import TransferSettings

_log = logging.getLogger(__name__)

_PAUSE_SECONDS = 2.0
_MADE_SECONDS = 0.5


def wait_for_bucket(
    clients: Clients,
    settings: TransferSettings,
    make: Callable[[Clients, str], None],
    troubles: Troubles,
    stop: threading.Event,
    beat: Callable[[Status], None],
) -> Bucket | None:
    """The bucket, as soon as it can be written, however long that takes; None when ``stop`` is set before.

    ``make`` is called when it is missing. Raises ConfigError as ``make`` and `find_abilities` do.
    """
    name, options = settings.bucket_name, settings.object_options
    prefix = prefix_of(settings.topic_name, settings.key_template)
    crew = Crew(1, "probe")
    while not stop.is_set():
        try:
            key = f"{prefix}{RESERVED}/probe-{uuid4().hex}"
            abilities = result_of(crew.submit(find_abilities, clients, name, key, options), stop)
            return Bucket(clients, name, abilities, options)
        except NoBucket:
            try:
                make(clients, name)
                stop.wait(_MADE_SECONDS)  # it may not be seen everywhere at once
                continue
            except Retryable as error:
                trouble: Retryable = error
        except Retryable as error:
            trouble = error
        troubles.say(str(trouble))
        until = time.monotonic() + max(_PAUSE_SECONDS, trouble.seconds if isinstance(trouble, Busy) else 0.0)
        while time.monotonic() < until and not stop.is_set():
            beat(Status(waiting_for=str(trouble)))
            stop.wait(min(_PAUSE_SECONDS, until - time.monotonic()))
    return None


def refuse(clients: Clients, name: str) -> None:
    """For `wait_for_bucket`: a missing bucket is a mistake. Raises ConfigError."""
    raise ConfigError(f"there is no bucket {name} at {clients.endpoint}: make it, or let --create_bucket make it")


def create(clients: Clients, name: str) -> None:
    """For `wait_for_bucket`: make it. Raises Retryable."""
    place = {} if clients.region == "us-east-1" else {"LocationConstraint": clients.region}
    with refusals(clients.endpoint, name):
        try:
            clients.quick.create_bucket(Bucket=name, **({"CreateBucketConfiguration": place} if place else {}))
        except ClientError as error:
            if error.response["Error"].get("Code") != "BucketAlreadyOwnedByYou":
                raise
    _log.info("made the bucket %s at %s", name, clients.endpoint)
