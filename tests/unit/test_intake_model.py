"""Chunks of many versions of a few files, in any order, with crashes, rebalances, losses: what is true at the end.

The model is `winners`: of the versions whose chunks are all in the log, the last one in the order that WIRE.md gives.
"""

import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from openmsi_core import resume, staging
from openmsi_core.chunk import Chunk, Upload
from openmsi_core.generation import Generation, Verdict, judge, unfinished
from openmsi_core.records import Piece, Poison
from tests.support.fake_log import Log
from tests.support.receiving import Member, MemoryDestination
from tests.support.sending import chunks

MEMORY = next(iter(Path("/dev").glob("shm")), None)  # a real disk takes its time
PARTITIONS = 2
PATHS = ["a", "d/b"]
KINDS = ["ours", "two sources", "OpenMSIStream", "OpenMSIStream without times"]


@dataclass(frozen=True)
class Sent:
    """One upload: what of it is in the log."""

    rank: int
    """Uploads of one path with a higher rank win."""
    by: Upload | None
    chunks: list[Chunk]
    total: int

    @property
    def generation(self) -> Generation:
        return Generation.of(self.chunks[0], self.by)

    @property
    def complete(self) -> bool:
        return len({chunk.index for chunk in self.chunks}) == self.total


def write(kind: str, count: int, dice: random.Random) -> tuple[Log, list[Sent]]:
    """A log with ``count`` uploads, their chunks interleaved, and the list of them in the order of their ranks."""
    sent = [_upload(kind, rank, dice) for rank in range(1, count + 1)]
    log = Log(PARTITIONS)
    rest = {each.rank: list(each.chunks) for each in sent}
    while left := [each for each in sent if rest[each.rank]]:
        each = dice.choice(left[:2])  # some order in the whole, none in detail
        chunk = rest[each.rank].pop(0)
        scattered = kind.startswith("OpenMSIStream")
        partition = chunk.index % PARTITIONS if scattered else PATHS.index(chunk.path.text) % PARTITIONS
        log.append(partition, chunk, each.by)
        if dice.random() < 0.05:
            log.append(dice.randrange(PARTITIONS), dice.choice([None, b"poison"]))
    if kind == "OpenMSIStream without times":  # then the log decides: the one that was written to the end last
        last = {each.rank: max(_times(log, each.generation), default=0) for each in sent}
        sent.sort(key=lambda each: last[each.rank])
    return log, sent


def _upload(kind: str, rank: int, dice: random.Random) -> Sent:
    content = dice.randbytes(dice.randrange(1, 6000)) + bytes([rank])
    mtime = {"ours": dice.uniform(1, 9), "OpenMSIStream without times": 0.0}.get(kind, float(rank))
    by = None
    if not kind.startswith("OpenMSIStream"):
        source = f"source-{dice.randrange(2)}" if kind == "two sources" else "source"
        by = Upload(f"01890000-0000-7000-8000-{rank:012x}", source, len(content))
    pieces = list(chunks(dice.choice(PATHS), content, size=dice.choice([1000, 1700, 9999]), mtime=mtime))
    total = len(pieces)
    if by is None:
        dice.shuffle(pieces)
    if dice.random() < 0.25:
        pieces = pieces[: dice.randrange(1, total + 1)]  # an upload that stops half-way
    if kind != "OpenMSIStream without times" and dice.random() < 0.3:
        pieces += dice.choices(pieces, k=2)  # chunks that come again
    return Sent(rank, by, pieces, total)


def _times(log: Log, generation: Generation) -> list[int]:
    return [each.record.timestamp for each in log if isinstance(each, Piece) and each.generation == generation]


def winners(sent: list[Sent]) -> dict[str, bytes]:
    """The model: path → SHA-512 of what must be there at the end."""
    return {each.generation.path.text: each.generation.file_hash for each in sent if each.complete}


def check_commit(member: Member, destination: MemoryDestination) -> None:
    """Whatever lies before a committed offset is done with: delivered, beaten, or in quarantine."""
    for partition, offset in member.commit().items():
        for each in member.log.partitions[partition][:offset]:
            if isinstance(each, Poison):
                entry = member.quarantine.folder / f"topic-{partition}-{each.record.offset}"
                assert (entry / "reason.json").exists()
            elif each.generation not in destination.delivered:
                placed = destination.placed.get(each.generation.path.text)
                version = each.version if each.generation.total == 1 else unfinished(each.version)
                beaten = placed is not None and judge(version, placed[0]) is not Verdict.NEWER
                assert beaten or member.quarantine.parked(each.generation) is not None


def step(name: str, member: Member, destination: MemoryDestination, dice: random.Random) -> Member:
    match name:
        case "read":
            for _ in range(dice.randrange(1, 8)):
                member.read(dice.randrange(PARTITIONS))
        case "deliver":
            member.deliver(dice.randrange(9))
        case "collect":
            member.collect()
        case "commit":
            check_commit(member, destination)
        case "leave":
            member.leave(dice.randrange(PARTITIONS))
        case "park":
            member.park()
        case "wipe":
            member.wipe()
        case "note":
            member.note()
        case "kill" | "stop":
            member.kill() if name == "kill" else member.stop()
            return Member(member.log, member.root, destination)
    return member


STEPS = (
    ["read"] * 8
    + ["deliver"] * 4
    + ["collect"] * 3
    + ["commit"] * 3
    + ["note"] * 3
    + [
        "leave",
        "park",
        "wipe",
        "kill",
        "stop",
    ]
)


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """Journals of small files, and hashes in small steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resume, "_EVERY_BYTES", 1)
        patch.setattr(resume, "_SMALLEST", 1)
        patch.setattr(staging, "_CATCH_UP_BYTES", 1500)
        patch.setattr(staging, "_SEAL_BYTES", 1500)
        yield


def check_versions(destination: MemoryDestination, sent: list[Sent]) -> None:
    """The winner of each path is in place, and nothing ever went back to an older one."""
    hashes = {path: version.file_hash for path, (version, _) in destination.placed.items()}
    assert hashes == winners(sent)
    order = [each.generation for each in sent]
    for path in PATHS:
        ranks = [order.index(each) for each in destination.history if each.path.text == path]
        assert ranks == sorted(set(ranks)), "an older version replaced a newer one, or one was placed twice"


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(KINDS), st.integers(1, 6), st.integers(0, 150), st.integers(0, 2**32))
def test_the_right_version_of_every_file_is_there_at_the_end(kind: str, count: int, steps: int, seed: int) -> None:
    dice = random.Random(seed)
    log, sent = write(kind, count, dice)
    destination = MemoryDestination()
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        member = Member(log, Path(folder), destination)
        try:
            for _ in range(steps):
                member = step(dice.choice(STEPS), member, destination, dice)
            member.drain()
            check_commit(member, destination)
        finally:
            member.staging.close()
    check_versions(destination, sent)
    event(f"{len(destination.history)} placed")
