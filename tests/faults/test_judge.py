"""The judge of the fault tests can fail: each kind of broken promise is seen."""

from pathlib import Path
from random import Random

import pytest

from tests.faults.judge import Judge
from tests.faults.world import World, route
from tests.support.running import wait_for


def place(folder: Path, path: str, content: bytes) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    (beside := folder.parent / "beside").write_bytes(content)
    beside.replace(target)


def test_all_is_well(tmp_path: Path) -> None:
    (out := tmp_path / "out").mkdir()
    with Judge([out]) as judge:
        judge.owe("a/b", b"one")
        judge.owe("a/b", b"two")
        place(out, "a/b", b"one")
        place(out, "a/b", b"two")
        judge.settle(5)


def test_lost(tmp_path: Path) -> None:
    (out := tmp_path / "out").mkdir()
    with Judge([out]) as judge:
        judge.owe("a", b"one")
        with pytest.raises(AssertionError, match="not delivered"):
            judge.settle(0.2)


def test_an_old_generation_in_place(tmp_path: Path) -> None:
    (out := tmp_path / "out").mkdir()
    with Judge([out]) as judge:
        judge.owe("a", b"one")
        judge.owe("a", b"two")
        place(out, "a", b"one")
        with pytest.raises(AssertionError, match="not delivered"):
            judge.settle(0.2)


@pytest.mark.parametrize(("path", "words"), [("a", "no generation"), ("b", "no source")])
def test_a_part_or_a_stranger(tmp_path: Path, path: str, words: str) -> None:
    (out := tmp_path / "out").mkdir()
    with Judge([out]) as judge:
        judge.owe("a", b"one")
        place(out, path, b"on")
        wait_for(lambda: judge.looks > 1, "a look")
        place(out, "a", b"one")
        (out / "b").unlink(missing_ok=True)
        with pytest.raises(AssertionError, match=words):
            judge.settle(5)


def test_placed_twice(tmp_path: Path) -> None:
    (out := tmp_path / "out").mkdir()
    with Judge([out]) as judge:
        judge.owe("a", b"one")
        place(out, "a", b"one")
        looks = judge.looks
        wait_for(lambda: judge.looks > looks + 1, "a look")
        place(out, "a", b"one")
        with pytest.raises(AssertionError, match="placed again"):
            judge.settle(5)


def test_left_in_staging(tmp_path: Path) -> None:
    (staged := tmp_path / ".openmsi" / "staging" / "x").mkdir(parents=True)
    (staged / "part").touch()
    with Judge([tmp_path]) as judge, pytest.raises(AssertionError, match="left in staging"):
        judge.settle(0.2)


def test_a_whole_route(world: World) -> None:
    random = Random(1)
    with route(world) as way:
        way.uploader()
        way.downloader()
        for number in range(20):
            way.put(f"run {number % 3}/{number}.dat", random.randbytes(random.randrange(2_000_000)))
        way.judge.settle()
