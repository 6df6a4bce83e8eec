"""Which upload of a path a chunk belongs to, and which of two uploads wins. Pure."""

import dataclasses
import enum
from dataclasses import dataclass

from openmsi_core.chunk import Chunk, Upload
from openmsi_core.paths import RelativePath

_YET_TO_COME = (2**63, 0)


class Verdict(enum.Enum):
    """How an arriving version of a file stands to the one that is in place."""

    NEWER = "newer"
    """Nothing is in place, or the arriving version wins."""
    REPEAT = "repeat"
    """The same content is in place already."""
    OLDER = "older"
    """The version in place wins; the arriving one is discarded whole."""


@dataclass(frozen=True, slots=True)
class Version:
    """What decides which upload of a path wins; kept with every delivered file."""

    file_hash: bytes
    upload_id: str
    """``""`` for an upload without our headers."""
    source: str
    """``""`` for an upload without our headers."""
    mtime: float
    """Seconds since the epoch at the source; 0.0 = unknown."""
    logged: tuple[int, int]
    """Kafka timestamp (milliseconds) and offset of its newest record."""


@dataclass(frozen=True, slots=True)
class Generation:
    """Identity of one upload of one path: chunks with equal generations belong to one file."""

    path: RelativePath
    file_hash: bytes
    total: int
    upload_id: str

    @classmethod
    def of(cls, chunk: Chunk, upload: Upload | None) -> "Generation":
        """The generation of ``chunk``. Raises BadFile for an unsafe path."""
        return cls(chunk.path, chunk.file_hash, chunk.total, upload.upload_id if upload else "")


def version_of(chunk: Chunk, upload: Upload | None, logged: tuple[int, int]) -> Version:
    """The version that ``chunk``, read at ``logged``, is a piece of."""
    if upload is None:
        return Version(chunk.file_hash, "", "", chunk.mtime, logged)
    return Version(chunk.file_hash, upload.upload_id, upload.source, chunk.mtime, logged)


def unfinished(version: Version) -> Version:
    """How to judge ``version`` before its newest record is known: by the log alone it would win."""
    return dataclasses.replace(version, logged=_YET_TO_COME)


def is_unfinished(version: Version) -> bool:
    """Whether ``version`` comes from `unfinished`."""
    return version.logged == _YET_TO_COME


def judge(arriving: Version, placed: Version | None) -> Verdict:
    """Compare an arriving version with the one in place.

    Same content is a repeat. One source's later upload wins, whatever its mtime; otherwise the newer of two known
    mtimes; otherwise the one that came later in the log.
    """
    if placed is None:
        return Verdict.NEWER
    if arriving.file_hash == placed.file_hash:
        return Verdict.REPEAT
    if arriving.source and arriving.source == placed.source:
        newer = arriving.upload_id > placed.upload_id
    elif arriving.mtime > 0 and placed.mtime > 0 and arriving.mtime != placed.mtime:
        newer = arriving.mtime > placed.mtime
    else:
        newer = arriving.logged > placed.logged
    return Verdict.NEWER if newer else Verdict.OLDER
