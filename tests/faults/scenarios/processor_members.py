"""Processors of one group come, freeze for longer than the group or a transaction waits, and thaw."""

import signal
import time
from random import Random

from tests.faults.processing import ends_well, line
from tests.faults.world import Scenario, World


def play(world: World, random: Random) -> None:
    """1 → 2 → 3 members; each is frozen at some moment, and two of them at once."""
    with line(world, random) as way:
        running = [way.member("0")]
        with way.held():
            for name in ("1", "2"):
                way.send(30)
                running.append(way.member(name))
            running[-1].says("reading partitions", 40)
            for _ in range(3):
                frozen = random.sample(running, random.choice((1, 1, 2)))
                way.send(30)
                for each in frozen:
                    time.sleep(random.uniform(0.0, 0.2))
                    each.process.send_signal(signal.SIGSTOP)
                    world.tally["freezes"] += 1
                way.send(10)
                time.sleep(random.choice((0.5, 2.5, 4.5)))  # less than a session, more, more than a transaction
                for each in frozen:
                    each.process.send_signal(signal.SIGCONT)
        ends_well(way, running, 90)
        world.tally["results"] += way.judge.results


SCENARIOS: dict[str, Scenario] = {"processors frozen": play}
LONG: dict[str, Scenario] = {}
