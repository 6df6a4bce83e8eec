"""Which of the files that wait is sent first."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmsi_uploader.lanes import Lanes
from openmsi_uploader.pending import Pending
from openmsi_uploader.priority import FIRST_COME, Line, Priority, Rank, prioritised
from openmsi_uploader.source import FileStat
from tests.support.running import wait_for

LARGE = 1000


def looks(size: int) -> FileStat:
    return FileStat(size, 1, 1, 7)


def pending(*words: str) -> Pending:
    return Pending(1.0, LARGE, priority=prioritised(words))


def ready(paths: Pending, **sizes: int) -> None:
    for name, size in sizes.items():
        path = name.replace("__", "/").replace("_", ".")
        paths.see(path, looks(size), 0.0, told=True)
        paths.due(1.0)
        assert paths.check(path, looks(size), 1.0)


def order(paths: Pending) -> list[str]:
    taken = []
    while (found := paths.take_small()) is not None:
        taken.append(found[0])
    return taken


def test_without_a_priority_the_first_to_come_is_sent_first() -> None:
    paths = pending()
    ready(paths, b=5, a=900, c=1)
    assert order(paths) == ["b", "a", "c"]
    assert FIRST_COME.rank("any", 99) == prioritised([]).rank("other", 1)


def test_what_matches_an_earlier_pattern_goes_first_and_equals_keep_their_order() -> None:
    paths = pending("*.csv", "urgent/*")
    ready(paths, x_tif=1, urgent__b_tif=2, a__b_csv=3, urgent__c_csv=4, urgent__a_tif=5, y_tif=6, z_csv=7)
    expected = ["a/b.csv", "urgent/c.csv", "z.csv", "urgent/b.tif", "urgent/a.tif", "x.tif", "y.tif"]
    assert order(paths) == expected


def test_small_files_first() -> None:
    paths = pending("small")
    ready(paths, c=500, a=7, d=900, b=7)
    assert order(paths) == ["a", "b", "c", "d"]


def test_named_files_first_and_small_ones_of_the_rest() -> None:
    paths = pending("*.csv", "small")
    ready(paths, c_tif=500, big_csv=900, a_tif=7, little_csv=1)
    assert order(paths) == ["big.csv", "little.csv", "a.tif", "c.tif"]


def test_one_that_comes_later_overtakes_those_that_wait() -> None:
    paths = pending("*.csv")
    ready(paths, a_tif=1, b_tif=1)
    assert paths.take_small() == ("a.tif", looks(1))
    ready(paths, c_csv=1)
    assert order(paths) == ["c.csv", "b.tif"]


def test_large_files_have_an_order_of_their_own() -> None:
    paths = pending("*.csv", "small")
    ready(paths, b_tif=9000, a_tif=5000, c_csv=8000, little_tif=1)
    assert paths.next_large == (0, 0)
    taken = [found[0] for _ in range(3) if (found := paths.take_large())]
    assert taken == ["c.csv", "a.tif", "b.tif"]
    assert paths.next_large is None


def test_globs_are_those_of_include() -> None:
    order = prioritised(["run_*/x.csv", "*.txt"])
    assert order.rank("run_1/x.csv", 5) == (0, 0)
    assert order.rank("run_1/deep/x.csv", 5) == (0, 0)  # * also matches /
    assert order.rank("a/run_1/x.csv", 5) == (2, 0)
    assert order.rank("deep/a.txt", 5) == (1, 0)
    assert order.rank("deep/a.TXT", 5) == (2, 0)
    assert order.names("a.txt")
    assert not order.names("a.tif")


@pytest.mark.parametrize("words", [("small", "*.csv"), ("small", "small"), ("a", "small", "b")])
def test_small_is_the_last_word(words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="small must be the last word"):
        prioritised(words)


def test_a_file_called_small_can_be_named() -> None:
    assert prioritised(["[s]mall", "*.csv"]).rank("a/small", 9) == (0, 0)


ranks = st.tuples(st.integers(0, 3), st.integers(0, 3))


@given(st.lists(ranks | st.none(), max_size=60))
def test_a_line_gives_the_lowest_rank_first_and_equals_in_order(steps: list[Rank | None]) -> None:
    line, waiting = Line[int](), list[tuple[Rank, int]]()
    for number, rank in enumerate(steps):
        if rank is not None:
            line.put(number, rank)
            waiting.append((rank, number))
        else:
            first = min(waiting, default=None)
            assert line.best == (first[0] if first else None)
            assert line.take() == (first[1] if first else None)
            waiting = [each for each in waiting if each is not first]
        assert len(line) == len(waiting)


@pytest.mark.parametrize("put", [Lanes.put_small, Lanes.put_large])
def test_jobs_that_no_thread_has_begun_are_overtaken_too(put: Callable[..., None]) -> None:
    rank, go, begun = Priority((), small_first=True).rank, threading.Event(), list[str]()

    def work(job: tuple[str, int]) -> None:
        begun.append(job[0])
        go.wait()

    lanes = Lanes(1, work, lambda job: rank(*job))
    put(lanes, ("first", 7))
    wait_for(lambda: begun == ["first"], "the thread to begin", 10)
    for job in (("b", 5), ("c", 9), ("a", 1)):
        put(lanes, job)
    go.set()
    wait_for(lambda: len(begun) == 4, "all to be begun", 10)
    lanes.close(10)
    assert begun == ["first", "a", "b", "c"]


def test_there_is_room_for_a_large_job_that_overtakes_the_one_in_line() -> None:
    lanes: Lanes[int] = Lanes(0, lambda _: None, lambda job: (job, 0))
    assert lanes.large_room((9, 0)) == 1
    lanes.put_large(5)
    assert [lanes.large_room((rank, 0)) for rank in (4, 5, 6)] == [1, 0, 0]
    assert lanes.large_room(None) == 0
    lanes.put_large(4)
    assert [lanes.large_room((rank, 0)) for rank in (3, 4)] == [1, 0]
