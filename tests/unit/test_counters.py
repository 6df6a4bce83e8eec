"""Counts for heartbeats: each thing counted is told once, whoever counts and whenever somebody asks."""

import threading
import time
from collections import Counter

from openmsi_core.counters import Counters


class Interrupted(int):
    """A number that lets other threads in while it is added."""

    def __radd__(self, other: int) -> int:
        time.sleep(0)
        return int(self) + other


def test_each_kind_has_messages_and_bytes() -> None:
    counters = Counters()
    counters.read(10)
    counters.read(5)
    counters.processed(10)
    counters.produced(7)
    assert dict(counters.take()) == {
        **{"n_messages_read": 2, "n_bytes_read": 15, "n_messages_processed": 1, "n_bytes_processed": 10},
        **{"n_messages_produced": 1, "n_bytes_produced": 7},
    }
    assert not counters.take()


def test_what_could_not_be_told_is_told_with_the_next() -> None:
    counters = Counters()
    counters.produced(7)
    taken = counters.take()
    counters.produced(1)
    counters.give_back(taken)
    assert dict(counters.take()) == {"n_messages_produced": 2, "n_bytes_produced": 8}


def test_nothing_is_lost_or_doubled_between_threads() -> None:
    counters = Counters()
    told: Counter[str] = Counter()
    begin = threading.Barrier(5)

    def count() -> None:
        begin.wait()
        for _ in range(2_000):
            counters.produced(Interrupted(3))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    begin.wait()
    while any(thread.is_alive() for thread in threads):
        taken = counters.take()
        if len(told) % 2:
            counters.give_back(taken)
        else:
            told.update(taken)
    told.update(counters.take())
    assert told == {"n_messages_produced": 8_000, "n_bytes_produced": 24_000}
