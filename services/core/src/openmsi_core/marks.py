"""What a placed file carries about itself: extended attributes ``user.openmsi.*``, where the file system has them.

========  =====================================================================================
sha512    SHA-512 of the content when it was placed, hexadecimal
upload    id of the upload it came by, empty for an upload of another program
log       Kafka timestamp (ms), offset, source mtime (s), a sum, and the id of the uploader
          instance (nothing for another program), separated by blanks
========  =====================================================================================

The sum is XXH3 (64 bits, hexadecimal) of all the rest. They are few, because each costs a small file as much time as
a rename.
"""

import os
from pathlib import Path

from xxhash import xxh3_64_hexdigest

from openmsi_core.generation import Version

_PREFIX = "user.openmsi."
_SHA512, _UPLOAD, _LOG = f"{_PREFIX}sha512", f"{_PREFIX}upload", f"{_PREFIX}log"


def can_mark(probe: Path) -> bool:
    """Whether files like ``probe`` can carry marks here."""
    try:
        os.setxattr(probe, f"{_PREFIX}probe", b"1")
    except (OSError, AttributeError):  # AttributeError: no extended attributes on this platform
        return False
    return True


def mark(file: int, version: Version) -> None:
    """Write the marks of ``version`` on an open file; durable with its next fsync. Raises OSError."""
    sha512, (timestamp, offset) = version.file_hash.hex(), version.logged
    moment = f"{timestamp} {offset} {version.mtime!r}"
    os.setxattr(file, _SHA512, sha512.encode())
    os.setxattr(file, _UPLOAD, version.upload_id.encode())
    total = _sum(sha512, version.upload_id, moment, version.source)
    os.setxattr(file, _LOG, f"{moment} {total} {version.source}".encode())


def marked_version(file: int) -> Version | None:
    """The version that an open file says it is; None when it is not marked as `mark` does it (any flipped bit)."""
    try:
        sha512, upload_id, log = (os.getxattr(file, name).decode() for name in (_SHA512, _UPLOAD, _LOG))
        timestamp, offset, mtime, total, source = log.split(" ", 4)
        if total != _sum(sha512, upload_id, f"{timestamp} {offset} {mtime}", source):
            return None
        return Version(bytes.fromhex(sha512), upload_id, source, float(mtime), (int(timestamp), int(offset)))
    except (OSError, ValueError, AttributeError):
        return None


def _sum(*texts: str) -> str:
    return xxh3_64_hexdigest("\n".join(texts).encode())
