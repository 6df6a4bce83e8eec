"""Deliveries that are no longer ours, and the end of all of them."""

import threading
from collections.abc import Iterator

import pytest

from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import Doubted, Retryable
from tests.support.delivering import Gate, World, file


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.deliveries.close()


def test_what_no_thread_works_on_can_be_taken_back(world: World) -> None:
    gate = world.act = Gate()
    files = [file("a", number) for number in range(4)]
    for each in files:
        world.deliveries.submit(each)
    assert gate.entered.acquire(timeout=10)
    taken = world.deliveries.cancel({each.generation for each in files[:3]})
    assert {id(each) for each in taken} == {id(files[1]), id(files[2])}
    gate.open.set()
    assert [each.file.generation.upload_id for each in world.collect(2)] == ["0", "3"]
    assert len(world.deliveries) == 0


def test_what_waits_for_another_try_can_be_taken_back_and_lets_the_next_begin(world: World) -> None:
    def act(each: CompleteFile) -> str:
        if each.generation.upload_id in "12":
            raise Retryable("full")
        return "done"

    world.act = act
    for number in (1, 2, 3):
        world.deliveries.submit(file("a", number))
    while world.deliveries.trouble is None:
        world.deliveries.collect(0.01)
    taken = world.deliveries.cancel({file("a", number).generation for number in (1, 2)})
    assert sorted(each.generation.upload_id for each in taken) == ["1", "2"]
    assert [each.file.generation.upload_id for each in world.collect(1)] == ["3"]
    assert world.deliveries.trouble is None, "what was taken back is no trouble any more"


def test_a_file_that_was_read_twice_is_not_mistaken_for_its_twin(world: World) -> None:
    """A partition went and came back while its file was being delivered: equal files, one after the other."""
    gate = world.act = Gate()
    twins, last = [file("a", 1), file("a", 1)], file("a", 2)
    for each in (*twins, last):
        world.deliveries.submit(each)
    assert gate.entered.acquire(timeout=10)
    assert [id(each) for each in world.deliveries.cancel({twins[1].generation})] == [id(twins[1])]
    gate.open.set()
    assert [id(each.file) for each in world.collect(2)] == [id(twins[0]), id(last)]


def test_what_a_thread_works_on_is_an_orphan_until_it_ends(world: World) -> None:
    """It is not tried again, and is not mistaken for its twin, which is read after the partition has come back."""

    def act(each: CompleteFile) -> str:
        gate(each)
        if each is orphan:
            raise Retryable("full")
        return "done"

    gate, orphan, twin = Gate(), file("a", 1), file("a", 1)
    world.act = act
    world.deliveries.submit(orphan)
    assert gate.entered.acquire(timeout=10)
    assert world.deliveries.cancel({orphan.generation}) == []
    assert world.deliveries.orphans == {orphan}
    world.deliveries.submit(twin)
    assert len(world.deliveries) == 2
    gate.open.set()
    first, second = world.collect(2)
    assert (first.file is orphan, first.ours, type(first.error)) == (True, False, Doubted)
    assert (second.file is twin, second.ours, second.outcome) == (True, True, "done")
    assert world.deliveries.trouble is None
    assert not world.deliveries.orphans
    assert len(world.deliveries) == 0


def test_an_orphan_for_which_no_thread_was_free_is_not_begun(world: World) -> None:
    gate = world.act = Gate()
    busy, orphan = [file("b", 1), file("c", 1)], file("a", 1)
    for each in (*busy, orphan):
        world.deliveries.submit(each)
    for _ in busy:
        assert gate.entered.acquire(timeout=10)
    world.deliveries.cancel({orphan.generation})
    gate.open.set()
    ended = {each.file: each for each in world.collect(3)}
    assert isinstance(ended[orphan].error, Doubted)
    assert len(world.log) == 2


def test_an_orphan_that_is_delivered_all_the_same_says_so(world: World) -> None:
    gate = world.act = Gate()
    world.deliveries.submit(orphan := file("a", 1))
    assert gate.entered.acquire(timeout=10)
    world.deliveries.cancel({orphan.generation})
    gate.open.set()
    (ended,) = world.collect(1)
    assert (ended.outcome, ended.error, ended.ours) == ("done", None, False)


def test_closing_waits_for_threads_and_forgets_the_rest(world: World) -> None:
    gate = world.act = Gate()
    for number in range(6):
        world.deliveries.submit(file(f"f{number % 3}", number))
    for _ in range(2):
        assert gate.entered.acquire(timeout=10)
    threading.Timer(0.05, gate.open.set).start()
    world.deliveries.close()
    assert len(world.log) == 2
    assert len(world.deliveries) == 0
    assert world.deliveries.cancel({file("f0", 3).generation}) == []
    world.deliveries.close()
