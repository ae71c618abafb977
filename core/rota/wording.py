"""Recurrence rules in plain English."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Protocol


_DAYS = (
    *("Monday", "Tuesday", "Wednesday", "Thursday"),
    *("Friday", "Saturday", "Sunday"),
)
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_NTH = (
    *("first", "second", "third", "fourth", "fifth", "sixth"),
    *("seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"),
)
_PERIOD = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}


class _ByDay(Protocol):
    @property
    def weekday(self) -> int: ...
    @property
    def ordinal(self) -> int | None: ...


class _Rule(Protocol):
    @property
    def freq(self) -> str: ...
    @property
    def interval(self) -> int: ...
    @property
    def start(self) -> dt.date | None: ...
    @property
    def count(self) -> int | None: ...
    @property
    def until(self) -> dt.date | None: ...
    @property
    def by_month(self) -> tuple[int, ...]: ...
    @property
    def by_month_day(self) -> tuple[int, ...]: ...
    @property
    def by_day(self) -> Sequence[_ByDay]: ...
    @property
    def by_year_day(self) -> tuple[int, ...]: ...
    @property
    def by_week_no(self) -> tuple[int, ...]: ...
    @property
    def by_set_pos(self) -> tuple[int, ...]: ...
    @property
    def wkst(self) -> int: ...


class _Recurrence(Protocol):
    @property
    def rules(self) -> Sequence[_Rule]: ...
    @property
    def rdates(self) -> tuple[dt.date, ...]: ...
    @property
    def exdates(self) -> tuple[dt.date, ...]: ...


def recurrence(found: _Recurrence, *, anchored: bool = False) -> str:
    """Say a recurrence set: its rules, the days added and the days taken out."""
    said = [rule(each, anchored=anchored) for each in found.rules]
    if found.rdates:
        said.append(f"on {_join(map(day, found.rdates))}")
    if not said:
        return "never"
    text = "; and ".join(said)
    if found.exdates:
        short = _one_year(found)
        named = (_without_year(each) if short else day(each) for each in found.exdates)
        text += f", except {_join(named)}"
    return text


def rule(found: _Rule, *, anchored: bool = False) -> str:
    """Say a rule; ``anchored`` adds its start."""
    text = _sentence(found)
    if found.wkst != 1 and (
        found.by_week_no
        or (found.freq == "WEEKLY" and (found.interval > 1 or found.by_set_pos))
    ):
        text += f" (weeks begin on {_DAYS[found.wkst - 1]})"
    if anchored and found.start is not None:
        text += f" from {day(found.start)}"
    if found.until is not None:
        text += f" until {day(found.until)}"
    if found.count is not None:
        text += ", once" if found.count == 1 else f", {found.count} times"
    return text


def day(date: dt.date) -> str:
    """Say a day: 1 March 2027."""
    return f"{_without_year(date)} {date.year}"


def _sentence(found: _Rule) -> str:
    if found.by_set_pos:
        return f"the {_ranks(found.by_set_pos)} {_choice(found)} {_each(found)}"
    simple = _weekdays_alone(found)
    if simple is not None:
        return simple
    if found.freq == "DAILY":
        return f"{_each(found)} that is {_set(found)}"
    days, comma, condition = _set(found).partition(", if ")
    return f"{days} of {_each(found)}{comma}{condition}"


def _choice(found: _Rule) -> str:
    """Say what positions choose from, with the word that joins it to its period."""
    numbers = [each.weekday for each in found.by_day if each.ordinal is None]
    if _plain(found) and not found.by_month:
        if len(numbers) == 7:
            return "day of"
        if not _run(numbers):
            return f"{_join((_DAYS[number - 1] for number in numbers), 'or')} of"
        return f"of {_weekdays(numbers)} in"
    return f"of {_set(found)} in"


def _plain(found: _Rule) -> bool:
    """Tell whether a rule chooses days by weekday only, if at all."""
    other = found.by_month_day or found.by_year_day or found.by_week_no
    return not other and all(each.ordinal is None for each in found.by_day)


def _weekdays_alone(found: _Rule) -> str | None:
    """Say a rule of nothing but days and weekdays, if it is one."""
    if not _plain(found):
        return None
    months = [_MONTHS[month - 1] for month in found.by_month]
    season = f" in {_join(months)}" if months else ""
    numbers = [each.weekday for each in found.by_day]
    if found.freq == "DAILY":
        if not numbers:
            return _each(found) + season
        if found.interval > 1:
            return f"{_each(found)} that is {_either(numbers)}{season}"
        return f"every {_weekdays(numbers)}{season}"
    if found.freq == "WEEKLY":
        if not numbers and found.start is not None:
            numbers = [found.start.isoweekday()]
        if found.interval == 1:
            return f"every {_weekdays(numbers)}{season}"
        if len(numbers) == 1 and found.wkst == 1:
            return f"{_every(found.interval, _DAYS[numbers[0] - 1])}{season}"
        return f"{_weekdays(numbers)} of {_each(found)}{season}"
    if numbers and found.interval == 1:
        return f"every {_weekdays(numbers)}{season}"
    return None


def _set(found: _Rule) -> str:
    """Say the days from which a period takes its own."""
    month_days, months = found.by_month_day, found.by_month
    limits = month_days or found.by_year_day
    if not (found.by_day or limits or found.start is None):
        if found.by_week_no or found.freq == "WEEKLY":
            return _placed(_DAYS[found.start.isoweekday() - 1], found, months)
        if found.freq != "DAILY":
            month_days = (found.start.day,)
            if found.freq == "YEARLY":
                months = months or (found.start.month,)
    word = "or" if found.freq == "DAILY" else "and"
    parts: list[str] = []
    if month_days:
        tail = "" if min(month_days) > 0 else " day"
        parts.append(f"the {_numbers(month_days, word)}{tail}")
    if found.by_year_day:
        tail = " of the year" if month_days or months else ""
        parts.append(f"the {_numbers(found.by_year_day, word)} day{tail}")
    if found.by_day and not limits:
        parts.append(_by_day(found.by_day))
    text = _placed(" that is ".join(parts) or "every day", found, months)
    return (
        f"{text}, if it is {_limit(found.by_day)}" if found.by_day and limits else text
    )


def _limit(weekdays: Sequence[_ByDay]) -> str:
    plain = [each.weekday for each in weekdays if each.ordinal is None]
    counted = [_counted(each) for each in weekdays if each.ordinal is not None]
    return _join([*([_either(plain)] if plain else []), *counted], "or")


def _either(numbers: Sequence[int]) -> str:
    return f"a {_join((_DAYS[number - 1] for number in numbers), 'or')}"


def _placed(text: str, found: _Rule, months: tuple[int, ...]) -> str:
    if found.by_week_no:
        text += f" in {_join(_week(number) for number in _forward(found.by_week_no))}"
    if months:
        text += f" of {_join(_MONTHS[month - 1] for month in months)}"
    return text


def _by_day(weekdays: Sequence[_ByDay]) -> str:
    plain = [each.weekday for each in weekdays if each.ordinal is None]
    ranked = sorted(
        weekdays, key=lambda each: ((each.ordinal or 0) < 0, each.ordinal or 0)
    )
    counted = [_counted(each) for each in ranked if each.ordinal is not None]
    return _join([*([f"every {_weekdays(plain)}"] if plain else []), *counted])


def _counted(by_day: _ByDay) -> str:
    return f"the {_nth(by_day.ordinal or 1)} {_DAYS[by_day.weekday - 1]}"


def _weekdays(numbers: Sequence[int]) -> str:
    if len(numbers) == 7:
        return "day"
    run = _run(numbers)
    if run:
        return f"{_DAYS[run[0] - 1]} to {_DAYS[run[-1] - 1]}"
    return _join(_DAYS[number - 1] for number in numbers)


def _run(numbers: Sequence[int]) -> list[int]:
    """Return three weekdays or more in the order in which they follow each other."""
    if not 3 <= len(numbers) <= 6:
        return []
    held = set(numbers)
    begins = [number for number in numbers if (number - 2) % 7 + 1 not in held]
    if len(begins) != 1:
        return []
    return [(begins[0] - 1 + step) % 7 + 1 for step in range(len(held))]


def _each(found: _Rule) -> str:
    return _every(found.interval, _PERIOD[found.freq])


def _every(interval: int, noun: str) -> str:
    if interval == 1:
        return f"every {noun}"
    return f"every {_nth(interval)} {noun}"


def _nth(number: int) -> str:
    """Say a rank: first, 13th, last, second to last."""
    if number == -1:
        return "last"
    if number < 0:
        return f"{_nth(-number)} to last"
    return _NTH[number - 1] if number <= len(_NTH) else _suffixed(number)


def _ranks(numbers: Sequence[int]) -> str:
    return _join(_nth(number) for number in _forward(numbers))


def _numbers(numbers: Sequence[int], word: str) -> str:
    said = (_suffixed(n) if n > 0 else _nth(n) for n in _forward(numbers))
    return _join(said, word)


def _forward(numbers: Sequence[int]) -> list[int]:
    """Order from the beginning to the end: 1, 15, -2, -1."""
    return sorted(numbers, key=lambda number: (number < 0, number))


def _week(number: int) -> str:
    return f"week {number}" if number > 0 else f"the {_nth(number)} week"


def _suffixed(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def _without_year(date: dt.date) -> str:
    return f"{date.day} {_MONTHS[date.month - 1]}"


def _one_year(found: _Recurrence) -> bool:
    """Tell whether a day and a month name each exception without its year."""
    starts = [each.start for each in found.rules if each.start is not None]
    ends = [each.until for each in found.rules if each.until is not None]
    if found.rdates or not found.rules:
        return False
    if not len(starts) == len(ends) == len(found.rules):
        return False
    first, last = min(starts), max(ends)
    return (last - first).days < 365 and all(
        first <= each <= last for each in found.exdates
    )


def _join(said: Iterable[str], word: str = "and") -> str:
    *most, last = said
    return f"{', '.join(most)} {word} {last}" if most else last
