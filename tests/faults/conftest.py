"""The world of the fault tests: the shared broker, and a folder and a count for each test."""

from pathlib import Path

import pytest

from tests.faults.world import World
from tests.support.broker import Broker


@pytest.fixture
def world(kafka: Broker, tmp_path: Path) -> World:
    """A world on the shared broker."""
    return World(tmp_path, kafka)
