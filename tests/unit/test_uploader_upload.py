"""From a settled file to acknowledged records, with a producer that does what the test wants."""

import hashlib
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from openmsi_core.chunk import Chunk, decode_headers, decode_value
from openmsi_core.errors import BadFile, Retryable
from openmsi_core.pace import BESIDE_VALUE, Pace
from openmsi_core.paths import RelativePath, partition_of
from openmsi_uploader.outcome import Job, NotSent, Outcome, Same, Sent, Stopped, Unreadable
from openmsi_uploader.source import ContentChanged, look_at
from openmsi_uploader.target import Target
from openmsi_uploader.upload import Uploader
from tests.support.clocks import Clocks

TARGET = Target("topic", 4, "this-uploader", 1000)


class FakeProducer:
    """Keeps records; acknowledges one at each poll, with the errors that the test has put in line."""

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.records: list[dict[str, Any]] = []
        self.unanswered: deque[Callable[[KafkaError | None, object], None]] = deque()
        self.errors: deque[KafkaError | None] = deque()
        self.refuse: KafkaError | None = None

    def __len__(self) -> int:
        return len(self.unanswered)

    def produce(self, topic: str, **record: Any) -> None:
        if self.refuse is not None:
            raise KafkaException(self.refuse)
        if len(self.unanswered) >= self.room:
            raise BufferError
        self.records.append({"topic": topic} | record)
        self.unanswered.append(record["on_delivery"])

    def poll(self, _timeout: float) -> int:
        if not self.unanswered:
            return 0
        self.unanswered.popleft()(self.errors.popleft() if self.errors else None, None)
        return 1


class Rig:
    """An uploader of ``root`` with a fake producer, and what it reported."""

    def __init__(self, root: Path, room: int = 1000, pace: Pace | None = None) -> None:
        self.root = root
        self.producer = FakeProducer(room)
        self.outcomes: list[Outcome] = []
        self.uploader = Uploader(root, self.producer, self.outcomes.append, pace=pace)

    def job(self, path: str, before: tuple[bytes, str] | None = None) -> Job:
        stat = look_at(self.root / path)
        assert stat
        return Job(RelativePath(path), stat, "01890000-0000-7000-8000-000000000001", before)

    def answer(self) -> None:
        while self.producer.unanswered:
            self.uploader.poll(0)

    @property
    def chunks(self) -> list[Chunk]:
        return [decode_value(record["value"]) for record in self.producer.records]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def write(root: Path, path: str, data: bytes) -> str:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(data)
    return hashlib.sha512(data).hexdigest()


def test_a_file_is_sent_only_when_every_record_is_acknowledged(rig: Rig) -> None:
    digest = write(rig.root, "a/b.tif", b"x" * 2500)
    job = rig.job("a/b.tif")
    rig.uploader.upload(job, TARGET)
    for _ in range(3):
        assert rig.outcomes == []
        rig.uploader.poll(0)
    partition = partition_of(RelativePath("a/b.tif"), 4)
    assert rig.outcomes == [Sent(job, bytes.fromhex(digest), partition)]
    for number, (record, chunk) in enumerate(zip(rig.producer.records, rig.chunks, strict=True), 1):
        assert (record["topic"], record["partition"]) == ("topic", partition)
        assert record["key"] == f"a_b.tif_chunk_{number}_of_3".encode()
        assert (chunk.filename, chunk.subdir, chunk.append, chunk.index, chunk.total) == ("b.tif", "a", "", number, 3)
        assert chunk.file_hash.hex() == digest
        assert chunk.mtime == job.stat.mtime
        upload = decode_headers(record["headers"])
        assert upload
        assert (upload.upload_id, upload.source, upload.size) == (job.upload_id, "this-uploader", 2500)
    assert [chunk.offset for chunk in rig.chunks] == [0, 1000, 2000]
    assert b"".join(chunk.data for chunk in rig.chunks) == b"x" * 2500


def test_an_empty_file_is_one_empty_record(rig: Rig) -> None:
    digest = write(rig.root, "empty", b"")
    rig.uploader.upload(rig.job("empty"), TARGET)
    rig.answer()
    (chunk,) = rig.chunks
    assert (chunk.index, chunk.total, chunk.offset, chunk.data) == (1, 1, 0, b"")
    assert chunk.file_hash.hex() == chunk.chunk_hash.hex() == digest
    assert isinstance(rig.outcomes[0], Sent)


def test_known_content_is_not_sent_again(rig: Rig) -> None:
    digest = write(rig.root, "a", b"data")
    job = rig.job("a", before=(bytes.fromhex(digest), "earlier-id"))
    rig.uploader.upload(job, TARGET)
    assert rig.outcomes == [Same(job, bytes.fromhex(digest), "earlier-id")]
    assert rig.producer.records == []


def test_other_content_is_sent(rig: Rig) -> None:
    write(rig.root, "a", b"data")
    rig.uploader.upload(rig.job("a", before=(bytes(64), "earlier-id")), TARGET)
    rig.answer()
    assert isinstance(rig.outcomes[0], Sent)


def test_one_refused_record_makes_the_file_not_sent(rig: Rig) -> None:
    write(rig.root, "a", b"x" * 3000)
    rig.producer.errors.extend([None, KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), None])
    rig.uploader.upload(rig.job("a"), TARGET)
    rig.answer()
    (outcome,) = rig.outcomes
    assert isinstance(outcome, NotSent)
    assert isinstance(outcome.error, BadFile)


def test_after_a_refused_record_no_more_of_the_file_is_sent(tmp_path: Path) -> None:
    rig = Rig(tmp_path, room=1)
    write(rig.root, "a", b"x" * 100_000)
    rig.producer.errors.append(KafkaError(KafkaError._MSG_TIMED_OUT))
    thread = threading.Thread(target=rig.uploader.upload, args=(rig.job("a"), TARGET))
    thread.start()
    while thread.is_alive():
        rig.uploader.poll(0)
    rig.answer()
    assert len(rig.producer.records) < 100
    (outcome,) = rig.outcomes
    assert isinstance(outcome, NotSent)
    assert isinstance(outcome.error, Retryable)


def test_a_full_queue_is_waited_for(tmp_path: Path) -> None:
    rig = Rig(tmp_path, room=2)
    write(rig.root, "a", b"x" * 20_000)
    thread = threading.Thread(target=rig.uploader.upload, args=(rig.job("a"), TARGET))
    thread.start()
    while thread.is_alive():
        rig.uploader.poll(0)
        assert len(rig.producer.unanswered) <= 2
    rig.answer()
    assert isinstance(rig.outcomes[0], Sent)
    assert len(rig.producer.records) == 20


def test_only_so_much_of_a_file_is_given_to_the_producer_as_may_be_on_its_way(rig: Rig) -> None:
    write(rig.root, "a", b"x" * 8_000_000)
    thread = threading.Thread(target=rig.uploader.upload, args=(rig.job("a"), replace(TARGET, chunk_size=500_000)))
    thread.start()
    most = 0
    while thread.is_alive():
        most = max(most, len(rig.producer))
        rig.uploader.poll(0)
    rig.answer()
    assert most <= 5
    assert isinstance(rig.outcomes[0], Sent)


def test_records_that_were_refused_or_failed_leave_room(rig: Rig) -> None:
    write(rig.root, "a", b"x" * 500_000)
    target = replace(TARGET, chunk_size=500_000)
    rig.producer.refuse = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    for _ in range(6):
        rig.uploader.upload(rig.job("a"), target)
    rig.producer.refuse = None
    rig.producer.errors.extend([KafkaError(KafkaError._MSG_TIMED_OUT)] * 6)
    for _ in range(7):
        rig.uploader.upload(rig.job("a"), target)
        rig.answer()
    assert [isinstance(outcome, Sent) for outcome in rig.outcomes] == [False] * 12 + [True]


def test_stopping_ends_an_upload_that_waits_for_room(tmp_path: Path) -> None:
    rig = Rig(tmp_path, room=1)
    write(rig.root, "a", b"x" * 20_000)
    thread = threading.Thread(target=rig.uploader.upload, args=(rig.job("a"), TARGET))
    thread.start()
    rig.uploader.stop()
    thread.join()
    rig.answer()
    (outcome,) = rig.outcomes
    assert isinstance(outcome, NotSent)
    assert isinstance(outcome.error, Stopped)


def test_a_record_that_the_client_refuses_at_once_is_an_outcome(rig: Rig) -> None:
    write(rig.root, "a", b"x")
    rig.producer.refuse = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    rig.uploader.upload(rig.job("a"), TARGET)
    (outcome,) = rig.outcomes
    assert isinstance(outcome, NotSent)
    assert isinstance(outcome.error, BadFile)


def test_a_file_that_cannot_be_read_is_an_outcome(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    write(rig.root, "a", b"x")

    def refuse(_root: Path, _path: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("openmsi_uploader.source._open", refuse)
    rig.uploader.upload(rig.job("a"), TARGET)
    (outcome,) = rig.outcomes
    assert isinstance(outcome, NotSent)
    assert isinstance(outcome.error, Unreadable)
    assert "user id" in str(outcome.error)


def test_a_file_that_changes_before_it_is_read_is_an_outcome(rig: Rig) -> None:
    write(rig.root, "a", b"x")
    job = rig.job("a")
    write(rig.root, "a", b"yy")
    rig.uploader.upload(job, TARGET)
    (outcome,) = rig.outcomes
    assert isinstance(outcome, NotSent)
    assert isinstance(outcome.error, ContentChanged)
    assert rig.producer.records == []


def test_a_paced_upload_takes_its_time(tmp_path: Path) -> None:
    clocks = Clocks()
    rig = Rig(tmp_path, pace=clocks.pace("20k"))
    rig.producer.produce = _timed(rig.producer.produce, clocks, times := list[float]())  # type: ignore[method-assign]
    write(rig.root, "f", bytes(60_000))
    rig.uploader.upload(rig.job("f"), TARGET)
    sizes = [len(record["value"]) + BESIDE_VALUE for record in rig.producer.records]
    assert len(sizes) == 60
    for number, then in enumerate(times):
        assert then - times[0] >= sum(sizes[:number]) / (20 * 1024) - 0.001
    assert times[-1] - times[0] == pytest.approx(sum(sizes[:-1]) / (20 * 1024), abs=0.1)
    rig.answer()
    assert isinstance(rig.outcomes[0], Sent)


def _timed(produce: Callable[..., None], clocks: Clocks, times: list[float]) -> Callable[..., None]:
    def timed(topic: str, **record: Any) -> None:
        times.append(clocks.now)
        produce(topic, **record)

    return timed


def test_a_paced_upload_ends_when_it_is_told_to_stop(tmp_path: Path) -> None:
    clocks = Clocks()
    rig = Rig(tmp_path, pace=clocks.pace("10k"))
    clocks.meanwhile = rig.uploader.stop
    write(rig.root, "f", bytes(60_000))
    rig.uploader.upload(rig.job("f"), TARGET)
    assert clocks.now <= 1000.2
    rig.answer()
    (outcome,) = rig.outcomes
    assert isinstance(outcome, NotSent)
    assert isinstance(outcome.error, Stopped)


def test_a_paced_upload_ends_when_a_record_has_failed(tmp_path: Path) -> None:
    clocks = Clocks()
    rig = Rig(tmp_path, pace=clocks.pace("10k"))
    rig.producer.errors.append(KafkaError(KafkaError._MSG_TIMED_OUT))
    clocks.meanwhile = lambda: rig.uploader.poll(0)
    write(rig.root, "f", bytes(60_000))
    rig.uploader.upload(rig.job("f"), TARGET)
    assert clocks.now <= 1000.2
    assert isinstance(rig.outcomes[0], NotSent)


def test_nothing_piles_up_for_a_broker_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks()
    rig = Rig(tmp_path, pace=clocks.pace("20k"))
    monkeypatch.setattr("openmsi_uploader.upload.time.monotonic", lambda: clocks.now)
    rig.uploader._answered_at = clocks.now
    piled: list[int] = []

    def outage() -> None:
        if clocks.now < 1060:
            piled.append(len(rig.producer))
        else:
            rig.uploader.poll(0)

    clocks.meanwhile = outage
    write(rig.root, "f", bytes(60_000))
    rig.uploader.upload(rig.job("f"), TARGET)
    rig.answer()
    assert isinstance(rig.outcomes[0], Sent)
    assert 10 < max(piled) < 50  # some two seconds' worth, not all of it
