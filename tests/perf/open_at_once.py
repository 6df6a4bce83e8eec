"""Thousands of files that are open at once: their chunks take turns in the topic."""

from collections.abc import Iterable
from pathlib import Path

from openmsi_core.chunk import Chunk, Upload, encode_headers, encode_key, encode_value
from openmsi_core.paths import partition_of
from tests.perf import ours
from tests.perf.lab import Lab
from tests.perf.ours import Place
from tests.perf.report import say
from tests.perf.results import Results, Who
from tests.perf.runs import MB
from tests.perf.workloads import Files, Workload, check_same, equal
from tests.support.sending import Sender, chunks, upload

_CHUNK = 4096
_CHUNKS = 4
_PARTITIONS = 4


def open_at_once(lab: Lab, results: Results, count: int) -> None:
    """One downloader, for chunks that take turns, and for the same files one after the other."""
    files = equal(count, _CHUNK * _CHUNKS)
    for name, turns in (("in order", False), ("at once", True)):
        workload = Workload(name, f"{count:,} files {name}", files)
        with lab.source(files) as source, lab.topic(_PARTITIONS) as topic, lab.room() as room:
            pieces = list(_pieces(source, files))
            _fill(lab, topic, sorted(pieces, key=lambda piece: piece[0].index) if turns else pieces)
            run = ours.download(Place(lab.broker, topic, room), room / "out", workload)
            check_same(source, room / "out", files)
        say(workload, Who.DOWN, run)
        results.figures[f"{count:,} files {name}, files/s"] = run.files / run.seconds
        results.figures[f"{count:,} files {name}, peak MB"] = run.peak_bytes / MB


def _pieces(source: Path, files: Files) -> Iterable[tuple[Chunk, Upload]]:
    for path, _ in files:
        content = (source / path).read_bytes()
        by = upload(content)
        for chunk in chunks(path, content, size=_CHUNK):
            yield chunk, by


def _fill(lab: Lab, topic: str, pieces: Iterable[tuple[Chunk, Upload]]) -> None:
    sender = Sender(lab.broker.bootstrap, topic, _PARTITIONS)
    for chunk, by in pieces:
        where = partition_of(chunk.path, _PARTITIONS)
        sender.record(encode_key(chunk), encode_value(chunk), where, encode_headers(by), flush=False)
    sender.flush()
