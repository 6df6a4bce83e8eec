"""How much goes in a minute, and who goes first."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmsi_core.bucket import SAVED_SECONDS, Bucket, Turns


def bucket(rate: float | None) -> Bucket:
    made = Bucket(0.0)
    made.set(rate, 0.0)
    return made


def send(made: Bucket, size: int, until: float, pause: float = 0.0) -> list[float]:
    """When records of ``size`` go, of one who sends all that may, and is late by ``pause`` seconds each time."""
    now, times = 0.0, list[float]()
    while True:
        while seconds := made.seconds(now):
            now += seconds
        if now >= until:
            return times
        made.spend(size)
        times.append(now)
        now += pause


@pytest.mark.parametrize(("rate", "size"), [(10_000, 10_000), (10_240, 16_384), (600_000, 524_288), (10**9, 524_288)])
def test_a_minute_of_records_is_held_within_five_percent(rate: float, size: int) -> None:
    seconds = 60.0 if rate < 10**8 else 6.0
    times = send(bucket(rate), size, seconds, pause=0.0001)
    assert len(times) * size == pytest.approx(rate * seconds, rel=0.05 if rate < 10**8 else 0.1)


@settings(deadline=None)
@given(
    rate=st.floats(1e4, 1e9),
    sizes=st.lists(st.integers(0, 1 << 20), min_size=1, max_size=50),
    pauses=st.lists(st.floats(0, 5), min_size=50, max_size=50),
)
def test_no_time_sees_more_than_the_rate_and_what_was_saved_and_a_record(
    rate: float, sizes: list[int], pauses: list[float]
) -> None:
    made, now = bucket(rate), 0.0
    went: list[tuple[float, int]] = []
    for size, pause in zip(sizes, pauses, strict=False):
        now += pause
        while seconds := made.seconds(now):
            now += seconds
        made.spend(size)
        went.append((now, size))
    for first in range(len(went)):
        total = 0
        for then, size in went[first:]:
            total += size
            allowed = rate * (then - went[first][0]) + rate * SAVED_SECONDS + max(sizes)
            assert total <= allowed * (1 + 1e-6) + 1


def test_without_a_rate_nothing_waits_and_nothing_is_owed_afterwards() -> None:
    made = bucket(None)
    made.spend(10**12)
    assert made.seconds(0.0) == 0
    made.set(1000.0, 1.0)
    assert made.seconds(1.0) == 0
    made.spend(1000)
    assert made.seconds(1.0) == 1


def test_what_is_owed_is_paid_at_the_rate_that_holds_then() -> None:
    made = bucket(1000.0)
    made.spend(10_000)
    made.set(4000.0, 2.0)
    assert made.seconds(2.0) == 2
    made.set(None, 2.0)
    assert made.seconds(2.0) == 0


def test_little_is_saved_up() -> None:
    made = bucket(1000.0)
    assert made.seconds(3600.0) == 0
    made.spend(int(1000 * SAVED_SECONDS))
    assert made.seconds(3600.0) == 0
    made.spend(1000)
    assert made.seconds(3600.0) == 1


def next_of(turns: Turns, waiting: set[int]) -> int:
    (first,) = (who for who in waiting if turns.is_first(who))
    return first


@settings(deadline=None)
@given(st.lists(st.integers(1, 1 << 20), min_size=2, max_size=8))
def test_all_who_always_want_to_send_get_the_same(sizes: list[int]) -> None:
    turns, sent = Turns(), Counter[int]()
    everybody = set(range(len(sizes)))
    for who in everybody:
        turns.enter(who)
    for _ in range(2000):
        who = next_of(turns, everybody)
        turns.sent(who, sizes[who])
        sent[who] += sizes[who]
        turns.enter(who)
    for who in everybody:
        for other in everybody:
            assert abs(sent[who] - sent[other]) <= sizes[who] + sizes[other]


def test_one_who_comes_late_gets_his_share_from_then_on_and_no_more() -> None:
    turns = Turns()
    turns.enter(1)
    for _ in range(100):
        turns.sent(1, 1000)
        turns.enter(1)
    turns.enter(2)
    served = []
    for _ in range(20):
        who = next_of(turns, {1, 2})
        turns.sent(who, 1000)
        turns.enter(who)
        served.append(who)
    assert 2 in served[:2]
    assert abs(served.count(1) - served.count(2)) <= 1


def test_one_who_gives_up_holds_nobody_up() -> None:
    turns = Turns()
    turns.enter(1)
    turns.enter(2)
    turns.leave(1)
    assert turns.is_first(2)
    turns.leave(1)
