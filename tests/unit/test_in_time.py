"""Calls that may never return."""

import threading

import pytest

from openmsi_core.in_time import in_time


def test_a_call_that_ends_in_time() -> None:
    called: list[tuple[int, str]] = []
    in_time(10, lambda number, text: called.append((number, text)), 1, "a")
    assert called == [(1, "a")]


def test_its_error_is_raised() -> None:
    error = ValueError("bad")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="bad") as raised:
        in_time(10, fail)
    assert raised.value is error


def test_a_call_that_does_not_end_is_left_to_itself() -> None:
    over, threads = threading.Event(), set(threading.enumerate())
    with pytest.raises(TimeoutError):
        in_time(0.01, over.wait)
    (left,) = set(threading.enumerate()) - threads
    assert left.daemon, "else the program could not end"
    over.set()
    left.join(10)
    assert not left.is_alive()
