"""The wire format: byte for byte OpenMSIStream's, and nothing bad gets through."""

import dataclasses
import hashlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmsi_core.chunk import Chunk, Upload, decode_headers, decode_value, encode_headers, encode_key, encode_value
from openmsi_core.errors import BadFile
from tests.support.sending import chunks

GOLDEN = json.loads((Path(__file__).parents[1] / "wire" / "golden.json").read_text())
UPLOAD = Upload("01890000-0000-7000-8000-000000000001", "source-a", 5)

quick = settings(deadline=None, max_examples=200)


def expected(vector: dict[str, Any]) -> Chunk:
    """The chunk that a recorded message must be, made from its source."""
    subdir, _, filename = vector["path"].rpartition("/")
    content, size = bytes.fromhex(vector["content_hex"]), vector["chunk_size"]
    index, total = (int(number) for number in vector["key"].rpartition("_chunk_")[2].split("_of_"))
    data = content[(index - 1) * size : index * size]
    whole, own = (hashlib.sha512(part).digest() for part in (content, data))
    return Chunk(
        filename, whole, own, (index - 1) * size, index, total, subdir, vector["append"], data, vector["mtime"]
    )


@pytest.mark.parametrize("vector", GOLDEN, ids=lambda vector: vector["key"] + vector["append"])
def test_recorded_messages_both_ways(vector: dict[str, Any]) -> None:
    chunk, value = expected(vector), bytes.fromhex(vector["value_hex"])
    assert encode_value(chunk) == value
    assert encode_key(chunk) == vector["key"].encode()
    assert decode_value(value) == chunk


def test_all_recorded_messages_were_tried() -> None:
    assert len(GOLDEN) == 15


def test_append_goes_between_stem_and_suffix() -> None:
    (chunk,) = chunks("sub/run.dat", b"x")
    assert dataclasses.replace(chunk, append="_7").path.text == "sub/run_7.dat"


def fields(**changes: object) -> list[object]:
    """The fields of a good record, some of them changed."""
    (chunk,) = chunks("sub/a.txt", b"hello")
    return list((dataclasses.asdict(chunk) | changes).values())


def test_nine_fields_have_no_mtime() -> None:
    chunk = decode_value(msgpack.packb(fields()[:9], use_bin_type=True))
    assert (chunk.mtime, chunk.data) == (0.0, b"hello")


def test_names_as_bin_and_mtime_as_whole_number() -> None:
    record = fields(filename="ü.txt".encode(), subdir=b"sub", append=b"", mtime=1_700_000_000)
    chunk = decode_value(msgpack.packb(record, use_bin_type=True))
    assert (chunk.path.text, chunk.mtime) == ("sub/ü.txt", 1.7e9)


@pytest.mark.parametrize("mtime", [0, -1.5, float("nan"), float("inf"), float("-inf")])
def test_impossible_mtimes_are_unknown(mtime: float) -> None:
    assert decode_value(msgpack.packb(fields(mtime=mtime))).mtime == 0.0


HASH = bytes(64)
BAD: dict[str, bytes | None] = {
    "tombstone": None,
    "empty": b"",
    "text": b"hello",
    "number": msgpack.packb(7),
    "map": msgpack.packb({"a": 1}),
    "eight fields": msgpack.packb(fields()[:8]),
    "eleven fields": msgpack.packb([*fields(), 0]),
    "cut off": msgpack.packb(fields())[:-1],
    "something behind it": msgpack.packb(fields()) + b"\0",
    "a text that is not UTF-8": msgpack.packb(fields()).replace(b"sub", b"\xff\xfe\xfd"),
} | {
    f"{name} {value!r:.30}": msgpack.packb(fields(**{name: value}))
    for name, values in {
        "filename": (None, 7, b"\xff", ["a"]),
        "file_hash": (b"", bytes(63), bytes(65), "x" * 64, None),
        "chunk_hash": (b"", bytes(63), bytes(65), HASH, None),
        "offset": (-1, 2**63 - 1, 2**64 - 1, 0.0, True, "0", None),
        "index": (0, -1, 2, 1.0, True, None),
        "total": (0, -1, 1.0, "1", None),
        "subdir": (None, 7, b"\xff"),
        "append": (None, 7, b"\xff"),
        "data": (None, "hello", 5, b"hellO"),
        "mtime": (None, "1.7e9", True, b""),
    }.items()
    for value in values
}


@pytest.mark.parametrize("value", BAD.values(), ids=BAD.keys())
def test_bad_records(value: bytes | None) -> None:
    with pytest.raises(BadFile):
        decode_value(value)


@pytest.mark.parametrize("times", [1, 500])
def test_nested_lists_take_no_memory(times: int) -> None:
    value = b"\xdd\x00\x10\x00\x00" * times + b"\x90" * (1 << 20)  # lists of 2²⁰ empty lists
    tracemalloc.start()
    try:
        with pytest.raises(BadFile):
            decode_value(value)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@quick
@given(st.binary(max_size=2000))
def test_arbitrary_bytes_are_bad_and_nothing_else(value: bytes) -> None:
    with pytest.raises(BadFile):
        decode_value(value)


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()


@quick
@given(st.lists(st.tuples(st.integers(0, 9), SCALARS | st.lists(SCALARS)), max_size=3), st.integers(0, 10))
def test_records_with_other_fields_are_good_or_bad(changes: list[tuple[int, object]], length: int) -> None:
    record = fields()
    for place, value in changes:
        record[place] = value
    try:
        chunk = decode_value(msgpack.packb(record[:length], use_bin_type=True))
        path = chunk.path
    except BadFile:
        return
    assert 1 <= chunk.index <= chunk.total
    assert chunk.offset >= 0
    assert hashlib.sha512(chunk.data).digest() == chunk.chunk_hash
    assert path.text


@pytest.mark.parametrize("byte", range(len(msgpack.packb(fields()))))
def test_one_flipped_bit_is_found(byte: int) -> None:
    """A record in which a bit has flipped is bad, or is the one chunk of a file that is not what its hash says, or
    names another place or time (which no hash covers)."""
    good = msgpack.packb(fields())
    for bit in range(8):
        damaged = bytearray(good)
        damaged[byte] ^= 1 << bit
        try:
            chunk = decode_value(bytes(damaged))
        except BadFile:
            continue
        whole = chunk.total == 1 and chunk.offset == 0 and chunk.file_hash == chunk.chunk_hash
        same = dataclasses.replace(chunk, filename="", subdir="", append="", mtime=0.0)
        (original,) = chunks("sub/a.txt", b"hello")
        assert not whole or same == dataclasses.replace(original, filename="", subdir="", append="", mtime=0.0)


def test_headers_both_ways() -> None:
    assert decode_headers(encode_headers(UPLOAD)) == UPLOAD
    assert decode_headers([*encode_headers(UPLOAD), ("other", b"x")]) == UPLOAD
    shouted = dict(encode_headers(UPLOAD)) | {"openmsi-upload": UPLOAD.upload_id.upper().encode()}
    assert decode_headers(shouted) == UPLOAD


@pytest.mark.parametrize("headers", [None, [], [("openmsi-version", None)], [("traceparent", b"x")]])
def test_records_of_others_have_no_upload(headers: list[tuple[str, object]] | None) -> None:
    assert decode_headers(headers) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("openmsi-version", b"2"),
        ("openmsi-upload", b"yesterday"),
        ("openmsi-upload", b"\xff"),
        ("openmsi-source", b"\xff"),
        ("openmsi-source", b"x" * 256),  # a longer one would not fit into an extended attribute of ext4
        ("openmsi-size", b"big"),
        ("openmsi-size", b"9" * 5000),
    ],
)
def test_damaged_headers_count_as_none(name: str, value: bytes) -> None:
    assert decode_headers(dict(encode_headers(UPLOAD)) | {name: value}) is None


@quick
@given(st.dictionaries(st.sampled_from([name for name, _ in encode_headers(UPLOAD)]), st.binary(max_size=50)))
def test_no_headers_raise(changes: dict[str, bytes]) -> None:
    decode_headers(dict(encode_headers(UPLOAD)) | changes)
