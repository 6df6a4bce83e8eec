"""A node that reads encrypted topics, in a process of its own: KafkaCrypto does not close what it opens."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from openmsi_core.encryption.cipher import Cipher, Field, Missing
from openmsi_core.encryption.node import Node
from openmsi_core.encryption.opening import Encryption, opened

_KEY_SECONDS = 60
_READ_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Opened:
    """A record, in the clear."""

    partition: int
    key: bytes
    value: bytes
    headers: dict[str, bytes]
    size: int
    """Bytes of the message as it travelled."""


class Decrypting:
    """Reads topics, and waits for keys."""

    def __init__(self, bootstrap: str, process: "subprocess.Popen[str]") -> None:
        self._bootstrap = bootstrap
        self._process = process

    def open(self, topic: str, field: Field, content: bytes) -> bytes:
        """``content`` as it was; fails for what is plain."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([topic, field, content.hex()]), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline().strip()
        assert answer.startswith("ok "), answer
        return bytes.fromhex(answer.removeprefix("ok "))

    def read(self, topic: str) -> list[Opened]:
        """All that is in ``topic`` now; fails when anything of it is plain."""
        return [
            Opened(
                message.partition() or 0,
                self.open(topic, "key", as_bytes(message.key())),
                self.open(topic, "value", as_bytes(message.value())),
                {name: as_bytes(text) for name, text in dict(message.headers() or []).items()},
                len(message),
            )
            for message in committed(self._bootstrap, topic)
        ]


def committed(bootstrap: str, topic: str) -> list[Message]:
    """All that is in ``topic`` now, but for transactions that have not ended."""
    # Where something is written all the time, a patient fetch never finds the end.
    options = {"enable.partition.eof": True, "fetch.wait.max.ms": 10}
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", **options})
    left = set(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in left])
    found: list[Message] = []
    until = time.monotonic() + _READ_SECONDS
    while left:
        assert time.monotonic() < until, f"the ends of partitions {left} do not come"
        message = consumer.poll(10.0)
        assert message is not None
        if (error := message.error()) is None:
            found.append(message)
        else:
            assert error.code() == KafkaError._PARTITION_EOF, error
            left.discard(message.partition() or 0)
    consumer.close()
    return found


@contextlib.contextmanager
def decrypting(bootstrap: str, node: Node, *topics: str) -> Iterator[Decrypting]:
    """Use ``node`` for ``topics`` while inside."""
    call = [sys.executable, "-m", "tests.support.decrypting", str(node.folder), node.name, bootstrap, *topics]
    with subprocess.Popen(
        call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        try:
            yield Decrypting(bootstrap, process)
        finally:
            process.kill()


def _main(folder: str, name: str, bootstrap: str, *topics: str) -> None:
    wanted = Encryption(Node(Path(folder), name), {"bootstrap.servers": bootstrap}, topics, (), False)
    with opened(wanted, "test", threading.Event(), lambda _: None, 30) as cipher:
        assert cipher is not None
        for line in sys.stdin:
            topic, field, content = json.loads(line)
            print(_answer(cipher, topic, field, bytes.fromhex(content)), flush=True)


def _answer(cipher: Cipher, topic: str, field: Field, content: bytes) -> str:
    until = time.monotonic() + _KEY_SECONDS
    try:
        while isinstance(found := cipher.decrypt(topic, field, content), Missing):
            if time.monotonic() > until:
                return "nobody gave its key"
            time.sleep(0.05)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"ok {found.hex()}"


def as_bytes(field: str | bytes | None) -> bytes:
    """What confluent_kafka gives as key, value or header."""
    return field.encode() if isinstance(field, str) else field or b""


if __name__ == "__main__":
    _main(*sys.argv[1:])
