"""The other side of each program: who sends what a downloader receives, who reads back what an uploader sent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.downloading import Downloads
from tests.support.reading_back import Receiver
from tests.support.sending import Sender
from tests.support.telling import Uploads, Watch


@pytest.fixture
def downloads(kafka: Broker, topic: str, tmp_path: Path) -> Iterator[Downloads]:
    """Downloaders of ``topic``; those still running at the end are killed."""
    made = Downloads(kafka.bootstrap, topic, tmp_path)
    yield made
    made.kill()


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
