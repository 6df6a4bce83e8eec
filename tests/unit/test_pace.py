"""The rate that threads are held to: by a clock that the tests turn."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

import pytest

from openmsi_core.errors import Retryable
from openmsi_core.pace import Pace, fitting, pace_for
from openmsi_core.timetable import parse
from tests.support.clocks import Clocks

HOUR = 3600.0


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def going() -> bool:
    return False


def run(*work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
        assert not each.is_alive()


def send(clocks: Clocks, pace: Pace, size: int, seconds: float) -> int:
    """Bytes that go in so many seconds."""
    until, total = clocks.now + seconds, 0
    while True:
        pace.take(size, going)
        if clocks.now >= until:
            return total
        total += size
        clocks.now += 1e-4


@pytest.mark.parametrize("limit", ["10k", "100k", "5M", "500M"])
def test_a_minute_of_fitting_records_is_held_within_five_percent(clocks: Clocks, limit: str) -> None:
    pace = clocks.pace(limit)
    rate = pace.slowest
    size = fitting(524_288, pace) + 400
    assert send(clocks, pace, size, 60.0) == pytest.approx(rate * 60, rel=0.05)


def test_records_fit_where_a_minute_would_see_a_few_only(clocks: Clocks) -> None:
    assert fitting(524_288, None) == 524_288
    assert fitting(524_288, clocks.pace("5M")) == 524_288
    assert fitting(524_288, clocks.pace("100k")) == 102_400
    assert fitting(524_288, clocks.pace("08:00,30000B 12:00,off")) == 29 * 1024
    assert fitting(524_288, clocks.pace("10k")) == 16_384
    assert fitting(2048, clocks.pace("10k")) == 2048


def test_the_row_of_the_local_time_holds(clocks: Clocks) -> None:
    clocks.ahead += 8 * HOUR - 30.0
    pace = clocks.pace("08:00,100k 18:00,1M")
    assert send(clocks, pace, 10_000, 29.0) == pytest.approx(29 * 1024**2, rel=0.05)
    clocks.now += 2.0
    assert send(clocks, pace, 10_000, 60.0) == pytest.approx(60 * 100 * 1024, rel=0.05)


def test_a_step_of_the_wall_clock_changes_the_row_and_nothing_else(clocks: Clocks) -> None:
    clocks.ahead += 10 * HOUR
    pace = clocks.pace("08:00,100k 18:00,1M")
    for step in (0.0, HOUR, -HOUR, 5 * 24 * HOUR, -5 * 24 * HOUR):
        clocks.ahead += step
        assert send(clocks, pace, 10_000, 60.0) == pytest.approx(60 * 100 * 1024, rel=0.05)
    clocks.ahead += 9 * HOUR
    clocks.now += 1.0  # it is looked at once a second
    assert send(clocks, pace, 10_000, 60.0) == pytest.approx(60 * 1024**2, rel=0.05)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be set here")
def test_local_time_is_that_of_the_zone(clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        clocks.ahead = datetime.fromisoformat("2026-03-29T00:59:50+00:00").timestamp() - clocks.now  # 1:59:50 there
        pace = clocks.pace("03:00,100k 02:00,off")
        assert pace.portion == 100 * 1024 / 2
        clocks.ahead -= 24 * HOUR
        clocks.now += 20.0
        assert pace.wait(0.1)
        assert pace.portion == float("inf")  # the day before, there was a quarter past two
        clocks.ahead += 24 * HOUR
        clocks.now += 1.0
        assert pace.wait(0.1)
        assert pace.portion == 100 * 1024 / 2  # 3:00 follows 1:59
    finally:
        monkeypatch.undo()
        time.tzset()


def test_it_is_told_which_rate_holds(clocks: Clocks, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clocks.ahead += 18 * HOUR - 30.0
    pace = clocks.pace("08:00,512k 18:00,off")
    clocks.now += 60.0
    pace.take(1, going)
    pace.take(1, going)
    clocks.pace("10M")
    assert [record.getMessage() for record in caplog.records] == [
        "bandwidth limit: 512k (524,288 bytes a second); here it is Mon 17:59",
        "bandwidth limit: off; here it is Mon 18:00",
        "bandwidth limit: 10M (10,485,760 bytes a second)",
    ]


def test_waiting_ends_when_the_program_is_to_stop(clocks: Clocks) -> None:
    pace = clocks.pace("10k")
    pace.take(10_000_000, going)
    began = clocks.now

    def hold() -> bool:
        if clocks.now > began + 3:
            raise Retryable("stopping")
        return False

    def give_up() -> None:
        with pytest.raises(Retryable):
            pace.take(1, hold)

    run(give_up)
    assert began + 3 < clocks.now <= began + 3.2
    clocks.now += 1000.0
    pace.take(1, going)  # who gave up holds nobody up


def test_nothing_goes_while_it_is_held_although_it_might(clocks: Clocks) -> None:
    pace = clocks.pace("10M")
    until = clocks.now + 5
    pace.take(1, lambda: clocks.now < until)
    assert clocks.now == pytest.approx(until, abs=0.2)


def test_a_reader_waits_no_longer_than_it_wants_to(clocks: Clocks) -> None:
    pace = clocks.pace("10k")
    assert pace.wait(0.1)
    pace.spend(10_240)
    began = clocks.now
    assert not pace.wait(0.05)
    assert clocks.now == pytest.approx(began + 0.05)
    clocks.now += 1.0
    assert pace.wait(0.1)


def test_no_limit_is_no_pace() -> None:
    assert pace_for(None) is None
    assert pace_for("off") is None
    assert pace_for("08:00,off 12:00,off") is None
    assert pace_for("10M") is not None


def test_threads_share_a_pace_and_none_is_forgotten() -> None:
    pace = Pace(parse("40M"))
    went: list[tuple[str, int]] = []

    def sender(name: str, size: int, count: int) -> Callable[[], None]:
        def work() -> None:
            for _ in range(count):
                pace.take(size, going)
                went.append((name, size))

        return work

    began = time.monotonic()
    run(sender("large", 400_000, 20), sender("small", 4_000, 1000), sender("middle", 40_000, 100))
    assert sum(size for _, size in went) == 16_000_000
    assert time.monotonic() - began >= (16_000_000 - 400_000) / (40 * 1024**2) - 0.5
