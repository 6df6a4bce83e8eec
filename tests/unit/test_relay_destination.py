"""A topic as a destination: which records a file becomes, and which versions become none."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from xxhash import xxh3_128

from openmsi_admin import relay_destination
from openmsi_admin.relay_destination import TopicDestination
from openmsi_core.chunk import Chunk, Upload, decode_headers, decode_value
from openmsi_core.counters import Counters
from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import StagedBytesLost
from openmsi_core.generation import Generation, Verdict, Version
from openmsi_core.paths import RelativePath, partition_of
from openmsi_core.staging import Sealed
from openmsi_core.transaction import Transaction, Write

PARTITIONS = 7


class FakeTransaction:
    """Notes what is written, and what of it was given up."""

    def __init__(self) -> None:
        self.records: list[tuple[int, Chunk, Upload | None]] = []
        self.undone: list[Exception] = []

    @contextlib.contextmanager
    def writing(self, file: CompleteFile) -> Iterator[Write]:
        assert file.generation.path.subdir == "run"
        try:
            yield self._write
        except Exception as error:
            self.undone.append(error)
            raise

    def _write(self, topic: str, _key: bytes, value: bytes, partition: int, headers: list[tuple[str, bytes]]) -> None:
        assert topic == "target"
        self.records.append((partition, decode_value(value), decode_headers(headers)))

    @property
    def content(self) -> bytes:
        return b"".join(bytes(chunk.data) for _, chunk, _ in self.records)


class Topic:
    def __init__(self) -> None:
        self.transaction = FakeTransaction()
        self.counts = Counters()
        transaction = cast(Transaction, self.transaction)
        self.destination = TopicDestination(transaction, "target", PARTITIONS, 1000, self.counts)

    def deliver(self, file: CompleteFile) -> Verdict:
        assert self.destination.verdict(file.generation.path, file.version) is Verdict.NEWER, "else it is not begun"
        return self.destination.deliver(file)


@pytest.fixture
def topic() -> Topic:
    return Topic()


def version(content: bytes, mtime: float = 1.5, offset: int = 0, by: Upload | None = None) -> Version:
    upload, source = (by.upload_id, by.source) if by else ("", "")
    return Version(hashlib.sha512(content).digest(), upload, source, mtime, (1, offset))


def file(
    content: bytes, mtime: float = 1.5, offset: int = 0, *, by: Upload | None = None, staged: Path | None = None
) -> CompleteFile:
    made = version(content, mtime, offset, by)
    generation = Generation(RelativePath("run/ä"), made.file_hash, 1, made.upload_id)
    if staged is None:
        return CompleteFile(generation, made, len(content), content, None, 3)
    staged.write_bytes(content)
    return CompleteFile(generation, made, len(content), None, Sealed(staged, xxh3_128(content).digest()), 3)


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 2000, 4321])
@pytest.mark.parametrize("where", ["memory", "disk"])
def test_a_file_is_one_run_of_records_in_the_partition_of_its_path(
    topic: Topic, tmp_path: Path, size: int, where: str
) -> None:
    if where == "disk" and not size:
        return  # a file without content is one chunk, and these stay in memory
    content = bytes(range(256)) * 20
    staged = tmp_path / "staged" if where == "disk" else None
    assert topic.deliver(file(content[:size], staged=staged)) is Verdict.NEWER
    records = topic.transaction.records
    assert topic.transaction.content == content[:size]
    assert {partition for partition, _, _ in records} == {partition_of(RelativePath("run/ä"), PARTITIONS)}
    assert [chunk.index for _, chunk, _ in records] == list(range(1, max(1, -(-size // 1000)) + 1))
    for _, chunk, upload in records:
        assert (chunk.total, chunk.offset, chunk.mtime) == (len(records), (chunk.index - 1) * 1000, 1.5)
        assert (chunk.path, chunk.file_hash) == (RelativePath("run/ä"), hashlib.sha512(content[:size]).digest())
        assert upload is None
    assert staged is None or not staged.exists()
    counted = topic.counts.take()
    assert counted["n_messages_produced"] == len(records)
    assert counted["n_bytes_produced"] > size


def test_headers_stay(topic: Topic) -> None:
    by = Upload("01890000-0000-7000-8000-000000000001", "source", 3)
    topic.deliver(file(b"abc", by=by))
    assert [upload for _, _, upload in topic.transaction.records] == [by]


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        (file(b"first", 9.0), Verdict.REPEAT),
        (file(b"other", 1.0, 9), Verdict.OLDER),
        (file(b"other", 2.0), Verdict.NEWER),
        (file(b"other", 0.0, 9), Verdict.NEWER),
    ],
)
def test_what_is_not_newer_is_not_written(topic: Topic, second: CompleteFile, verdict: Verdict) -> None:
    topic.deliver(file(b"first", offset=1))
    assert topic.destination.deliver(second) is verdict
    assert topic.transaction.content == b"first" + (b"other" if verdict is Verdict.NEWER else b"")


def test_what_was_written_already_is_a_repeat(topic: Topic, tmp_path: Path) -> None:
    topic.deliver(file(b"known", staged=tmp_path / "first"))
    assert topic.destination.deliver(file(b"known", staged=tmp_path / "staged")) is Verdict.REPEAT
    assert topic.transaction.content == b"known"
    assert not (tmp_path / "staged").exists()


def test_a_content_that_comes_back_is_written_again_but_not_what_is_read_again(topic: Topic) -> None:
    """The log tells them apart, of files without times as well."""
    for number, content in enumerate((b"A", b"B", b"A")):
        assert topic.deliver(file(content, 0.0, number)) is Verdict.NEWER
    assert topic.destination.deliver(file(b"B", 0.0, 1)) is Verdict.OLDER
    assert topic.transaction.content == b"ABA"


def test_a_staged_file_that_changes_meanwhile_undoes_what_was_written(topic: Topic, tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    damaged = file(bytes(5000), staged=staged)
    staged.write_bytes(bytes(4000))
    with pytest.raises(StagedBytesLost):
        topic.destination.deliver(damaged)
    assert [type(error) for error in topic.transaction.undone] == [StagedBytesLost]
    assert topic.destination.verdict(RelativePath("run/ä"), damaged.version) is Verdict.NEWER


def test_not_all_paths_are_remembered(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_destination, "_REMEMBERED", 2)
    for number in range(4):
        content = b"%d" % number
        generation = Generation(RelativePath(f"run/{number}"), version(content).file_hash, 1, "")
        topic.deliver(CompleteFile(generation, version(content), 1, content, None, 3))
    assert [
        topic.destination.verdict(RelativePath(f"run/{number}"), version(b"%d" % number)) for number in range(4)
    ] == [Verdict.NEWER, Verdict.NEWER, Verdict.REPEAT, Verdict.REPEAT]
