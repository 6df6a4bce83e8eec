"""A topic to which everybody writes anything: good files arrive, poison is put aside, nothing else happens."""

import os
import time
from dataclasses import replace
from pathlib import Path
from random import Random

from tests.faults.load import Load, Raw
from tests.faults.senders import BAD, GOOD, good
from tests.faults.world import Route, Scenario, World, route
from tests.support.running import QUICK_SESSION, Program, wait_for
from tests.support.sending import upload

_MIXED = 60
"""So many senders write at the same time."""
_MOST_MEMORY = 150_000_000
_QUICK_IDLE = ("--idle_quarantine_hours", "0.0005")


def play(world: World, random: Random, senders: int, kills: int, *, seconds: float = 45.0) -> None:
    """Half of the senders are good; the downloader is killed ``kills`` times while it reads."""
    with route(world) as way:
        canary = _plant(way.outs[0], world.folder / "canary")
        load = Load(way.judge, random)
        way.judge.owe("link", b"in its place")
        load.add(load.raws(load.pieces("link", b"in its place"), None))
        records: list[Raw] = []
        for number in range(senders):
            random.choice(GOOD if number % 2 else BAD)(load, f"{random.choice('abc')}/{number}.dat")
            if number % _MIXED == _MIXED - 1:
                records += load.take()
        world.tally["hostile records"] += len(records)
        for _ in range(kills):
            cut = random.randrange(len(records))
            load.send(way.bootstrap, way.topic, records[:cut])
            down = _start(way)
            time.sleep(random.uniform(0.0, 0.5))
            down.kill()
            world.tally["kills"] += 1
            del records[:cut]
        load.send(way.bootstrap, way.topic, records)
        down = _start(way)
        way.judge.settle(seconds)
        _end(way, load, down)
        assert _all_below(world.folder / "canary") == canary, "something was written outside of the output folder"
        world.tally["poisoned records in quarantine"] += sum(load.places.values())
        world.tally["files in quarantine"] += sum(load.bad_files.values())


def play_halves(world: World, random: Random, uploads: int) -> None:
    """Uploads that stop half-way are put aside; the rest of some comes after a kill, and they arrive."""
    with route(world) as way:
        load = Load(way.judge, random)
        rests = [_half(load, f"{random.choice('abc')}/{number}.dat") for number in range(uploads)]
        for number in range(10):
            good(load, f"good/{number}")
        load.send(way.bootstrap, way.topic, load.take())
        down = _start(way, *_QUICK_IDLE)
        wait_for(lambda: not load.quarantined(way.outs[0]), "uploads to be put aside", 60)
        if random.random() < 0.5:
            down.kill()
            down = _start(way, *_QUICK_IDLE)
            world.tally["kills"] += 1
        for path, content, rest in filter(None, rests):
            way.judge.owe(path, content)
            load.halves[path] -= 1
            load.add(rest)
        load.send(way.bootstrap, way.topic, load.take())
        _end(way, load, down)
        world.tally["uploads that stopped"] += uploads


Rest = tuple[str, bytes, list[Raw]]
"""What completes a half: path, content, records."""


def _half(load: Load, path: str) -> Rest | None:
    content = load.random.randbytes(9500)
    pieces = load.several(path, content)
    by = load.sender(content)
    missing = [each for each in pieces if load.random.random() < 0.5] or pieces[:1]
    came = [each for each in pieces if each not in missing] or [missing.pop()]
    load.halves[path] += 1
    match load.random.randrange(5):
        case 0:  # claims to be endless
            load.add(load.raws([replace(pieces[1], index=2**61, total=2**62)], by))
            return None
        case 1:  # two that contradict each other
            load.halves[path] += 1
            load.add(load.raws([pieces[0], replace(pieces[1], total=11)], by))
            return None
        case 2:  # with headers, and without
            load.halves[path] += 1
            load.add(load.raws(came, upload(content)) + load.raws(missing, None))
            return None
        case 3:  # of a path that has an earlier version
            load.judge.owe(path, earlier := load.content())
            load.add(load.raws(load.pieces(path, earlier, 1.6e9), upload(earlier)))
    by = by and upload(content)
    load.add(load.raws(came, by))
    return path, content, load.raws(missing, by)


def _plant(out: Path, canary: Path) -> dict[str, bytes]:
    """Links out of the output folder; returns what they lead to."""
    (canary / "dir").mkdir(parents=True)
    (canary / "file").write_bytes(b"canary")
    (out / "dir").mkdir()
    for name, target in (("linked", canary), ("dir/linked", canary / "dir"), ("link", canary / "file")):
        (out / name).symlink_to(target)
    os.mkfifo(out / "pipe")
    return _all_below(canary)


def _all_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _start(way: Route, *options: str) -> Program:
    down = way.downloader(*options, config=QUICK_SESSION)
    before = down.output.count("reading partitions")
    wait_for(lambda: down.output.count("reading partitions") > before, "the downloader to begin", 60)
    return down


def _end(way: Route, load: Load, down: Program) -> None:
    """All good files are there, and each poison in quarantine once; the memory is bounded; a fresh file comes."""
    way.judge.settle(45)
    wait_for(lambda: not load.quarantined(way.outs[0]), load.quarantined(way.outs[0]) or "quarantine", 60)
    good(load, "fresh")
    load.send(way.bootstrap, way.topic, load.take())
    way.judge.settle(45)
    assert not (wrong := load.quarantined(way.outs[0])), wrong
    assert (memory := _most_memory(down)) < _MOST_MEMORY, f"{memory / 1e6:.0f} MB"
    assert "Traceback" not in down.output, down.output
    assert down.stop() == 0
    way.world.tally["good files"] += way.judge.obligations


def _most_memory(program: Program) -> int:
    """Bytes that it ever had in memory."""
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


SCENARIOS: dict[str, Scenario] = {
    "hostile topic": lambda world, random: play(world, random, 60, random.randrange(1, 3)),
    "hostile topic, uploads that stop": lambda world, random: play_halves(world, random, 15),
}
LONG: dict[str, Scenario] = {
    "hostile topic, many records": lambda world, random: play(world, random, 900, 6, seconds=240.0),
    "hostile topic, 2,000 uploads that stop": lambda world, random: play_halves(world, random, 2000),
}
