"""How long to wait before the next try."""

from openmsi_core.retry import Backoff, delay_before


def test_delays_grow_from_half_a_second_to_half_a_minute() -> None:
    for attempt in range(1, 3000):
        middle = min(30.0, 0.5 * 2 ** min(attempt - 1, 50))
        assert 0.75 * middle <= delay_before(attempt) <= 1.25 * middle


def test_delays_differ_so_that_programs_do_not_come_back_together() -> None:
    assert len({delay_before(9) for _ in range(20)}) > 10


def test_backoff() -> None:
    now = 50.0
    backoff = Backoff(lambda: now)
    backoff.succeeded()
    assert (backoff.waiting, backoff.reason, backoff.since) == (False, None, None)
    backoff.failed("full")
    assert (backoff.waiting, backoff.reason, backoff.since) == (True, "full", 50.0)
    now += 0.7
    assert not backoff.waiting
    for _ in range(20):
        backoff.failed("read-only")
    assert (backoff.reason, backoff.since) == ("read-only", 50.0)
    now += 20
    assert backoff.waiting
    now += 20
    assert not backoff.waiting
    backoff.succeeded()
    assert (backoff.waiting, backoff.reason, backoff.since) == (False, None, None)
    backoff.failed("full")
    now += 0.7
    assert not backoff.waiting, "after a success it begins anew"
