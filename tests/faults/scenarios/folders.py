"""The folders of both ends go, and come back; part of the module `disk`."""

import contextlib
import shutil
import time
from random import Random

from tests.faults.arriving import all_arrives, start, write
from tests.faults.mounts import bound
from tests.faults.world import Route, Scenario, World, route
from tests.support.running import Program, wait_for


def at_work(way: Route, random: Random) -> tuple[Program, Program]:
    """Both programs, with some files on their way."""
    programs = start(way)
    write(way, random, 3)
    time.sleep(random.uniform(0.0, 1.0))
    return programs


def _moved_away(world: World, random: Random) -> None:
    """The destination vanishes under the running program, and comes back with what was in it."""
    with route(world) as way:
        programs = at_work(way, random)
        away = world.folder / "away"
        way.outs[0].rename(away)
        write(way, random, 4)
        way.put("last", random.randbytes(random.randrange(1, 300_000)))
        programs[1].says(f"{way.outs[0]} is gone: bring the folder back")
        world.tally["folders moved away"] += 1
        time.sleep(random.uniform(0.0, 2.0))
        away.rename(way.outs[0])
        all_arrives(way, programs)


def _linked(world: World, random: Random) -> None:
    """The destination moves, and a link to its new place takes its name."""
    with route(world) as way:
        programs = at_work(way, random)
        away = world.folder / "away"
        way.outs[0].rename(away)
        way.outs[0].symlink_to(away)
        world.tally["folders replaced by links"] += 1
        write(way, random, 4)
        time.sleep(random.uniform(0.0, 2.0))
        way.outs[0].unlink()
        away.rename(way.outs[0])
        all_arrives(way, programs)


def _replaced(world: World, random: Random) -> None:
    """Another folder takes the place of the destination for a while; what is delivered meanwhile is in that one."""
    with route(world, outs=2) as way:
        programs = at_work(way, random)
        (here, other), away = way.outs, world.folder / "away"
        here.rename(away)
        other.rename(here)
        world.tally["folders replaced by others"] += 1
        write(way, random, 4)
        way.put("last", random.randbytes(random.randrange(1, 300_000)))
        wait_for((here / "last").exists, "a file in the other folder", 60)
        time.sleep(random.uniform(0.0, 1.0))
        here.rename(other)
        away.rename(here)
        # What was half received in the other folder is read again; the next downloader of that one would clear it away.
        shutil.rmtree(other / ".openmsi" / "staging", ignore_errors=True)
        all_arrives(way, programs)


def _source_moved_away(world: World, random: Random) -> None:
    """Files are written to the source while the uploader does not see it."""
    with route(world) as way:
        up, down = at_work(way, random)
        away = world.folder / "away"
        way.source.rename(away)
        up.says(f"the folder {way.source} is away", 60)
        world.tally["source folders moved away"] += 1
        way.source, here = away, way.source
        write(way, random, 4)
        away.rename(here)
        way.source = here
        up.says(f"the folder {here} is back", 60)
        all_arrives(way, [up, down])


def _source_unmounted(world: World, random: Random) -> None:
    """The source is a mount; without it the folder is there, and empty."""
    with route(world) as way, contextlib.ExitStack() as mounts:
        disk, here = world.folder / "disk", way.source
        disk.mkdir()
        mounts.enter_context(bound(disk, here))
        programs = start(way)
        way.source = disk  # files are written there, seen at `here` or not
        write(way, random, 3)
        time.sleep(random.uniform(0.0, 1.0))
        mounts.close()
        world.tally["source folders unmounted"] += 1
        write(way, random, 4)
        time.sleep(random.uniform(0.0, 4.0))
        mounts.enter_context(bound(disk, here))
        write(way, random, 2)
        all_arrives(way, programs)


SCENARIOS: dict[str, Scenario] = {
    "disk: destination moved away": _moved_away,
    "disk: destination replaced by a link": _linked,
    "disk: destination replaced by another folder": _replaced,
    "disk: source moved away": _source_moved_away,
    "disk: source unmounted": _source_unmounted,
}
