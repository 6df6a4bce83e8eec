"""Results as records of a topic, each with what it was made of in its headers."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openmsi_core.deliveries import CompleteFile
from openmsi_core.encryption.cipher import PLAIN, Cipher
from openmsi_core.encryption.headers import seal_headers
from openmsi_core.errors import BadFile
from openmsi_core.paths import partition_of
from openmsi_processor.result import usual_key

MADE_OF = "openmsi-made-of"
"""The header by which an encrypted result is known again without its key; tells nobody else anything."""

_FRAMING = 512  # bytes of a record beside key, value and headers, encryption included

Made = tuple[str, str, str]
"""Path, SHA-512 and upload id of the file that a result was made of."""


@dataclass(frozen=True, slots=True)
class ResultTopic:
    """Where results go."""

    name: str
    partitions: int
    largest: int
    """Bytes that a record may have."""
    cipher: Cipher = PLAIN
    secret: str = ""
    """Known to all that write results for one output folder; for `secret_mark`."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What every result says of the code that has made it."""

    name: str
    version: str
    image: str
    """Digest of the container image; empty where that is not known."""


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """One result, ready to be written."""

    key: bytes
    value: bytes
    partition: int
    headers: list[tuple[str, bytes]]


def record_of(
    answer: Mapping[str, Any], blobs: Sequence[bytes], file: CompleteFile, topic: ResultTopic, made_by: Provenance
) -> ResultRecord | None:
    """The record for what user code has answered; None when it gave no value. Raises BadFile when it is too large.

    All results of a path are in one partition, in order. The key is OpenMSIStream's unless user code gave one.
    """
    if answer["value"] is None:
        return None
    path = file.generation.path
    key = usual_key(path.subdir, path.name).encode() if answer["key"] is None else blobs[answer["key"]]
    headers = [(name, blobs[number]) for name, number in answer["headers"]] + provenance_headers(file, made_by)
    if topic.cipher.encrypts:
        made = path.text, file.version.file_hash.hex(), file.version.upload_id
        headers = [*seal_headers(topic.cipher, topic.name, headers), (MADE_OF, secret_mark(topic.secret, made))]
    value = blobs[answer["value"]]
    size = len(key) + len(value) + sum(len(name) + len(text) + 10 for name, text in headers) + _FRAMING
    if size > topic.largest:
        raise BadFile(
            f"the result has {size} bytes, and topic {topic.name} takes {topic.largest}: return less, return it as a"
            " result file, or raise the topic's max.message.bytes"
        )
    return ResultRecord(key, value, partition_of(path, topic.partitions), headers)


def secret_mark(secret: str, made: Made) -> bytes:
    """The same for the same file, and nothing to whoever does not know ``secret``: not even what to guess against."""
    return hmac.digest(secret.encode(), "\n".join(made).encode(), hashlib.sha256).hex().encode()


def provenance_headers(file: CompleteFile, made_by: Provenance) -> list[tuple[str, bytes]]:
    """UTF-8 text: what a result was made of, and by what."""
    version = file.version
    known = {
        "openmsi-path": file.generation.path.text,
        "openmsi-sha512": version.file_hash.hex(),
        "openmsi-upload": version.upload_id,
        "openmsi-processor": made_by.name,
        "openmsi-processor-version": made_by.version,
        "openmsi-image": made_by.image,
    }
    return [(name, text.encode()) for name, text in known.items() if text]
