"""What processors are attacked in: a topic, their results, members of one group, and the judge of all that."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.faults.results import CODE, ResultJudge
from tests.faults.world import World
from tests.support.broker import Broker
from tests.support.processing import Processors
from tests.support.running import QUICK_SESSION, Program
from tests.support.sending import Sender, chunks, upload

CONFIG = QUICK_SESSION + "\n[producer]\ntransaction.timeout.ms = 3000\n"
"""A dead member holds up the others for as long as it takes to find that out."""

_PARTITIONS = 4
_CHUNK = 20_000


class Line:
    """Made by `line`."""

    def __init__(self, world: World, broker: Broker, random: Random) -> None:
        self.world = world
        self.random = random
        # A broker that is killed is away for longer than a short transaction may take.
        self._config = CONFIG if broker is world.broker else QUICK_SESSION
        self.topic, self.results = broker.create_topic(), broker.create_topic()
        self.processors = Processors(broker.bootstrap, self.topic, self.results, world.folder)
        self.processors.output.mkdir(parents=True)
        self._code = world.folder / "hashes.py"
        self._code.write_text(CODE)
        self._sender = Sender(broker.bootstrap, self.topic)
        self._number = 0
        self.judge = ResultJudge(broker.bootstrap, self.results, _PARTITIONS, self.processors.output)

    def member(self, name: str, state: Path | None = None) -> Program:
        """One more member, with the state folder of the last one of this ``name`` unless it is given."""
        options = ["--consumer_group_id", f"group-{self.topic}", *(["--state_dir", str(state)] if state else [])]
        return self.processors.start(self._code, *options, name=name, config=self._config)

    def send(self, count: int, largest: int = 60_000) -> None:
        """So many files."""
        for _ in range(count):
            self._number += 1
            path, content = f"{self._number % 3}/{self._number}.dat", self.random.randbytes(self._size(largest))
            self.judge.owe(path, content)
            self._sender.chunks(chunks(path, content, size=_CHUNK), upload(content))
        self.world.tally["files"] += count

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A file is half sent while inside, so that offsets are held back."""
        self._number += 1
        content = self.random.randbytes(5 * _CHUNK)
        pieces, by = list(chunks(path := f"held {self._number}", content, size=_CHUNK)), upload(content)
        self.judge.owe(path, content)
        self._sender.chunks(pieces[:3], by)
        yield
        self._sender.chunks(pieces[3:], by)

    def _size(self, largest: int) -> int:
        return self.random.choice((self.random.randrange(1, 2000), self.random.randrange(1, largest)))


@contextlib.contextmanager
def line(world: World, random: Random, broker: Broker | None = None) -> Iterator[Line]:
    """Two new topics and a judge, which watches while inside. At the end all members are killed."""
    made = Line(world, broker or world.broker, random)
    with made.judge:
        try:
            yield made
        finally:
            made.processors.kill()


def ends_well(way: Line, members: list[Program], seconds: float = 60.0) -> None:
    """Everything has its result, fresh files too, and all stop in order."""
    way.judge.settle(seconds)
    way.send(10)
    way.judge.settle(seconds)
    codes = [program.stop() for program in members]
    assert codes == [0] * len(codes), f"exit codes {codes}: {[program.output[-3000:] for program in members]}"
    for program in members:
        assert "Traceback" not in program.output, program.output
    time.sleep(0.5)
    way.judge.check()
