"""One bit flipped on the destination's disk: in staged bytes, in the marks of a placed file, in what says what is
parked. No file is ever placed with other bytes than its source has, and no old version over a newer one.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from openmsi_core.assembly import OpenFile
from openmsi_core.chunk import Chunk
from openmsi_core.errors import BadFile, StagedBytesLost
from openmsi_core.generation import Generation, Verdict, Version, judge
from openmsi_core.partial import Partial
from openmsi_core.quarantine import REASON, Quarantine
from openmsi_core.staging import Staging
from tests.support.placing import checked_folder, path, put
from tests.support.sending import chunks

CONTENT = Random(1).randbytes(4_000)
TRIALS = 500


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Staging]:
    made = Staging(tmp_path)
    made.folder.start()
    yield made
    made.close()


def flip(file: Path, bit: int) -> None:
    """Change one bit of ``file``, as a failing disk does."""
    data = bytearray(file.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    with file.open("rb+") as opened:
        opened.write(data)


def is_placed_damaged(stage: Staging, random: Random, *, hashed: bool) -> bool:
    """Stage a file and flip a bit of it on the way, of bytes that were hashed already or of others."""
    pieces = list(chunks("a", CONTENT, size=500))
    random.shuffle(pieces)
    generation = Generation.of(pieces[0], None)
    bits: list[int] = []
    for piece in pieces[:-1]:
        stage.write(generation, piece)
        partial = stage.partial(generation)
        assert partial is not None
        bits = [*range(8 * partial.hashed)] if hashed else _waiting(partial)
        if bits and random.random() < 0.5:
            break
    if not bits:
        return False
    partial = stage.partial(generation)
    assert partial is not None
    flip(partial.path, random.choice(bits))
    for piece in pieces:
        if piece.offset >= partial.hashed and piece.offset not in partial.ahead:
            stage.write(generation, piece)
    try:
        sealed = stage.seal(generation)
        sealed.verify()
    except (BadFile, StagedBytesLost):
        stage.discard(generation)
        return False
    return sealed.path.read_bytes() != CONTENT


def _waiting(partial: Partial) -> list[int]:
    return [bit for start, end in partial.ahead.items() for bit in range(8 * start, 8 * end)]


def test_in_staged_bytes_that_are_not_hashed_yet(stage: Staging) -> None:
    random = Random(2)
    assert not any(is_placed_damaged(stage, random, hashed=False) for _ in range(TRIALS))


def test_in_staged_bytes_that_are_hashed_already(stage: Staging) -> None:
    random = Random(3)
    assert not any(is_placed_damaged(stage, random, hashed=True) for _ in range(TRIALS))


def test_in_the_marks_of_a_placed_file(tmp_path: Path) -> None:
    """Any flip makes them no marks: what is in place is then told by its content and its time."""
    folder = checked_folder(tmp_path)
    placed = put(folder, "a")
    right = folder.version(path("a"), None)
    assert right is not None
    trials = 0
    for name in (each for each in os.listxattr(placed) if each.startswith("user.openmsi.") and "probe" not in each):
        value = os.getxattr(placed, name)
        for bit in range(8 * len(value)):
            damaged = bytearray(value)
            damaged[bit // 8] ^= 1 << bit % 8
            os.setxattr(placed, name, bytes(damaged))
            assert folder.version(path("a"), None) is None, f"{name} is {bytes(damaged)!r}"
            found = folder.version(path("a"), placed.stat().st_size)
            assert _verdicts(right, found) == (Verdict.OLDER, Verdict.REPEAT, Verdict.NEWER)
            trials += 1
        os.setxattr(placed, name, value)
    assert folder.version(path("a"), None) == right
    assert trials > 1500


def _verdicts(placed: Version, found: Version | None) -> tuple[Verdict, Verdict, Verdict]:
    """On an older upload, the same and a newer one, when ``found`` is said to be in place instead of ``placed``."""
    older = replace(placed, file_hash=b"1" * 64, upload_id="upload-6", mtime=placed.mtime - 10)
    newer = replace(placed, file_hash=b"2" * 64, upload_id="upload-8", mtime=placed.mtime + 10)
    return judge(older, found), judge(placed, found), judge(newer, found)


def test_in_what_says_what_is_parked(stage: Staging, tmp_path: Path) -> None:
    """A file is then completed with the right bytes, or not at all."""
    pieces = list(chunks("a", CONTENT, size=500))
    quarantine, generation = Quarantine(tmp_path, "topic"), Generation.of(pieces[0], None)
    came, rest = [pieces[at] for at in (0, 1, 2, 5)], [pieces[at] for at in (3, 4, 6, 7)]
    for piece in came:
        stage.write(generation, piece)
    version = Version(generation.file_hash, "", "", 1.7e9, (5, 6))
    file = OpenFile(generation, version, 0.0, size=2000, prefix=3, beyond={6})
    quarantine.park(file, stage.partial(generation), "reason")
    stage.discard(generation)
    (entry,) = quarantine.folder.iterdir()
    text = (entry / REASON).read_bytes()
    kept = (entry / "content").read_bytes()
    for bit in range(8 * len(text)):
        flip(entry / REASON, bit)
        assert _completed(stage, quarantine, generation, rest) in (CONTENT, None)
        (entry / REASON).write_bytes(text)
        (entry / "content").write_bytes(kept)
    for bit in Random(4).sample(range(8 * 1500), TRIALS):
        flip(entry / "content", bit)
        assert _completed(stage, quarantine, generation, rest) is None
        (entry / "content").write_bytes(kept)
    assert _completed(stage, quarantine, generation, rest) == CONTENT
    assert json.loads(text)["size"] == 2000


def _completed(stage: Staging, quarantine: Quarantine, generation: Generation, rest: list[Chunk]) -> bytes | None:
    """Take the parked file up and write the rest; its content, None when it cannot be completed."""
    parked = quarantine.parked(generation)
    if parked is None:
        return None
    try:
        stage.borrow(generation, parked.content, dict(parked.extents))
        for piece in rest:
            stage.write(generation, piece)
        return stage.seal(generation).path.read_bytes()
    except (BadFile, StagedBytesLost):
        return None
    finally:
        stage.discard(generation)
