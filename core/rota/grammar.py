"""
The grammar of RFC 5545's recurrence rules, as far as they speak of whole days.

Text is read into the fields of a rule, each of the right type, range and order. What
parts may stand together is ``recurrence``'s to say.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NoReturn

import attrs

from .errors import RuleError, ValueRefused


class Weekday(enum.IntEnum):
    """The ISO weekdays under their names in RFC 5545."""

    MO = 1
    TU = 2
    WE = 3
    TH = 4
    FR = 5
    SA = 6
    SU = 7


class Freq(enum.StrEnum):
    """The frequencies of a day or more."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"


@attrs.frozen(order=True)
class ByDay:
    """A weekday, or the nth of its month or year, from the end if negative."""

    weekday: Weekday = attrs.field(converter=Weekday)
    ordinal: int | None = None

    def __str__(self) -> str:
        return f"{'' if self.ordinal is None else self.ordinal}{self.weekday.name}"


def day_order(by_day: ByDay) -> tuple[int, int]:
    """Return the key by which BYDAY is kept ascending."""
    return by_day.ordinal or 0, by_day.weekday


class ByDays(tuple[ByDay, ...]):
    """
    The values of a BYDAY, ascending and each once.

    Args:
        week: The weekdays as bits, by ordinal modulo 7; None where any is counted.
    """

    week: int | None

    def __new__(cls, given: Iterable[ByDay] = ()) -> ByDays:
        """Put values into order."""
        if given.__class__ is cls:
            return given
        made = super().__new__(cls, sorted(set(given), key=day_order))
        made.week = 0
        for each in made:
            if each.ordinal is not None:
                made.week = None
                break
            made.week |= 1 << each.weekday % 7
        return made


PLAIN = {day: ByDay(day) for day in Weekday}
_MOST = {
    "BYMONTH": 12,
    "BYMONTHDAY": 31,
    "BYYEARDAY": 366,
    "BYWEEKNO": 53,
    "BYSETPOS": 366,
}


def refuse(message: str, *, hint: str = "", section: str = "3.3.10") -> NoReturn:
    """Raise the error of a rule, with the section of the RFC that decides."""
    raise RuleError(message, section=section, hint=hint)


def weekday_of(day: Weekday | int) -> Weekday:
    """Return the weekday of an ISO number."""
    try:
        return Weekday(day)
    except ValueError:
        raise ValueRefused(
            f"{day!r} is no weekday", hint="Monday is 1 and Sunday is 7"
        ) from None


def ranged(numbers: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Return ascending numbers if all are in the range of their part."""
    most = _MOST[name]
    least = 1 if name == "BYMONTH" else -most
    if numbers[0] < least or numbers[-1] > most or (numbers[0] < 1 and 0 in numbers):
        wrong = next(n for n in numbers if not least <= n <= most or n == 0)
        admitted = "1" if name == "BYMONTH" else f"-{most} to -1 or 1"
        refuse(f"{name}={wrong} is not {admitted} to {most}")
    return numbers


def read(text: str) -> dict[str, object]:
    """
    Read the value of an RRULE, with or without its name, into the fields of a rule.

    Raises:
        RuleError: For what is not of the grammar, and for parts below a day.
    """
    text = text.strip()
    if ":" in text:
        text = text.upper().removeprefix("RRULE:")
    parts = text.split(";")
    found = dict(map(part_of, parts))
    if len(found) < len(parts):
        names = [part.upper().partition("=")[0] for part in parts]
        twice = next(name for name in names if names.count(name) > 1)
        refuse(f"{twice} is given twice", hint="join the values with commas")
    if "freq" not in found:
        refuse(f"no FREQ in {text!r}", hint="begin with FREQ=DAILY, WEEKLY, ...")
    return found


@lru_cache(maxsize=4096)
def part_of(part: str) -> tuple[str, object]:
    """Return the field and value of one NAME=value: rules share the values."""
    part = part.upper()
    name, equals, value = part.partition("=")
    found = _READERS.get(name)
    if found is None or not equals:
        _unknown(name, part)
    field, reader = found
    return field, reader(value, name)


def _unknown(name: str, part: str) -> NoReturn:
    if name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        refuse(
            f"{name} speaks of less than a day",
            hint="rules are of days; the hours belong to the window",
        )
    if name in ("RSCALE", "SKIP"):
        refuse(f"{name} is RFC 7529, which is not read", hint="use the Gregorian rule")
    refuse(f"{part!r} is no part of a recurrence rule", hint="write NAME=value;...")


def freq_of(value: str, _name: str) -> Freq:
    """Return the frequency of a name."""
    freq = _FREQS.get(value)
    if freq is None:
        if value in ("HOURLY", "MINUTELY", "SECONDLY"):
            refuse(
                f"FREQ={value} speaks of less than a day",
                hint="use FREQ=DAILY and one window for each hour",
            )
        refuse(f"FREQ={value} is unknown", hint="DAILY, WEEKLY, MONTHLY or YEARLY")
    return freq


def _read_number(value: str, name: str) -> int:
    if not (value.isascii() and value.isdecimal()) or len(value) > 18:
        refuse(f"{name}={value} is no number")
    return int(value)


def _read_numbers(value: str, name: str) -> tuple[int, ...]:
    try:
        return tuple(sorted(set(map(_RANGES[name].__getitem__, value.split(",")))))
    except KeyError as error:
        wrong = error.args[0]
    if wrong in _SMALL:
        ranged((_SMALL[wrong],), name)
    refuse(f"{name}={wrong} is no whole number in range", hint="separate by commas")


def _read_days(value: str, name: str) -> ByDays:
    week = 0
    for item in value.split(","):
        bit = _BITS.get(item)
        if bit is None:
            return _read_counted(value, name)
        week |= bit
    return _WEEKS[week]


def _read_counted(value: str, name: str) -> ByDays:
    found = []
    for item in value.split(","):
        day, nth = item[-2:], item[:-2]
        if day not in _BITS or (nth and nth not in _SMALL):
            refuse(f"{name}={item} is no weekday", hint="MO to SU, or e.g. 2TU, -1FR")
        weekday = Weekday.__members__[day]
        found.append(_by_day_of(weekday, _SMALL[nth] if nth else None))
    return ByDays(found)


@lru_cache(maxsize=1024)
def _by_day_of(weekday: Weekday, ordinal: int | None) -> ByDay:
    """Return the one ByDay of these values: rules share them."""
    return ByDay(weekday, ordinal)


def _read_until(value: str, name: str) -> dt.date:
    if "T" in value:
        refuse(
            f"{name}={value} holds an hour",
            section="3.3.10, 3.3.4",
            hint="give the last day as YYYYMMDD; which it is depends on hours and zone",
        )
    return date_of(value, name)


def date_of(value: str, name: str) -> dt.date:
    """Read a day written YYYYMMDD; ``name`` is the property\'s, for the error."""
    if len(value) == 8 and value.isascii() and value.isdecimal():
        try:
            return dt.date(int(value[:4]), int(value[4:6]), int(value[6:]))
        except ValueError:
            pass
    refuse(f"{name}={value} is no day", section="3.3.4", hint="write YYYYMMDD")


def _read_wkst(value: str, name: str) -> Weekday:
    day = Weekday.__members__.get(value)
    if day is None:
        refuse(f"{name}={value} is no weekday", hint="MO to SU")
    return day


def basic(day: dt.date) -> str:
    """Write a day as YYYYMMDD."""
    return f"{day.year:04}{day.month:02}{day.day:02}"


_FREQS = {freq.value: freq for freq in Freq}
_SMALL = {
    spelling: number
    for number in range(-366, 367)
    for spelling in {
        *(str(number), f"{number:+}"),
        *((f"{abs(number):02}", f"+{abs(number):02}") if number >= 0 else ()),
        *((f"-{abs(number):02}",) if number < 0 else ()),
    }
}
_RANGES = {
    name: {
        spelling: number
        for spelling, number in _SMALL.items()
        if (1 if name == "BYMONTH" else -most) <= number <= most and number
    }
    for name, most in _MOST.items()
}
_BITS = {day.name: 1 << day - 1 for day in Weekday}
_WEEKS = tuple(
    ByDays(PLAIN[day] for day in Weekday if week >> day - 1 & 1) for week in range(128)
)
_READERS: dict[str, tuple[str, Callable[[str, str], object]]] = {
    "FREQ": ("freq", freq_of),
    "UNTIL": ("until", _read_until),
    "COUNT": ("count", _read_number),
    "INTERVAL": ("interval", _read_number),
    "BYDAY": ("by_day", _read_days),
    "BYMONTHDAY": ("by_month_day", _read_numbers),
    "BYYEARDAY": ("by_year_day", _read_numbers),
    "BYWEEKNO": ("by_week_no", _read_numbers),
    "BYMONTH": ("by_month", _read_numbers),
    "BYSETPOS": ("by_set_pos", _read_numbers),
    "WKST": ("wkst", _read_wkst),
}
