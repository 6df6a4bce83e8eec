"""`openmsi relay` as a process, and what it has made of a topic, as whoever reads only what is committed sees it."""

import hashlib
from collections import Counter, defaultdict
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from openmsi_core.chunk import Chunk, Upload, decode_headers, decode_value
from openmsi_core.paths import partition_of
from tests.support.running import QUICK_SESSION, Program, Programs

_PATCHED = "import sys, openmsi_admin.main, openmsi_core.transaction; {}; sys.exit(openmsi_admin.main.main())"


class Relays(Programs):
    """Relays from ``source`` to ``target``, one after the other in one folder."""

    def __init__(self, bootstrap: str, source: str, target: str, folder: Path) -> None:
        super().__init__(bootstrap, folder)
        self.source = source
        self.target = target

    def start(self, *options: str, name: str = "relay", patch: str = "") -> Program:
        """Start one more; with the ``name`` of an earlier one it gets the same state folder.

        ``patch`` changes a limit, which would take long to reach.
        """
        openmsi = ("python", "-c", _PATCHED.format(patch)) if patch else ("openmsi",)
        command = (*openmsi, "relay", self.target, "--topic_name", self.source, *options)
        return self.run(name, *command, config=QUICK_SESSION)

    def read(self, partitions: int = 4) -> "Relayed":
        """All that is committed in the target now."""
        return Relayed(self.bootstrap, self.target, partitions)


class Relayed:
    """The committed records of a topic."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self.chunks: dict[str, list[Chunk]] = defaultdict(list)
        """By path, in the order of the log."""
        self.uploads: dict[str, Upload | None] = {}
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.partition.eof": True})
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(partitions)])
        ended: set[int | None] = set()
        while len(ended) < partitions:
            message = consumer.poll(10.0)
            assert message is not None
            if message.error():
                ended.add(message.partition())
                continue
            ended.discard(message.partition())
            chunk = decode_value(message.value())
            assert message.partition() == partition_of(chunk.path, partitions), chunk.path
            self.chunks[chunk.path.text].append(chunk)
            self.uploads[chunk.path.text] = decode_headers(message.headers())
        consumer.close()

    @property
    def times(self) -> Counter[str]:
        """How often each path was written; each time must be whole, in order and without anything between."""
        times: Counter[str] = Counter()
        for path, chunks in self.chunks.items():
            rest = list(chunks)
            while rest:
                one, rest = rest[: rest[0].total], rest[rest[0].total :]
                assert [chunk.index for chunk in one] == list(range(1, one[0].total + 1)), path
                assert hashlib.sha512(b"".join(chunk.data for chunk in one)).digest() == one[0].file_hash
                times[path] += 1
        return times

    @property
    def tree(self) -> dict[str, bytes]:
        """Path → content of what was written last."""
        return {
            path: b"".join(bytes(chunk.data) for chunk in chunks[-chunks[-1].total :])
            for path, chunks in self.chunks.items()
        }
