"""What the scenarios of networks and disks share: files of all sizes, and the proof that all is well again."""

from collections.abc import Iterable, Sequence
from random import Random

from tests.faults.world import Route
from tests.support.downloading import reasons
from tests.support.running import Program

CHUNK = 65_536
"""Small, so that faults hit inside and between many records."""


def start(
    way: Route,
    *,
    up_prefix: Sequence[str] = (),
    down_prefix: Sequence[str] = (),
    up_config: str = "",
    down_config: str = "",
) -> tuple[Program, Program]:
    """An uploader and a downloader, both at work on return."""
    up = way.uploader("--chunk_size", str(CHUNK), "--queue_max_size", "8", prefix=up_prefix, config=up_config)
    down = way.downloader(prefix=down_prefix, config=down_config)
    up.says("reached", 60)
    down.says("reading partitions", 60)
    return up, down


def write(way: Route, random: Random, count: int, largest: int = 600_000) -> None:
    """``count`` files of all sizes, some of them under a name that is there already."""
    for _ in range(count):
        size = random.choice((random.randrange(1, 5_000), random.randrange(1, largest)))
        way.put(f"{random.choice('ab')}/{random.randrange(20)}.dat", random.randbytes(size))
        way.world.tally["files"] += 1


def all_arrives(way: Route, programs: Iterable[Program], seconds: float = 90.0, most: int = 12) -> None:
    """All that is owed is there, and a fresh file comes through; the programs run, and complained ``most`` times."""
    way.judge.settle(seconds)
    way.put("fresh", b"fresh")
    way.judge.settle(seconds)
    assert reasons(way.outs[0]) == []
    for program in programs:
        assert program.process.poll() is None, f"a program has ended:\n{program.output}"
        assert "Traceback" not in program.output, program.output
        assert len(complaints(program)) <= most, f"too many complaints:\n{program.output}"


def complaints(program: Program) -> list[str]:
    """The lines that tell of trouble."""
    return [line for line in program.output.splitlines() if " INFO " not in line]
