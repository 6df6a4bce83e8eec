"""What a placed file carries about itself: extended attributes ``user.openmsi.*``, where the file system has them.

========  =====================================================================================
sha512    SHA-512 of the content when it was placed, hexadecimal
upload    id of the upload it came by, empty for an upload of another program
source    id of the uploader instance, likewise
log       Kafka timestamp (ms), offset and source mtime (s), separated by blanks
sum       the first 16 hexadecimal digits of the SHA-256 of the four above, each ended by a newline
========  =====================================================================================
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from openmsi_core.generation import Version

_PREFIX = "user.openmsi."


def can_mark(probe: Path) -> bool:
    """Whether files like ``probe`` can carry marks here."""
    try:
        os.setxattr(probe, f"{_PREFIX}probe", b"1")
    except (OSError, AttributeError):  # AttributeError: no extended attributes on this platform
        return False
    return True


def mark(file: int, version: Version) -> None:
    """Write the marks of ``version`` on an open file; durable with its next fsync. Raises OSError."""
    marks = {
        "sha512": version.file_hash.hex(),
        "upload": version.upload_id,
        "source": version.source,
        "log": f"{version.logged[0]} {version.logged[1]} {version.mtime!r}",
    }
    for name, value in (marks | {"sum": _sum(marks)}).items():
        os.setxattr(file, _PREFIX + name, value.encode())


def marked_version(file: int) -> Version | None:
    """The version that an open file says it is; None when it is not marked as `mark` does it (any flipped bit)."""
    try:
        marks = {name: os.getxattr(file, _PREFIX + name).decode() for name in ("sha512", "upload", "source", "log")}
        if os.getxattr(file, f"{_PREFIX}sum").decode() != _sum(marks):
            return None
        timestamp, offset, mtime = marks["log"].split(" ")
        logged = (int(timestamp), int(offset))
        return Version(bytes.fromhex(marks["sha512"]), marks["upload"], marks["source"], float(mtime), logged)
    except (OSError, ValueError, AttributeError):
        return None


def _sum(marks: Mapping[str, str]) -> str:
    text = "".join(f"{marks[name]}\n" for name in ("sha512", "upload", "source", "log"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
