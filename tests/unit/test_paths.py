"""Names from the network: nothing leads outside the root, and a path has one partition for ever."""

import os
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openmsi_core.errors import BadFile
from openmsi_core.paths import RESERVED, RelativePath, check_windows, destination, partition_of

quick = settings(deadline=None, max_examples=300)
NASTY = st.text(alphabet="./\\\0 ~:a~ñ\ud800", max_size=12) | st.text(max_size=12)


@quick
@given(NASTY, NASTY, NASTY)
@example("", "..", "")
@example("a/..", "b", "")
@example("", "..", "/..")
@example("/etc", "passwd", "")
def test_nothing_leads_outside_the_root(subdir: str, filename: str, append: str) -> None:
    try:
        path = destination(subdir, filename, append)
    except BadFile:
        return
    root = Path("/base/of/all")
    normal = Path(os.path.normpath(root / path.text))
    assert normal == root / path.text
    assert normal.is_relative_to(root)
    assert normal != root
    assert "\0" not in path.text
    assert path.parts[0].casefold() != RESERVED
    assert "/".join(path.parts) == path.text == (f"{path.subdir}/{path.name}" if path.subdir else path.name)


UNSAFE = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "./a",
    "a/.",
    "a/../b",
    "../a",
    "a/..",
    "a\0b",
    "\ud800",
    "é" * 128,
    f"{RESERVED}/x",
    RESERVED,
    f"{RESERVED.upper()}/staging/x",
    "/".join(["a" * 200] * 16),
]


@pytest.mark.parametrize("text", UNSAFE)
def test_unsafe_paths(text: str) -> None:
    with pytest.raises(BadFile):
        RelativePath.parse(text)


SAFE = [
    "a",
    "...",
    "..a",
    "a..",
    ".hidden",
    " ",
    "a b/c\nd",
    "-rf",
    "~",
    "紙/ünï – 1.csv",
    "é" * 127,
    "a\\b",
    f"sub/{RESERVED}/x",
    f"{RESERVED}x",
    "C:",
    "/".join(["a" * 200] * 15),
    "catalog.csv",
    "geology/log.txt",
]


@pytest.mark.parametrize("text", SAFE)
def test_every_other_name_is_taken_as_it_is(text: str) -> None:
    assert str(RelativePath.parse(text)) == text


@pytest.mark.parametrize(("filename", "append"), [("", ""), ("", "x"), ("a/b", ""), ("a", "x/y"), ("a", "/../../b")])
def test_a_file_name_is_one_component(filename: str, append: str) -> None:
    with pytest.raises(BadFile):
        destination("sub", filename, append)


@pytest.mark.parametrize(
    ("filename", "append", "result"),
    [("a.txt", "_1", "a_1.txt"), ("a", "_1", "a_1"), ("a.tar.gz", "_1", "a.tar_1.gz"), (".rc", "_1", ".rc_1")],
)
def test_append_goes_between_stem_and_suffix(filename: str, append: str, result: str) -> None:
    assert destination("s", filename, append).text == f"s/{result}"
    assert PurePosixPath(filename).stem + append + PurePosixPath(filename).suffix == result


NOT_ON_WINDOWS = [
    "CON",
    "con.txt",
    "a/NUL",
    "aux .x",
    "COM1",
    "lpt9.log",
    "COM¹",
    "CONIN$",
    "a.",
    "a ",
    "sub./a",
    "a:b",
    "a\\b",
    "..\\..\\a",
    "what?",
    "a*",
    'a"b',
    "a|b",
    "a<b",
    "a\x1fb",
    "OPENMS~1/staging/x",
    "openms~12/x",
]


@pytest.mark.parametrize("text", NOT_ON_WINDOWS)
def test_names_that_windows_takes_for_something_else(text: str) -> None:
    with pytest.raises(BadFile):
        check_windows(RelativePath.parse(text))


@pytest.mark.parametrize("text", ["CONTROL.txt", "a.CON", "COM0", "COM10", "nul_1", "a b/c.d", "紙.csv", "OPENMS~x"])
def test_names_that_windows_can_hold(text: str) -> None:
    check_windows(RelativePath.parse(text))


# Computed with zlib.crc32, which is what librdkafka's partitioner "consistent" uses. If one changes, versions of one
# file land in two partitions, and their order is lost.
PINNED = {"a": 3904355907, "sub/deep/b c.dat": 3660967326, "sub/ümläut_紙.csv": 1807870268}


@pytest.mark.parametrize(("text", "crc"), PINNED.items())
@pytest.mark.parametrize("partitions", [1, 3, 4, 7, 64])
def test_partition_of_a_path_never_changes(text: str, crc: int, partitions: int) -> None:
    assert partition_of(RelativePath.parse(text), partitions) == crc % partitions


@quick
@given(st.text(min_size=1).filter(lambda text: "/" not in text), st.integers(1, 1000))
def test_partition_is_one_that_is_there(text: str, partitions: int) -> None:
    try:
        path = RelativePath.parse(text)
    except BadFile:
        return
    assert 0 <= partition_of(path, partitions) < partitions


def test_no_partitions_at_all_is_a_fault() -> None:
    with pytest.raises(ValueError, match="at least one"):
        partition_of(RelativePath("a"), 0)


def test_paths_spread_over_partitions() -> None:
    spread = Counter(partition_of(RelativePath(f"run{i // 100}/scan_{i:05}.tif"), 4) for i in range(4000))
    assert min(spread.values()) > 900
