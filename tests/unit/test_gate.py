"""Who waits for whom: threads that do something together, and the one that ends it for all of them."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDone

import pytest

from openmsi_core.errors import Undone
from openmsi_core.gate import Gate
from tests.support.running import wait_for

SOON = 0.05  # long enough for a thread to get further than it should
LONG = 10.0


class Threads:
    """Threads that go through ``gate``; each stays inside until it may finish."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.gate = Gate()
        self.log: list[str] = []
        self._pool = pool
        self._may_finish: dict[str, threading.Event] = {}

    def go(self, name: str) -> Future[None]:
        """Send one more to the gate."""
        self._may_finish[name] = threading.Event()
        return self._pool.submit(self._run, name)

    def enter(self, name: str) -> Future[None]:
        """Send one more, and return when it is inside."""
        future = self.go(name)
        self._until(f"{name} in")
        return future

    def finish(self, name: str) -> None:
        """Let it end what it does inside; returns when it has."""
        self._may_finish[name].set()
        self._until(f"{name} done")

    def _run(self, name: str) -> None:
        with self.gate.inside(lambda: self._say(f"{name} in")):
            assert self._may_finish[name].wait(LONG)
            with self.gate.lock:
                self._say(f"{name} done")

    def _say(self, line: str) -> None:
        self.log.append(line)
        self.gate.lock.notify_all()

    def _until(self, line: str) -> None:
        with self.gate.lock:
            assert self.gate.lock.wait_for(lambda: line in self.log, LONG)

    def close(self) -> None:
        self.gate.end(Undone("the test is over"))
        for event in self._may_finish.values():
            event.set()


def waits(future: Future[None]) -> bool:
    try:
        future.result(SOON)
    except NotDone:
        return True
    return False


@pytest.fixture
def threads() -> Iterator[Threads]:
    with ThreadPoolExecutor(8) as pool:
        made = Threads(pool)
        yield made
        made.close()


def test_all_are_waited_for_and_then_released(threads: Threads) -> None:
    one, two = threads.enter("one"), threads.enter("two")
    threads.finish("one")
    assert waits(one)
    assert not threads.gate.close(SOON), "two is still inside"
    threads.finish("two")
    assert threads.gate.close(LONG)
    assert waits(one)
    threads.gate.release()
    one.result(LONG)
    two.result(LONG)


def test_nobody_comes_in_between_the_closing_and_the_release(threads: Threads) -> None:
    one = threads.enter("one")
    threads.finish("one")
    assert threads.gate.close(LONG)
    two = threads.go("two")
    assert waits(two)
    assert threads.log == ["one in", "one done"]
    threads.gate.release()
    one.result(LONG)
    threads.finish("two")
    assert waits(two), "it belongs to the next group"
    assert threads.gate.close(LONG)
    threads.gate.release()
    two.result(LONG)


def test_a_gate_that_could_not_be_closed_in_time_stays_closed(threads: Threads) -> None:
    one = threads.enter("one")
    assert not threads.gate.close(0)
    two = threads.go("two")
    assert waits(two)
    assert threads.log == ["one in"]
    threads.finish("one")
    assert threads.gate.close(LONG)
    threads.gate.release()
    one.result(LONG)
    threads.finish("two")


def test_the_end_wakes_all_wherever_they_wait(threads: Threads) -> None:
    done, inside = threads.enter("done"), threads.enter("inside")
    threads.finish("done")
    assert not threads.gate.close(0)
    outside = threads.go("outside")
    assert waits(outside)
    first, second = Undone("first"), Undone("second")
    assert threads.gate.end(first) is first
    assert threads.gate.end(second) is first
    threads.finish("inside")
    for each in (done, inside, outside):
        assert each.exception(LONG) is first
    assert threads.log == ["done in", "inside in", "done done", "inside done"]
    with pytest.raises(Undone, match="first"):
        threads.gate.check()
    with pytest.raises(Undone, match="first"):
        threads.gate.close(LONG)


def test_the_end_is_heard_while_closing(threads: Threads) -> None:
    threads.enter("one")
    timer = threading.Timer(SOON, lambda: threads.gate.end(Undone("over")))
    timer.start()
    with pytest.raises(Undone, match="over"):
        threads.gate.close(LONG)
    timer.join()


def test_who_was_released_is_not_told_of_a_later_end(threads: Threads) -> None:
    one = threads.enter("one")
    threads.finish("one")
    with threads.gate.lock:  # so that it cannot leave between the two
        threads.gate.release()
        threads.gate.end(Undone("over"))
    one.result(LONG)


def test_it_is_time_when_all_are_done_or_one_has_waited_long(threads: Threads) -> None:
    gate = threads.gate
    assert not gate.waits(0, 0), "nobody is there"
    threads.enter("one")
    threads.enter("two")
    assert not gate.waits(0, 0), "nobody is done"
    threads.finish("one")
    assert not gate.waits(0, LONG), "the other may be quick"
    wait_for(lambda: gate.waits(0, SOON), "its patience to end")
    threads.finish("two")
    assert gate.waits(0, LONG), "all are done"
    assert not gate.waits(LONG, LONG), "more may come"
    wait_for(lambda: gate.waits(SOON, LONG), "it to be worth it")
    assert gate.close(LONG)
    gate.release()
    assert not gate.waits(0, 0)
