"""Messages of older versions, and what was never a file: everything good arrives, the rest is kept with its reason."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest

from openmsi_core.chunk import encode_key, encode_value
from tests.interop.lab import Lab, stop_theirs, their_upload, wait_for_files
from tests.interop.matrix import Matrix, facts
from tests.interop.trees import CHUNK, Tree, tree
from tests.support.downloading import tree as downloaded
from tests.support.running import wait_for
from tests.support.sending import Sender, chunks

OURS = "our DataFileDownloadDirectory"
GOLDEN = json.loads((Path(__file__).parents[1] / "wire" / "golden.json").read_text())
FOREIGN: list[tuple[bytes | None, bytes | None]] = [
    (b"0x7f_heartbeat", json.dumps({"timestamp": "2026-01-01T00:00:00+00:00", "n_messages_read": 3}).encode()),
    (b"0x7f_log", json.dumps({"timestamp": 1.7e9, "messages": ["started"]}).encode()),
    (None, b"plain text"),
    (None, b""),
    (b"tombstone", None),
    (None, None),
    (b"an array of other things", msgpack.packb(["file.txt", 1, 2.0, None])),
    *((None, random.Random(size).randbytes(size)) for size in (1, 10, 1_000, 100_000)),
]


def test_messages_of_nine_fields(lab: Lab, matrix: Matrix) -> None:
    """OpenMSIStream up to 1.8.6 has no modification time in them."""
    # Not the path that both have: which of two versions in different partitions was appended first is chance.
    made = {path: content for path, content in tree(seed=400).items() if path not in golden_files()}
    program = lab.downloads.start()
    sender = Sender(lab.broker.bootstrap, lab.topic, lab.partitions)
    messages = [*recorded(), *hand_made(made)]
    for number, (key, value) in enumerate(messages, 1):
        nine = msgpack.packb(msgpack.unpackb(value)[:9], use_bin_type=True)
        sender.record(key, nine, number % lab.partitions, flush=number == len(messages))
    sent = {"recorded messages of theirs, 9 fields": golden_files(), "hand-made messages, 9 fields": made}
    wait_for_files(lab.downloads.out, golden_files() | made, downloaded)
    assert program.stop() == 0
    matrix.same(sent, OURS, facts(lab.downloads.tree))
    assert lab.downloads.reasons == []


@pytest.mark.parametrize("partitions", [4])
def test_foreign_messages_beside_their_files(lab: Lab, matrix: Matrix) -> None:
    files = tree(seed=401)
    sender = Sender(lab.broker.bootstrap, lab.topic, lab.partitions)
    foreign = [(key, value, partition) for key, value in FOREIGN for partition in range(lab.partitions)]
    for key, value, partition in foreign[::2]:
        sender.record(key, value, partition)
    uploader = their_upload(lab, files, CHUNK)
    program = lab.downloads.start()
    for key, value, partition in foreign[1::2]:
        sender.record(key, value, partition)
    wait_for_files(lab.downloads.out, files, downloaded)
    wait_for(lambda: len(lab.downloads.reasons) == len(foreign), "everything else in quarantine")
    stop_theirs(uploader)
    assert program.stop() == 0
    matrix.same({"theirs, beside foreign messages": files}, OURS, facts(lab.downloads.tree))
    assert kept(lab) == sorted(value or b"" for _, value, _ in foreign)
    assert all(reason["reason"] for reason in lab.downloads.reasons)


@pytest.mark.parametrize("partitions", [4])
def test_a_topic_without_any_messages(lab: Lab) -> None:
    program = lab.downloads.start()
    program.says("reading partitions [0, 1, 2, 3]")
    assert program.stop() == 0
    assert lab.downloads.tree == {}
    assert lab.downloads.reasons == []


def recorded() -> Iterator[tuple[bytes, bytes]]:
    """Key and value of all messages recorded from OpenMSIStream 1.8.8."""
    return ((message["key"].encode(), bytes.fromhex(message["value_hex"])) for message in GOLDEN)


def golden_files() -> Tree:
    """The files that were sent when they were recorded."""
    appended = {"_x": "root_x.txt"}
    return {appended.get(m["append"], m["path"]): bytes.fromhex(m["content_hex"]) for m in GOLDEN}


def hand_made(files: Tree) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of all chunks of ``files``."""
    for path, content in files.items():
        for chunk in chunks(path, content, size=CHUNK):
            yield encode_key(chunk), encode_value(chunk)


def kept(lab: Lab) -> list[bytes]:
    """What the records in quarantine had as their values; empty for a tombstone."""
    entries = (lab.downloads.out / ".openmsi" / "quarantine").iterdir()
    values = (entry / "value" for entry in entries)
    return sorted(value.read_bytes() if value.exists() else b"" for value in values)
