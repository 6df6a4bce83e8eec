"""What a store can do: tried once at the start, on an object of our own that is removed again."""

import contextlib
import logging
import threading
from collections.abc import Callable
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from openmsi_core.errors import ConfigError, Retryable
from openmsi_core.kafka import Troubles
from openmsi_core.paths import RESERVED
from openmsi_core.status import Status
from openmsi_s3_transfer.bucket import Abilities, Bucket, Placed, Wanted
from openmsi_s3_transfer.checksums import Checksum
from openmsi_s3_transfer.client import Clients
from openmsi_s3_transfer.refusals import Busy, Changed, NoBucket, refusals, status_of

_log = logging.getLogger(__name__)

_TEXT = b"OpenMSI streaming tries here what this store can do; this may be deleted.\n"
_PAUSE_SECONDS = 2.0
_NO_SUCH_TAG = '"00000000000000000000000000000000"'
_NOT_KNOWN = {400, 411, 412, 501}  # how stores refuse a header they do not know


def wait_for_bucket(
    clients: Clients,
    name: str,
    topic: str,
    make: Callable[[Clients, str], None],
    troubles: Troubles,
    stop: threading.Event,
    beat: Callable[[Status], None],
) -> Bucket | None:
    """The bucket, as soon as it can be written, however long that takes; None when ``stop`` is set before.

    ``make`` is called when it is missing. Raises ConfigError as ``make`` does.
    """
    while not stop.is_set():
        try:
            return Bucket(clients, name, find_abilities(clients, name, f"{topic}/{RESERVED}/probe-{uuid4().hex}"))
        except NoBucket:
            try:
                make(clients, name)
                continue
            except Retryable as error:
                trouble: Retryable = error
        except Retryable as error:
            trouble = error
        troubles.say(str(trouble))
        beat(Status(waiting_for=str(trouble)))
        stop.wait(max(_PAUSE_SECONDS, trouble.seconds if isinstance(trouble, Busy) else 0.0))
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


def find_abilities(clients: Clients, name: str, key: str) -> Abilities:
    """Try out the store with an object at ``key``. Raises Retryable, NoBucket among them, when it cannot be written."""
    try:
        checksum = _find_checksum(clients, name, key)
        bucket = Bucket(clients, name, Abilities(conditions=True, checksum=checksum))
        conditions = all(_refuses(bucket, key, placed) for placed in (None, Placed(0, {}, _NO_SUCH_TAG)))
    finally:
        _remove(clients, name, key)
    if not conditions:
        _log.warning("%s knows no conditions: let nobody else write this topic's objects", clients.endpoint)
    return Abilities(conditions, checksum)


def _find_checksum(clients: Clients, name: str, key: str) -> Checksum:
    wanted = Wanted(key, "text/plain", {})
    try:
        Bucket(clients, name, Abilities(conditions=False, checksum="sha256")).put(wanted, _TEXT, None)
    except Retryable as error:
        cause = error.__cause__
        if not isinstance(cause, ClientError) or status_of(cause) not in _NOT_KNOWN:
            raise
        Bucket(clients, name, Abilities(conditions=False, checksum="md5")).put(wanted, _TEXT, None)
        return "md5"
    return "sha256"


def _refuses(bucket: Bucket, key: str, placed: Placed | None) -> bool:
    """Whether the store refuses to replace the object at ``key`` as if ``placed`` were there, which is not."""
    try:
        bucket.put(Wanted(key, "text/plain", {}), _TEXT, placed)
    except Changed:
        return True
    except Retryable as error:
        cause = error.__cause__
        if not isinstance(cause, ClientError) or status_of(cause) not in _NOT_KNOWN:
            raise
    return False


def _remove(clients: Clients, name: str, key: str) -> None:
    with contextlib.suppress(ClientError, BotoCoreError):  # without the right to delete it stays, which harms nobody
        clients.quick.delete_object(Bucket=name, Key=key)
