"""Runs of OpenMSIStream's programs, from when they say that they begin until all is there or a limit is over."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from tests.interop.openmsistream import Theirs
from tests.perf.ours import Place
from tests.perf.runs import Costs, Run, until
from tests.perf.watching import cpu_of_children, cpu_of_family, peak_memory
from tests.perf.workloads import Workload, delivered
from tests.support.broker import Broker

_START_SECONDS = 60.0
_PAUSE = 0.5


def upload(place: Place, source: Path, workload: Workload, records: int) -> Run:
    """All of ``source``, of which they get a copy (by links), for they write into the folder that they watch."""
    copy = place.folder / "copy"
    for path, _ in workload.files:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(source / path, copy / path)
    command = ("DataFileUploadDirectory", str(copy), "--topic_name", place.topic, "--upload_existing")
    with _ends(place.broker, place.topic, workload.partitions) as ends:
        run, there = _measured(place, command, ends, records, workload.their_seconds)
    share = min(1.0, there / records)
    return replace(run, files=int(len(workload.files) * share), size=int(workload.size * share))


def download(place: Place, out: Path, workload: Workload) -> Run:
    """All of the topic."""
    command = ("DataFileDownloadDirectory", str(out), "--topic_name", place.topic)
    run, there = _measured(place, command, lambda: delivered(out)[1], workload.size, workload.their_seconds)
    return replace(run, files=sum(_whole(out / path, size) for path, size in workload.files), size=there)


def _measured(
    place: Place, command: tuple[str, ...], there: Callable[[], int], wanted: int, limit: float
) -> tuple[Run, int]:
    spawned = time.perf_counter()
    theirs = Theirs(place.folder / "theirs", place.broker.bootstrap, *command)
    try:
        theirs.says("Will ", _START_SECONDS)
        pid, begin = theirs.process.pid, time.perf_counter()
        costs = Costs(own=lambda: cpu_of_family(pid), broker=lambda: cpu_of_children("java"))
        count = until(there, wanted, limit, [theirs.process], _PAUSE)
        seconds = time.perf_counter() - begin
        run = Run(seconds, 0, 0, begin - spawned, peak_memory(pid), costs.so_far())
    finally:
        theirs.kill()
    return run, count


def _whole(file: Path, size: int) -> bool:
    stat = file.stat() if file.exists() else None
    return stat is not None and min(stat.st_size, stat.st_blocks * 512) >= size


@contextmanager
def _ends(broker: Broker, topic: str, partitions: int) -> Iterator[Callable[[], int]]:
    """Asks how many records the topic has."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "bench"})
    places = [TopicPartition(topic, partition) for partition in range(partitions)]
    yield lambda: sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
    consumer.close()
