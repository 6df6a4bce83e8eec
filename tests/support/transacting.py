"""A transaction without a broker, and threads that write files in it."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from openmsi_core.deliveries import CompleteFile
from openmsi_core.generation import Generation, Version
from openmsi_core.paths import RelativePath
from openmsi_core.transaction import Transaction
from tests.support.running import wait_for

LONG = 10.0


class FakeProducer:
    """Notes each step; each of them may be told to raise, or never to return."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.offsets: dict[int, int] = {}
        self.texts: dict[int, str] = {}
        self.errors: dict[str, Exception] = {}
        self.hanging: set[str] = set()
        self.unsent = 0
        self.over = threading.Event()

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name in self.hanging:
            self.over.wait(60)
        if name in self.errors:
            raise self.errors[name]

    def init_transactions(self, _timeout: float) -> None:
        self._step("init")

    def begin_transaction(self) -> None:
        self._step("begin")

    def produce(self, _topic: str, **fields: Any) -> None:
        self._step(f"produce {fields['value'].decode()}")

    def poll(self, _timeout: float) -> int:
        return 0

    def flush(self, _timeout: float) -> int:
        if "flush" in self.errors:
            raise self.errors["flush"]
        return self.unsent

    def send_offsets_to_transaction(self, places: list[TopicPartition], _group: object, _timeout: float) -> None:
        self._step("offsets")
        self.offsets = {place.partition: place.offset for place in places}
        self.texts = {place.partition: place.metadata or "" for place in places}

    def commit_transaction(self, _timeout: float) -> None:
        self._step("commit")

    def abort_transaction(self, _timeout: float) -> None:
        self._step("abort")


class FakeConsumer:
    """The offsets and texts that the group has committed."""

    def __init__(self, *committed: tuple[int, str | None]) -> None:
        self.error: KafkaError | None = None
        self.member: str | None = "member"
        self._committed = committed

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert timeout < 20
        return [cast(TopicPartition, Answer(p.partition, *self._committed[p.partition], self.error)) for p in places]

    def consumer_group_metadata(self) -> object:
        return object()

    def memberid(self) -> str | None:
        return self.member


@dataclass
class Answer:
    """What a broker says of one partition."""

    partition: int
    offset: int
    metadata: str | None
    error: KafkaError | None


class Relay:
    """A transaction, and threads that write files in it."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.producer = FakeProducer()
        self.transaction = Transaction(cast(Producer, self.producer), "target")
        self.watermark = self.transaction.watermark
        self.pool = pool

    def begin(self, *committed: tuple[int, str | None], error: KafkaError | None = None) -> None:
        consumer = FakeConsumer(*committed)
        consumer.error = error
        self.transaction.begin(cast(Consumer, consumer), [TopicPartition("source", p) for p in range(len(committed))])

    def write(self, name: str) -> Future[None]:
        """Write a file in a thread; returns when it is written and waits for the commit."""
        future = self.pool.submit(self.write_whole, name)
        self.wait_until_written(name, future)
        return future

    def wait_until_written(self, name: str, future: Future[None]) -> None:
        """Until it waits for the commit, or has failed."""
        written = f"produce {name}"
        wait_for(lambda: future.done() or (written in self.producer.steps and self.transaction.eager), name, LONG)

    def write_whole(self, name: str) -> None:
        self.write_this(file(name))

    def write_this(self, each: CompleteFile) -> None:
        with self.transaction.writing(each) as write:
            write("target", b"key", bytes(each.data or b""), 3, [])

    def later(self) -> bool:
        return self.transaction.later(cast(Consumer, FakeConsumer()), "source")


def file(name: str) -> CompleteFile:
    """A file of this name, each time another one."""
    version = Version(b"hash", "", "", 1.0, (0, 0))
    return CompleteFile(generation(name), version, len(name), name.encode(), None, 0)


def generation(name: str) -> Generation:
    """A file of this name."""
    return Generation(RelativePath(name), b"hash", 2, "")
