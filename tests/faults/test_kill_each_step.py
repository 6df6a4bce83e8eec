"""Kills and failing system calls at fixed steps of a file's way; `kill_at_every_step` of a large campaign takes all."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

from tests.faults.scenarios.kill_each_step import MKDIR, RENAME, SEND, STEPS, both
from tests.faults.sides import Side
from tests.faults.strace import KILL, Step
from tests.faults.world import Route, World, route

_KILLS = {
    "uploader": (
        Step("main", RENAME, 1),
        Step("rest", "openat", 1),
        Step("rest", "read", 1),
        Step("kafka", SEND, 1),
        Step("kafka", SEND, 3),
        Step("main", "pwrite64", 1),  # the ledger
        Step("main", "pwrite64", 3),
        Step("main", "fdatasync", 1),
    ),
    "downloader": (
        Step("main", "write", 2),  # chunks are staged
        Step("rest", "read", 1),  # the last look at a large file
        Step("rest", "fsync", 1),  # of the file
        Step("rest", RENAME, 1),
        Step("rest", "flock", 2),  # its turn is over: the file is in place
        Step("rest", "fsync", 3),  # of the folder
    ),
}
_ERRORS = {
    "uploader": (
        (Step("rest", "openat", 1), "EACCES"),
        (Step("rest", "getdents64", 1), "EIO"),
        (Step("main", "fdatasync", 1), "EIO"),
        (Step("main", "pwrite64", 1), "ENOSPC"),
        (Step("kafka", SEND, 1), "ECONNRESET"),
    ),
    "downloader": (
        (Step("main", "write", 2), "ENOSPC"),
        (Step("rest", "read", 1), "EIO"),
        (Step("rest", MKDIR, 1), "EACCES"),
        (Step("rest", RENAME, 1), "EIO"),
        (Step("rest", "fsetxattr", 1), "ENOSPC"),
        (Step("rest", "openat", 2), "EINTR"),
    ),
}
_LASTING = {
    "uploader": ((Step("kafka", SEND, 1), "ECONNRESET"),),
    "downloader": ((Step("main", "write", 4), "ENOSPC"), (Step("rest", RENAME, 1), "EACCES")),
}
_STARTS = {
    "uploader": ((MKDIR, 1), ("flock", 1), ("pwrite64", 2), ("fdatasync", 1), (RENAME, 1), ("link,linkat", 1)),
    "downloader": ((MKDIR, 2), (RENAME, 1), ("setxattr", 1)),
}


def for_both(world: World, play: Callable[[Route, str, Random], None]) -> None:
    """Play with each program in a route of its own, both at once."""

    def one(which: str) -> None:
        with route(World(world.folder / which, world.broker, world.tally)) as way:
            play(way, which, Random(which))

    with ThreadPoolExecutor() as pool:
        list(pool.map(one, STEPS))


def test_kills(world: World) -> None:
    def play(way: Route, which: str, random: Random) -> None:
        side = both(way, random)[which]
        for step in _KILLS[which]:
            assert side.strike(step, KILL), f"{which} has no {step} any more"

    for_both(world, play)
    assert world.tally["kills"] == sum(len(steps) for steps in _KILLS.values())


def test_errors(world: World) -> None:
    def play(way: Route, which: str, random: Random) -> None:
        side = both(way, random)[which]
        for step, error in _ERRORS[which]:
            assert side.strike(step, f"error={error}"), f"{which} has no {step} any more"
        if which == "downloader":
            assert side.strike(Step("rest", "fsync", 1), "error=EIO")
            again = r"WARNING downloader/.*: the disk of .*; reading the file again"
            assert re.search(again, side.said), "a second fsync would have seemed to succeed"

    for_both(world, play)


def test_kills_while_nothing_works(world: World) -> None:
    def play(way: Route, which: str, random: Random) -> None:
        side = both(way, random)[which]
        for step, error in _LASTING[which]:
            assert side.outlast(step, error), f"{which} has no {step} any more"

    for_both(world, play)


def test_kills_at_the_first_starts(world: World) -> None:
    def play(way: Route, which: str, random: Random) -> None:
        sides = {each: Side(way, each, random) for each in STEPS}
        sides["downloader" if which == "uploader" else "uploader"].start()
        way.put("there before", random.randbytes(1_300_000))
        sides[which].start()
        for call, number in _STARTS[which]:
            sides[which].forget_all()
            assert sides[which].strike_start(call, number, KILL), f"{which} has no {call} {number} any more"
        assert [path.name for path in way.outs[0].glob(".openmsi?*")] == [], "left in the output folder"

    for_both(world, play)
