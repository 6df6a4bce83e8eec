"""Downloaders as processes, and what they have made of a topic."""

import json
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from openmsi_core.journal import JOURNAL
from tests.support.running import Program, Programs


def tree(folder: Path) -> dict[str, bytes]:
    """Every delivered file: path → content."""
    found = (p for p in folder.rglob("*") if p.is_file() and ".openmsi" not in p.parts)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def reasons(folder: Path) -> list[dict[str, object]]:
    """The reasons of all that is in quarantine."""
    return [json.loads(p.read_text()) for p in sorted((folder / ".openmsi" / "quarantine").glob("*/reason.json"))]


def committed(bootstrap: str, topic: str, group: str, partitions: int = 4) -> dict[int, int]:
    """Partition → committed offset, negative where there is none."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    places = consumer.committed([TopicPartition(topic, p) for p in range(partitions)], timeout=10)
    consumer.close()
    return {place.partition: place.offset for place in places}


class Downloads(Programs):
    """Downloaders of ``topic`` into ``out``, each in a folder of its own below ``folder``."""

    def __init__(self, bootstrap: str, topic: str, folder: Path) -> None:
        super().__init__(bootstrap, folder)
        self.topic = topic
        self.out = folder / "out"

    def start(
        self,
        *options: str,
        name: str = "downloader",
        prefix: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        config: str = "",
    ) -> Program:
        """Start one more; with the ``name`` of an earlier one it gets the same state folder."""
        command = ("DataFileDownloadDirectory", str(self.out), "--topic_name", self.topic, *options)
        return self.run(name, *command, prefix=prefix, env=env, config=config)

    @property
    def tree(self) -> dict[str, bytes]:
        """Every delivered file: path → content."""
        return tree(self.out)

    @property
    def reasons(self) -> list[dict[str, object]]:
        """The reasons of all that is in quarantine."""
        return reasons(self.out)

    @property
    def staged(self) -> list[Path]:
        """Files that have come in part."""
        found = (self.out / ".openmsi" / "staging").glob("*/*")
        return [path for path in found if path.name not in ("lock", JOURNAL)]

    def committed(self, group: str) -> dict[int, int]:
        """Partition → committed offset, negative where there is none."""
        return committed(self.bootstrap, self.topic, group)
