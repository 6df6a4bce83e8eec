"""Disks that are full or read-only, and rights that are taken away."""

import contextlib
import time
from pathlib import Path
from random import Random

from tests.faults.arriving import all_arrives, complaints, start, write
from tests.faults.mounts import read_only, small_disk
from tests.faults.scenarios import folders
from tests.faults.world import Scenario, World, route
from tests.support.running import POWERLESS, wait_for


def _fill(filler: Path) -> None:
    """Write to ``filler`` until the disk is full to the last byte."""
    filler.parent.mkdir(exist_ok=True)
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def _full(world: World, random: Random) -> None:
    """The destination fills up at any moment, with another program's data, and is freed later."""
    with small_disk(world.folder / "out-0", f"size={random.randrange(6, 12)}m"), route(world) as way:
        programs = start(way)
        write(way, random, 3)
        time.sleep(random.uniform(0.0, 1.0))
        filler = way.outs[0] / ".openmsi" / "filler"
        _fill(filler)
        write(way, random, 5, largest=300_000)
        way.put("last", random.randbytes(300_000))
        programs[1].says(f"the disk of {way.outs[0]} is full: free some space")
        world.tally["full disks"] += 1
        time.sleep(random.uniform(0.0, 2.0))
        filler.unlink()
        all_arrives(way, programs)


def _no_inodes(world: World, random: Random) -> None:
    """The destination has room for bytes, but not for one more file."""
    with small_disk(world.folder / "out-0", "size=20m", "nr_inodes=80"), route(world) as way:
        programs = start(way)
        write(way, random, 2)
        fillers = way.outs[0] / ".openmsi" / "fillers"
        fillers.mkdir()
        with contextlib.suppress(OSError):
            for number in range(1000):
                (fillers / str(number)).touch()
        write(way, random, 4, largest=300_000)
        way.put("last", random.randbytes(1000))
        programs[1].says(f"the disk of {way.outs[0]} is full: free some space")
        world.tally["disks without inodes"] += 1
        for filler in fillers.iterdir():
            filler.unlink()
        all_arrives(way, programs)


def _state_full(world: World, random: Random) -> None:
    """The uploader cannot note what it has sent."""
    with small_disk(world.folder / "uploader" / "state", "size=2m") as state, route(world) as way:
        up, down = start(way)
        write(way, random, 2)
        time.sleep(random.uniform(0.0, 1.0))
        _fill(state / "filler")
        write(way, random, 5)
        wait_for(lambda: complaints(up), "a word about it")
        world.tally["full state folders"] += 1
        write(way, random, 3)
        time.sleep(random.uniform(0.0, 2.0))
        (state / "filler").unlink()
        all_arrives(way, [up, down])
        assert len(complaints(up)) <= 3, f"a line for each file:\n{up.output}"


def _read_only(world: World, random: Random) -> None:
    with route(world) as way:
        programs = start(way)
        write(way, random, 3)
        time.sleep(random.uniform(0.0, 1.0))
        with read_only(way.outs[0]):
            write(way, random, 4)
            way.put("last", random.randbytes(random.randrange(1, 300_000)))
            programs[1].says(f"the disk of {way.outs[0]} is read-only: make it writable")
            world.tally["read-only disks"] += 1
            time.sleep(random.uniform(0.0, 2.0))
        all_arrives(way, programs)


def _rights(world: World, random: Random) -> None:
    """Rights on files and folders of both ends are taken away, and given back."""
    with route(world) as way:
        for name in ("a", "b"):
            (way.source / name).mkdir()
        programs = start(way, up_prefix=POWERLESS, down_prefix=POWERLESS)
        write(way, random, 3)
        way.put("a/seen", b"1")
        way.judge.settle()
        taken: list[tuple[Path, int]] = []
        for path in random.sample([way.source / "b", way.outs[0] / "a", way.outs[0], way.source], 2):
            taken.append((path, path.stat().st_mode))
        with contextlib.ExitStack() as given_back:
            write(way, random, 3)
            for path, mode in taken:
                given_back.callback(path.chmod, mode)
                path.chmod(0o000 if path.is_relative_to(way.source) else 0o555)
                world.tally["rights taken away"] += 1
            write(way, random, 3)
            time.sleep(random.uniform(1.0, 3.0))
        all_arrives(way, programs)


def _size_limit(world: World, random: Random) -> None:
    """No file at the destination may be longer than a limit (ulimit -f, FAT); the limit is lifted with a restart."""
    with route(world) as way:
        up, down = start(way, down_prefix=("prlimit", "--fsize=200000"))
        way.put("long in many records", random.randbytes(random.randrange(200_001, 600_000)))
        for number in range(4):
            way.put(f"short-{number}", random.randbytes(random.randrange(100_000)))
        down.says("placed short-0")
        wait_for(lambda: complaints(down), "a word about the long one")
        world.tally["limits of file size"] += 1
        down.kill()
        assert len(complaints(down)) == 1, f"not one line:\n{down.output}"
        again = way.downloader(name="again")
        all_arrives(way, [up, again])


SCENARIOS: dict[str, Scenario] = folders.SCENARIOS | {
    "disk: destination full": _full,
    "disk: destination without inodes": _no_inodes,
    "disk: the uploader's state full": _state_full,
    "disk: destination read-only": _read_only,
    "disk: rights taken away": _rights,
    "disk: a limit of file size": _size_limit,
}
LONG: dict[str, Scenario] = {}
