"""How many bytes a second may go at which time of the week: what `--bandwidth_limit` says. Pure.

Written as rclone's ``--bwlimit``: one rate, ``10M``, or rows of a table, ``08:00,512k 12:00,10M Sat-00:00,off``. A rate
is a number of bytes a second with ``B``, ``k``, ``M``, ``G`` or ``T``, in powers of 1024, or ``off``. (For rclone, a
number without a letter counts KiB. For others it counts bytes or bits, so here it is a mistake.)
"""

import bisect
import re
from dataclasses import dataclass
from datetime import datetime

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_MINUTES = 24 * 60
_UNITS = {unit: 1024**power for power, unit in enumerate(("B", "K", "M", "G", "T"))}
_RATE = re.compile(r"(?P<number>\d{1,9}(\.\d{1,9})?)(?P<unit>B|[KMGT](iB?)?)", re.IGNORECASE)
_ROW = re.compile(r"((?P<day>[a-z]+)-)?(?P<hour>\d\d):(?P<minute>\d\d),(?P<rate>[^,]+)", re.IGNORECASE)
_LEAST = 10 * 1024

RATE = 'in bytes a second: "10M", or by local time, "08:00,512k 18:00,off" (default: off)'
"""How the help of an option says what it takes."""
EXAMPLES = '"10M", or a timetable such as "08:00,512k 12:00,10M 18:00,off" or "Mon-08:00,2M Sat-00:00,off"'


@dataclass(frozen=True, slots=True)
class Row:
    """From ``minute`` of the week on (0 = Monday 0:00), ``rate`` bytes a second; None = without limit."""

    minute: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class Timetable:
    """Rows in the order of the week, at least one, each minute once; the last one holds until the first."""

    rows: tuple[Row, ...]

    def rate_at(self, when: datetime) -> float | None:
        """Bytes a second at ``when``, of which only weekday, hour and minute count; None = without limit."""
        minute = when.weekday() * _DAY_MINUTES + when.hour * 60 + when.minute
        return self.rows[bisect.bisect_right(self.rows, minute, key=lambda row: row.minute) - 1].rate

    @property
    def slowest(self) -> float | None:
        """The least of its rates; None = it never limits anything."""
        return min((row.rate for row in self.rows if row.rate is not None), default=None)


def parse(text: str) -> Timetable:
    """The timetable that ``text`` describes. Of two rows for one minute, the later one counts, as in rclone.

    Raises ValueError with a line that says what is wrong.
    """
    words = [word for word in re.split(r"[\s;]+", text) if word]
    if len(words) == 1 and "," not in words[0]:
        return Timetable((Row(0, _rate(words[0])),))
    rates: dict[int, float | None] = {}
    for word in words:
        rates |= _row(word)
    if not rates:
        raise ValueError(f"no rate in it: write {EXAMPLES}")
    return Timetable(tuple(Row(minute, rates[minute]) for minute in sorted(rates)))


def in_words(rate: float | None) -> str:
    """A rate for people, as it may be written in a table, and in bytes."""
    if rate is None:
        return "off"
    unit = max((unit for unit, count in _UNITS.items() if count <= rate), key=_UNITS.__getitem__, default="B")
    return f"{rate / _UNITS[unit]:.4g}{unit.replace('K', 'k')} ({rate:,.0f} bytes a second)"


def _row(word: str) -> dict[int, float | None]:
    """One row of the table, for each day that it is about."""
    found = _ROW.fullmatch(word)
    if found is None:
        raise ValueError(f"{word!r} is neither HH:MM,RATE nor DAY-HH:MM,RATE: write {EXAMPLES}")
    hour, minute = int(found["hour"]), int(found["minute"])
    if hour > 23 or minute > 59:
        raise ValueError(f"the time in {word!r} is none: write 00:00 to 23:59")
    rate = _rate(found["rate"])
    days = range(7) if found["day"] is None else [_day(found["day"])]
    return {day * _DAY_MINUTES + hour * 60 + minute: rate for day in days}


def _day(name: str) -> int:
    for number, day in enumerate(_DAYS):
        if name.casefold() in (day, day[:3]):
            return number
    raise ValueError(f"{name!r} is no day of the week: write Mon, Tue, Wed, Thu, Fri, Sat or Sun")


def _rate(text: str) -> float | None:
    if text.casefold() == "off":
        return None
    found = _RATE.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is no rate, which is a number of bytes (not bits) a second with k, M or G behind it, or off:"
            f" write {EXAMPLES}"
        )
    rate: float = float(found["number"]) * _UNITS[found["unit"][0].upper()]
    if rate < _LEAST:
        raise ValueError(f"{text!r} is less than 10k, the least that there is: write that, or off for no limit")
    return rate
