"""A fixed part of what `make faults` plays of programs and brokers that are killed at any moment."""

from random import Random

import pytest

from tests.faults.scenarios.kill_at_random import SCENARIOS
from tests.faults.world import World


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_killed_at_any_moment(world: World, name: str) -> None:
    SCENARIOS[name](world, Random(5))
