"""Processors are killed, and lose their state, while they work on files: at any moment, and at chosen system calls."""

import shutil
import signal
import time
from pathlib import Path
from random import Random

from tests.faults import strace
from tests.faults.processing import Line, ends_well, line
from tests.faults.strace import KILL, Log, Part, Step
from tests.faults.world import Scenario, World, in_background
from tests.support.broker import Broker, jars_folder
from tests.support.running import Program, wait_for

RENAME, SEND = "rename,renameat,renameat2", "sendmsg,sendto"
STEPS: tuple[tuple[Part, str, int], ...] = (
    ("main", "pwrite64", 12),  # of processed.sqlite, around each commit
    ("kafka", SEND, 12),  # produce, the offsets, the commit: each is a write to the network
    ("rest", RENAME, 3),  # of result files
    ("rest", "fsync", 6),
)
"""Part, call, and how many of it are on the way of three files."""

_READS = "reading partitions [0, 1, 2, 3]"
_STRIKES = 3
_MOMENT = 4.0


def play(world: World, random: Random, *, lost: float, kills: int, broker: Broker | None = None) -> None:
    """Three members, two of one state folder; each is killed now and then, and finds its state ``lost`` that often."""
    with line(world, random, broker) as way:
        shared = world.folder / "shared"
        states: dict[str, Path | None] = {"0": shared, "1": shared, "2": None}
        running = {name: way.member(name, state) for name, state in states.items()}
        with way.held():
            sending = in_background(lambda: _feed(way, kills))
            for _ in range(kills):
                time.sleep(random.uniform(0.2, 1.5))
                if broker is not None and random.random() < 0.3:
                    # Not killed: Kafka 4.3 may then lose the end of a transaction that it has decided to commit.
                    world.tally["freezes of the broker"] += 1
                    broker.freeze()
                    time.sleep(random.uniform(0.5, 5.0))
                    broker.thaw()
                    continue
                name = random.choice(sorted(running))
                _end(world, running[name])
                if name == "2" and random.random() < lost:
                    shutil.rmtree(running[name].state, ignore_errors=True)
                    world.tally["states lost"] += 1
                running[name] = way.member(name, states[name])
            sending.join()
        ends_well(way, list(running.values()), 90)
        world.tally["results"] += way.judge.results


def kill_at_a_step(world: World, random: Random) -> None:
    """One member, killed at random steps."""
    with line(world, random) as way:
        program = ready(way, "0")
        for _ in range(_STRIKES):
            part, call, most = random.choice(STEPS)
            program = strike(way, program, Step(part, call, random.randint(1, most)))
        ends_well(way, [program])


def kill_at_every_step(world: World, random: Random) -> None:
    """All of them, one after the other."""
    with line(world, random) as way:
        program = ready(way, "0")
        for part, call, most in STEPS:
            for number in range(1, 1 + most):
                program = strike(way, program, Step(part, call, number))
        ends_well(way, [program])


def ready(way: Line, name: str) -> Program:
    """A member that has begun to read, with all its threads: strace takes hold of those that are there."""
    program = way.member(name)
    before = program.output.count(_READS)
    wait_for(lambda: program.output.count(_READS) > before, "the member to read", 40)
    way.send(8)
    way.judge.settle()
    return program


def strike(way: Line, program: Program, step: Step) -> Program:
    """Send files with a kill at ``step`` on their way; returns who runs afterwards. Everything is right then."""
    log = Log(way.world.folder)
    with strace.at(program.process.pid, step, KILL, log):
        way.send(3)
        until = time.monotonic() + _MOMENT
        while program.process.poll() is None and not log.hits and time.monotonic() < until:
            time.sleep(0.02)
    if log.hits:
        assert program.exits() == -signal.SIGKILL
        way.world.tally["kills"] += 1
        way.judge.check()
        program = ready(way, "0")
    way.judge.settle()
    return program


def _feed(way: Line, kills: int) -> None:
    for _ in range(kills * 2):
        way.send(15)
        time.sleep(0.3)


def _end(world: World, program: Program) -> None:
    assert program.process.poll() is None, f"it has ended by itself:\n{program.output[-5000:]}"
    program.kill()
    world.tally["kills"] += 1


def _kills(world: World, random: Random) -> None:
    play(world, random, lost=0.5, kills=random.randrange(4, 8))


def _with_broker(world: World, random: Random) -> None:
    broker = Broker(world.folder / "broker", jars_folder())
    try:
        broker.start()
        play(world, random, lost=0.5, kills=random.randrange(4, 8), broker=broker)
    finally:
        broker.stop()


SCENARIOS: dict[str, Scenario] = {
    "processors killed": _kills,
    "processors killed, the broker frozen": _with_broker,
    "processor killed at a step": kill_at_a_step,
}
LONG: dict[str, Scenario] = {"processor killed at every step": kill_at_every_step}
