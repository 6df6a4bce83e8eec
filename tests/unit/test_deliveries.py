"""Deliveries: several at once, one at a time for each path, in order, retried for ever, taken back when not ours."""

import threading
from collections.abc import Callable, Iterator

import pytest

from openmsi_core.chunk import Upload
from openmsi_core.deliveries import CompleteFile, Deliveries, Finished
from openmsi_core.errors import BadFile, Retryable, StagedBytesLost
from openmsi_core.generation import Generation, version_of
from tests.support.sending import chunks

Deliver = Callable[[CompleteFile], str]


class World:
    """Deliveries with a clock that stands, and a function to deliver with that tests replace."""

    def __init__(self) -> None:
        self.now = 100.0
        self.log: list[tuple[str, int]] = []
        self.act: Deliver = lambda _: "done"
        self.deliveries = Deliveries[str](self._deliver, 2, 1000, lambda: self.now)

    def _deliver(self, file: CompleteFile) -> str:
        self.log.append((file.generation.path.text, int(file.generation.upload_id)))
        return self.act(file)

    def collect(self, count: int) -> list[Finished[str]]:
        """Wait until ``count`` have ended; while one is put off, time goes on."""
        done: list[Finished[str]] = []
        for _ in range(1000):
            done += self.deliveries.collect(0.01)
            if len(done) >= count:
                return done
            self.now += 31.0
        raise AssertionError(f"only {len(done)} of {count} ended")


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.deliveries.close()


def file(path: str = "a", number: int = 1, data: bytes = b"data") -> CompleteFile:
    (chunk,) = chunks(path, data, size=10_000)
    by = Upload(str(number), "source", len(data))
    return CompleteFile(Generation.of(chunk, by), version_of(chunk, by, (1, number)), len(data), data, None, 0)


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


class Gate:
    """Lets the first version of each path wait in its thread."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Semaphore(0), threading.Event()

    def __call__(self, _: CompleteFile) -> str:
        self.entered.release()
        assert self.open.wait(10)
        return "done"


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
