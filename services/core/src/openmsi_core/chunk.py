"""One Kafka record of a file: its fields, and how they become bytes and are read back.

The format is OpenMSIStream's (≥ 1.8): the value is one MessagePack array of ten fields, the key is readable text that
does not identify anything. Our own additions travel in record headers, which OpenMSIStream ignores. Pure.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

import msgpack

from openmsi_core.errors import BadFile
from openmsi_core.paths import RelativePath, destination

DEFAULT_CHUNK_SIZE = 524_288
"""Bytes of file data in a chunk unless the user says otherwise."""

HASH_BYTES = 64
_FIELDS = 10
_FIELDS_WITHOUT_MTIME = 9  # OpenMSIStream ≤ 1.8.6
_INT64_MAX = 2**63 - 1
_LONGEST_SOURCE = 255  # bytes; it becomes an extended attribute, and ext4 has room for some 4 KiB of them


@dataclass(frozen=True, slots=True)
class Upload:
    """What our headers say: which generation a chunk belongs to."""

    upload_id: str
    """UUIDv7 of this upload; later uploads of one source sort later as text."""
    source: str
    """Id of the uploader instance."""
    size: int
    """Bytes in the whole file."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file. Hashes are raw SHA-512 (64 bytes), ``offset`` is in bytes, ``index`` counts from 1."""

    filename: str
    file_hash: bytes
    chunk_hash: bytes
    offset: int
    index: int
    total: int
    subdir: str
    append: str
    data: bytes | memoryview
    mtime: float
    """Seconds since the epoch; 0.0 = unknown."""

    @property
    def path(self) -> RelativePath:
        """Where the file belongs below a destination root. Raises BadFile for an unsafe path."""
        return destination(self.subdir, self.filename, self.append)

    def check(self) -> None:
        """Raise BadFile unless the data has its hash. CPU: one SHA-512 over it, outside the GIL."""
        if hashlib.sha512(self.data).digest() != self.chunk_hash:
            raise BadFile("the chunk's data does not match its SHA-512: it was damaged on the way")


def encode_key(chunk: Chunk) -> bytes:
    """The record key: readable, ambiguous, never used as identity."""
    subdir = chunk.subdir.replace("/", "_")
    return f"{subdir}_{chunk.filename}_chunk_{chunk.index}_of_{chunk.total}".encode()


def encode_value(chunk: Chunk) -> bytes:
    """The record value, byte for byte what OpenMSIStream 1.8.8 writes for the same fields."""
    fields = (
        chunk.filename,
        chunk.file_hash,
        chunk.chunk_hash,
        chunk.offset,
        chunk.index,
        chunk.total,
        chunk.subdir,
        chunk.append,
        chunk.data,
        chunk.mtime,
    )
    packed: bytes = msgpack.packb(fields, use_bin_type=True)
    return packed


def decode_value(value: bytes | None, *, part_unchecked: bool = False) -> Chunk:
    """Read a record value and check everything in it that needs no other record, the chunk's own hash included.

    With ``part_unchecked``, the hash of a chunk that is only a part of its file is left to `Chunk.check`. CPU: one
    SHA-512 over the data, outside the GIL. Raises BadFile with the reason.
    """
    if value is None:
        raise BadFile("the record is a tombstone (it has no value)")
    try:
        fields = msgpack.unpackb(value, raw=False, max_array_len=_FIELDS, max_map_len=0, max_ext_len=0)
    except Exception as error:  # msgpack documents no closed set of exceptions for garbage
        raise BadFile(f"the record is not MessagePack ({type(error).__name__})") from None
    if not isinstance(fields, list) or len(fields) not in (_FIELDS, _FIELDS_WITHOUT_MTIME):
        raise BadFile("the record is not an array of 9 or 10 fields")
    chunk = Chunk(
        filename=_text("filename", fields[0]),
        file_hash=_hash("file hash", fields[1]),
        chunk_hash=_hash("chunk hash", fields[2]),
        offset=_whole("offset", fields[3]),
        index=_whole("index", fields[4]),
        total=_whole("total", fields[5]),
        subdir=_text("subdir", fields[6]),
        append=_text("append", fields[7]),
        data=_bytes("data", fields[8]),
        mtime=_seconds(fields[9]) if len(fields) == _FIELDS else 0.0,
    )
    if not 1 <= chunk.index <= chunk.total:
        raise BadFile(f"chunk {chunk.index} of {chunk.total} cannot be")
    if chunk.offset + len(chunk.data) > _INT64_MAX:
        raise BadFile(f"the offset {chunk.offset} is beyond any file")
    if chunk.total == 1 or not part_unchecked:
        chunk.check()
    return chunk


def encode_headers(upload: Upload) -> list[tuple[str, bytes]]:
    """Our headers: UTF-8 text, nothing secret."""
    return [
        ("openmsi-version", b"1"),
        ("openmsi-upload", upload.upload_id.encode()),
        ("openmsi-source", upload.source.encode()),
        ("openmsi-size", str(upload.size).encode()),
    ]


def decode_headers(headers: Mapping[str, object] | Iterable[tuple[str, object]] | None) -> Upload | None:
    """Our headers if they are all there and well-formed; None for a record of OpenMSIStream or anybody else."""
    named = {name: value for name, value in dict(headers or ()).items() if isinstance(value, bytes)}
    try:
        if named["openmsi-version"] != b"1":
            return None
        upload_id, source = str(UUID(named["openmsi-upload"].decode())), named["openmsi-source"]
        if len(source) > _LONGEST_SOURCE:
            return None
        return Upload(upload_id, source.decode(), int(named["openmsi-size"]))
    except (KeyError, ValueError):
        return None


def _text(field: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise BadFile(f"the {field} is not UTF-8 text") from None
    raise BadFile(f"the {field} is not text")


def _bytes(field: str, value: object) -> bytes:
    if not isinstance(value, bytes):
        raise BadFile(f"the {field} is not bytes")
    return value


def _hash(field: str, value: object) -> bytes:
    if len(digest := _bytes(field, value)) != HASH_BYTES:
        raise BadFile(f"the {field} is not {HASH_BYTES} bytes long")
    return digest


def _whole(field: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadFile(f"the {field} is not a whole number of at least 0")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise BadFile("the mtime is not a number")
    return float(value) if math.isfinite(value) and value > 0 else 0.0
