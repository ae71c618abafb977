"""
What a timing makes, worked out a second time.

Plain datetime, dateutil and zoneinfo: nothing here comes from rota's days, recurrence,
zones or translation, so that agreement is a second opinion. Values are only read.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from dateutil import rrule


_FREQ = {
    "DAILY": rrule.DAILY,
    "WEEKLY": rrule.WEEKLY,
    "MONTHLY": rrule.MONTHLY,
    "YEARLY": rrule.YEARLY,
}
_LONG_AGO = dt.date(2024, 1, 1)  # a Monday, before every day that is asked about


class Made(NamedTuple):
    """One occurrence: its day on its own wall clock, and its instants in UTC."""

    day: dt.date
    start: dt.datetime | None
    end: dt.datetime | None


@lru_cache
def zone_of(name: str) -> ZoneInfo:
    """Return a zone from the tzdata package, whatever the machine has."""
    path = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with path.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def days_of(recurrence: Any, first: dt.date, last: dt.date) -> set[dt.date]:
    """Return the days of a recurrence set from first to last, both included."""
    found: set[dt.date] = set()
    for rule in recurrence.rules:
        found |= _days(rule, first, last)
    found |= {day for day in recurrence.rdates if first <= day <= last}
    return found - set(recurrence.exdates)


def _days(rule: Any, first: dt.date, last: dt.date) -> set[dt.date]:
    start = rule.start or _LONG_AGO
    end = last if rule.until is None else min(last, rule.until)
    made = rrule.rrule(
        _FREQ[str(rule.freq)],
        dtstart=dt.datetime.combine(start, dt.time()),
        interval=rule.interval,
        count=rule.count,
        until=dt.datetime.combine(end, dt.time()) if rule.count is None else None,
        wkst=int(rule.wkst) - 1,
        bymonth=list(rule.by_month) or None,
        bymonthday=list(rule.by_month_day) or None,
        byweekday=[rrule.weekday(int(by.weekday) - 1, by.ordinal) for by in rule.by_day]
        or None,
        bysetpos=list(rule.by_set_pos) or None,
    )
    days = {moment.date() for moment in made}
    return {day for day in days if first <= day <= end}


def instant(zone: str, day: dt.date, at: dt.time) -> dt.datetime:
    """
    Return the instant of a wall clock, as RFC 5545 §3.3.5 reads it.

    An hour that is skipped is read with the offset before the gap, one that is
    repeated is the first: both are what fold=0 means.
    """
    local = dt.datetime.combine(day, at, zone_of(zone)).replace(fold=0)
    return local.astimezone(dt.UTC)


def made(window: Any, zone: str | None, day: dt.date) -> Made:
    """Return what a window is on a day."""
    if not hasattr(window, "start") or zone is None:
        return Made(day, None, None)
    start = instant(zone, day, window.start)
    if str(window.keeps) == "length":
        begin = dt.datetime.combine(day, window.start)
        finish = dt.datetime.combine(day + dt.timedelta(window.days), window.end)
        return Made(day, start, start + (finish - begin))
    return Made(day, start, instant(zone, day + dt.timedelta(window.days), window.end))


def occurrences(
    timing: Any, zone: str | None, first: dt.date, last: dt.date
) -> list[Made]:
    """Return all that a recurring or single timing makes on days from first to last."""
    if hasattr(timing, "day"):
        inside = first <= timing.day <= last
        return [made(timing.window, zone, timing.day)] if inside else []
    return [
        made(line.window, zone, day)
        for line in timing.lines
        for day in sorted(days_of(line.days, first, last))
    ]
