"""Large objects: sent in parts, several at once, and completed only when all is known to be right."""

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from botocore.exceptions import ClientError
from xxhash import xxh3_128

from openmsi_core.durable import REOPEN, disk_errors
from openmsi_core.errors import BadFile, Retryable, StagedBytesLost
from openmsi_core.in_time import in_time
from openmsi_core.staging import Sealed
from openmsi_s3_transfer.bucket import Bucket, Placed, Wanted
from openmsi_s3_transfer.checksums import checksum_of
from openmsi_s3_transfer.client import PARTS_AT_ONCE
from openmsi_s3_transfer.complete import complete
from openmsi_s3_transfer.crew import Crew
from openmsi_s3_transfer.refusals import error_code, refusals, status_of
from openmsi_s3_transfer.unfinished import UNKNOWN, Unfinished
from openmsi_s3_transfer.window import Window

_log = logging.getLogger(__name__)

_SMALLEST_PART = 8 << 20
_MOST_PARTS = 9000  # S3 allows 10,000
_LARGEST_PART = 5 << 30  # of S3; stores that allow less for a whole object say so themselves
_LAST_SECONDS = 3.0
_GONE = {"NoSuchUpload", "NoSuchKey", "NoSuchBucket"}


def part_size(size: int) -> int:
    """Bytes in each part, but the last, of an object of ``size`` bytes. Raises BadFile when S3 allows none so large."""
    step = max(_SMALLEST_PART, -(-size // _MOST_PARTS))
    if step > _LARGEST_PART:
        raise BadFile(f"it has {size} bytes, and an object at most {_MOST_PARTS * _LARGEST_PART}: send it in pieces")
    return step


class Multipart:
    """Sends large files to one bucket. Safe for use by several threads; all share the places for parts."""

    def __init__(self, bucket: Bucket, unfinished: Unfinished, stop: threading.Event) -> None:
        self._bucket = bucket
        self._unfinished = unfinished
        self._stop = stop
        self._parts = Crew(PARTS_AT_ONCE, "part")

    def put(self, wanted: Wanted, staged: Sealed, size: int, placed: Placed | None) -> None:
        """Make a large object of a staged file; durable on return.

        What is sent is hashed once more on its way: the object is completed only when it is what was sealed. Blocks for
        as long as that takes. Raises StagedBytesLost, Retryable (also when the program is to stop) and what `Bucket`
        says; then nothing is visible and the upload is aborted.
        """
        with disk_errors(staged.path):
            try:
                file = os.open(staged.path, REOPEN)
            except FileNotFoundError:
                raise StagedBytesLost(f"the staged file {staged.path} was removed, reading it again") from None
        try:
            with self._begun(wanted) as upload_id:
                parts = self._send(wanted.key, upload_id, file, size, staged)
                complete(self._bucket, wanted, upload_id, parts, placed, self._stop)
        finally:
            os.close(file)

    def abort(self, key: str, upload_id: str) -> None:
        """Abort an upload; one that is gone is fine. Of an `UNKNOWN` id all uploads of ``key``. Raises Retryable."""
        bucket = self._bucket
        with refusals(bucket.clients.endpoint, bucket.name):
            for each in self._begun_of(key) if upload_id == UNKNOWN else [upload_id]:
                try:
                    bucket.clients.quick.abort_multipart_upload(Bucket=bucket.name, Key=key, UploadId=each)
                except ClientError as error:
                    if error_code(error) not in _GONE:  # of wrong keys, too, stores say 404
                        raise

    def _begun_of(self, key: str) -> list[str]:
        bucket = self._bucket
        try:
            found = bucket.clients.quick.list_multipart_uploads(Bucket=bucket.name, Prefix=key)
        except ClientError as error:
            if status_of(error) in (403, 501) or error_code(error) in _GONE:
                return []  # without the right to look a lifecycle rule must do it
            raise
        return [str(each["UploadId"]) for each in found.get("Uploads", ()) if each["Key"] == key]

    def close(self) -> None:
        """Abort what is not finished; blocks for some seconds at most. What cannot be aborted stays noted."""
        with contextlib.suppress(TimeoutError):
            in_time(_LAST_SECONDS, self._unfinished.abort_left, self.abort)

    @contextlib.contextmanager
    def _begun(self, wanted: Wanted) -> Iterator[str]:
        bucket = self._bucket
        kind = {"ChecksumAlgorithm": "SHA256"} if bucket.abilities.checksum == "sha256" else {}
        self._unfinished.abort_left(self.abort, wanted.key)
        self._unfinished.begin(wanted.key)
        try:
            with refusals(bucket.clients.endpoint, bucket.name):
                upload_id = str(
                    bucket.clients.quick.create_multipart_upload(**bucket.beginning(wanted), **kind)["UploadId"]
                )
        except BaseException:
            self._unfinished.leave(wanted.key, UNKNOWN)
            raise
        try:
            self._unfinished.add(wanted.key, upload_id)
            yield upload_id
        except BaseException:
            try:
                self.abort(wanted.key, upload_id)
            except Exception as error:  # it stays noted, and is tried again
                _log.debug("the upload of %s could not be aborted: %s", wanted.key, error)
                self._unfinished.leave(wanted.key, upload_id)
            else:
                self._unfinished.remove(wanted.key, upload_id)
            raise
        self._unfinished.remove(wanted.key, upload_id)

    def _send(self, key: str, upload_id: str, file: int, size: int, staged: Sealed) -> list[dict[str, Any]]:
        check, step = xxh3_128(), part_size(size)
        under_way: deque[Future[dict[str, Any]]] = deque()
        parts: list[dict[str, Any]] = []
        try:
            for number, start in enumerate(range(0, size, step), 1):
                if self._stop.is_set():
                    raise Retryable("the program stops: the next start sends it anew")
                window = Window(file, start, min(step, size - start))
                with disk_errors(staged.path):
                    checksum = checksum_of(_noting(window.pieces(), check), self._bucket.abilities.checksum)
                if len(under_way) >= PARTS_AT_ONCE:
                    parts.append(under_way.popleft().result())
                under_way.append(self._parts.submit(self._part, key, upload_id, number, window, checksum))
            parts += [part.result() for part in under_way]
        finally:
            for part in under_way:  # none may still read the file when it is closed
                part.cancel()
            for part in under_way:
                with contextlib.suppress(BaseException):
                    part.exception()
        if check.digest() != staged.check or os.fstat(file).st_size != size:
            raise StagedBytesLost(f"the staged file {staged.path} has changed on the disk, reading it again")
        return parts

    def _part(self, key: str, upload_id: str, number: int, window: Window, checksum: dict[str, str]) -> dict[str, Any]:
        bucket = self._bucket
        with refusals(bucket.clients.endpoint, bucket.name):
            answer = bucket.clients.patient.upload_part(
                Bucket=bucket.name, Key=key, UploadId=upload_id, PartNumber=number, Body=window, **checksum
            )
        sent = {name: value for name, value in checksum.items() if name != "ContentMD5"}
        return {"PartNumber": number, "ETag": answer["ETag"], **sent}


def _noting(pieces: Iterator[bytes], check: xxh3_128) -> Iterator[bytes]:
    for piece in pieces:
        check.update(piece)
        yield piece
