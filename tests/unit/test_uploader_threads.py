"""What threads share: the inbox and the lines of jobs; and whether events are trusted."""

import threading
import time
from collections.abc import Callable

from openmsi_uploader import inbox as inbox_module
from openmsi_uploader.events import EventTrust
from openmsi_uploader.inbox import Inbox
from openmsi_uploader.lanes import Alone, Lanes


def test_messages_keep_their_order_and_looks_come_once() -> None:
    inbox: Inbox[int] = Inbox()
    for number in (1, 2, 3):
        inbox.put(number)
        inbox.look("same")
    taken = inbox.take(0)
    assert (taken.messages, taken.looks, taken.overflowed) == ([1, 2, 3], ["same"], False)
    taken = inbox.take(0)
    assert (taken.messages, taken.looks) == ([], [])


def test_too_many_looks_are_an_overflow() -> None:
    inbox: Inbox[int] = Inbox()
    for number in range(inbox_module._MOST_LOOKS + 1):
        inbox.look(str(number))
    taken = inbox.take(0)
    assert (len(taken.looks), taken.overflowed) == (inbox_module._MOST_LOOKS, True)
    assert not inbox.take(0).overflowed


def test_taking_waits_for_what_another_thread_puts() -> None:
    inbox: Inbox[int] = Inbox()
    thread = threading.Thread(target=inbox.put, args=(1,))
    thread.start()
    assert inbox.take(10).messages == [1]
    thread.join()


class Blocked:
    """Work that waits until the test lets it go; remembers what was begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.changed = threading.Condition()
        self.go = threading.Event()

    def __call__(self, job: str) -> None:
        with self.changed:
            self.begun.append(job)
            self.changed.notify_all()
        self.go.wait()

    def wait_for(self, condition: Callable[[list[str]], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self.begun), 10), self.begun


def test_a_small_job_does_not_wait_behind_large_ones() -> None:
    work = Blocked()
    lanes = Lanes(2, work)
    for number in (1, 2, 3):
        lanes.put_large(f"large {number}")
    work.wait_for(lambda begun: begun == ["large 1", "large 2"])
    lanes.put_small("small")
    work.wait_for(lambda begun: begun == ["large 1", "large 2", "small"])
    assert (lanes.large_room(None), lanes.small_room) == (0, 256)
    work.go.set()
    work.wait_for(lambda begun: "large 3" in begun)
    lanes.close(10)


def test_every_thread_takes_small_jobs() -> None:
    work = Blocked()
    lanes = Lanes(2, work)
    for name in "abc":
        lanes.put_small(name)
    work.wait_for(lambda begun: sorted(begun) == ["a", "b", "c"])
    work.go.set()
    lanes.close(10)


def test_one_thread_is_enough_while_small_jobs_are_quick() -> None:
    alone = Alone()
    alone.begun(10.0)
    assert alone(10.005)
    assert not alone(10.011)  # stuck: this one is not quick
    alone.ended(0.005)
    assert not alone(10.005)  # nobody is at a small job
    alone.begun(20.0)
    assert alone(20.005)  # a single slow one is forgiven
    for _ in range(32):
        alone.ended(0.003)
    alone.begun(30.0)
    assert not alone(30.0)
    for _ in range(64):
        alone.ended(0.0002)
    alone.begun(40.0)
    assert alone(40.0)


def test_a_quick_thread_is_left_alone_with_small_jobs() -> None:
    together, most, lock = 0, 0, threading.Lock()
    done = threading.Semaphore(0)

    def work(_: int) -> None:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        time.sleep(0.0001)
        with lock:
            together -= 1
        done.release()

    lanes = Lanes(3, work)
    for number in range(200):
        lanes.put_small(number)
    assert all(done.acquire(timeout=10) for _ in range(200))
    lanes.close(10)
    assert most < 4  # a thread that is held up for 10 ms is helped by one other, no more


def test_one_thread_does_everything() -> None:
    work = Blocked()
    work.go.set()
    lanes = Lanes(1, work)
    lanes.put_large("large")
    lanes.put_small("small")
    work.wait_for(lambda begun: sorted(begun) == ["large", "small"])
    lanes.close(10)


def test_closing_drops_what_nobody_has_begun() -> None:
    work = Blocked()
    lanes = Lanes(1, work)
    lanes.put_small("begun")
    work.wait_for(lambda begun: begun == ["begun"])
    lanes.put_small("dropped")
    work.go.set()
    lanes.close(10)
    assert work.begun == ["begun"]


def test_events_are_distrusted_after_three_misses_and_trusted_again_after_a_hundred_hits() -> None:
    trust = EventTrust()
    for _ in range(2):
        trust.missed()
        trust.told()
    assert trust.trusted
    trust.missed()
    assert not trust.trusted
    for _ in range(99):
        trust.told()
    assert not trust.trusted
    trust.told()
    assert trust.trusted
