"""A topic, a bucket, transfers of one group between them, and the judge.

versitygw keeps each object as a file and puts it into place in one step, so the judge watches the bucket as it watches
a folder: what is in part, mixed, old or made twice is seen at that instant.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence

from tests.faults.between import Between
from tests.faults.judge import Judge
from tests.faults.offsets import all_committed, ends, group_offsets, never_back
from tests.faults.world import Route, World
from tests.support.downloading import reasons
from tests.support.running import QUICK_SESSION, Program, wait_for
from tests.support.sending import Sender
from tests.support.store import Store

LARGE = 17_000_000
"""Bytes of a file that goes in parts: three of them."""
_GATEWAYS_OWN = ".sgwtmp."
"""In the names of files with which versitygw replaces an object; it shows them to nobody."""


class BucketWay:
    """One topic on its way into one bucket; made by `bucket_way`."""

    def __init__(self, route: Route, store: Store, bucket: str, middle: Between | None) -> None:
        self.route = route
        self.judge = route.judge
        self.inside = store.inside(bucket)
        self.store = store
        self._middle = middle
        self.sender = Sender(route.bootstrap, route.topic)
        self._begins: dict[str, tuple[int, int]] = {}
        self._newest: dict[str, bytes] = {}

    def transfer(
        self,
        *options: str,
        name: str = "transfer",
        endpoint: str | None = None,
        env: Mapping[str, str] | None = None,
        config: str = QUICK_SESSION,
        prefix: Sequence[str] = (),
        ready: bool = True,
    ) -> Program:
        """Start one, at work on return when ``ready``; with the ``name`` of an earlier one it has that one's state."""
        endpoint = endpoint or (self._middle.endpoint if self._middle else self.store.endpoint)
        everything = self.store.login | {"ENDPOINT_URL": endpoint} | dict(env or {})
        command = ("S3TransferStreamProcessor", self.inside.name, "--topic_name", self.route.topic)
        options = ("--consumer_group_id", self.route.group, *options)
        before = self._reads(name)
        program = self.route.start(name, (*command, *options), prefix, everything, config)
        if ready:
            wait_for(lambda: self._reads(name) > before or program.process.poll() is not None, f"{name} to read", 60)
            assert program.process.poll() is None, program.output
        return program

    def _reads(self, name: str) -> int:
        output = self.route.world.folder / name / "output.txt"
        return output.read_text(errors="replace").count("reading partitions") if output.exists() else 0

    def send(self, path: str, content: bytes) -> None:
        """A new version of ``path`` is in the topic on return, and is owed."""
        self.judge.owe(path, content)
        partition = self.sender.partition(path)
        self._begins[path] = partition, ends(self.route)[partition]
        self._newest[path] = content
        self.sender.file(path, content, size=500_000)

    def deleted(self) -> None:
        """All objects were taken away by others: nothing of them is owed any more."""
        for path in self._newest:
            self.judge.release(path)
        self._newest.clear()
        self._begins.clear()

    def held(self) -> None:
        """No offset was committed past the newest version of a path that is not in the bucket."""
        offsets = group_offsets(self.route)
        for path, (partition, begin) in self._begins.items():
            placed = self.store.folder / self.inside.name / self.route.topic / path  # the store may be away
            there = placed.is_file() and placed.read_bytes() == self._newest[path]
            assert there or offsets[partition] <= begin, f"{path} is not in the bucket, but its offset is committed"

    def ends_well(self, *programs: Program, seconds: float = 90.0, most: int = 12) -> None:
        """Everything is there, as the store tells it, too; fresh files come through; nothing is left or held back."""
        self.judge.settle(seconds)
        self.held()
        for number in range(4):
            self.send(f"fresh {number}", b"fresh %d" % number)
        self.judge.settle(seconds)
        all_committed(self.route)
        codes = [program.stop() for program in programs]
        assert codes == [0] * len(codes), f"exit codes {codes}:\n{programs[0].output}"
        all_committed(self.route, 0)
        never_back(self.route)
        self._as_the_store_tells()
        for program in programs:
            assert "Traceback" not in program.output, program.output
            said = [line for line in program.output.splitlines() if " INFO " not in line]
            assert len(said) <= most, f"too many complaints:\n{program.output}"
            assert reasons(program.state / "work") == []
            assert list((program.state / "unfinished" / self.inside.name).glob("*")) == [], "left in the state folder"

    def _as_the_store_tells(self) -> None:
        for path, content in self._newest.items():
            key = f"{self.route.topic}/{path}"
            assert self.inside.content(key) == content, f"{path} reads otherwise"
            head = self.inside.head(key)
            assert head is not None
            assert head["Metadata"]["sha512"] == hashlib.sha512(content).hexdigest()
            assert head["Metadata"]["openmsi-partition"] == str(self._begins[path][0])
        assert self.inside.uploads == [], f"left in the bucket: {self.inside.uploads}"


@contextlib.contextmanager
def own_store(world: World) -> Iterator[Store]:
    """A store that a scenario may stop, freeze or fill."""
    store = Store(world.folder / "store")
    try:
        store.start()
        yield store
    finally:
        store.kill()


@contextlib.contextmanager
def bucket_way(world: World, store: Store, middle: Between | None = None, *, bucket: str = "") -> Iterator[BucketWay]:
    """A new topic and, unless it is named, a new bucket. At the end all programs are killed."""
    topic = world.broker.create_topic()
    bucket = bucket or store.bucket().name
    with Judge([store.folder / bucket / topic], _GATEWAYS_OWN) as judge:
        route = Route(world, topic, world.broker.bootstrap, [], judge)
        try:
            yield BucketWay(route, store, bucket, middle)
        finally:
            route.end()
