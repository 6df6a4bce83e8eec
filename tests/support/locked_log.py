"""A receiver without Kafka; its records are encrypted in a way that only a test would use, and their keys come late."""

import json
import os
import random
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, cast

from confluent_kafka import Consumer, TopicPartition

from openmsi_core import encrypted
from openmsi_core.chunk import Chunk, Upload, encode_headers, encode_value
from openmsi_core.commits import Commits, ConsumerCommits
from openmsi_core.deliveries import CompleteFile
from openmsi_core.destination import Destination
from openmsi_core.encryption.cipher import Field, Missing
from openmsi_core.errors import BadFile, Retryable
from openmsi_core.exact import ExactWatermark, _from_text
from openmsi_core.kafka import Troubles
from openmsi_core.policy import Policy
from openmsi_core.quarantine import Quarantine
from openmsi_core.receive import Receiver
from openmsi_core.records import Holder, Locked, Piece, Poison, decode
from openmsi_core.staging import Staging
from tests.support.fake_log import FakeMessage

_MARK = b"\x01\x93"


def sealed(key: int, plain: bytes) -> bytes:
    """``plain`` as `LateCipher` takes it."""
    return _MARK + bytes([key]) + plain


class LateCipher:
    """Has a key only once a test puts it into ``here``."""

    encrypts = True

    def __init__(self) -> None:
        self.here: set[int] = set()
        self.asked: set[int] = set()

    def encrypt(self, _topic: str, _field: Field, content: bytes) -> bytes:
        return sealed(0, content)

    def decrypt(self, _topic: str, _field: Field, content: bytes) -> bytes | Missing:
        if not content.startswith(_MARK):
            raise BadFile("it is not encrypted")
        key = content[len(_MARK)]
        if key in self.here:
            self.asked.discard(key)
            return content[len(_MARK) + 1 :]
        self.asked.add(key)
        return Missing(key)

    def give_up(self, _topic: str, missing: Missing) -> None:
        self.asked.discard(cast(int, missing.key_index))


class LockedLog:
    """A topic of encrypted records, and what the group has committed."""

    def __init__(self, partitions: int) -> None:
        self.partitions: list[list[FakeMessage]] = [[] for _ in range(partitions)]
        self.truth: list[list[Piece | Poison]] = [[] for _ in range(partitions)]
        """What comes out with the right key."""
        self.committed = dict.fromkeys(range(partitions), 0)
        self.texts: dict[int, str | None] = {}
        self._time = 0

    def append(self, partition: int, key: int, chunk: Chunk | bytes | None, by: Upload | None = None) -> None:
        """Write one record that only ``key`` opens; no chunk is written as it is, and is poison."""
        value = sealed(key, encode_value(chunk)) if isinstance(chunk, Chunk) else chunk
        self.raw(partition, value, encode_headers(by) if by else [])

    def raw(self, partition: int, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        """Write one record as it is."""
        self._time += 1
        message = FakeMessage(partition, len(self.partitions[partition]), self._time, value, headers)
        cipher = LateCipher()
        cipher.here = set(range(256))
        arrival = decode(cast(Any, message), "topic", cipher)
        assert not isinstance(arrival, Locked)
        self.partitions[partition].append(message)
        self.truth[partition].append(arrival)


class FakeConsumer:
    """One member; a test puts what happens to its partitions in its next poll into ``to_come``."""

    def __init__(self, log: LockedLog, dice: random.Random) -> None:
        self._log = log
        self._dice = dice
        self._paused: set[int] = set()
        self.position: dict[int, int] = {}
        self.to_come: list[tuple[str, int]] = []

    def subscribe(self, _topics: list[str], *, on_assign: Any, on_revoke: Any, on_lost: Any) -> None:
        if not hasattr(self, "_on_assign"):
            self._on_assign, self._on_revoke, self._on_lost = on_assign, on_revoke, on_lost
            on_assign(self, [TopicPartition("topic", p) for p in range(len(self._log.partitions))])

    def poll(self, _timeout: float) -> FakeMessage | None:
        for how, partition in self.to_come:
            places = [TopicPartition("topic", partition)]
            (self._on_lost if how == "lost" else self._on_revoke)(self, places)
            self.position.pop(partition, None)
            self._on_assign(self, [TopicPartition("topic", partition)])
        self.to_come.clear()
        return next(iter(self.consume(1, 0.0)), None)

    def consume(self, count: int, timeout: float) -> list[FakeMessage]:
        del timeout
        found = []
        for _ in range(min(count, self._dice.randrange(1, 5))):
            if ready := [p for p in self.position.keys() - self._paused if self._has(p)]:
                partition = self._dice.choice(sorted(ready))
                found.append(self._log.partitions[partition][self.position[partition]])
                self.position[partition] += 1
        return found

    def _has(self, partition: int) -> bool:
        return self.position[partition] < len(self._log.partitions[partition])

    @property
    def at_end(self) -> bool:
        return not any(self._has(partition) for partition in self.position)

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        for place in places:
            self.position[place.partition] = place.offset if place.offset >= 0 else self._log.committed[place.partition]

    def pause(self, places: list[TopicPartition]) -> None:
        self._paused |= {place.partition for place in places}

    def resume(self, places: list[TopicPartition]) -> None:
        self._paused -= {place.partition for place in places}

    def seek(self, place: TopicPartition) -> None:
        self.position[place.partition] = place.offset

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:  # noqa: ARG002  # Kafka's
        self._log.committed |= {place.partition: place.offset for place in offsets}

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        del timeout
        log = self._log
        return [TopicPartition("topic", p.partition, log.committed[p.partition]) for p in places]

    def close(self) -> None:
        """Nothing to do."""


class ExactCommits:
    """Keeps with the offsets which records are done, as `Transaction` does."""

    pause, eager, resumes = 0.0, False, False

    def __init__(self, log: LockedLog, most: int) -> None:
        self.watermark = ExactWatermark[Holder]("target")
        self.crowded = False
        self._log = log
        self._most = most

    def begin(self, _consumer: Consumer, places: Sequence[TopicPartition]) -> None:
        for p in (place.partition for place in places):
            self.watermark.restore(p, self._log.committed[p], self._log.texts.get(p))

    def later(self, _consumer: Consumer, _topic: str) -> bool:
        places = self.watermark.places(())
        self._log.committed |= {p: offset for p, (offset, _) in places.items()}
        self._log.texts |= {p: text for p, (_, text) in places.items()}
        self.crowded = any(sum(_from_text(text, self.watermark._purpose)) > self._most for _, text in places.values())
        return True

    def now(self, consumer: Consumer, topic: str, _partitions: Collection[int]) -> None:
        self.later(consumer, topic)

    def leave(self, files: Collection[CompleteFile]) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


class LockedMember:
    """A `Receiver` in slow motion."""

    def __init__(
        self, log: LockedLog, root: Path, destination: Destination, dice: random.Random, *, exact: bool, seconds: float
    ) -> None:
        self.log = log
        self.cipher = LateCipher()
        self.consumer = FakeConsumer(log, dice)
        self.staging = Staging(root)
        self.staging.folder.start()
        self.quarantine = _Refusing(root, dice)
        self.commits: Commits = cast(Commits, ExactCommits(log, 6)) if exact else ConsumerCommits()
        policy = Policy("topic", "id", "group", 2, lambda _: True, 2, 3600, "earliest", "group", "stop", seconds)
        self.said: list[str] = []
        self.receiver = Receiver(
            cast(Consumer, self.consumer),
            destination,
            self.staging,
            self.quarantine,
            Troubles(self.said.append),
            self.commits,
            policy,
            cipher=self.cipher,
        )
        self.room = self.receiver._waiting
        self.receiver._membership.join()

    def turn(self) -> None:
        """One turn of the loop, and a commit."""
        self.receiver._membership.commit_soon()
        self.receiver._turn()

    def wipe(self) -> None:
        """Somebody removes all staged files."""
        for file in self.staging.own.iterdir():
            if file.name not in ("lock", "journal.json"):
                file.unlink(missing_ok=True)  # a thread may just have delivered it

    def end(self) -> None:
        """End as kill -9 does: locks drop, nothing is said; threads may have come to their end."""
        self.receiver._deliveries.close()
        self.receiver._decoders.shutdown()
        self.receiver._resume.close()
        for file in self.staging._files.values():
            os.close(file)
        assert self.staging.folder._lock is not None
        self.staging.folder._lock.close()

    @property
    def idle(self) -> bool:
        """Whether nothing is left to do."""
        receiver = self.receiver
        at_work = len(receiver._deliveries) or receiver._backlog or len(self.room) or receiver._membership._rewinds
        return self.consumer.at_end and not at_work

    def undecryptable(self) -> list[tuple[int, int, bytes, list[tuple[str, bytes]]]]:
        """What is in quarantine as undecryptable: partition, offset, value, headers."""
        found = []
        for reason in sorted(self.quarantine.folder.glob("*/reason.json")):
            facts = json.loads(reason.read_text())
            if "key_index" in facts:
                (value,) = reason.parent.glob(f"*{encrypted.VALUE}")
                headers = cast(list[tuple[str, bytes]], encrypted.headers_of(facts["headers"]))
                found.append((facts["partition"], facts["offset"], value.read_bytes(), headers))
        return found


class _Refusing(Quarantine):
    """Whose disk refuses an encrypted record now and then, before it is written or after."""

    def __init__(self, root: Path, dice: random.Random) -> None:
        super().__init__(root, "topic")
        self._dice = dice

    def undecryptable(self, locked: Locked, reason: str) -> None:
        if self._dice.random() < 0.1:
            raise Retryable("full")
        super().undecryptable(locked, reason)
        if self._dice.random() < 0.1:
            raise Retryable("full")
