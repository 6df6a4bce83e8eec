"""What is to be sent, and what can become of it."""

from dataclasses import dataclass

from openmsi_core.errors import OpenMSIError, Retryable
from openmsi_core.paths import RelativePath
from openmsi_uploader.source import FileStat
from openmsi_uploader.unfinished import Unfinished


class Unreadable(Retryable):
    """The file cannot be read at present."""


class Stopped(Retryable):
    """The program is stopping; the file is sent again at the next start."""


class CannotContinue(Retryable):
    """The unfinished upload of the file is of no use: it must be forgotten, and the file sent anew."""


@dataclass(frozen=True, slots=True)
class Job:
    """A file to send."""

    path: RelativePath
    stat: FileStat
    upload_id: str
    before: tuple[bytes, str] | None
    """SHA-512 and upload id of what was sent of this path before; None = nothing, or send it in any case."""
    unfinished: Unfinished | None = None
    """The upload with this id, to be continued; None = begin a new one."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Every record of the file is acknowledged by all in-sync replicas."""

    job: Job
    sha512: bytes
    partition: int


@dataclass(frozen=True, slots=True)
class Same:
    """The content is what was sent before; nothing was sent."""

    job: Job
    sha512: bytes
    upload_id: str
    """Of the upload that brought it there."""


@dataclass(frozen=True, slots=True)
class NotSent:
    """Something of the file may be at the broker, but not known to be all."""

    job: Job
    error: OpenMSIError


Outcome = Sent | Same | NotSent


@dataclass(frozen=True, slots=True)
class Progress:
    """So much of a large file is acknowledged; an outcome follows."""

    job: Job
    unfinished: Unfinished
