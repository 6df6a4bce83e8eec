"""From records to files: what `test_intake_model` does not vary, each step with a disk that fails."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openmsi_core.chunk import Upload
from openmsi_core.errors import BadFile, Retryable
from openmsi_core.generation import Verdict
from openmsi_core.records import Piece
from openmsi_core.scatter import ScatterWarning
from tests.support.fake_log import Log, arrival
from tests.support.receiving import Member, MemoryDestination
from tests.support.sending import chunks, upload

CONTENT = bytes(range(256)) * 20


@pytest.fixture
def destination() -> MemoryDestination:
    return MemoryDestination()


@pytest.fixture
def log() -> Log:
    return Log(2)


@pytest.fixture
def member(tmp_path: Path, log: Log, destination: MemoryDestination) -> Iterator[Member]:
    made = Member(log, tmp_path, destination)
    yield made
    made.staging.close()


def send(log: Log, path: str, content: bytes = CONTENT, by: Upload | None = None, size: int = 1000) -> None:
    for chunk in chunks(path, content, size=size):
        log.append(0, chunk, by)


def reasons(member: Member) -> list[str]:
    return [path.read_text() for path in sorted(member.quarantine.folder.glob("*/reason.json"))]


def test_a_single_chunk_stays_in_memory(member: Member, destination: MemoryDestination) -> None:
    send(member.log, "small", b"small")
    send(member.log, "empty", b"")
    member.drain()
    assert destination.tree == {"small": b"small", "empty": b""}
    assert [path.name for path in member.staging.own.iterdir()] == ["lock"]


@pytest.mark.parametrize("change", [{"offset": 1}, {"file_hash": bytes(64)}], ids=["offset", "hash"])
def test_a_single_chunk_that_is_not_its_file(
    member: Member, destination: MemoryDestination, change: dict[str, bytes]
) -> None:
    (chunk,) = chunks("a", b"content")
    member.log.append(0, replace(chunk, **change))  # type: ignore[arg-type]  # mixed on purpose
    member.drain()
    (reason,) = reasons(member)
    assert "not the whole file" in reason
    assert (member.commit(), destination.tree) == ({0: 1, 1: 0}, {})


def test_a_part_that_came_unchecked_is_found_out_by_the_file_and_put_aside_alone(
    member: Member, destination: MemoryDestination
) -> None:
    pieces = list(chunks("a", CONTENT))
    member.log.append(0, pieces[1])
    (piece,) = member.log.partitions[0]
    assert isinstance(piece, Piece)
    member.log.partitions[0] = [replace(piece, chunk=replace(piece.chunk, data=bytes(1000)))]
    for chunk in (pieces[0], *pieces[2:]):
        member.log.append(0, chunk)
    member.drain()
    (reason,) = reasons(member)
    assert "does not match its SHA-512" in reason
    assert json.loads(reason)["offset"] == 0
    assert (member.commit(), destination.tree) == ({0: 0, 1: 0}, {})  # the rest waits for a good one
    member.log.append(0, pieces[1])
    member.drain()
    assert (member.commit(), destination.tree) == ({0: 7, 1: 0}, {"a": CONTENT})


def test_the_same_content_again_is_a_repeat(member: Member, destination: MemoryDestination) -> None:
    """Also cut into other chunks, sent by another program, or complete before the first one was placed."""
    for by, size in ((None, 1000), (None, 700), (upload(CONTENT), 1000), (upload(CONTENT), 9999)):
        send(member.log, "a", CONTENT, by, size)
    while member.read(0):
        pass
    member.drain()
    assert len(destination.history) == 1
    send(member.log, "a", CONTENT, upload(CONTENT))
    member.drain()
    assert member.intake.notes[Verdict.REPEAT.value] == 1
    assert member.commit()[0] == len(member.log.partitions[0])


def test_back_to_what_it_was_before(member: Member, destination: MemoryDestination) -> None:
    """The first content, another, the first again; the third upload must win over the second."""
    for content in (CONTENT, b"other" * 500, CONTENT):
        send(member.log, "a", content, upload(content))
    member.drain()
    assert destination.tree == {"a": CONTENT}
    member.kill()
    member.log.committed[0] = 0
    again = Member(member.log, member.root, destination)
    again.drain()
    assert destination.tree == {"a": CONTENT}
    assert len(destination.history) == 3
    again.staging.close()


def test_an_upload_with_the_content_of_a_beaten_one_is_not_dropped_with_it(
    member: Member, destination: MemoryDestination
) -> None:
    """Old content placed nowhere, beaten by another; the newest upload, under way, has the old content again."""
    old, other, newest = upload(CONTENT), upload(b"other"), upload(CONTENT)
    send(member.log, "a", b"other", other)
    member.drain()
    pieces = list(chunks("a", CONTENT))
    for piece in pieces[:3]:
        member.log.append(0, piece, newest)
    member.drain()
    small = next(chunks("a", CONTENT, size=9999))
    complete = member.intake.take(arrival(small, old, offset=99))
    assert complete is not None
    member.intake.settled(complete, Verdict.OLDER)
    for piece in pieces[3:]:
        member.log.append(0, piece, newest)
    member.drain()
    assert destination.tree == {"a": CONTENT}


def test_chunks_of_a_beaten_upload_that_come_late_are_passed(member: Member, destination: MemoryDestination) -> None:
    old, new = upload(CONTENT), upload(CONTENT * 2)
    pieces = list(chunks("a", CONTENT))
    for piece in pieces[:3]:
        member.log.append(0, piece, old)
    send(member.log, "a", CONTENT * 2, new)
    for piece in pieces[3:]:
        member.log.append(0, piece, old)
    member.drain()
    assert destination.tree == {"a": CONTENT * 2}
    assert member.intake.notes["superseded"] == 1
    assert (len(member.intake.files), member.commit()[0]) == (0, len(member.log.partitions[0]))


def test_a_file_that_is_not_wanted_is_counted_once(tmp_path: Path, log: Log, destination: MemoryDestination) -> None:
    member = Member(log, tmp_path, destination)
    member.intake._wanted = lambda path: path.text.endswith(".tif")
    send(log, "a.txt")
    send(log, "a.tif")
    member.drain()
    assert list(destination.tree) == ["a.tif"]
    assert member.intake.notes == {"skipped: download_regex does not match": 1}
    member.staging.close()


@pytest.mark.parametrize("error", [BadFile("a link on the way"), Retryable("no right to look there")])
def test_a_path_that_cannot_be_asked_for_is_left_to_the_delivery(
    member: Member, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """One entry in quarantine for the file, not one for each chunk, and nobody else waits."""

    def refuse(*_: object) -> Verdict:
        raise error

    monkeypatch.setattr(member.destination, "verdict", refuse)
    send(member.log, "link/a")
    while member.read(0):
        pass
    assert [file.generation.path.text for file in member.waiting] == ["link/a"]
    assert reasons(member) == []


def test_scattered_files_are_told_of_once(member: Member, caplog: pytest.LogCaptureFixture) -> None:
    warning = ScatterWarning("runs")
    for path in ("a", "b"):
        member.log.append(0, next(iter(chunks(path, CONTENT))))
    member.log.append(0, next(iter(chunks("ours", CONTENT))), upload(CONTENT))
    member.drain()
    member.now += 1000
    for _ in range(3):
        warning.look(member.intake.stalled(60))
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("chunks of 2 files have not come (a, b): ")
    assert "one process for topic runs" in told
    assert "openmsi relay NEW_TOPIC --topic_name runs" in told
    warning.look([])
    warning.look(member.intake.stalled(60))
    assert len(caplog.records) == 2
