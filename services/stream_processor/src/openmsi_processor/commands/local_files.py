"""Files of this machine as a receiver would hand them over: complete, with a version and a place in the log."""

import contextlib
from pathlib import Path
from uuid import uuid4

from xxhash import xxh3_128

from openmsi_core.chunk import DEFAULT_CHUNK_SIZE
from openmsi_core.deliveries import CompleteFile
from openmsi_core.durable import disk_errors
from openmsi_core.generation import Generation, Version
from openmsi_core.paths import RelativePath
from openmsi_core.staging import Sealed

_BLOCK_BYTES = 1 << 20


def complete_file(source: Path, path: RelativePath, version: Version, partition: int, scratch: Path) -> CompleteFile:
    """The content of ``source`` as a file called ``path``: a small one in memory, a large one copied into ``scratch``.

    User code cannot reach ``source`` by it. Raises Retryable when the disk refuses.
    """
    with disk_errors(source):
        size = source.stat().st_size
        if size <= DEFAULT_CHUNK_SIZE:
            return CompleteFile(
                Generation(path, version.file_hash, 1, version.upload_id),
                version,
                size,
                source.read_bytes(),
                None,
                partition,
            )
        staged, check = scratch / uuid4().hex, xxh3_128()
        with source.open("rb") as reading, staged.open("wb") as writing:
            while block := reading.read(_BLOCK_BYTES):
                check.update(block)
                writing.write(block)
    total = -(-size // DEFAULT_CHUNK_SIZE)
    generation = Generation(path, version.file_hash, total, version.upload_id)
    return CompleteFile(generation, version, size, None, Sealed(staged, check.digest()), partition)


def drop(file: CompleteFile) -> None:
    """The copy in scratch is no longer needed. Never raises."""
    if file.staged is not None:
        with contextlib.suppress(OSError):
            file.staged.unlink(missing_ok=True)
