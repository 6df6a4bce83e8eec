"""A transfer is killed, or loses its connection, at requests of a file's way into the bucket: before the store hears
of one, or after it has done it but before it could say so."""

import signal
from collections.abc import Iterable
from random import Random

from tests.faults.between import Answer, Asked, Between, When, between
from tests.faults.bucket_world import LARGE, BucketWay, bucket_way, own_store
from tests.faults.world import Scenario, World
from tests.support.running import Program, wait_for
from tests.support.store import Store

LARGE_FILE = ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload")
SMALL_FILE = ("PutObject", "HeadObject")
POINTS: list[tuple[str, When]] = [(each, when) for each in LARGE_FILE + SMALL_FILE for when in ("before", "after")]
_DAMAGED = Answer(400, "BadDigest")
_STRIKES = 4


def damaged(asked: Asked) -> Answer | None:
    """Parts arrive with an error, so that their upload is aborted."""
    return _DAMAGED if asked.operation == "UploadPart" else None


def strike(way: BucketWay, middle: Between, program: Program, point: tuple[str, When], *, kill: bool) -> Program:
    """Send new versions of some files with a strike at ``point``; the program that runs on return."""
    operation, when = point
    random = Random(f"{point} {kill}")

    def effect() -> None:
        if kill:
            program.process.kill()
        middle.answer = lambda _asked: None

    path = "large" if operation in LARGE_FILE else "alone"
    middle.strike(operation, f"{way.route.topic}/{path}", when, effect)
    if operation == "AbortMultipartUpload":
        middle.answer = damaged
    for each in ("alone", "small", "small"):  # a second version comes while the first is on its way
        way.send(each, random.randbytes(3000))
    if operation in LARGE_FILE:
        way.send("large", random.randbytes(LARGE))
    wait_for(lambda: not middle.armed, f"{operation} to be asked for", 60)
    way.route.world.tally["kills" if kill else "requests cut off"] += 1
    if kill:
        assert program.exits(60) == -signal.SIGKILL, program.output
        way.held()
        return way.transfer()
    way.judge.settle()
    wait_for(lambda: not way.inside.uploads, "what was begun to be aborted")
    return program


def at_points(world: World, store: Store, points: Iterable[tuple[str, When]]) -> None:
    """At each the connection is cut, and then the program killed with a newer version of the same files."""
    with between(store) as middle, bucket_way(world, store, middle) as way:
        program = way.transfer()
        for point in points:
            program = strike(way, middle, program, point, kill=False)
            program = strike(way, middle, program, point, kill=True)
        way.ends_well(program)


def _at_random(world: World, random: Random) -> None:
    with own_store(world) as store, between(store) as middle, bucket_way(world, store, middle) as way:
        program = way.transfer("--verify", random.choice(("head", "full")))
        for _ in range(_STRIKES):
            program = strike(way, middle, program, random.choice(POINTS), kill=random.random() < 0.5)
        way.ends_well(program)


SCENARIOS: dict[str, Scenario] = {"store: kills and cuts at any request": _at_random}
LONG: dict[str, Scenario] = {}
