"""What a fault scenario plays in: a broker, a folder of its own, a count of what was done, and the route of files."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import uuid4

from tests.faults.judge import Judge
from tests.support.broker import Broker
from tests.support.running import Program

SETTLE_SECONDS = "0.3"


@dataclass(frozen=True, slots=True)
class World:
    """Given to each scenario, which may use any names below ``folder`` and must end all that it starts."""

    folder: Path
    broker: Broker
    """Shared: never stop it. A scenario that must makes its own with `tests.support.broker`."""
    tally: Counter[str] = field(default_factory=Counter)
    """What was done, such as "kills", "injected errors", "bytes sent again"; scenarios add to it."""


Scenario = Callable[[World, Random], None]
"""Plays one round; raises AssertionError when a promise was broken. All chance comes from the `Random`."""


class Route:
    """A watched folder, a topic, and downloaders of one group; made by `route`."""

    def __init__(self, world: World, topic: str, bootstrap: str, outs: Sequence[Path], judge: Judge) -> None:
        self.world = world
        self.topic = topic
        self.bootstrap = bootstrap
        """Of the programs; differs from the broker's own where something stands between."""
        self.source = world.folder / "source"
        self.outs = list(outs)
        self.judge = judge
        self.group = f"group-{topic}"
        self._running: list[Program] = []
        self._spare = world.folder / "spare"
        for folder in (self.source, self._spare, *outs):
            folder.mkdir(parents=True, exist_ok=True)

    def uploader(
        self,
        *options: str,
        name: str = "uploader",
        prefix: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        config: str = "",
    ) -> Program:
        """Start an uploader of the source folder; with the ``name`` of an earlier one it has that one's state."""
        command = ("DataFileUploadDirectory", str(self.source), "--topic_name", self.topic, "--upload_existing")
        options = ("--watchdog_lag_time", SETTLE_SECONDS, "--rescan_seconds", "2", *options)
        return self.start(name, (*command, *options), prefix, env, config)

    def downloader(
        self,
        *options: str,
        name: str = "downloader",
        out: int = 0,
        prefix: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        config: str = "",
    ) -> Program:
        """Start a downloader into ``outs[out]``, a member of the route's group."""
        command = ("DataFileDownloadDirectory", str(self.outs[out]), "--topic_name", self.topic)
        return self.start(name, (*command, "--consumer_group_id", self.group, *options), prefix, env, config)

    def put(self, path: str, content: bytes) -> None:
        """A new generation of ``path`` appears in the source folder in one step, and is owed."""
        self.judge.owe(path, content)
        target = self.source / path
        target.parent.mkdir(parents=True, exist_ok=True)
        spare = self._spare / uuid4().hex
        spare.write_bytes(content)
        spare.replace(target)

    def end(self) -> None:
        """Kill all that still run."""
        for program in self._running:
            program.kill()

    def start(
        self,
        name: str,
        command: Sequence[str],
        prefix: Sequence[str],
        env: Mapping[str, str] | None,
        config: str = "",
    ) -> Program:
        """Start a program in a folder ``name`` of its own."""
        folder = self.world.folder / name
        program = Program(folder, self.bootstrap, *command, prefix=prefix, env=env, config=config)
        self._running.append(program)
        return program


@contextlib.contextmanager
def route(
    world: World, *, partitions: int = 4, outs: int = 1, bootstrap: str | None = None, broker: Broker | None = None
) -> Iterator[Route]:
    """A new topic, its folders and its judge, which watches while inside. At the end all programs are killed.

    ``outs`` folders belong to one group. ``bootstrap``: where programs connect (a proxy); ``broker``: another one.
    """
    broker = broker or world.broker
    topic = broker.create_topic(partitions=partitions)
    folders = [world.folder / f"out-{number}" for number in range(outs)]
    with Judge(folders) as judge:
        made = Route(world, topic, bootstrap or broker.bootstrap, folders, judge)
        try:
            yield made
        finally:
            made.end()


def in_background(work: Callable[[], None]) -> threading.Thread:
    """Run ``work`` beside; join the result."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
