"""One run of what brings files into a bucket: how long it took, and what it cost."""

import dataclasses
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.openmsistream import VERSION
from tests.perf.watching import cpu_of_children, cpu_seconds, peak_memory
from tests.support.broker import ROOT, Broker
from tests.support.running import Program
from tests.support.store import Store

_THEIRS = ROOT / ".cache" / "openmsistream" / VERSION / "bin"
_THEIR_CONFIG = """\
[broker]
bootstrap.servers = {bootstrap}

[s3]
endpoint_url = {login[ENDPOINT_URL]}
region = {login[REGION]}
access_key_id = {login[ACCESS_KEY_ID]}
secret_key_id = {login[SECRET_KEY_ID]}

[consumer]
group.id = create_new
auto.offset.reset = earliest
enable.auto.commit = False
key.deserializer = StringDeserializer
value.deserializer = DataFileChunkDeserializer
"""


@dataclass(frozen=True)
class Run:
    """What was measured."""

    seconds: float
    """From the first look into the topic (bare loops: from the first file) to the last object."""
    files: int
    """That had arrived by then."""
    start_seconds: float = 0.0
    """From the start of the program to the first look into the topic."""
    peak_bytes: int = 0
    """Of memory; 0 = not measured."""
    cpu: dict[str, float] = field(default_factory=dict)
    """Processor seconds of the sender, the store and the broker, in ``seconds``."""


@dataclass(frozen=True)
class Place:
    """Where runs take place: a broker with a topic, a store with a bucket, and a new folder."""

    broker: Broker
    topic: str
    store: Store
    bucket: str
    folder: Path


def bare(loop: Callable[[], float], files: int) -> Run:
    """A loop in this process, or in a child that it waits for."""
    before, costs = _own_cpu(), _Costs()
    seconds = loop()
    return Run(seconds, files, cpu={"sender": _own_cpu() - before} | costs.so_far())


def ours(place: Place, files: int, limit: float) -> Run:
    """Our transfer, until it says that it has put (and looked at) all, or until ``limit`` seconds are over."""
    spawned = time.perf_counter()
    command = ("S3TransferStreamProcessor", place.bucket, "--topic_name", place.topic)
    program = Program(place.folder, place.broker.bootstrap, *command, env=place.store.login)
    try:
        program.says("reading partitions", 60)
        begin = time.perf_counter()
        run = _until(lambda: program.output.count("INFO  put "), files, limit, program.process)
        return dataclasses.replace(run, start_seconds=begin - spawned)
    finally:
        program.stop()


def theirs(place: Place, files: int, limit: float) -> Run:
    """OpenMSIStream's, until all objects are there, or until ``limit`` seconds are over; its start counts."""
    with _their_program(place) as process:
        inside = place.store.inside(place.bucket)
        return _until(lambda: len(inside.keys), files, limit, process, pause=0.2)


class _Costs:
    """Processor time of the servers since it was made."""

    def __init__(self) -> None:
        self._before = self._now()

    def so_far(self) -> dict[str, float]:
        return {name: seconds - self._before[name] for name, seconds in self._now().items()}

    @staticmethod
    def _now() -> dict[str, float]:
        return {"store": cpu_of_children("versitygw"), "broker": cpu_of_children("java")}


def _own_cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _until(
    there: Callable[[], int],
    files: int,
    limit: float,
    process: "subprocess.Popen[bytes]",
    pause: float = 0.02,
) -> Run:
    begin, before, costs = time.perf_counter(), cpu_seconds(process.pid), _Costs()
    while (count := there()) < files and time.perf_counter() - begin < limit:
        assert process.poll() is None, "it has ended by itself"
        time.sleep(pause)
    seconds = time.perf_counter() - begin
    cpu = {"sender": cpu_seconds(process.pid) - before} | costs.so_far()
    return Run(seconds, count, peak_bytes=peak_memory(process.pid), cpu=cpu)


@contextmanager
def _their_program(place: Place) -> Iterator["subprocess.Popen[bytes]"]:
    place.folder.mkdir()
    config = _THEIR_CONFIG.format(bootstrap=place.broker.bootstrap, login=place.store.login)
    (place.folder / "theirs.config").write_text(config)
    options = ("--topic_name", place.topic, "--config", "theirs.config", "--output_dir", "out")
    with (place.folder / "output.txt").open("wb") as log:
        process = subprocess.Popen(
            [_THEIRS / "S3TransferStreamProcessor", place.bucket, *options],
            cwd=place.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
