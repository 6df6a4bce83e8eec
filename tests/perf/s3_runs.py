"""Runs of what brings files into a bucket."""

import dataclasses
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.interop.openmsistream import VERSION
from tests.perf.runs import Costs, Lines, Run, until
from tests.perf.watching import cpu_of_children, cpu_of_family, peak_memory
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
class Place:
    """Where runs take place: a broker with a topic, a store with a bucket, and a new folder."""

    broker: Broker
    topic: str
    store: Store
    bucket: str
    folder: Path


def bare(loop: Callable[[], float], files: int) -> Run:
    """A loop in this process, or in a child that it waits for."""
    costs = _costs(_own_cpu)
    seconds = loop()
    return Run(seconds, files, cpu=costs.so_far())


def ours(place: Place, files: int, limit: float) -> Run:
    """Our transfer, until it says that it has put (and looked at) all, or until ``limit`` seconds are over."""
    spawned = time.perf_counter()
    command = ("S3TransferStreamProcessor", place.bucket, "--topic_name", place.topic)
    program = Program(place.folder, place.broker.bootstrap, *command, env=place.store.login)
    put = Lines(program.log, "INFO  put ")
    try:
        program.says("reading partitions", 60)
        begin = time.perf_counter()
        run = _until(put.count, files, limit, program.process)
        return dataclasses.replace(run, start_seconds=begin - spawned)
    finally:
        program.stop()


def theirs(place: Place, files: int, limit: float) -> Run:
    """OpenMSIStream's, until all objects are there, or until ``limit`` seconds are over; its start counts."""
    with _their_program(place) as process:
        inside = place.store.inside(place.bucket)
        return _until(lambda: len(inside.keys), files, limit, process, pause=0.2)


def _costs(sender: Callable[[], float]) -> Costs:
    return Costs(sender=sender, store=lambda: cpu_of_children("versitygw"), broker=lambda: cpu_of_children("java"))


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
    begin, costs = time.perf_counter(), _costs(lambda: cpu_of_family(process.pid))
    count = until(there, files, limit, [process], pause)
    return Run(time.perf_counter() - begin, count, peak_bytes=peak_memory(process.pid), cpu=costs.so_far())


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
