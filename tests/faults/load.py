"""What is sent to a topic by senders of all kinds, and what must become of it."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import uuid4

from confluent_kafka import KafkaError, Message, Producer

from openmsi_core.chunk import Chunk, Upload, encode_headers, encode_key, encode_value
from openmsi_core.paths import partition_of
from tests.faults.judge import Judge
from tests.support.downloading import reasons
from tests.support.sending import chunks, upload

PARTITIONS = 4

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Raw:
    """A record to send."""

    key: bytes | None
    value: bytes | None
    partition: int
    headers: Headers
    poison: bool = False
    """It must be put in quarantine by itself."""


class Load:
    """Streams of records; the records of one stream keep their order, streams are mixed."""

    def __init__(self, judge: Judge, random: Random) -> None:
        self.judge = judge
        self.random = random
        self.bad_files: Counter[str] = Counter()
        """Path and SHA-512 of files that must be put in quarantine."""
        self.halves: Counter[str] = Counter()
        """Paths of files that must be put in quarantine in part."""
        self._streams: list[list[Raw]] = []
        self.places: Counter[str] = Counter()
        """Partition and offset of records that must be put in quarantine."""

    def content(self, most: int = 20_000) -> bytes:
        """Of a new file; never as long as a hash."""
        return self.random.randbytes(self.random.randrange(65, most))

    def pieces(self, path: str, content: bytes, mtime: float = 1.7e9) -> list[Chunk]:
        """In order, of any size; one in three files comes in one piece."""
        size = self.random.choice((len(content), 1000, self.random.randrange(500, 9000))) or 1
        return list(chunks(path, content, size=size, mtime=mtime))

    def several(self, path: str, content: bytes | None = None) -> list[Chunk]:
        """Three chunks or more."""
        content = content or self.random.randbytes(self.random.randrange(3000, 9000))
        return list(chunks(path, content, size=1000))

    def raws(self, pieces: Iterable[Chunk], by: Upload | None, headers: Headers | None = None) -> list[Raw]:
        """With ``by`` as our uploader sends them, without scattered over all partitions; or with any ``headers``."""
        made = []
        for each in pieces:
            named: Headers = [*encode_headers(by)] if by else headers or []
            partition = each.index % PARTITIONS if not named else partition_of(each.path, PARTITIONS)
            made.append(Raw(encode_key(each), encode_value(each), partition, named))
        return made

    def sender(self, content: bytes) -> Upload | None:
        """One of ours, or OpenMSIStream."""
        return self.random.choice((upload(content), None))

    def add(self, stream: list[Raw]) -> None:
        """Send these in this order."""
        self._streams.append(stream)

    def bad_file(self, pieces: Sequence[Chunk]) -> None:
        """Send these: each is right, but they are no file, or none that may be placed."""
        digest = pieces[0].file_hash
        self.bad_files[f"{pieces[0].path} {digest.hex()}"] += 1
        self.add(self.raws(pieces, self.sender(b"")))

    def take(self) -> list[Raw]:
        """All records added so far, mixed."""
        order = [number for number, stream in enumerate(self._streams) for _ in stream]
        self.random.shuffle(order)
        streams = [iter(stream) for stream in self._streams]
        self._streams = []
        return [next(streams[number]) for number in order]

    def send(self, bootstrap: str, topic: str, records: Sequence[Raw]) -> None:
        """Send; returns when the broker has all."""
        producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
        for record in records:
            headers: list[tuple[str, str | bytes | None]] = [*record.headers]
            done = self._note if record.poison else None
            producer.produce(topic, record.value, record.key, record.partition, headers=headers, on_delivery=done)
            producer.poll(0)
        assert producer.flush(60) == 0

    def _note(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        self.places[f"{message.partition()} {message.offset()}"] += 1

    def quarantined(self, out: Path) -> str:
        """What is wrong with the quarantine of ``out``: "" when each poison is there once, and nothing else."""
        found = reasons(out)
        records = Counter(f"{r['partition']} {r['offset']}" for r in found if "path" not in r)
        files = Counter(f"{r['path']} {r['sha512']}" for r in found if "sha512" in r)
        halves = Counter(str(r["path"]) for r in found if "prefix" in r)
        wrong = [f"without topic or reason: {r}" for r in found if not (r["topic"] and r["reason"])]
        for kind, there, due in (
            ("record", records, self.places),
            ("file", files, self.bad_files),
            ("half", halves, self.halves),
        ):
            wrong += [f"{kind} not in quarantine: {each}" for each in due - there]
            wrong += [f"{kind} too much in quarantine: {each}" for each in there - due]
        return "\n".join(wrong[:20])


def other_hash(pieces: Sequence[Chunk]) -> list[Chunk]:
    """All chunks right, the whole wrong."""
    digest = hashlib.sha512(uuid4().bytes).digest()
    return [dataclasses.replace(each, file_hash=digest) for each in pieces]
