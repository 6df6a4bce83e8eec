"""What `--bandwidth_limit` may say, and which rate holds when."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmsi_core.timetable import Row, in_words, parse

MONDAY = datetime(2026, 11, 2)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
RATES = {"off": None, "10k": 10 * 1024.0, "512k": 512 * 1024.0, "1.5M": 1.5 * 1024**2, "2G": 2 * 1024.0**3}


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        *RATES.items(),
        ("OFF", None),
        ("20000B", 20000.0),
        ("20000b", 20000.0),
        ("10K", 10 * 1024.0),
        ("10Ki", 10 * 1024.0),
        ("10KiB", 10 * 1024.0),
        ("0.01m", 0.01 * 1024**2),
        ("1T", 1024.0**4),
        (" 512k ", 512 * 1024.0),
    ],
)
def test_one_rate_holds_always(text: str, rate: float | None) -> None:
    table = parse(text)
    assert table.rows == (Row(0, rate),)
    assert table.slowest == rate


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no rate in it"),
        ("fast", "no rate"),
        ("512", "not bits"),  # KiB for rclone, bytes for others
        ("0", "or off"),
        ("10MB", "no rate"),  # 10 × 1000² or 1024²?
        ("10Mbit", "not bits"),
        ("10M/s", "no rate"),
        ("-1M", "no rate"),
        ("10M:1M", "no rate"),
        ("9k", "less than 10k"),
        ("0M", "less than 10k"),
        ("10M 5M", "neither HH:MM,RATE"),
        ("8:00,1M", "neither HH:MM,RATE"),
        ("08:00,1M 12:00", "neither HH:MM,RATE"),
        ("08:00, 1M", "neither HH:MM,RATE"),
        ("08:00,10M,12:00,off", "neither HH:MM,RATE"),
        ("24:00,1M", "write 00:00 to 23:59"),
        ("08:60,1M", "write 00:00 to 23:59"),
        ("Mo-08:00,1M", "'Mo' is no day"),
        ("weekdays-08:00,1M", "'weekdays' is no day"),
        ("08:00,many", "'many' is no rate"),
    ],
)
def test_anything_else_is_refused_in_one_line_that_helps(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        parse(text)
    assert "\n" not in str(refused.value)
    assert "write" in str(refused.value)


def test_a_day_of_two_rates() -> None:
    table = parse("08:00,512k 18:00,off")
    for day in range(7):
        for hour in range(24):
            expected = RATES["512k"] if 8 <= hour < 18 else None
            assert table.rate_at(MONDAY + timedelta(days=day, hours=hour)) == expected
    assert table.rate_at(MONDAY.replace(hour=7, minute=59, second=59)) is None
    assert table.rate_at(MONDAY.replace(hour=17, minute=59, second=59)) == RATES["512k"]


def test_a_row_of_one_day_holds_until_the_next_row_of_any_day() -> None:
    table = parse("Friday-18:00,off mon-08:00,512k")
    assert table.rate_at(MONDAY.replace(hour=7)) is None
    assert table.rate_at(MONDAY.replace(hour=8)) == RATES["512k"]
    assert table.rate_at(MONDAY + timedelta(days=4, hours=17)) == RATES["512k"]
    assert table.rate_at(MONDAY + timedelta(days=4, hours=18)) is None
    assert table.rate_at(MONDAY + timedelta(days=6, hours=23)) is None


def test_of_two_rows_for_one_minute_the_later_one_counts() -> None:
    table = parse("12:00,512k;Sat-12:00,off")
    assert table.rate_at(MONDAY.replace(hour=12)) == RATES["512k"]
    assert table.rate_at(MONDAY + timedelta(days=5, hours=13)) is None
    assert parse("Sat-12:00,off 12:00,512k").rate_at(MONDAY + timedelta(days=5, hours=13)) == RATES["512k"]


def test_the_slowest_rate_is_known() -> None:
    assert parse("08:00,512k 12:00,1.5M 18:00,off").slowest == RATES["512k"]
    assert parse("08:00,off 18:00,off").slowest is None


rows = st.lists(
    st.tuples(st.none() | st.sampled_from(range(7)), st.integers(0, 1439), st.sampled_from(sorted(RATES))),
    min_size=1,
    max_size=10,
)


@given(rows=rows, minute=st.integers(0, 7 * 1440 - 1))
def test_the_last_row_before_a_minute_holds(rows: list[tuple[int | None, int, str]], minute: int) -> None:
    words = [f"{f'{DAYS[day]}-' if day is not None else ''}{at // 60:02}:{at % 60:02},{rate}" for day, at, rate in rows]
    table = parse(" ".join(words))

    def said(then: int) -> list[str]:
        return [rate for day, at, rate in rows if then % 1440 == at and day in (None, then // 1440)]

    holds = next(rates[-1] for back in range(7 * 1440) if (rates := said((minute - back) % (7 * 1440))))
    assert table.rate_at(MONDAY + timedelta(minutes=minute, seconds=30)) == RATES[holds]


@pytest.mark.parametrize("change", [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)])
def test_when_the_clocks_change_the_wall_clock_counts(change: datetime) -> None:
    table = parse("02:30,512k 02:45,1.5M 03:00,off")  # an hour that is not there in March, and twice in October
    zone = ZoneInfo("Europe/Berlin")
    seen: list[float | None] = []
    for minutes in range(-90, 90):
        local = (change + timedelta(minutes=minutes)).astimezone(zone)
        rate = table.rate_at(local)
        expected = "512k" if (2, 30) <= (local.hour, local.minute) < (2, 45) else "1.5M"
        assert rate == (RATES[expected] if local.hour == 2 and local.minute >= 30 else None)
        if rate != (seen[-1] if seen else None):
            seen.append(rate)
    twice = [RATES["512k"], RATES["1.5M"], None]
    assert seen == ([] if change.month == 3 else [*twice, *twice])


def test_a_rate_in_words() -> None:
    assert in_words(None) == "off"
    assert in_words(RATES["1.5M"]) == "1.5M (1,572,864 bytes a second)"
    assert in_words(RATES["512k"]) == "512k (524,288 bytes a second)"
    assert all(parse(in_words(rate).partition(" ")[0]).slowest == rate for rate in RATES.values())
