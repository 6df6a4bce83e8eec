"""SIGKILL at any moment, over the uploader, two downloaders of one folder and the broker, while files of all sizes are
written, and many of them rewritten while they are carried."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from confluent_kafka import TopicPartition

from tests.faults.offsets import all_committed, ends, never_back, plain_consumer
from tests.faults.world import Route, Scenario, World, in_background, route
from tests.support.broker import Broker, jars_folder
from tests.support.downloading import reasons
from tests.support.running import QUICK_SESSION, Program

Victim = Literal["uploader", "downloader", "broker"]

_MEDIAN_BYTES = 8_000
_SPREAD = 2.4  # of the log-normal sizes: a mean of 140 kB, one file of 10,000 is above 50 MB
_LARGEST = 50_000_000
_EMPTY = 0.03
_AGAIN = 0.4
_LATEST = 25  # paths that may be written again: the first chunks of some have just been sent
_READ = 1000  # records at a time
_CHUNK = "30000"
_MID_FILE = 0.5
_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What one round is made of."""

    files: int
    total_bytes: int
    """Of all files; those that would go beyond it are empty."""
    gap: float
    """Seconds between two files, as a mean."""
    victims: tuple[Victim, ...]
    """In any order, and so often; each starts again."""
    pause: float
    """Seconds between two kills, at most."""
    settle: float


def play(world: World, random: Random, plan: Plan) -> None:
    """Files are written and programs die beside each other; in the end everything is there and nothing is held."""
    with _broker(world, plan) as broker, route(world, broker=broker) as way:
        running = {name: _start(way, name) for name in ("uploader", "downloader 0", "downloader 1")}
        seed = random.random()
        writer = in_background(lambda: write(way, Random(seed), plan))
        for victim in random.sample(plan.victims, len(plan.victims)):
            time.sleep(random.uniform(0.0, plan.pause))
            world.tally[f"kills of the {victim}"] += 1
            _kill(way, random, victim, running, broker)
        writer.join()
        assert world.tally["files"] == plan.files, "the writer has failed"
        way.judge.settle(plan.settle)
        world.tally["paths"] += way.judge.obligations
        way.put("fresh", b"fresh")
        way.judge.settle(plan.settle)
        ends_well(way, list(running.values()))
        world.tally["bytes sent again"] += sent_again(way)


def write(way: Route, random: Random, plan: Plan) -> None:
    """All files of ``plan``; their contents are made one at a time."""
    paths: list[str] = []
    left = plan.total_bytes
    for number in range(plan.files):
        if paths and random.random() < _AGAIN:
            path = random.choice(paths[-_LATEST:])
        else:
            paths.append(path := f"run {number // 200}/{random.randrange(5)}/{number}.dat")
        size = min(int(random.lognormvariate(0, _SPREAD) * _MEDIAN_BYTES), _LARGEST)
        size = 0 if random.random() < _EMPTY or size > left else size
        left -= size
        way.put(path, random.randbytes(size))
        way.world.tally["files"] += 1
        way.world.tally["bytes"] += size
        time.sleep(random.expovariate(1 / plan.gap))


def ends_well(way: Route, programs: list[Program]) -> None:
    """All stop in order, nothing is in quarantine, no offset ever went back or is held."""
    uploader, *downloaders = programs
    codes = [uploader.stop()]
    all_committed(way)  # also what came again: the uploader may have been sending until now
    codes += [program.stop() for program in downloaders]
    assert codes == [0] * len(programs), f"exit codes {codes}"
    assert reasons(way.outs[0]) == []
    for program in programs:
        assert "Traceback" not in program.output, program.output
    all_committed(way, 0)
    never_back(way)


def sent_again(way: Route) -> int:
    """Bytes of records that the topic had already, be it of another upload."""
    consumer = plain_consumer(way)
    last = ends(way)
    consumer.assign([TopicPartition(way.topic, partition, 0) for partition in last])
    seen: set[int] = set()
    left, again = sum(last.values()), 0
    while left:
        for message in consumer.consume(min(left, _READ), 30):
            assert message.error() is None, message.error()
            value = message.value() or b""
            left -= 1
            again += len(value) if hash(value) in seen else 0
            seen.add(hash(value))
    consumer.close()
    return again


def _start(way: Route, name: str) -> Program:
    if name == "uploader":
        return way.uploader("--chunk_size", _CHUNK, name=name)
    return way.downloader(name=name, config=QUICK_SESSION)


def _kill(way: Route, random: Random, victim: Victim, running: dict[str, Program], broker: Broker) -> None:
    """Kill it, at times just when a file is half received, and start it again, at once or a little later."""
    if random.random() < _MID_FILE:
        until = time.monotonic() + _WAIT_SECONDS
        while not way.judge.staged() and time.monotonic() < until:
            time.sleep(0.005)
    later = random.choice((0.0, random.uniform(0.0, 1.0)))
    if victim == "broker":
        broker.kill()
        time.sleep(later)
        broker.start()
        return
    name = victim if victim == "uploader" else f"downloader {random.randrange(2)}"
    assert running[name].process.poll() is None, f"{name} has ended by itself:\n{running[name].output[-5000:]}"
    running[name].kill()
    time.sleep(later)
    running[name] = _start(way, name)


@contextlib.contextmanager
def _broker(world: World, plan: Plan) -> Iterator[Broker]:
    """The shared one, or one that may be killed."""
    if "broker" not in plan.victims:
        yield world.broker
        return
    own = Broker(world.folder / "broker", jars_folder())
    try:
        own.start()
        yield own
    finally:
        own.stop()


def _short(world: World, random: Random) -> None:
    victims: tuple[Victim, ...] = ("uploader", "uploader", "downloader", "downloader", "downloader", "uploader")
    files = random.randrange(100, 200)
    play(world, random, Plan(files, 60_000_000, 4 / files, victims[: random.randrange(4, 7)], 1.2, 90))


def _with_broker(world: World, random: Random) -> None:
    victims: tuple[Victim, ...] = ("broker", "uploader", "downloader", "downloader")
    files = random.randrange(100, 200)
    play(world, random, Plan(files, 60_000_000, 4 / files, victims, 1.0, 90))


def _long(world: World, random: Random) -> None:
    victims: tuple[Victim, ...] = ("broker",) * 12 + ("uploader",) * 24 + ("downloader",) * 28
    play(world, random, Plan(10_000, 3_000_000_000, 0.02, victims, 6.0, 900))


SCENARIOS: dict[str, Scenario] = {
    "kill at random": _short,
    "kill at random, the broker too": _with_broker,
}
LONG: dict[str, Scenario] = {"kill at random: 10,000 files": _long}
