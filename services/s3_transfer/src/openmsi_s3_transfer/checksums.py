"""What is sent with bytes so that the store can tell whether it got just those."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Literal

Checksum = Literal["sha256", "md5"]
"""SHA-256 where the store knows it, else Content-MD5, which every S3 does."""


def checksum_of(pieces: Iterable[bytes], kind: Checksum) -> dict[str, str]:
    """The argument for boto3 that says what ``pieces``, put together, must hash to."""
    digest = hashlib.sha256() if kind == "sha256" else hashlib.md5(usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
    name = "ChecksumSHA256" if kind == "sha256" else "ContentMD5"
    return {name: base64.b64encode(digest.digest()).decode()}
