"""`StreamProcessor` as a process, and the results that whoever reads only what is committed sees."""

import json
import textwrap
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.support.running import QUICK_SESSION, Program, Programs

HEAD = "from openmsi_processor import DataFile, Result, ResultFile, Retry, processor\n"


class Processors(Programs):
    """Processors of ``topic`` whose results go to the topic ``results``."""

    def __init__(self, bootstrap: str, topic: str, results: str, folder: Path) -> None:
        super().__init__(bootstrap, folder)
        self.topic = topic
        self.results = results
        self.output = folder / "output"

    def code(self, text: str, name: str = "code.py") -> Path:
        """Write a user's file; the names of the SDK are imported already."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / name
        file.write_text(HEAD + textwrap.dedent(text))
        return file

    def start(
        self,
        code: Path,
        *options: str,
        name: str = "processor",
        env: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        config: str = QUICK_SESSION,
    ) -> Program:
        """Start one more; with the ``name`` of an earlier one it gets the same state folder."""
        topics = ("--topic_name", self.topic, "--producer_topic_name", self.results)
        command = ("StreamProcessor", str(code), *topics, "--output_dir", str(self.output), *options)
        return self.run(name, *command, env=env, prefix=prefix, config=config)

    def read(self, partitions: int = 4) -> "dict[str, list[Read]]":
        """All results that are committed now, by the path of their input, each list in the order of the log."""
        return read_results(self.bootstrap, self.results, partitions)


@dataclass(frozen=True, slots=True)
class Read:
    """A result, as a reader has it."""

    key: str
    value: bytes
    headers: dict[str, str]
    partition: int

    @property
    def json(self) -> Any:
        """Its value."""
        return json.loads(self.value)


def read_results(bootstrap: str, topic: str, partitions: int = 4) -> dict[str, list[Read]]:
    """All results that are committed in ``topic`` now, by the path of their input."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(partitions)])
    found: dict[str, list[Read]] = defaultdict(list)
    ended: set[int | None] = set()
    while len(ended) < partitions:
        message = consumer.poll(10.0)
        assert message is not None
        if message.error():
            ended.add(message.partition())
            continue
        headers = {n: v.decode() for n, v in dict(message.headers() or []).items() if isinstance(v, bytes)}
        key, value = (message.key() or b"").decode(), message.value() or b""
        found[headers["openmsi-path"]].append(Read(key, value, headers, message.partition() or 0))
    consumer.close()
    return dict(found)
