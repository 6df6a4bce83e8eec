"""A fixed part of what the campaign does to disks and folders."""

from random import Random

import pytest

from tests.faults.scenarios.disk import SCENARIOS
from tests.faults.world import World


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_scenario(world: World, name: str) -> None:
    SCENARIOS[name](world, Random(name))
