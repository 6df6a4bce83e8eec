"""A bad network between the programs and the broker: slow, cut, black, half open, away for long."""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.faults.arriving import all_arrives, start, write
from tests.faults.toxiproxy import Link, link
from tests.faults.world import Route, Scenario, World, route
from tests.support.broker import Broker, jars_folder
from tests.support.running import QUICK_SESSION, Program, wait_for

Spoil = Callable[[Link, Random, Route], None]
"""Breaks the network for some seconds, and may write files meanwhile. What it leaves broken is mended after it."""


def play(world: World, random: Random, spoil: Spoil) -> None:
    """Files, then ``spoil``, then a mended network: everything arrives once, and a fresh file after it."""
    with link(world.broker, world.folder) as network, route(world, bootstrap=network.bootstrap) as way:
        programs = start(way, down_config=QUICK_SESSION)
        write(way, random, 3)
        spoil(network, random, way)
        network.mend()
        all_arrives(way, programs)


def _slow(network: Link, random: Random, way: Route) -> None:
    stream = random.choice(("upstream", "downstream"))
    network.spoil("latency", stream, latency=random.randrange(50, 800), jitter=random.randrange(50))
    network.spoil("bandwidth", random.choice(("upstream", "downstream")), rate=random.randrange(200, 2000))
    network.spoil("slicer", stream, average_size=random.randrange(100, 3000), size_variation=50, delay=100)
    way.world.tally["slow networks"] += 1
    write(way, random, 6)
    time.sleep(3)


def _resets(network: Link, random: Random, way: Route) -> None:
    for _ in range(random.randrange(3, 7)):
        stream = random.choice(("upstream", "downstream"))
        if random.random() < 0.7:  # in the middle of a record, as a rule
            network.spoil("limit_data", stream, bytes=random.randrange(1_000, 300_000))
        else:
            network.spoil("reset_peer", stream, timeout=random.randrange(300))
        way.world.tally["connection resets"] += 1
        write(way, random, 2)
        time.sleep(random.uniform(0.3, 1.2))
        network.mend()
        time.sleep(random.uniform(0.0, 0.5))


def _flapping(network: Link, random: Random, way: Route) -> None:
    for _ in range(random.randrange(2, 5)):
        network.cut()
        way.world.tally["times that no connection could be made"] += 1
        write(way, random, 2)
        time.sleep(random.uniform(0.1, 1.5))
        network.mend()
        time.sleep(random.uniform(0.0, 1.0))


def _pulled_cable(network: Link, random: Random, way: Route) -> None:
    """For longer than the group waits for a member; then all that was on its way arrives, very late."""
    time.sleep(random.uniform(0.0, 1.5))
    network.freeze()
    way.world.tally["pulled cables"] += 1
    write(way, random, 4)
    time.sleep(random.uniform(2.5, 5.0))


def _black_hole(network: Link, random: Random, way: Route) -> None:
    """What is sent vanishes, for longer than the group waits for a member."""
    time.sleep(random.uniform(0.0, 1.5))
    network.spoil("timeout", "upstream", timeout=0)
    network.spoil("timeout", "downstream", timeout=0)
    way.world.tally["black holes"] += 1
    write(way, random, 4)
    time.sleep(random.uniform(2.5, 5.0))


def _half_open(network: Link, random: Random, way: Route) -> None:
    """Downstream: the broker gets everything, and its answers vanish; so every record is sent to it again."""
    time.sleep(random.uniform(0.0, 1.5))
    network.spoil("timeout", random.choice(("upstream", "downstream")), timeout=0)
    way.world.tally["half-open connections"] += 1
    write(way, random, 4)
    time.sleep(random.uniform(1.0, 5.0))


def _away_at_start(world: World, random: Random) -> None:
    """The programs are started first, the broker comes later."""
    with link(world.broker, world.folder) as network, route(world, bootstrap=network.bootstrap) as way:
        network.cut()
        up, down = way.uploader(), way.downloader(config=QUICK_SESSION)
        write(way, random, 4)
        up.says("files are noted meanwhile", 60)
        down.says("the broker does not answer", 60)
        world.tally["starts without a broker"] += 2
        time.sleep(random.uniform(0.0, 3.0))
        network.mend()
        all_arrives(way, [up, down])
        assert up.output.count("files are noted meanwhile") == 1, up.output


def _one_of_two_cut_off(world: World, random: Random) -> None:
    """Another member of the group takes the work over; then the first one comes back with what it had begun."""
    with link(world.broker, world.folder) as network, route(world) as way:
        up, other = start(way, down_config=QUICK_SESSION)
        way.bootstrap = network.bootstrap
        cut_off = way.downloader(name="cut-off", config=QUICK_SESSION)
        cut_off.says("reading partitions", 60)
        write(way, random, 4)
        time.sleep(random.uniform(0.3, 1.0))
        if random.random() < 0.5:
            network.freeze()
        else:
            network.spoil("timeout", "upstream", timeout=0)
            network.spoil("timeout", "downstream", timeout=0)
        world.tally["members cut off"] += 1
        write(way, random, 2)
        names = [f"meanwhile-{number}" for number in range(8)]  # some in each partition
        for name in names:
            way.put(name, random.randbytes(random.randrange(1, 200_000)))
        wait_for(lambda: all((way.outs[0] / name).exists() for name in names), "the other to take over", 60)
        network.mend()
        all_arrives(way, [up, other, cut_off])


def _away_for_long(world: World, random: Random, seconds: float = 300.0) -> None:
    """The broker is stopped for minutes while files are written, more than any queue holds."""
    broker = Broker(world.folder / "broker", jars_folder())
    try:
        broker.start()
        with route(world, broker=broker) as way:
            programs = start(way)
            write(way, random, 5)
            broker.stop()
            before = [memory_mb(program) for program in programs]
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                write(way, random, 3, largest=2_000_000)
                time.sleep(2)
            grown = [memory_mb(program) - mb for program, mb in zip(programs, before, strict=True)]
            assert max(grown) < 40, f"memory grew by {grown} MB"
            broker.start()
            world.tally["minutes without a broker"] += round(seconds / 60)
            all_arrives(way, programs, 180)
    finally:
        broker.stop()


def _swallowed_for_long(world: World, random: Random, config: str) -> None:
    """Everything vanishes for longer than any time-out of a request (60 s at most)."""
    with link(world.broker, world.folder) as network, route(world, bootstrap=network.bootstrap) as way:
        programs = start(way, up_config=config, down_config=QUICK_SESSION)
        write(way, random, 3)
        network.spoil("timeout", "upstream", timeout=0)
        network.spoil("timeout", "downstream", timeout=0)
        before = [memory_mb(program) for program in programs]
        for _ in range(45):
            write(way, random, 1)
            time.sleep(2)
        grown = [memory_mb(program) - mb for program, mb in zip(programs, before, strict=True)]
        assert max(grown) < 40, f"memory grew by {grown} MB"
        world.tally["black holes"] += 1
        network.mend()
        all_arrives(way, programs, 180, most=100 if config else 12)  # who sets a delivery time-out gets a line a file


def memory_mb(program: Program) -> float:
    """What it has of the machine's memory (VmRSS)."""
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


def _playing(spoil: Spoil) -> Scenario:
    return lambda world, random: play(world, random, spoil)


SCENARIOS: dict[str, Scenario] = {
    "network: slow": _playing(_slow),
    "network: reset in mid-record": _playing(_resets),
    "network: no connection, again and again": _playing(_flapping),
    "network: a pulled cable": _playing(_pulled_cable),
    "network: a black hole": _playing(_black_hole),
    "network: half open": _playing(_half_open),
    "network: no broker at the start": _away_at_start,
    "network: one of two downloaders cut off": _one_of_two_cut_off,
}
LONG: dict[str, Scenario] = {
    "network: the broker away for five minutes": _away_for_long,
    "network: a black hole longer than every time-out": lambda world, random: _swallowed_for_long(world, random, ""),
    "network: a black hole longer than the delivery time-out": lambda world, random: _swallowed_for_long(
        world, random, "\n[producer]\nmessage.timeout.ms = 10000\n"
    ),
}
