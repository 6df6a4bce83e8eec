"""One bit flipped, anywhere: no file is ever placed with other bytes than its source has.

What a flip in the record of a file can still do is counted by name: nothing covers the fields beside the data but the
CRC of Kafka's own batches.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import cast

import pytest
from confluent_kafka import Message

from openmsi_core.chunk import encode_headers, encode_key, encode_value
from openmsi_core.records import Piece, Poison, decode
from tests.support.fake_log import FakeMessage, Log, unlocked
from tests.support.receiving import Member, MemoryDestination
from tests.support.sending import chunks, upload

CONTENT = Random(1).randbytes(250)
PATH = "run 7/scan.tif"
BY = upload(CONTENT)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # what is put in quarantine here need not last


def flip(data: bytes, bit: int) -> bytes:
    """``data`` with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def messages(content: bytes, size: int) -> list[FakeMessage]:
    """A file as it lies in the topic."""
    pieces = chunks(PATH, content, size=size)
    return [FakeMessage(0, at, 1, encode_value(c), encode_headers(BY), encode_key(c)) for at, c in enumerate(pieces)]


def outcome(sent: Sequence[FakeMessage], root: Path) -> str:
    """What becomes of a file whose records arrive so. Fails when other bytes than those of the source are placed."""
    log = Log(1)
    log.partitions[0] = arrivals = [unlocked(decode(cast(Message, message))) for message in sent]
    if any(isinstance(each, Poison) for each in arrivals):
        return "refused"
    there = MemoryDestination()
    member = Member(log, root, there)
    member.drain()
    waiting = len(member.intake.files)
    member.kill()
    shutil.rmtree(member.quarantine.folder, ignore_errors=True)  # or the next one would be known already
    for content in there.tree.values():
        assert content == CONTENT
    if not there.placed:
        return "never complete" if waiting else "bad as a whole"
    ((path, (version, _)),) = there.placed.items()
    if path != PATH:
        return "other name"
    if version.mtime != 1.7e9:
        return "other time"
    return "as sent" if (version.upload_id, version.source) == (BY.upload_id, BY.source) else "other sender"


def flips(sent: Sequence[FakeMessage], field: Callable[[FakeMessage], bytes]) -> Iterator[tuple[int, int]]:
    """Number of a record, and a bit of its ``field``: all there are."""
    return ((number, bit) for number, each in enumerate(sent) for bit in range(8 * len(field(each))))


def value_of(message: FakeMessage) -> bytes:
    assert message.raw is not None
    return message.raw


def test_in_the_value_of_a_record_of_several(tmp_path: Path) -> None:
    sent, seen = messages(CONTENT, 100), Counter[str]()
    for number, bit in flips(sent, value_of):
        damaged = replace(sent[number], raw=flip(value_of(sent[number]), bit))
        seen[outcome([*sent[:number], damaged, *sent[number + 1 :]], tmp_path)] += 1
    assert seen.keys() <= {"refused", "bad as a whole", "never complete", "other time", "as sent"}
    assert sum(seen.values()) > 5900
    assert seen["other time"] + seen["as sent"] == 3 * 65, (
        "nothing but the mtime and one bit of its type is not covered"
    )
    assert seen["other time"] == 65, "it is that of the last record"


def test_in_the_value_of_the_only_record(tmp_path: Path) -> None:
    (sent,), seen = messages(CONTENT, 1000), Counter[str]()
    for _, bit in flips([sent], value_of):
        seen[outcome([replace(sent, raw=flip(value_of(sent), bit))], tmp_path)] += 1
    assert seen.keys() <= {"refused", "bad as a whole", "never complete", "other time", "other name"}
    assert seen["other time"] == 65
    assert seen["other name"] < 8 * len(PATH), "what has no check of its own"
    assert sum(seen.values()) > 3300


def test_in_headers(tmp_path: Path) -> None:
    sent, seen = messages(CONTENT, 100), Counter[str]()
    for at, (name, value) in enumerate(sent[1].named):
        names = [flip(name.encode(), bit).decode(errors="replace") for bit in range(8 * len(name))]
        spoilt = [(other, value) for other in names] + [(name, flip(value, bit)) for bit in range(8 * len(value))]
        for other in spoilt:
            named = [*sent[1].named[:at], other, *sent[1].named[at + 1 :]]
            seen[outcome([sent[0], replace(sent[1], named=named), sent[2]], tmp_path)] += 1
    assert seen.keys() <= {"never complete", "other sender", "as sent"}
    assert sum(seen.values()) > 800


def test_in_a_key_changes_nothing() -> None:
    (sent,) = messages(CONTENT, 1000)
    right = decode(cast(Message, sent))
    assert isinstance(right, Piece)
    assert sent.raw_key is not None
    for bit in range(8 * len(sent.raw_key)):
        got = decode(cast(Message, replace(sent, raw_key=flip(sent.raw_key, bit))))
        assert isinstance(got, Piece)
        assert (got.chunk, got.generation, got.version) == (right.chunk, right.generation, right.version)
