"""What the tests of continued uploads play in: an uploader of one file without threads, and a log."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError

from openmsi_core.chunk import Chunk, Upload, decode_headers, decode_value
from openmsi_core.generation import Generation, Verdict, Version, judge, unfinished, version_of
from openmsi_uploader import prefix, reading, source, upload
from openmsi_uploader.at_broker import Extent
from openmsi_uploader.known import Known
from openmsi_uploader.lanes import Lanes
from openmsi_uploader.ledger import Ledger, open_ledger
from openmsi_uploader.outcome import Job, Outcome, Progress
from openmsi_uploader.pending import Pending
from openmsi_uploader.sending import Sending, Work
from openmsi_uploader.source import FileStat, look_at
from openmsi_uploader.target import Target
from openmsi_uploader.upload import Continuing, Uploader
from openmsi_uploader.upload_id import UploadIds

TARGET = Target("topic", 4, "this-uploader", 1000, "topic-id")
A, B = (bytes(range(256)) * 40)[:9500], bytes(9500)
CHUNKS = 10


class Message:
    def __init__(self, offset: int | None) -> None:
        self._offset = offset

    def offset(self) -> int | None:
        return self._offset


class Log:
    """A partition that takes ``room`` more records, then refuses them."""

    def __init__(self) -> None:
        self.records: list[tuple[Chunk, Upload]] = []
        self.room = 1 << 30
        self.topic_id, self.low = "topic-id", 0
        self.offsets_known = True

    def __len__(self) -> int:
        return 0

    def produce(self, *_: Any, value: bytes, headers: Any, on_delivery: Callable[..., None], **_others: Any) -> None:
        if self.room == 0:
            on_delivery(KafkaError(KafkaError._MSG_TIMED_OUT), None)
            return
        self.room -= 1
        by = decode_headers(headers)
        assert by
        self.records.append((decode_value(value), by))
        on_delivery(None, Message(len(self.records) - 1 if self.offsets_known else None))

    def poll(self, _timeout: float) -> int:
        return 0

    def extent(self, _topic: str, _partition: int) -> Extent:
        return Extent(self.topic_id, self.low, len(self.records))

    def received(self) -> bytes | None:
        """What a receiver has placed that reads all of it, by the rules of `openmsi_core.generation`."""
        placed: tuple[Version, bytes] | None = None
        open_: dict[Generation, dict[int, bytes]] = {}
        for offset, (chunk, by) in enumerate(self.records):
            generation, version = Generation.of(chunk, by), version_of(chunk, by, (0, offset))
            if generation not in open_ and judge(unfinished(version), placed and placed[0]) is not Verdict.NEWER:
                continue
            pieces = open_.setdefault(generation, {})
            pieces[chunk.index] = bytes(chunk.data)
            if len(pieces) == chunk.total:
                placed = version, b"".join(data for _, data in sorted(pieces.items()))
                later = [g for g in open_ if g.upload_id > by.upload_id]
                open_ = {g: open_[g] for g in later}
        return placed and placed[1]


class World:
    """An uploader of one file, killed and started again by `restart`; the test is its threads."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self.log, self.now = folder / "data", folder / "state", Log(), 0.0
        self.target = TARGET
        self.continuing = Continuing(self._put, self.log.extent)
        self.messages: list[Outcome | Progress] = []
        self._ledger: Ledger | None = None
        for made in (self.folder, self.state):
            made.mkdir()
        self.restart()

    def restart(self) -> None:
        self.close()
        self.ledger = self._ledger = open_ledger(self.state, "topic", self.folder)
        ids = UploadIds(self.state, 1000, owner=self.ledger.name)
        if ids.shared:
            self.ledger.give_up_all()
        self._lanes = Lanes[Work](1, lambda _: None)
        self._lanes.close(1)
        self.pending = Pending(1.0, 0, delay=lambda _: 1.0)
        self.sending = Sending(self.folder, self.pending, self.ledger, Known(), ids, self._lanes)
        self.uploader = Uploader(self.folder, self.log, self._put, self.continuing)

    def _put(self, message: Outcome | Progress) -> None:
        self.messages.append(message)

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()

    def write(self, content: bytes, mtime: int) -> None:
        path = self.folder / "f"
        path.write_bytes(content)
        os.utime(path, ns=(mtime, mtime))

    def job(self) -> Job:
        """Look at the file, wait until it has settled, and the job that comes of it."""
        for _ in range(10):
            stat = look_at(self.folder / "f")
            assert stat
            self.now += 1.0
            self.pending.see("f", stat, self.now, told=True)
            self.now += 1.0
            for path in self.pending.due(self.now):
                self.pending.check(path, stat, self.now)
            self.sending.target = self.target
            self.sending.hand_out(self.now)
            if (work := self._lanes._large.take()) is not None:
                return work[0]
        raise AssertionError("no job")

    def attempt(self, room: int = 1 << 30, job: Job | None = None, *, save: bool = True) -> Outcome:
        """Send until the broker has taken ``room`` more records; what came of it, all of it judged and on disk."""
        self.log.room = room
        self.uploader.upload(job or self.job(), self.target)
        self.log.room = 1 << 30
        return self.digest(save=save)

    def digest(self, *, save: bool = True) -> Outcome:
        """Judge what was reported."""
        for message in self.messages:
            if isinstance(message, Progress):
                self.sending.note(message, self.now)
            else:
                outcome = message
                self.sending.judge(message, self.now)
            if save:
                self.sending.commit_now(self.now)
        self.messages.clear()
        return outcome

    def until_sent(self) -> None:
        row = None
        while row is None or row.stat != look_at(self.folder / "f"):
            self.attempt()
            row = self.ledger.find(["f"]).get("f")

    @property
    def ids(self) -> list[str]:
        return list(dict.fromkeys(by.upload_id for _, by in self.log.records))


def make_everything_large(patch: pytest.MonkeyPatch) -> None:
    """Files are large from the first byte on, and every acknowledgement is noted."""
    patch.setattr(upload, "WORTH_BYTES", 0)
    patch.setattr(reading, "SMALL_BYTES", 0)
    patch.setattr(prefix, "_NOTE_BYTES", 1)
    patch.setattr(prefix, "_NOTE_SECONDS", 0.0)
    # A file system as on Windows, where a file that is renamed away and back looks as it did before.
    patch.setattr(source, "stat_of", lambda raw: FileStat(raw.st_size, raw.st_mtime_ns, 0, 7))


def is_sent_anew(world: World) -> None:
    """Nothing is continued, and receivers get what is there now."""
    before = list(world.ids)
    world.until_sent()
    assert len(world.ids) == len(before) + 1
    assert world.ids == sorted(world.ids)
    assert sum(by.upload_id == world.ids[-1] for _, by in world.log.records) == CHUNKS
    assert world.log.received() == (world.folder / "f").read_bytes()
    world.restart()
    assert world.ledger.unfinished("f") is None
