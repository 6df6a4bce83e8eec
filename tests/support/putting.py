"""Bucket destinations in this process, and files to put there."""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from xxhash import xxh3_128

from openmsi_core.deliveries import CompleteFile
from openmsi_core.generation import Generation, Version
from openmsi_core.paths import RelativePath
from openmsi_core.staging import Sealed
from openmsi_s3_transfer.bucket import Bucket
from openmsi_s3_transfer.bucket_destination import BucketDestination
from openmsi_s3_transfer.keys import DEFAULT_TEMPLATE
from openmsi_s3_transfer.multipart import Multipart
from openmsi_s3_transfer.unfinished import Unfinished

MTIME = 1_700_000_000.25
"""Of the files that `staged` makes."""


@contextlib.contextmanager
def destination(
    bucket: Bucket,
    folder: Path,
    verify: Literal["head", "full"] = "head",
    topic: str = "T",
    template: str = DEFAULT_TEMPLATE,
) -> Iterator[BucketDestination]:
    """A destination with notes in ``folder``, whose clock stands."""
    notes = Unfinished(folder / "unfinished")
    multipart = Multipart(bucket, notes, threading.Event())
    try:
        yield BucketDestination(bucket, multipart, topic, verify, lambda: 0.0, template)
    finally:
        multipart.close()
        notes.close()


def staged(folder: Path, content: bytes, upload: int = 1) -> CompleteFile:
    """A complete file ``f`` that was staged in ``folder``."""
    digest, upload_id = hashlib.sha512(content).digest(), f"01890000-0000-7000-8000-{upload:012x}"
    path = folder / f"staged{upload}"
    path.write_bytes(content)
    version = Version(digest, upload_id, "source", MTIME, (upload, upload))
    generation = Generation(RelativePath.parse("f"), digest, 2, upload_id)
    return CompleteFile(generation, version, len(content), None, Sealed(path, xxh3_128(content).digest()), 0)
