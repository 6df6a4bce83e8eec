"""Puts complete files into a bucket: each appears whole and verified, or not at all."""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Literal

from xxhash import xxh3_128

from openmsi_core.deliveries import CompleteFile
from openmsi_core.durable import disk_errors
from openmsi_core.errors import BadFile, Retryable, StagedBytesLost
from openmsi_core.generation import Verdict, Version, is_unfinished, judge
from openmsi_core.paths import RelativePath
from openmsi_s3_transfer.bucket import Bucket, Placed, Wanted
from openmsi_s3_transfer.keys import DEFAULT_TEMPLATE, content_type, key_of
from openmsi_s3_transfer.marks import has_its_size, marked_version, marks_of
from openmsi_s3_transfer.multipart import Multipart
from openmsi_s3_transfer.refusals import Changed

_log = logging.getLogger(__name__)

_LARGE = 16 << 20  # sent in parts from here on
_TRIES = 5  # when others write the same key meanwhile
_QUIET_SECONDS = 30.0  # without a question from the receiver's thread after the store did not answer one
_TRUST_SECONDS = 10.0


class BucketDestination:
    """One topic's part of a bucket; the object itself is the record of what was delivered."""

    def __init__(
        self,
        bucket: Bucket,
        multipart: Multipart,
        topic: str,
        verify: Literal["head", "full"],
        clock: Callable[[], float] = time.monotonic,
        template: str = DEFAULT_TEMPLATE,
    ) -> None:
        self._bucket = bucket
        self._multipart = multipart
        self._topic = topic
        self._template = template
        self._verify = verify
        self._clock = clock
        self._quiet_until = 0.0
        self._puts = 0  # deliveries that may have put something: what was known before may be over
        self._repeat: tuple[RelativePath, str, bytes, int] | None = None
        self._repeat_until = 0.0

    def verdict(self, path: RelativePath, version: Version) -> Verdict:
        """As `Destination.verdict`; asks the store only about files of several records, of which part is still to come.

        A file of one record is on its way to `deliver`, which asks anyway. This blocks the receiver's thread: a store
        that does not answer is not asked again for a while.
        """
        if not is_unfinished(version):
            return Verdict.NEWER
        asked = (path, version.upload_id, version.file_hash, self._puts)
        if asked == self._repeat and self._clock() < self._repeat_until:
            return Verdict.REPEAT
        if self._clock() < self._quiet_until:
            raise Retryable("the store did not answer a moment ago")
        try:
            placed = self._bucket.look(self._key(path))
        except Retryable:
            self._quiet_until = self._clock() + _QUIET_SECONDS
            raise
        if placed is None:
            return Verdict.NEWER
        verdict = judge(version, marked_version(placed.metadata, self._topic))
        if verdict is not Verdict.REPEAT:
            return verdict
        if self._verify == "full" or not has_its_size(placed.metadata, placed.size):
            return Verdict.NEWER  # whoever put it may have died before looking at it: `deliver` does
        self._repeat = asked  # for each of its records that is read again
        self._repeat_until = self._clock() + _TRUST_SECONDS
        return verdict

    def deliver(self, file: CompleteFile) -> Verdict:
        """As `Destination.deliver`: on return the verified object is in the bucket, or one that wins is."""
        try:
            verdict = self._deliver(file)
        finally:
            self._puts += 1
        path = file.generation.path
        if verdict is Verdict.NEWER:
            _log.info("put %s (%d bytes, partition %d)", path, file.size, file.partition)
        elif verdict is Verdict.OLDER:
            _log.info("dropped an older upload of %s", path)
        if file.staged is not None:
            with contextlib.suppress(OSError):
                file.staged.unlink(missing_ok=True)
        return verdict

    def _key(self, path: RelativePath) -> str:
        return key_of(self._topic, path, self._template)

    def _deliver(self, file: CompleteFile) -> Verdict:
        path = file.generation.path
        wanted = Wanted(self._key(path), content_type(path), marks_of(file, self._topic))
        # Most files are new: of small ones the store says by itself when that is not so.
        look_first = file.size >= _LARGE or not self._bucket.abilities.conditions
        for _ in range(_TRIES):
            placed = self._bucket.look(wanted.key) if look_first else None
            if placed is not None:
                verdict = self._judge(file, wanted.key, placed)
                if verdict is not Verdict.NEWER:
                    return verdict
            try:
                self._put(wanted, file, placed)
            except Changed:
                look_first = True
                continue
            self._check(wanted, file)
            return Verdict.NEWER
        raise Retryable(f"others keep writing {wanted.key}: only this program should write there")

    def _judge(self, file: CompleteFile, key: str, placed: Placed) -> Verdict:
        """How ``file`` stands to the object in place. Raises BadFile when that one is not ours to replace."""
        version = marked_version(placed.metadata, self._topic)
        if version is None:  # it may have come from the topic by another program
            if placed.size == file.size and self._bucket.hash(key) == file.version.file_hash:
                return Verdict.REPEAT
            raise BadFile(f"an object that is not ours is at its place ({key}): move that one away")
        if version.source and file.version.source and version.source != file.version.source:
            _log.warning("%s is written by two sources: %s and %s", key, version.source, file.version.source)
        verdict = judge(file.version, version)
        if verdict is Verdict.REPEAT and self._trouble(key, file, placed):
            return Verdict.NEWER  # it says so of itself, but it is not what it says
        return verdict

    def _put(self, wanted: Wanted, file: CompleteFile, placed: Placed | None) -> None:
        if file.sealed is None:
            self._bucket.put(wanted, bytes(file.data or b""), placed)
        elif file.size >= _LARGE:
            self._multipart.put(wanted, file.sealed, file.size, placed)
        else:
            with disk_errors(file.sealed.path):
                try:
                    data = file.sealed.path.read_bytes()
                except FileNotFoundError:
                    raise StagedBytesLost(f"the staged file {file.sealed.path} was removed, reading it again") from None
            if xxh3_128(data).digest() != file.sealed.check:
                raise StagedBytesLost(f"the staged file {file.sealed.path} has changed on the disk, reading it again")
            self._bucket.put(wanted, data, placed)

    def _check(self, wanted: Wanted, file: CompleteFile) -> None:
        """See that the store has what it was given. Raises Retryable."""
        placed = self._bucket.look(wanted.key)
        if placed is None:
            raise Retryable(f"{wanted.key} is not in the bucket after it was put there")
        found = marked_version(placed.metadata, self._topic)
        if found is None or judge(file.version, found) is not Verdict.REPEAT:
            if found is not None and judge(file.version, found) is Verdict.OLDER:
                return  # a newer one has come meanwhile
            raise Retryable(f"{wanted.key} is not what was put there: its metadata differ")
        if trouble := self._trouble(wanted.key, file, placed):
            raise Retryable(f"{wanted.key} is not what was put there: {trouble}")

    def _trouble(self, key: str, file: CompleteFile, placed: Placed) -> str:
        """What is wrong with an object that says it has the content of ``file``; empty = nothing."""
        if placed.size != file.size:
            return f"it has {placed.size} bytes instead of {file.size}"
        if self._verify == "full" and self._bucket.hash(key) != file.version.file_hash:
            return "its SHA-512 differs"
        return ""
