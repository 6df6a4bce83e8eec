"""Members of one group come, die, freeze for longer than the group waits, and thaw, while files are half received."""

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from openmsi_core.chunk import Chunk, Upload
from tests.faults.offsets import all_committed, never_back
from tests.faults.world import Route, Scenario, World, route
from tests.support.downloading import reasons
from tests.support.running import QUICK_SESSION, Program
from tests.support.sending import Sender, chunks, upload

_CHUNK = 20_000
_PATHS = 12


@dataclass(slots=True)
class Members:
    """Downloaders of one group by name; each has a place among ``outs``."""

    way: Route
    running: dict[str, Program] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)

    def join(self, name: str, prefix: Sequence[str] = ()) -> Program:
        """One more, or one that died before; returns when it was given partitions."""
        where = int(name) % len(self.way.outs)
        program = self.way.downloader(name=name, out=where, prefix=prefix, config=QUICK_SESSION)
        said = program.output.count("reading partitions")
        self.running[name] = program
        until = time.monotonic() + 60
        while program.output.count("reading partitions") == said:
            assert time.monotonic() < until, f"no partitions for member {name}:\n{program.output}"
            time.sleep(0.05)
        self.way.world.tally["rebalances"] += 1
        return program

    def kill(self, name: str) -> None:
        """It hears of nothing."""
        self.running.pop(name).kill()
        self.way.world.tally["kills"] += 1
        self.way.world.tally["rebalances"] += 1

    def freeze(self, name: str) -> None:
        """As a laptop that is shut."""
        self.running[name].process.send_signal(signal.SIGSTOP)
        self.frozen.add(name)
        self.way.world.tally["freezes"] += 1
        self.way.world.tally["rebalances"] += 1

    def thaw(self, name: str) -> None:
        """It goes on in the middle of what it was doing."""
        self.frozen.discard(name)
        self.running[name].process.send_signal(signal.SIGCONT)
        self.way.world.tally["rebalances"] += 1


class Source:
    """Sends files in parts, so that some are half received at any moment, and begins new generations of them."""

    def __init__(self, way: Route, random: Random, largest: int = 900_000) -> None:
        self._way = way
        self._random = random
        self._largest = largest
        self._sender = Sender(way.bootstrap, way.topic)
        self._rest: dict[str, tuple[list[Chunk], Upload]] = {}

    def send(self) -> None:
        """Of each path a part: the next one of what was begun, or the first one of a new generation."""
        for number in range(_PATHS):
            path = f"{number % 3}/{number}.dat"
            if path not in self._rest or self._random.random() < 0.1:  # now and then a source dies and begins anew
                self._begin(path)
            pieces, by = self._rest[path]
            part = self._random.randrange(1, 1 + len(pieces))
            self._go_on(path, pieces, by, part)

    def finish(self) -> None:
        """All that was begun is sent to its end."""
        for path, (pieces, by) in list(self._rest.items()):
            self._go_on(path, pieces, by, len(pieces))

    def _begin(self, path: str) -> None:
        size = self._random.choice((self._random.randrange(1, _CHUNK), self._random.randrange(_CHUNK, self._largest)))
        content = self._random.randbytes(size)
        self._way.judge.owe(path, content)
        mtime = self._random.uniform(1e9, 1.7e9)  # says nothing about which is newer
        self._rest[path] = list(chunks(path, content, size=_CHUNK, mtime=mtime)), upload(content)
        self._way.world.tally["files"] += 1

    def _go_on(self, path: str, pieces: list[Chunk], by: Upload, part: int) -> None:
        self._sender.chunks(pieces[:part], by)
        if part < len(pieces):
            self._rest[path] = pieces[part:], by
        else:
            del self._rest[path]


def play(world: World, random: Random, folders: int) -> None:
    """1 → 3 → 2 → 3 members; of the three, one dies and one freezes until its partitions have gone to the third."""
    with route(world, outs=folders) as way:
        source, members = Source(way, random), Members(way)
        for name in ("0", "1", "2"):
            source.send()
            members.join(name)
        source.send()
        dead, frozen, _ = random.sample(("0", "1", "2"), 3)
        for name in random.sample((dead, frozen), 2):
            time.sleep(random.uniform(0.0, 0.5))
            (members.kill if name == dead else members.freeze)(name)
            source.send()
        for _ in range(3):  # more than a session
            time.sleep(random.uniform(0.7, 1.5))
            source.send()
        members.thaw(frozen)
        source.send()
        time.sleep(random.uniform(0.0, 1.0))
        members.join(dead)
        source.finish()
        ends_well(way, members)


def ends_well(way: Route, members: Members, seconds: float = 90.0) -> None:
    """Everything is there, fresh files come through, all stop in order; no offset ever went back or is held."""
    way.judge.settle(seconds)
    sender = Sender(way.bootstrap, way.topic)
    for number in range(10):
        way.judge.owe(path := f"fresh {number}", content := b"fresh %d" % number)
        sender.file(path, content)
    way.judge.settle(seconds)
    all_committed(way)
    codes = [program.stop() for program in members.running.values()]
    assert codes == [0] * len(codes), f"exit codes {codes}"
    assert [reasons(out) for out in way.outs] == [[]] * len(way.outs)
    for program in members.running.values():
        assert "Traceback" not in program.output, program.output
    all_committed(way, 0)
    assert never_back(way), "no commit was found"


SCENARIOS: dict[str, Scenario] = {
    "rebalance: one folder": lambda world, random: play(world, random, 1),
    "rebalance: a folder each": lambda world, random: play(world, random, 3),
}
LONG: dict[str, Scenario] = {}
