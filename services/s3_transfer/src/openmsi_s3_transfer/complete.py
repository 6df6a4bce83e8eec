"""The end of a multipart upload: the store puts the parts together."""

import itertools
import logging
import threading
import time
from typing import Any

from botocore.exceptions import ClientError

from openmsi_core.errors import Retryable
from openmsi_s3_transfer.bucket import Bucket, Placed, Wanted
from openmsi_s3_transfer.refusals import Changed, refusals, status_of

_log = logging.getLogger(__name__)

_LONGEST_SECONDS = 3 * 3600.0
_PAUSE_SECONDS = 3.0
_LEAST_LOOK_SECONDS = 30.0
_MOST_REFUSALS = 3
_NO_ANSWER = (0, 504)  # 504: of a proxy that did not wait


def complete(
    bucket: Bucket,
    wanted: Wanted,
    upload_id: str,
    parts: list[dict[str, Any]],
    placed: Placed | None,
    stop: threading.Event,
) -> None:
    """Have the object made; on return the caller must look whether it is there.

    Blocks for as long as the store takes: some copy all parts, and answer only then. An abort meanwhile would undo
    that, so a lost answer is asked for again, for three hours. Raises what `Bucket` says: then it may be aborted.
    """
    began, refused = time.monotonic(), 0
    changed: Changed | None = None
    for tries in itertools.count():
        try:
            _ask(bucket, wanted.key, upload_id, parts, placed)
        except Changed as error:
            if not tries:
                raise
            changed = error  # by an earlier one of ours, which may go on
            break
        except Retryable as error:
            status = status_of(error.__cause__) if isinstance(error.__cause__, ClientError) else 0
            refused += status not in _NO_ANSWER
            late = time.monotonic() - began > _LONGEST_SECONDS
            if tries and status == 404:  # an earlier one was done, or goes on
                break
            if 0 < status < 500 or refused > _MOST_REFUSALS or stop.is_set() or late:
                raise
            if not tries:
                _log.warning("the store has not said whether it has made %s, asking again: %s", wanted.key, error)
            if status == 500 and placed is None:
                bucket.refuses_such(wanted)
            stop.wait(_PAUSE_SECONDS)
        else:
            break
    if tries:
        _wait(bucket, wanted.key, placed, max(_LEAST_LOOK_SECONDS, time.monotonic() - began), stop)
    if changed:
        raise changed


def _wait(bucket: Bucket, key: str, placed: Placed | None, seconds: float, stop: threading.Event) -> None:
    """Wait for the object: versitygw says yes to the second while it still copies for the first. Raises Retryable."""
    until = time.monotonic() + seconds
    while True:
        last = time.monotonic() > until or stop.is_set()
        try:
            if bucket.look(key) != placed:
                return
        except Retryable:  # no reason to abort
            if last:
                raise
        if last:
            raise Retryable(f"{key} is not in the bucket after its parts were put together")
        stop.wait(_PAUSE_SECONDS)


def _ask(bucket: Bucket, key: str, upload_id: str, parts: list[dict[str, Any]], placed: Placed | None) -> None:
    with refusals(bucket.clients.endpoint, bucket.name):
        bucket.clients.steady.complete_multipart_upload(
            Bucket=bucket.name,
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": parts},
            **bucket.condition(placed),
        )
