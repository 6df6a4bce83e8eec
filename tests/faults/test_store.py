"""A fixed part of what the campaign does to transfers and their store; beside each other, as most of them wait."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random

from tests.faults.scenarios import store_members, store_network, store_refusals
from tests.faults.scenarios.store_members import late
from tests.faults.scenarios.store_requests import POINTS, at_points
from tests.faults.world import Scenario, World
from tests.support.store import Store

_BESIDE = 4
_SCENARIOS: dict[str, Scenario] = {
    "a frozen member completes late": partial(late, operation="CompleteMultipartUpload"),
    "a dead member's request comes late": partial(late, operation="CompleteMultipartUpload", dies=True),
} | {
    name: (store_members.SCENARIOS | store_network.SCENARIOS | store_refusals.SCENARIOS)[name]
    for name in (
        "store: frozen",
        "store: down",
        "store: a stop while it is frozen",
        "store: reset in mid-part",
        "store: busy",
        "store: some objects refused",
        "store: says done what it has not",
        "store: other keys",
        "store: the bucket deleted",
        "store: another time",
        "store: full",
        "store: the work folder full",
    )
}


def test_each_request_cut_off_and_killed(world: World, store: Store) -> None:
    def some(number: int, own: World) -> None:
        at_points(own, store, POINTS[number::_BESIDE])

    beside(world, {f"points {number}": partial(some, number) for number in range(_BESIDE)})
    assert world.tally["kills"] == world.tally["requests cut off"] == len(POINTS)


def test_scenarios(world: World) -> None:
    beside(world, {name: partial(_play, name) for name in _SCENARIOS})


def _play(name: str, own: World) -> None:
    _SCENARIOS[name](own, Random(name))


def beside(world: World, plays: Mapping[str, Callable[[World], None]]) -> None:
    """Each in a world of its own. Raises all that went wrong."""

    def one(name: str) -> Exception | None:
        try:
            plays[name](World(world.folder / name, world.broker, world.tally))
        except Exception as error:
            error.add_note(f"in: {name}")
            return error
        return None

    with ThreadPoolExecutor(_BESIDE) as pool:
        failed = [error for error in pool.map(one, plays) if error is not None]
    if failed:
        raise ExceptionGroup("promises were broken", failed)
