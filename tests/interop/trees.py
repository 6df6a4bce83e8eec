"""Folders full of files to send: what instruments write, with the names and sizes that go wrong. Made from a seed."""

import os
import random
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

Tree = dict[str, bytes]
"""Path below a folder → content."""

CHUNK = 65_536
"""``--chunk_size`` of both sides, unless a test says otherwise."""
SMALL_CHUNK = 16_384
"""The same for files of many chunks."""

_SIZES = {
    "root.dat": 3_000_001,
    "one byte": 1,
    "exactly one chunk.bin": CHUNK,
    "exact/three chunks.bin": 3 * CHUNK,
    "exact/one less.bin": 3 * CHUNK - 1,
    "exact/one more.bin": 3 * CHUNK + 1,
    "run 7/scan 1.tif": 1_200_000,
    "run 7/root.dat": 70_000,
    "a/b/c/d/e/deep inside.tar.gz": 150_000,
    # Both have one and the same record key.
    "a_b/c.txt": 80_000,
    "a/b_c.txt": 90_000,
    "Größe/Ä ö ü ß.csv": 30_000,
    "日本/試料 1/データ.bin": 140_000,
    "e\N{COMBINING ACUTE ACCENT}tude/🔬.txt": 20,
    "odd/-x (1) 'y' & \"z\" #$%+,;=@[]^`{}~.txt": 300,
    "odd/no suffix": 5_000,
    "odd/two..dots..": 17,
}
_LEFT_OUT_BY_THEM = {"empty": 0, "run 7/empty too.dat": 0, "catalog.csv": 900, "geology/log.txt": 100_000}


def tree(seed: int) -> Tree:
    """Some 5 MB that OpenMSIStream sends: it leaves out empty files, and names with "log" in them."""
    return _filled(_SIZES, seed)


def full_tree(seed: int) -> Tree:
    """As `tree`, with what only we send."""
    return _filled(_SIZES | _LEFT_OUT_BY_THEM, seed)


def large_files(seed: int) -> Tree:
    """Three files of which every one lies over all partitions, and a small one."""
    return _filled(
        {"large 1.dat": 4_000_000, "sub/large 2.dat": 40 * CHUNK, "sub/large 3": 1_500_000, "small": 9}, seed
    )


def write(files: Mapping[str, bytes], folder: Path) -> Path:
    """Make ``folder`` with these files in it, each with its `mtime_ns`; returns it."""
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        os.utime(place, ns=(mtime_ns(path), mtime_ns(path)))
    return folder


def mtime_ns(path: str) -> int:
    """The modification time that `write` gives to the file at ``path``."""
    return 1_600_000_000_000_000_000 + zlib.crc32(path.encode()) * 12_345_678


def wrong_times(folder: Path, paths: Iterable[str]) -> list[str]:
    """Those of ``paths`` whose time below ``folder`` is not that of `write`; the format carries float64 seconds."""
    return [path for path in paths if abs((folder / path).stat().st_mtime_ns - mtime_ns(path)) > 1000]


def _filled(sizes: Mapping[str, int], seed: int) -> Tree:
    chance = random.Random(seed)
    return {path: chance.randbytes(size) for path, size in sizes.items()}
