"""How much of one partition may wait for the broker's answer."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from openmsi_uploader import window as window_module
from openmsi_uploader.window import Window

LARGE = 524_288


class Stop(Exception):
    pass


def nothing() -> None:
    pass


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Window:
    """One whose waiting threads look up only when a record leaves."""
    monkeypatch.setattr(window_module, "_CHECK_SECONDS", 60)
    return Window()


def waits(window: Window, size: int, check: Callable[[], None] = nothing) -> "Future[None]":
    """Enter in a thread of its own, which waits for room."""
    waiting, pool = window._waiting, ThreadPoolExecutor(1)
    entering = pool.submit(window.enter, size, check)
    pool.shutdown(wait=False)
    until = time.monotonic() + 10
    while window._waiting == waiting:
        assert not entering.done(), "there was room"
        assert time.monotonic() < until
        time.sleep(0.001)
    return entering


def test_five_records_of_any_size_and_no_sixth(window: Window) -> None:
    for _ in range(5):
        window.enter(LARGE, nothing)
    sixth = waits(window, 1)
    window.leave(LARGE)
    sixth.result(10)
    assert (window._records, window._bytes) == (5, 4 * LARGE + 1)


def test_small_records_may_be_a_megabyte(window: Window) -> None:
    for _ in range(1000):
        window.enter(1000, nothing)
    one_more = waits(window, 1000)
    window.leave(1000)
    one_more.result(10)


def test_all_that_have_room_go_on_when_a_large_record_leaves(window: Window) -> None:
    for size in (LARGE, LARGE - 60_000, 1, 1, 1):
        window.enter(size, nothing)
    small = [waits(window, 20_000) for _ in range(3)]
    window.leave(LARGE)
    for entering in small:
        entering.result(10)


def test_whoever_waits_can_be_stopped_and_was_never_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "_CHECK_SECONDS", 0.001)
    window, stop = Window(), threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Stop

    for _ in range(5):
        window.enter(LARGE, check)
    sixth = waits(window, LARGE, check)
    stop.set()
    with pytest.raises(Stop):
        sixth.result(10)
    with pytest.raises(Stop):
        window.enter(1, check)
    assert (window._records, window._bytes, window._waiting) == (5, 5 * LARGE, 0)
