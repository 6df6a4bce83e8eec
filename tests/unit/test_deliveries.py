"""Deliveries: several at once, one at a time for each path, in order, retried for ever."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openmsi_core import deliveries
from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import BadFile, Retryable, StagedBytesLost
from openmsi_core.staging import Sealed
from tests.support.delivering import World, file
from tests.support.running import wait_for


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.deliveries.close()


def test_files_are_delivered(world: World) -> None:
    files = [file(f"f{i}") for i in range(8)]
    for each in files:
        world.deliveries.submit(each)
    done = world.collect(8)
    assert {id(each.file) for each in done} == {id(each) for each in files}
    assert {(each.outcome, each.error) for each in done} == {("done", None)}
    assert (len(world.deliveries), world.deliveries.full, world.deliveries.oldest) == (0, False, None)


def test_versions_of_one_path_follow_each_other(world: World) -> None:
    busy, overlaps = threading.Lock(), []

    def act(_: CompleteFile) -> str:
        overlaps.append(not busy.acquire(blocking=False))
        busy.release()
        return "done"

    world.act = act
    for number in range(20):
        world.deliveries.submit(file("a", number))
    world.collect(20)
    assert world.log == [("a", number) for number in range(20)]
    assert not any(overlaps)


def test_a_refusal_is_tried_again_until_it_works_and_holds_up_later_versions_only(world: World) -> None:
    refusals = iter([Retryable("full")] * 5)

    def act(each: CompleteFile) -> str:
        if each.generation.path.text == "a" and (error := next(refusals, None)):
            raise error
        return "done"

    world.act = act
    for each in (file("a", 1), file("a", 2), file("b", 1)):
        world.deliveries.submit(each)
    assert [each.file.generation.path.text for each in world.collect(1)] == ["b"]
    assert world.deliveries.trouble == "full"
    world.collect(2)
    assert [entry for entry in world.log if entry[0] == "a"] == [("a", 1)] * 6 + [("a", 2)]
    assert world.deliveries.trouble is None


def test_nothing_is_tried_again_before_its_time(world: World) -> None:
    def refuse(_: CompleteFile) -> str:
        raise Retryable("full")

    world.act = refuse
    world.deliveries.submit(file())
    while world.deliveries.trouble is None:
        world.deliveries.collect(0.01)
    for _ in range(5):
        world.deliveries.collect(0.01)
    assert len(world.log) == 1
    assert world.deliveries.oldest == 100.0


@pytest.mark.parametrize("error", [StagedBytesLost("gone"), BadFile("bad"), ValueError("a fault of ours")])
def test_other_errors_end_the_delivery(world: World, error: Exception) -> None:
    def act(each: CompleteFile) -> str:
        if each.generation.upload_id == "1":
            raise error
        return "done"

    world.act = act
    world.deliveries.submit(file("a", 1))
    world.deliveries.submit(file("a", 2))
    first, second = world.collect(2)
    assert (first.error, first.outcome) == (error, None)
    assert second.outcome == "done"


def test_files_that_are_refused_while_others_get_through_keep_nobody_out(world: World) -> None:
    away = threading.Event()

    def act(each: CompleteFile) -> str:
        if away.is_set() or each.generation.path.text.startswith("bad"):
            raise Retryable("refused")
        return "done"

    world.act = act
    for number in range(100):
        if world.deliveries.full:
            break
        world.deliveries.submit(file(f"bad{number}"))
        wait_for(lambda: not world.deliveries.collect(0.01) and len(world.log) == number + 1, "refusal")  # noqa: B023
    assert number < 100, "nobody gets through: the destination may be away"
    world.deliveries.submit(file("good"))
    world.collect(1)
    assert not world.deliveries.full
    away.set()
    for more in range(number):
        assert not world.deliveries.full
        world.deliveries.submit(file(f"more{more}"))
    world.deliveries.collect(0.05)
    assert world.deliveries.full, "nobody has got through since"


def test_full_by_bytes_and_by_number(world: World) -> None:
    gate = threading.Event()
    world.act = lambda _: "done" if gate.wait(10) else "never"
    for number in range(2):
        assert not world.deliveries.full
        world.deliveries.submit(file(f"f{number}", data=bytes(500)))
    assert world.deliveries.full
    gate.set()
    world.collect(2)
    assert not world.deliveries.full
    gate.clear()
    for number in range(16):
        assert not world.deliveries.full
        world.deliveries.submit(file(f"f{number}", data=b""))
    assert world.deliveries.full
    gate.set()
    world.collect(16)


def test_full_by_bytes_on_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "_STAGED_BYTES", 1000)
    for number in range(2):
        assert not world.deliveries.full
        staged = replace(file(f"f{number}"), data=None, size=500, sealed=Sealed(Path("staged"), b""))
        world.deliveries.submit(staged)
    assert world.deliveries.full
    world.collect(2)
    assert not world.deliveries.full
