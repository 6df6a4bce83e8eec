"""A hostile topic with fixed chance, and what a restart in mid-file makes of files that are done with."""

from pathlib import Path
from random import Random

from openmsi_core.chunk import Chunk
from tests.faults.load import other_hash
from tests.faults.scenarios.hostile_topic import SCENARIOS
from tests.faults.world import World
from tests.support.fake_log import Log
from tests.support.receiving import Member, MemoryDestination
from tests.support.sending import chunks, upload


def test_poison_among_good_files(world: World) -> None:
    SCENARIOS["hostile topic"](world, Random(1))


def test_uploads_that_stop(world: World) -> None:
    SCENARIOS["hostile topic, uploads that stop"](world, Random(1))


def cut(content: bytes) -> list[Chunk]:
    return list(chunks("a", content, size=len(content) // 4, mtime=0.0))


def open_after_a_restart(log: Log, root: Path) -> int:
    """Read all; a second process reads again from the second record. How many files it then has open."""
    destination = MemoryDestination()
    first = Member(log, root, destination)
    first.drain()
    assert len(first.intake.files) == 0
    first.kill()
    log.committed[0] = 1
    second = Member(log, root, destination)
    second.drain()
    second.kill()
    return len(second.intake.files)


def test_a_file_in_quarantine_is_read_again_in_part(tmp_path: Path) -> None:
    log, by = Log(1), upload(b"")
    for piece in other_hash(cut(b"1234" * 100)):
        log.append(0, piece, by)
    assert open_after_a_restart(log, tmp_path) == 0


def test_a_losing_file_without_time_is_read_again_in_part(tmp_path: Path) -> None:
    """Nothing tells its rest from an upload that goes on and wins: it is waited for, and then goes to quarantine."""
    log = Log(1)
    for content, source in ((b"1234" * 100, "source-a"), (b"5678" * 100, "source-b")):
        by = upload(content, source)
        for piece in cut(content):
            log.append(0, piece, by)
    assert open_after_a_restart(log, tmp_path) == 1
