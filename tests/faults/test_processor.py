"""A fixed part of what `make faults` plays of processors: whatever is killed or frozen, each file has one result."""

from random import Random

from tests.faults.processing import ends_well, line
from tests.faults.scenarios.processor_kills import RENAME, SCENARIOS, SEND, ready, strike
from tests.faults.scenarios.processor_members import SCENARIOS as OF_MEMBERS
from tests.faults.strace import Step
from tests.faults.world import World

_STEPS = (
    Step("kafka", SEND, 1),
    Step("kafka", SEND, 3),
    Step("kafka", SEND, 4),
    Step("kafka", SEND, 6),
    Step("main", "pwrite64", 3),  # of processed.sqlite
    Step("main", "pwrite64", 8),
    Step("rest", RENAME, 1),  # of a result file
)


def test_killed_at_steps_of_a_commit(world: World) -> None:
    with line(world, Random(1)) as way:
        program = ready(way, "0")
        for step in _STEPS:
            before = world.tally["kills"]
            program = strike(way, program, step)
            assert world.tally["kills"] > before, f"there is no {step} any more"
        ends_well(way, [program])


def test_killed_at_any_moment(world: World) -> None:
    SCENARIOS["processors killed"](world, Random(3))


def test_frozen_at_any_moment(world: World) -> None:
    (play,) = OF_MEMBERS.values()
    play(world, Random(2))
