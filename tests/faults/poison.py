"""Records that no receiver can use: of every kind that came to mind, and good ones damaged at random."""

import hashlib
import struct
from collections.abc import Callable
from random import Random

import msgpack

Fields = list[object]

_INT64 = 2**63 - 1
_NAME, _FILE_HASH, _CHUNK_HASH, _OFFSET, _INDEX, _TOTAL, _SUBDIR, _APPEND, _DATA, _MTIME = range(10)

UNSAFE = (
    ("", ".."), ("", "."), ("", ""), ("..", "x"), ("a/../..", "x"), ("/etc", "x"), ("/", "x"), ("a//b", "x"),
    ("a/", "x"), ("./a", "x"), ("", "/etc/passwd"), ("", "../x"), ("", "a/b"), ("", "a\0b"), ("\0", "x"),
    ("", "n" * 256), ("d" * 256, "x"), ("/".join(["d" * 200] * 16), "x"), (".openmsi", "x"), (".openmsi/staging", "x"),
    (".OpenMSI/quarantine", "x"), ("", ".openmsi"), ("a/../.openmsi", "x"), ("../canary", "file"),
)  # fmt: skip
"""Folder and name."""
_WRONG: tuple[object, ...] = (
    None, True, False, -1, 0, 1, 2**64 - 1, -(2**63), 0.5, float("nan"), float("inf"), "", "text", b"", b"\xff",
    "n" * 5000, [], [[]], {}, {"a": 1}, msgpack.ExtType(5, b"x"), msgpack.Timestamp(1), bytes(63), bytes(64),
)  # fmt: skip
_BOMBS = (
    b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x00", b"\x91" * 500_000, b"\x81\x01" * 200_000, b"\x9a" * 300_000,
    b"\xdc\xff\xff" + b"\xc0" * 65_535, b"\xc0" * 900_000,
)  # fmt: skip
"""Values that claim to be huge, or are nested without end."""


def good_fields(random: Random, name: str = "poison", subdir: str = "") -> Fields:
    """A file of one chunk."""
    data = random.randbytes(random.randrange(200))
    digest = hashlib.sha512(data).digest()
    return [name, digest, digest, 0, 1, 1, subdir, "", data, 1.7e9]


def unusable(random: Random) -> bytes | None:
    """The value of a record that must be put in quarantine by itself."""
    while True:
        value = random.choice(_KINDS)(random)
        if value is None or not usable(value):
            return value


def usable(value: bytes) -> bool:
    """Whether a receiver may use a record: the rules of the format, written down a second time."""
    try:
        fields = msgpack.unpackb(value, raw=False, strict_map_key=False)
    except Exception:  # whatever msgpack says to garbage
        return False
    if not isinstance(fields, list) or len(fields) not in (9, 10):
        return False
    name, file_hash, chunk_hash, offset, index, total, subdir, append, data, mtime = (*fields, 0.0)[:10]
    texts = [_text(each) for each in (subdir, name, append)]
    hashes = all(isinstance(each, bytes) and len(each) == 64 for each in (file_hash, chunk_hash))
    numbers = all(type(each) is int for each in (offset, index, total)) and type(mtime) in (int, float)
    if None in texts or not (hashes and numbers and isinstance(data, bytes)):
        return False
    fits = bool(name) and 0 <= offset <= _INT64 - len(data) and 1 <= index <= total
    return fits and hashlib.sha512(data).digest() == chunk_hash and _is_safe(*(text or "" for text in texts))


def _text(field: object) -> str | None:
    if isinstance(field, bytes):
        try:
            return field.decode()
        except UnicodeDecodeError:
            return None
    return field if isinstance(field, str) else None


def _is_safe(subdir: str, name: str, append: str) -> bool:
    stem, dot, suffix = name.rpartition(".")
    if append and stem and suffix:
        name = f"{stem}{append}{dot}{suffix}"
    else:
        name += append
    parts = [*(subdir.split("/") if subdir else []), name]
    return (
        all(part not in ("", ".", "..") and len(part.encode()) <= 255 for part in parts)
        and not any("/" in each for each in (name, append))
        and "\0" not in subdir + name
        and len("/".join(parts).encode()) <= 3072
        and parts[0].casefold() != ".openmsi"
    )


def _packed(fields: object) -> bytes:
    packed: bytes = msgpack.packb(fields, use_bin_type=True)
    return packed


def _flipped(random: Random) -> bytes:
    value = bytearray(_packed(good_fields(random)))
    value[random.randrange(len(value))] ^= 1 << random.randrange(8)
    return bytes(value)


def _cut(random: Random) -> bytes:
    value = _packed(good_fields(random))
    return value[random.randrange(len(value)) :][: random.randrange(len(value))]


def _other_fields(random: Random) -> bytes:
    fields, at = good_fields(random), random.randrange(10)
    match random.randrange(5):
        case 0:
            fields[at] = random.choice(_WRONG)
        case 1:
            other = random.randrange(10)
            fields[at], fields[other] = fields[other], fields[at]
        case 2:
            del fields[at]
        case 3:
            fields.insert(at, random.choice(_WRONG))
        case 4:
            return _packed(dict(enumerate(fields)))
    return _packed(fields)


def _huge_numbers(random: Random) -> bytes:
    fields = good_fields(random)
    fields[random.choice((_OFFSET, _INDEX))] = random.choice((2**63, 2**64 - 1, _INT64, -1, -(2**63)))
    fields[_TOTAL] = random.choice((0, 1, -1))
    return _packed(fields)


def _wrong_data(random: Random) -> bytes:
    fields = good_fields(random)
    fields[_DATA] = random.randbytes(500)
    return _packed(fields)


def _unsafe(random: Random) -> bytes:
    subdir, name = random.choice(UNSAFE)
    return _packed(good_fields(random, name, subdir))


_KINDS: tuple[Callable[[Random], bytes | None], ...] = (
    lambda _: None,
    lambda _: b"",
    lambda random: random.randbytes(random.randrange(3000)),
    lambda random: random.choice(_BOMBS),
    lambda random: _packed(random.choice(_WRONG)),
    lambda random: _packed(good_fields(random)) + random.randbytes(random.randrange(1, 9)),
    lambda random: b"\x9a" + struct.pack(">d", random.random()) * 20,
    _flipped, _cut, _other_fields, _other_fields, _huge_numbers, _wrong_data, _unsafe, _unsafe,
)  # fmt: skip
