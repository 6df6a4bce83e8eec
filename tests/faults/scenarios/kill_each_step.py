"""Both programs are killed, or a system call of theirs fails, at chosen steps of a file's way from folder to folder.

`every_step` goes through all steps one after the other; a round of a campaign takes a few at random.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from tests.faults.sides import Side
from tests.faults.strace import KILL, Part, Step
from tests.faults.world import Route, Scenario, World, route

RENAME, UNLINK, MKDIR, SEND = "rename,renameat,renameat2", "unlink,unlinkat", "mkdir,mkdirat", "sendmsg,sendto"
STEPS: dict[str, dict[Part, tuple[str, ...]]] = {
    "uploader": {
        "main": ("openat", "pwrite64", "fdatasync", "fsync", "ftruncate", RENAME, UNLINK, "write", "lseek", "read"),
        "rest": ("openat", "read", "getdents64"),
        "kafka": (SEND,),
    },
    "downloader": {
        "main": ("openat", "write", "lseek", "read", UNLINK, RENAME),
        "rest": ("openat", "write", "fsetxattr", "utimensat", "read", "fsync", MKDIR, RENAME, "lseek", "flock"),
        "kafka": (SEND,),
    },
}
"""The calls on the way of a file, by program and thread, as a run without faults shows them."""
START_STEPS = {
    "uploader": (MKDIR, "openat", "fsync", RENAME, "link,linkat", UNLINK, "flock", "pwrite64", "fdatasync"),
    "downloader": (MKDIR, "openat", RENAME, UNLINK, "flock", "setxattr", "utimensat"),
}
_ERRORS = ("ENOSPC", "EIO", "EACCES", "EINTR")
_NETWORK_ERRORS = ("ECONNRESET", "EPIPE", "EINTR")
_STRIKES = 3
_FIRST = 0.7
"""How often a start that is struck is a first one."""
_MOST = {"main": 60, "rest": 60, "kafka": 20}
"""Steps of one call that are looked at: some calls come again and again as long as a program runs."""
_LASTS, _KILLED = 0.5, 0.5
"""How often an error comes again and again, and how often the program is killed while it does."""

_first_opens: dict[str, int] = {}


def both(way: Route, random: Random) -> dict[str, Side]:
    """Both programs of ``way``, running and warm."""
    sides = {which: Side(way, which, random) for which in STEPS}
    for side in sides.values():
        side.start()
    for side in sides.values():
        side.see_through()
    return sides


def every_step(side: Side, which: str, effect: str = KILL) -> int:
    """Strike at one step after the other, of each call until a run is untouched; returns how many steps there were."""
    hits = 0
    for part, calls in STEPS[which].items():
        for call in calls:
            for number in range(1, 1 + _MOST[part]):
                if not side.strike(Step(part, call, number), effect):
                    break
                hits += 1
    return hits


def kill_at_every_step(world: World, random: Random) -> None:
    """Each step of each program, one after the other; both programs in worlds of their own, beside each other."""

    def sweep(which: str) -> int:
        with route(World(world.folder / which, world.broker, world.tally)) as way:
            return every_step(both(way, Random(which))[which], which)

    with ThreadPoolExecutor() as pool:
        world.tally["steps"] += sum(pool.map(sweep, STEPS))


def kill_at_a_step(world: World, random: Random) -> None:
    """Kills at random steps while files are carried."""
    with route(world) as way:
        sides = both(way, random)
        for _ in range(_STRIKES):
            which, step = _any_step(random)
            sides[which].strike(step, KILL)


def error_at_a_step(world: World, random: Random) -> None:
    """System calls that fail, once or for a while, while files are carried."""
    with route(world) as way:
        sides = both(way, random)
        for _ in range(_STRIKES):
            which, step = _any_step(random)
            error = random.choice(_NETWORK_ERRORS if step.part == "kafka" else _ERRORS)
            if (which, step.call) == ("uploader", "read"):
                error = "EINTR"  # it is inotify's too, which knows no other
            lasts = error != "EINTR" and random.random() < _LASTS
            if lasts and random.random() < _KILLED:
                sides[which].outlast(step, error)
            else:
                sides[which].strike(step, f"error={error}", on=lasts)


def kill_at_the_start(world: World, random: Random) -> None:
    """A program is killed at steps of its first starts."""
    _strike_starts(world, random, lambda: KILL)


def error_at_the_start(world: World, random: Random) -> None:
    """System calls fail during a program's first starts."""
    _strike_starts(world, random, lambda: f"error={random.choice(_ERRORS)}")


def _strike_starts(world: World, random: Random, effect: Callable[[], str]) -> None:
    with route(world) as way:
        sides = {which: Side(way, which, random) for which in STEPS}
        which = random.choice(sorted(STEPS))
        for other in STEPS.keys() - {which}:
            sides[other].start()
        way.put("there before", random.randbytes(1_300_000))
        for each in range(_STRIKES):
            call = random.choice(START_STEPS[which])
            number = random.randint(1, 4)
            if random.random() < _FIRST and each:
                sides[which].forget_all()
            if call == "openat":
                number = _first_open(which, world, random) + random.randrange(30)
            sides[which].strike_start(call, number, effect())


def _first_open(which: str, world: World, random: Random) -> int:
    if which not in _first_opens:
        with route(World(Path(world.folder / "dry"), world.broker)) as way:
            _first_opens[which] = Side(way, which, random).first_open()
    return _first_opens[which]


def _any_step(random: Random) -> tuple[str, Step]:
    which = random.choice(sorted(STEPS))
    part: Part = random.choices(sorted(STEPS[which]), [1, 4, 4])[0]
    call = random.choice(STEPS[which][part])
    return which, Step(part, call, random.randint(1, random.choice((2, 8))))


SCENARIOS: dict[str, Scenario] = {
    "kill_at_a_step": kill_at_a_step,
    "error_at_a_step": error_at_a_step,
    "kill_at_the_start": kill_at_the_start,
    "error_at_the_start": error_at_the_start,
}
LONG: dict[str, Scenario] = {"kill_at_every_step": kill_at_every_step}
