"""Trees of files to carry, the same ones at every run, and whether one tree is the copy of another."""

import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

_BLOCK = 1 << 20
_SMALL = 4096
_NOT_DELIVERED = (".openmsi", "LOGS", "DataFileDownloadDirectory.log")  # the last two: OpenMSIStream keeps logs there

Files = Sequence[tuple[str, int]]
"""Path and bytes of each file."""


@dataclass(frozen=True)
class Workload:
    """One tree of files, and how it is measured."""

    name: str
    title: str
    files: Files
    partitions: int = 4
    groups: tuple[int, ...] = ()
    """How many downloaders share the work, besides one alone."""
    their_seconds: float = 0.0
    """How long OpenMSIStream may take; 0 = it is not asked."""
    traced_files: int = 1
    """How many files the runs have that count system calls; 0 = there are none."""
    traced_size: int = 1 << 28
    """The most bytes that one file has there."""

    @cached_property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(size for _, size in self.files)

    def sample(self) -> "Workload":
        """The part in which system calls are counted."""
        return replace(
            self, files=[(path, min(size, self.traced_size)) for path, size in self.files[: self.traced_files]]
        )


def equal(count: int, size: int) -> Files:
    """Files of one size, a thousand in a folder."""
    return [(f"d{number // 1000}/f{number}", size) for number in range(count)]


def instrument_day(count: int) -> Files:
    """Log-normal sizes (median 100 KiB, mean about 500 KiB), in 20 runs."""
    chance = random.Random(2026)
    sizes = (min(1 << 28, int(102_400 * chance.lognormvariate(0.0, 1.8))) for _ in range(count))
    return [(f"day/run{number % 20:02}/frame_{number:05}.dat", size) for number, size in enumerate(sizes)]


def deep(count: int) -> Files:
    """2 KiB each, 14 folders deep, in 256 branches."""
    end = "/".join(f"level{level}" for level in range(8, 14))
    branch = ["/".join(f"b{number >> level & 1}" for level in range(8)) for number in range(256)]
    return [(f"{branch[number % 256]}/{end}/f{number}", 2048) for number in range(count)]


FULL = (
    Workload("large", "1 × 4 GiB", [("f0", 4 << 30)], 1, their_seconds=45),
    Workload("medium", "64 × 64 MiB", equal(64, 64 << 20), groups=(2, 4), their_seconds=45, traced_files=4),
    Workload("small", "20,000 × 4 KiB", equal(20_000, _SMALL), groups=(2, 4), their_seconds=45, traced_files=2000),
    Workload("records", "2,000 × 512 KiB", equal(2000, 512 << 10), their_seconds=20, traced_files=400),
    Workload("day", "instrument day: 3,000 files, 1.7 GB", instrument_day(3000), their_seconds=20, traced_files=400),
    Workload("deep", "deep tree: 4,096 × 2 KiB", deep(4096), their_seconds=20, traced_files=1024),
)
QUICK = (
    Workload("large", "1 × 256 MiB", [("f0", 256 << 20)], 1, traced_files=0),
    Workload("medium", "4 × 64 MiB", equal(4, 64 << 20), traced_files=0),
    Workload("small", "2,000 × 4 KiB", equal(2000, _SMALL), groups=(2, 4), their_seconds=2, traced_files=200),
    Workload("records", "200 × 512 KiB", equal(200, 512 << 10), traced_files=0),
    Workload("day", "instrument day: 200 files", instrument_day(200), traced_files=0),
    Workload("deep", "deep tree: 512 × 2 KiB", deep(512), traced_files=0),
)


def write(folder: Path, files: Files) -> None:
    """Make the tree; every MiB of it is different from every other, and cannot be compressed."""
    block = os.urandom(_BLOCK)
    folder.mkdir(parents=True, exist_ok=True)
    made = {folder}
    for number, (path, size) in enumerate(files):
        target = folder / path
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        with target.open("wb", buffering=0) as file:
            for step, at in enumerate(range(0, size, _BLOCK)):
                piece = number.to_bytes(4, "big") + step.to_bytes(4, "big") + block[8 : min(_BLOCK, size - at)]
                file.write(piece[: size - at])


class Different(Exception):
    """What was delivered is not what was sent: no figure of this run is worth anything."""


def check_same(source: Path, target: Path, files: Files) -> None:
    """Raise Different unless ``target`` has exactly the ``files`` of ``source``, byte for byte."""
    for path, size in files:
        if not _same(source / path, target / path, size):
            raise Different(f"{target / path} is not what {source / path} is")
    count = delivered(target)[0]
    if count != len(files):
        raise Different(f"{target} has {count} files instead of {len(files)}")


def delivered(folder: Path) -> tuple[int, int]:
    """Files below a folder, and the bytes of them that are on the disk or on their way to it."""
    count = size = 0
    for entry in _below(folder):
        stat = entry.stat()
        count, size = count + 1, size + min(stat.st_size, stat.st_blocks * 512)
    return count, size


def _below(folder: Path) -> Iterable["os.DirEntry[str]"]:
    left = [str(folder)] if folder.exists() else []
    while left:
        for entry in os.scandir(left.pop()):
            if entry.name in _NOT_DELIVERED:
                continue
            if entry.is_dir(follow_symlinks=False):
                left.append(entry.path)
            else:
                yield entry


def _same(one: Path, other: Path, size: int) -> bool:
    try:
        with one.open("rb", buffering=0) as a, other.open("rb", buffering=0) as b:
            for at in range(0, size + 1, _BLOCK):  # one more read than needed: it must find the end
                if (piece := a.read(_BLOCK)) != b.read(_BLOCK) or len(piece) != min(_BLOCK, size - at):
                    return False
    except FileNotFoundError:
        return False
    return True
