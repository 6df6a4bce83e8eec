"""Members of a group that freeze or die in the middle of an upload, and what they asked of the store comes late; and
the work folder of one that is full, read-only or taken away."""

import re
import shutil
import signal
import threading
import time
from random import Random

from tests.faults.between import Answer, Asked, between
from tests.faults.bucket_world import LARGE, BucketWay, bucket_way, own_store
from tests.faults.mounts import read_only, small_disk
from tests.faults.scenarios.store_network import write
from tests.faults.world import Scenario, World
from tests.support.running import Program, wait_for

_LATE = ("CompleteMultipartUpload", "UploadPart", "PutObject", "HeadObject")


def late(world: World, random: Random, operation: str, *, dies: bool = False) -> None:
    """One member freezes (or dies) at a request that is on its way; another delivers that version and a newer one.

    Then the request reaches the store, and the frozen member goes on: the newer version must stay.
    """
    with own_store(world) as store, between(store) as middle, bucket_way(world, store) as way:
        held = way.transfer(name="held", endpoint=middle.endpoint)
        other = way.transfer(name="other")
        arrived, go_on = threading.Event(), threading.Event()

        def answer(asked: Asked) -> Answer | None:
            if asked.operation == operation and not arrived.is_set():
                arrived.set()
                held.process.send_signal(signal.SIGKILL if dies else signal.SIGSTOP)
                go_on.wait(120)
            return None

        path = path_of(way, held)
        middle.answer = answer
        way.send(path, random.randbytes(3000 if operation == "PutObject" else LARGE))
        wait_for(arrived.is_set, f"a {operation} of {path}", 60)
        newest = random.randbytes(random.choice((5000, LARGE)))
        way.send(path, newest)
        placed = store.folder / way.inside.name / way.route.topic / path
        wait_for(lambda: placed.is_file() and placed.read_bytes() == newest, "the other member to take over", 60)
        go_on.set()
        world.tally["kills" if dies else "freezes"] += 1
        if dies:
            time.sleep(1)  # until the late request has had its effect
            held = way.transfer(name="held")
        else:
            held.process.send_signal(signal.SIGCONT)
            held.says("lost partitions")
        way.ends_well(held, other)


def path_of(way: BucketWay, member: Program) -> str:
    """One in a partition that ``member`` reads when there are two."""

    def partitions() -> set[int]:
        last = re.findall(r"reading partitions \[(.*)\]", member.output)[-1]
        return {int(number) for number in re.findall(r"\d+", last)}

    wait_for(lambda: len(partitions()) == 2, "a fair share")
    return next(f"{number}.dat" for number in range(100) if way.sender.partition(f"{number}.dat") in partitions())


def _late(world: World, random: Random) -> None:
    late(world, random, random.choice(_LATE), dies=random.random() < 0.3)


def _work_full(world: World, random: Random) -> None:
    work = world.folder / "work"
    with small_disk(work, "size=40m"), own_store(world) as store, bucket_way(world, store) as way:
        program = way.transfer("--output_dir", str(work))
        filler = work / ".openmsi" / "filler"
        filler.write_bytes(bytes(40_000_000 - random.randrange(2_000_000, LARGE)))
        write(way, random, 2)
        program.says(f"the disk of {work} is full: free some space")
        way.held()
        filler.unlink()
        world.tally["work folders spoiled"] += 1
        way.ends_well(program)


def _work_read_only(world: World, random: Random) -> None:
    (work := world.folder / "work").mkdir()
    with own_store(world) as store, bucket_way(world, store) as way:
        program = way.transfer("--output_dir", str(work))
        with read_only(work):
            write(way, random, 2)
            program.says(f"the disk of {work} is read-only: make it writable")
            way.held()
        world.tally["work folders spoiled"] += 1
        way.ends_well(program)


def _work_gone(world: World, random: Random) -> None:
    """Taken away while files are on their way, again and again; it is brought back empty."""
    work = world.folder / "work"
    with own_store(world) as store, bucket_way(world, store) as way:
        program = way.transfer("--output_dir", str(work))
        for _ in range(3):
            write(way, random, 2)
            time.sleep(random.uniform(0.0, 0.5))
            shutil.rmtree(work, ignore_errors=True)
            program.says(f"{work} is gone: bring the folder back")
            way.held()
            work.mkdir(exist_ok=True)
            world.tally["work folders spoiled"] += 1
        way.ends_well(program)


SCENARIOS: dict[str, Scenario] = {
    "store: a member freezes or dies in an upload": _late,
    "store: the work folder full": _work_full,
    "store: the work folder read-only": _work_read_only,
    "store: the work folder gone": _work_gone,
}
LONG: dict[str, Scenario] = {}
