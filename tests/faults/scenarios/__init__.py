"""The fault scenarios that a campaign chooses from: name → function.

Each module has ``SCENARIOS``, whose rounds take seconds, and ``LONG``, which a large campaign plays once each.
"""

from tests.faults.scenarios import (
    clock_and_state,
    disk,
    hostile_topic,
    hostile_writers,
    kill_at_random,
    kill_each_step,
    network,
    processor_kills,
    processor_members,
    rebalance,
    store_members,
    store_network,
    store_refusals,
    store_requests,
)
from tests.faults.world import Scenario

_MODULES = (
    kill_each_step,
    kill_at_random,
    rebalance,
    network,
    disk,
    hostile_writers,
    hostile_topic,
    clock_and_state,
    store_requests,
    store_network,
    store_refusals,
    store_members,
    processor_kills,
    processor_members,
)

SCENARIOS: dict[str, Scenario] = {name: play for module in _MODULES for name, play in module.SCENARIOS.items()}
LONG: dict[str, Scenario] = {name: play for module in _MODULES for name, play in module.LONG.items()}
