"""Hostile writers with fixed chance."""

from random import Random

from tests.faults.odd_files import swaps_folder_for_link
from tests.faults.scenarios.hostile_writers import SCENARIOS, play, some
from tests.faults.world import World


def test_many_at_once(world: World) -> None:
    random = Random(1)
    play(world, random, some(random, 150), 60)


def test_events_that_are_lost(world: World) -> None:
    SCENARIOS["hostile writers unseen"](world, Random(1))


def test_a_link_in_the_place_of_a_folder(world: World) -> None:
    play(world, Random(1), [swaps_folder_for_link] * 6, 6)
