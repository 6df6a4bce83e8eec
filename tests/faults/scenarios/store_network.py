"""The store is away, frozen, or behind a bad network while files are carried into it."""

import time
from collections.abc import Callable
from random import Random

from tests.faults.bucket_world import LARGE, BucketWay, bucket_way, own_store
from tests.faults.toxiproxy import Link, link_to_store
from tests.faults.world import Scenario, World
from tests.support.running import Program, wait_for

IMPATIENT = """
[consumer]
session.timeout.ms = 3000
heartbeat.interval.ms = 500
max.poll.interval.ms = 6000
"""
"""A member that does not poll for six seconds is thrown out of its group."""
_AWAY_SECONDS = 7.0

Spoil = Callable[[Link, Random], None]


def write(way: BucketWay, random: Random, count: int, *, large: bool = True) -> None:
    """``count`` new versions of small files and of some that come in several records, and a large file."""
    for _ in range(count):
        name = random.choice(("one", "several"))
        size = random.randrange(1, 400_000) if name == "one" else random.randrange(500_001, 3_000_000)
        way.send(f"{random.choice('ab')}/{name}-{random.randrange(4)}.dat", random.randbytes(size))
    if large:
        way.send("large", random.randbytes(LARGE + random.randrange(9_000_000)))
    way.route.world.tally["files"] += count + large


def stayed(program: Program) -> None:
    """It was in its group all the time."""
    assert "lost partitions" not in program.output, program.output
    assert program.output.count("reading partitions") == 1, program.output


def away(world: World, random: Random, *, frozen: bool) -> None:
    """For longer than a member may be silent. Files come meanwhile, and offsets do not pass them."""
    with own_store(world) as store, bucket_way(world, store) as way:
        program = way.transfer(config=IMPATIENT)
        write(way, random, 2, large=random.random() < 0.5)
        time.sleep(random.uniform(0.0, 1.0))
        (store.freeze if frozen else store.kill)()
        until = time.monotonic() + _AWAY_SECONDS
        while time.monotonic() < until:
            write(way, random, 3, large=False)
            time.sleep(1)
        if not frozen:
            program.says("does not answer")
        (store.thaw if frozen else store.start)()
        way.held()
        world.tally["stores away"] += 1
        way.ends_well(program)
        stayed(program)


def _away_at_start(world: World, random: Random) -> None:
    with own_store(world) as store, bucket_way(world, store) as way:
        store.kill()
        program = way.transfer(ready=False)
        write(way, random, 3)
        program.says("does not answer")
        time.sleep(random.uniform(0.0, 3.0))
        store.start()
        world.tally["stores away"] += 1
        way.ends_well(program)


def behind(world: World, random: Random, spoil: Spoil) -> None:
    """Files, a spoiled network, more files, a mended network."""
    with own_store(world) as store, link_to_store(store, world.folder) as network, bucket_way(world, store) as way:
        endpoint = f"http://{network.bootstrap}"
        program = way.transfer(endpoint=endpoint, config=IMPATIENT)
        write(way, random, 2, large=False)
        for _ in range(2):
            spoil(network, random)
            world.tally["spoiled networks"] += 1
            write(way, random, 2)
            time.sleep(random.uniform(0.5, 2.0))
            network.mend()
        way.ends_well(program)
        stayed(program)


def _slow(network: Link, random: Random) -> None:
    network.spoil("latency", "upstream", latency=random.randrange(50, 500), jitter=50)
    network.spoil("bandwidth", "upstream", rate=random.randrange(3000, 20_000))
    network.spoil("latency", "downstream", latency=random.randrange(50, 500), jitter=50)


def _reset(network: Link, random: Random) -> None:
    """In the middle of a part or of an answer."""
    if random.random() < 0.7:
        network.spoil("limit_data", "upstream", bytes=random.randrange(10_000, 6_000_000))
    else:
        network.spoil("reset_peer", random.choice(("upstream", "downstream")), timeout=random.randrange(300))


def _hole(network: Link, random: Random) -> None:
    """All that is sent, or all that is answered, vanishes."""
    network.spoil("timeout", random.choice(("upstream", "downstream")), timeout=0)


def stopped_while_frozen(world: World, random: Random) -> None:
    """Asked to stop in mid-part while the store does not answer: it ends soon, and the next start puts all right."""
    with own_store(world) as store, link_to_store(store, world.folder) as network, bucket_way(world, store) as way:
        endpoint = f"http://{network.bootstrap}"
        program = way.transfer(endpoint=endpoint)
        network.spoil("bandwidth", "upstream", rate=4000)
        write(way, random, 2)
        wait_for(lambda: way.inside.uploads, "an upload")
        time.sleep(random.uniform(1.0, 2.0))  # its parts take four seconds
        store.freeze()
        time.sleep(random.uniform(0.0, 1.0))
        begin = time.monotonic()
        assert program.stop(seconds=60) == 0, program.output
        took = time.monotonic() - begin
        assert took < 20, f"it took {took:.0f} s to stop"  # 8 s on an idle machine
        world.tally["seconds to stop"] += round(took)
        way.held()
        store.thaw()
        network.mend()
        way.ends_well(way.transfer(endpoint=endpoint))


def _behind(spoil: Spoil) -> Scenario:
    return lambda world, random: behind(world, random, spoil)


SCENARIOS: dict[str, Scenario] = {
    "store: down": lambda world, random: away(world, random, frozen=False),
    "store: frozen": lambda world, random: away(world, random, frozen=True),
    "store: away at the start": _away_at_start,
    "store: slow": _behind(_slow),
    "store: reset in mid-part": _behind(_reset),
    "store: a black hole": _behind(_hole),
    "store: a stop while it is frozen": stopped_while_frozen,
}
LONG: dict[str, Scenario] = {}
