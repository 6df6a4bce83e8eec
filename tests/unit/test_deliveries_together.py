"""Small files that wait are delivered in groups, and each of them ends in its own way."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from openmsi_core.deliveries import CompleteFile, Deliveries, Finished, Together
from openmsi_core.errors import BadFile, Doubted, StagedBytesLost
from openmsi_core.staging import Sealed
from tests.support.delivering import file


class Groups:
    """Deliveries in groups of at most four, in one thread, which waits for `gate` before it takes the first."""

    def __init__(self) -> None:
        self.gate, self.entered = threading.Event(), threading.Event()
        self.seen: list[list[str]] = []
        self.act: Callable[[CompleteFile], str | Exception] = lambda _: "done"
        together: Together[str] = Together(4, self._deliver_all)
        self.deliveries = Deliveries[str](self._deliver, 1, 10_000, together=together)

    def _deliver(self, each: CompleteFile) -> str:
        self.seen.append([each.generation.path.text])
        self.entered.set()
        assert self.gate.wait(10)
        return "alone"

    def _deliver_all(self, files: Sequence[CompleteFile]) -> list[str | Exception]:
        self.seen.append([each.generation.path.text for each in files])
        return [self.act(each) for each in files]

    def run(self, *files: CompleteFile) -> dict[str, Finished[str]]:
        """Submit ``files`` while the thread is busy with another one, and collect all."""
        busy = replace(file("busy"), data=None, size=1, sealed=Sealed(Path("staged"), b""))
        self.deliveries.submit(busy)
        assert self.entered.wait(10)
        for each in files:
            self.deliveries.submit(each)
        self.gate.set()
        done: list[Finished[str]] = []
        while len(done) < len(files) + 1:
            done += self.deliveries.collect(0.01)
        return {each.file.generation.path.text: each for each in done}


@pytest.fixture
def groups() -> Iterator[Groups]:
    made = Groups()
    yield made
    made.deliveries.close()


def test_small_files_that_wait_are_delivered_together(groups: Groups) -> None:
    done = groups.run(*(file(f"f{number}") for number in range(6)))
    assert groups.seen == [["busy"], ["f0", "f1", "f2", "f3"], ["f4", "f5"]]
    assert {each.outcome for each in done.values()} == {"done", "alone"}


def test_large_files_are_delivered_one_by_one_after_the_small_ones(groups: Groups) -> None:
    large = replace(file("large"), data=None, size=1, sealed=Sealed(Path("staged"), b""))
    groups.run(file("a"), large, file("b"))
    assert groups.seen == [["busy"], ["a", "b"], ["large"]]


def test_what_becomes_of_one_is_not_what_becomes_of_the_others(groups: Groups) -> None:
    endings: dict[str, str | Exception] = {"bad": BadFile("bad"), "lost": StagedBytesLost("lost"), "good": "done"}
    groups.act = lambda each: endings[each.generation.path.text]
    done = groups.run(*map(file, endings))
    assert {name: done[name].error or done[name].outcome for name in endings} == endings


def test_a_group_that_fails_as_a_whole_fails_for_each(groups: Groups) -> None:
    def fail(_: CompleteFile) -> str:
        raise ValueError("a fault of ours")

    groups.act = fail
    done = groups.run(file("a"), file("b"))
    assert {str(done[name].error) for name in "ab"} == {"a fault of ours"}


def test_one_of_a_group_that_was_taken_back_is_not_begun(groups: Groups) -> None:
    busy = replace(file("busy"), data=None, size=1, sealed=Sealed(Path("staged"), b""))
    groups.deliveries.submit(busy)
    assert groups.entered.wait(10)
    kept, back = file("kept", 1), file("back", 2)
    groups.deliveries.submit(kept)
    groups.deliveries.submit(back)
    assert groups.deliveries.cancel({back.generation}) == []
    groups.gate.set()
    done: list[Finished[str]] = []
    while len(done) < 3:
        done += groups.deliveries.collect(0.01)
    (orphan,) = [each for each in done if not each.ours]
    assert orphan.file is back
    assert isinstance(orphan.error, Doubted)
    assert groups.seen == [["busy"], ["kept"]]
