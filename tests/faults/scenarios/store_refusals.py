"""The store answers, but not as one would like: busy, wrong keys, no bucket, no right, no room, another time."""

import time
from collections.abc import Callable
from email.utils import formatdate
from random import Random

from tests.faults.between import Answer, Asked, between
from tests.faults.bucket_world import LARGE, BucketWay, bucket_way, own_store
from tests.faults.mounts import small_disk
from tests.faults.scenarios.store_network import IMPATIENT, stayed, write
from tests.faults.world import Scenario, World
from tests.support.running import Program, wait_for
from tests.support.store import SECRET

_SLOW_DOWN = "SlowDown"
_ONCE = 3
"""Lines that one trouble may cost: one, and what comes of it."""


def busy_for_a_while(world: World, random: Random) -> None:
    """The store asks now and then to be left alone: nothing at all is sent to it meanwhile."""
    with own_store(world) as store, between(store) as middle, bucket_way(world, store, middle) as way:
        silences: list[tuple[float, float]] = []
        share, seconds = random.uniform(0.02, 0.15), random.choice((1, 2))

        def answer(asked: Asked) -> Answer | None:
            if len(silences) > 4 or random.random() > share:
                return None
            silences.append((asked.at, asked.at + seconds))
            return Answer(503, _SLOW_DOWN, {"Retry-After": str(seconds)})

        program = way.transfer(config=IMPATIENT)
        middle.answer = answer
        for number in range(3):
            write(way, random, 3, large=number == 1)
        way.ends_well(program)
        stayed(program)
        under_way = 0.3  # what was sent just before may arrive a little later
        broken = [
            (asked, begin) for asked in middle.seen for begin, end in silences if begin + under_way < asked.at < end
        ]
        assert not broken, f"sent in a silence: {broken[:3]}"
        world.tally["silences asked for"] += len(silences)


def some_keys_refused(world: World, random: Random) -> None:
    """Whatever the store has against some objects, more than there are threads, all others go on."""
    with own_store(world) as store, between(store) as middle, bucket_way(world, store, middle) as way:
        status, code = random.choice(((503, _SLOW_DOWN), (500, "InternalError"), (403, "AccessDenied"), (400, "Odd")))
        bad = {f"{way.route.topic}/bad {number}" for number in range(3)}
        middle.answer = lambda asked: Answer(status, code) if asked.key in bad else None
        program = way.transfer()
        for number in range(3):
            way.send(f"bad {number}", random.randbytes(random.choice((3000, 600_000))))
        wait_for(lambda: any(asked.key in bad for asked in middle.seen), "a bad one")
        for number in range(20):
            begin = time.monotonic()
            way.send(f"other {number}", random.randbytes(1000))
            program.says(f"put other {number} ", 20)
            assert time.monotonic() - begin < 15, "others wait for the bad ones"
        way.held()
        middle.answer = lambda _asked: None
        world.tally["objects refused"] += 3
        way.ends_well(program)


def _lies(world: World, random: Random) -> None:
    """It answers that an object was made, and has not made it: nobody takes that for a delivery."""
    with own_store(world) as store, between(store) as middle, bucket_way(world, store, middle) as way:
        lied: set[str] = set()

        def answer(asked: Asked) -> Answer | None:
            if asked.operation != "PutObject" or asked.key in lied:
                return None
            lied.add(asked.key)
            return Answer(200, "")

        middle.answer = answer
        program = way.transfer()
        for number in range(random.randrange(2, 5)):
            way.send(f"{number}", random.randbytes(random.choice((3000, 600_000))))
        program.says("is not in the bucket after it was put there")
        world.tally["lies"] += len(lied)
        way.ends_well(program)


def refused_meanwhile(
    world: World,
    random: Random,
    spoil: Callable[[BucketWay], Callable[[], object]],
    words: str,
) -> None:
    """All is refused until what ``spoil`` returns is called; it is said in these words, and waited for."""
    with own_store(world) as store, bucket_way(world, store) as way:
        program = way.transfer(config=IMPATIENT)
        write(way, random, 2, large=False)
        way.judge.settle()
        mend = spoil(way)
        write(way, random, 3)
        said(program, words)
        way.held()
        time.sleep(random.uniform(0.0, 2.0))
        mend()
        world.tally["times refused"] += 1
        way.ends_well(program, most=_ONCE)
        stayed(program)


def said(program: Program, words: str) -> None:
    """It says them, in lines that are no news for long."""
    program.says(words, 60)
    lines = [line for line in program.output.splitlines() if words in line]
    assert len(lines) == 1, program.output


def _other_keys(way: BucketWay) -> Callable[[], object]:
    way.store.kill()
    way.store.start("another-secret")

    def mend() -> None:
        way.store.kill()
        way.store.start(SECRET)

    return mend


def _bucket_gone(way: BucketWay) -> Callable[[], object]:
    everything = way.inside.tree
    for key in everything:
        way.inside.client.delete_object(Bucket=way.inside.name, Key=key)
    way.inside.client.delete_bucket(Bucket=way.inside.name)
    way.deleted()
    return lambda: way.inside.client.create_bucket(Bucket=way.inside.name)


def _wrong_clock(world: World, random: Random) -> None:
    """The store's clock is hours away from ours; of a HEAD it can only be seen from the date of the refusal."""
    with own_store(world) as store, between(store) as middle, bucket_way(world, store, middle) as way:
        program = way.transfer(config=IMPATIENT)
        date = {"Date": formatdate(time.time() - random.choice((-1, 1)) * 7200, usegmt=True)}
        middle.answer = lambda _asked: Answer(403, "RequestTimeTooSkewed", date)
        write(way, random, random.randrange(3))
        said(program, "the clock of this machine and that of")
        way.held()
        middle.answer = lambda _asked: None
        world.tally["times refused"] += 1
        way.ends_well(program, most=_ONCE)


def _full(world: World, random: Random) -> None:
    """The disk of the store is full: half an object is never there, and there is a word for it."""
    with (
        small_disk(world.folder / "store" / "data", "size=60m") as disk,
        own_store(world) as store,
        bucket_way(world, store) as way,
    ):
        program = way.transfer()
        (disk / "filler").write_bytes(bytes(60_000_000 - random.randrange(2_000_000, LARGE)))
        way.send("large", random.randbytes(LARGE))
        write(way, random, 2, large=False)
        said(program, "is full")
        way.held()
        (disk / "filler").unlink()
        world.tally["times refused"] += 1
        way.ends_well(program, most=_ONCE)


def _meanwhile(spoil: Callable[[BucketWay], Callable[[], object]], words: str) -> Scenario:
    return lambda world, random: refused_meanwhile(world, random, spoil, words)


SCENARIOS: dict[str, Scenario] = {
    "store: busy": busy_for_a_while,
    "store: some objects refused": some_keys_refused,
    "store: says done what it has not": _lies,
    "store: other keys": _meanwhile(_other_keys, "correct the keys in [s3]"),
    "store: the bucket deleted": _meanwhile(_bucket_gone, "there is no bucket"),
    "store: another time": _wrong_clock,
    "store: full": _full,
}
LONG: dict[str, Scenario] = {}
