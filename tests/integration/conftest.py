"""The other side of each program: who sends what a downloader receives, who reads back what an uploader sent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.crew import Start, Workers
from tests.support.downloading import Downloads
from tests.support.encrypted_lab import Lab
from tests.support.encrypting import Nodes
from tests.support.processing import Processors
from tests.support.reading_back import Receiver
from tests.support.sending import Sender
from tests.support.store import Store
from tests.support.telling import Uploads, Watch
from tests.support.transferring import Transfers


@pytest.fixture
def downloads(kafka: Broker, topic: str, tmp_path: Path) -> Iterator[Downloads]:
    """Downloaders of ``topic``; those still running at the end are killed."""
    made = Downloads(kafka.bootstrap, topic, tmp_path)
    yield made
    made.kill()


@pytest.fixture
def transfers(kafka: Broker, topic: str, store: Store, tmp_path: Path) -> Iterator[Transfers]:
    """Transfers of ``topic`` into a new bucket of the shared store; those still running at the end are killed."""
    made = Transfers(kafka.bootstrap, topic, store, tmp_path)
    yield made
    made.kill()


@pytest.fixture
def own_transfers(kafka: Broker, topic: str, own_store: Store, tmp_path: Path) -> Iterator[Transfers]:
    """The same with a store of their own."""
    made = Transfers(kafka.bootstrap, topic, own_store, tmp_path)
    yield made
    made.kill()


@pytest.fixture
def processors(kafka: Broker, topic: str, tmp_path: Path) -> Iterator[Processors]:
    """Processors of ``topic``, with a new topic for results; those still running at the end are killed."""
    made = Processors(kafka.bootstrap, topic, kafka.create_topic(), tmp_path)
    yield made
    made.kill()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts workers without a service."""
    made: list[Workers] = []

    def begin(code: str, *options: str, size: int = 1, seconds: float = 60.0) -> Workers:
        made.append(Workers(tmp_path, code, *options, size=size, seconds=seconds))
        made[-1].crew.begin()
        return made[-1]

    yield begin
    for each in made:
        each.close()


@pytest.fixture
def sender(kafka: Broker, topic: str) -> Sender:
    """Writes to ``topic``."""
    return Sender(kafka.bootstrap, topic)


@pytest.fixture
def receiver(kafka: Broker, topic: str) -> Iterator[Receiver]:
    """Reads ``topic``."""
    receiver = Receiver(kafka.bootstrap, topic)
    yield receiver
    receiver.close()


@pytest.fixture
def watch(kafka: Broker, topic: str, tmp_path: Path) -> Iterator[Watch]:
    """Starts an uploader of ``data`` to ``topic``; at the end it is killed."""
    made = Uploads(kafka.bootstrap, topic, tmp_path)
    yield made.start
    made.kill()


@pytest.fixture
def beats(kafka: Broker) -> str:
    """A topic for heartbeats."""
    return kafka.create_topic(partitions=1)


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    """A root key, to make nodes with."""
    return Nodes(tmp_path / "nodes")


@pytest.fixture
def uploads(kafka: Broker, topic: str, tmp_path: Path) -> Iterator[Uploads]:
    """Uploaders of a folder of their own to ``topic``; those still running at the end are killed."""
    made = Uploads(kafka.bootstrap, topic, tmp_path / "lab")
    yield made
    made.kill()


@pytest.fixture
def lab(kafka: Broker, topic: str, tmp_path: Path) -> Iterator[Lab]:
    """Uploaders with nodes of their own, and a node for a reader of ``topic``."""
    made = Lab(kafka, topic, tmp_path)
    yield made
    made.kill()
