"""A window of one zone in the terms of another, and the nights on which ends differ."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import lru_cache
from zoneinfo import ZoneInfo

import attrs

from rota import zones
from rota.days import DaySet
from rota.model import (
    AllDay,
    Keeps,
    Line,
    Once,
    Recurring,
    Timing,
    When,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.recurrence import Recurrence
from rota.vendor import Holds, ZoneOwner

from .values import Request


@attrs.frozen(kw_only=True)
class Run:
    """
    Days of the source on which one window of the target says a line.

    Args:
        shift: Days by which the target's day is later.
        last: None where it goes on beyond what was looked at.
        moved: Days on which the target can't say the hour and reads it an hour early.
    """

    window: When
    shift: int = 0
    first: dt.date
    last: dt.date | None = None
    moved: tuple[dt.date, ...] = ()


def across(asked: Request, holds: Holds, window: When) -> bool:
    """Tell whether the window must be told in another zone."""
    return (
        isinstance(window, Window)
        and holds.window.clock
        and holds.zone is not ZoneOwner.NOBODY
        and asked.zone is not None
        and asked.target_zone is not None
        and asked.target_zone != asked.zone.name
    )


def unheld(holds: Holds, window: When) -> str:
    """Say why the target can't hold a window; empty where it can."""
    can = holds.window
    if isinstance(window, AllDay):
        if can.all_day:
            return ""
        return (
            "it is for a whole day, and the target wants hours; "
            'give the pair defaults = { window = "08:00-17:00" }'
        )
    if not can.clock or can.shortest_min <= window.minutes <= can.longest_min:
        return ""
    return (
        f"its window lasts {window.minutes} minutes, and the target holds "
        f"{can.shortest_min} to {can.longest_min}"
    )


def runs(
    asked: Request, holds: Holds, window: When, wanted: DaySet, last: dt.date
) -> tuple[Run, ...]:
    """
    Return how the target says a window, run by run of the source's days.

    Only runs with wanted days are returned, neighbours that are told alike as one.

    Args:
        wanted: The source's days; at least one.
        last: How far to look.
    """
    first = asked.first_day - dt.timedelta(2)
    if isinstance(window, AllDay) or not holds.window.clock:
        return (Run(window=AllDay(), first=first),)
    if not across(asked, holds, window):
        there = attrs.evolve(window, keeps=holds.window.keeps)
        return (Run(window=there, first=first),)
    assert asked.zone is not None
    assert asked.target_zone is not None
    found: list[Run] = []
    windows: dict[dt.time, Window] = {}
    for told in zones.told(
        zones.load(asked.zone.name),
        window.start,
        zones.load(asked.target_zone),
        first,
        last,
    ):
        if not wanted.window(told.first, told.last):
            continue
        if told.at not in windows:
            windows[told.at] = Window.lasting(
                told.at, window.minutes, keeps=holds.window.keeps
            )
        there = windows[told.at]
        moved = () if told.exact else wanted.dates(told.first, told.last)
        end = None if told.last == last else told.last
        if found and (found[-1].window, found[-1].shift) == (there, told.shift):
            found[-1] = attrs.evolve(
                found[-1], last=end, moved=(*found[-1].moved, *moved)
            )
        else:
            found.append(
                Run(
                    window=there,
                    shift=told.shift,
                    first=told.first,
                    last=end,
                    moved=moved,
                )
            )
    return tuple(found)


@attrs.frozen(kw_only=True)
class Dated:
    """
    One day of the source in the target's terms.

    Args:
        of: The source's day.
        moved: The target reads the start an hour early.
        night: The target reads another end.
    """

    of: dt.date
    day: dt.date
    window: When
    moved: bool = False
    night: bool = False


def on_day(asked: Request, holds: Holds, window: When, day: dt.date) -> Dated:
    """
    Return the target's day and window for one day of the source.

    The window is made for this very day, so both ends are the source's instants, also
    on a night when the clock changes, unless the target's zone says the hour twice.
    """
    if isinstance(window, AllDay) or not holds.window.clock:
        return Dated(of=day, day=day, window=AllDay())
    keeps = holds.window.keeps
    if asked.zone is None or holds.zone is ZoneOwner.NOBODY:
        return Dated(of=day, day=day, window=attrs.evolve(window, keeps=keeps))
    abroad = across(asked, holds, window)
    if not abroad and window.keeps is keeps:
        return Dated(of=day, day=day, window=window)
    name = asked.target_zone or asked.zone.name
    target = zones.load(name)
    start, end = instants(window, asked.zone.name, day)
    begin = start.astimezone(target).replace(tzinfo=None, fold=0)
    if not abroad:
        begin = dt.datetime.combine(day, window.start)
    finish = end.astimezone(target).replace(tzinfo=None, fold=0)
    if keeps is Keeps.LENGTH or finish <= begin:
        finish = begin + (end - start)
    there = Window(
        start=begin.time(),
        end=finish.time(),
        days=(finish.date() - begin.date()).days,
        keeps=keeps,
    )
    read = instants(there, name, begin.date())
    return Dated(
        of=day,
        day=begin.date(),
        window=there,
        moved=read[0] != start,
        night=read[0] == start and read[1] != end,
    )


def nights(
    asked: Request, holds: Holds, window: When, run: Run, wanted: DaySet, last: dt.date
) -> tuple[dt.date, ...]:
    """
    Return the source's days on which the two sides' windows end at other instants.

    Args:
        wanted: The source's days.
        last: The last day looked at.
    """
    if (
        not isinstance(window, Window)
        or not isinstance(run.window, Window)
        or asked.zone is None
        or holds.zone is ZoneOwner.NOBODY
    ):
        return ()
    here, there = asked.zone.name, asked.target_zone or asked.zone.name
    if window.keeps is run.window.keeps and (
        here == there or window.keeps is Keeps.LENGTH
    ):
        return ()
    first = max(run.first, asked.first_day - dt.timedelta(2))
    last = min(run.last or last, last)
    abroad = here != there
    close = dt.timedelta(window.days + 2)
    near = {
        change - dt.timedelta(n)
        for zone in {here, there}
        for change in _changes(zone, first - close, last + close)
        for n in range(-abroad, window.days + abroad + 1)
    }
    found = []
    for day in sorted(near):
        if not (first <= day <= last and day in wanted):
            continue
        start, end = instants(window, here, day)
        if not abroad:
            other = _end(run.window, here, day, start)
        else:
            other = instants(run.window, there, day + dt.timedelta(run.shift))[1]
        if end != other:
            found.append(day)
    return tuple(found)


def _changes(zone: str, first: dt.date, last: dt.date) -> Iterator[dt.date]:
    for year in range(first.year, last.year + 1):
        for day in _changes_of(zone, year):
            if first <= day <= last:
                yield day


@lru_cache(maxsize=4096)
def _changes_of(zone: str, year: int) -> tuple[dt.date, ...]:
    """Return the days of a year during which the zone changes its clock."""
    classes = zones.offset_classes(
        zones.load(zone), dt.date(year, 1, 1), dt.date(year + 1, 1, 1)
    )
    return tuple(span.last for span in classes[:-1])


def instants(
    window: Window, zone: str, day: dt.date
) -> tuple[dt.datetime, dt.datetime]:
    """Return the window's start and end on a day as instants in UTC."""
    start = zones.instant(zones.load(zone), day, window.start)
    return start, _end(window, zone, day, start)


def _end(window: Window, zone: str, day: dt.date, start: dt.datetime) -> dt.datetime:
    if window.keeps is Keeps.LENGTH:
        return start + window.length
    last = day + dt.timedelta(window.days)
    return zones.instant(zones.load(zone), last, window.end)


def expand(
    timing: Timing, zone: str | None, first: dt.date, last: dt.date
) -> tuple[tuple[dt.datetime, dt.datetime] | dt.date, ...]:
    """
    Return what a timing makes between two days, both included, sorted.

    A window is a pair of instants in UTC, a whole day is its date; windows come first.
    """
    lines: tuple[Line, ...] = ()
    match timing:
        case Recurring():
            lines = timing.lines
        case Once(day=day, window=window):
            lines = (Line(days=Recurrence.on(day), window=window),)
    moments: list[tuple[dt.datetime, dt.datetime]] = []
    whole: list[dt.date] = []
    for line in lines:
        if isinstance(line.window, AllDay) or zone is None:
            whole += line.days.days(first, last)
        else:
            moments += _moments(line.window, zones.load(zone), line.days, first, last)
    return (*sorted(moments), *sorted(whole))


def _moments(
    window: Window, zone: ZoneInfo, days: Recurrence, first: dt.date, last: dt.date
) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    starts = zones.expand(zone, days, first, last, window.start)
    if window.keeps is Keeps.LENGTH:
        return ((start, start + window.length) for start in starts)
    ends = zones.expand(zone, days, first, last, window.end, later=window.days)
    return zip(starts, ends, strict=True)


def begun(asked: Request, day: dt.date, window: When) -> bool:
    """Tell whether the source's window of a day has begun, or its day is over."""
    if isinstance(window, AllDay) or asked.zone is None:
        return day < asked.first_day
    if day > asked.first_day + dt.timedelta(2):
        return False
    return instants(window, asked.zone.name, day)[0] <= asked.now


def zone_there(asked: Request, holds: Holds, window: When) -> Zone | None:
    """Return the zone of a record; None where it has no hours."""
    if holds.zone is ZoneOwner.NOBODY or isinstance(window, AllDay):
        return None
    name = asked.target_zone or (asked.zone.name if asked.zone else None)
    if name is None:
        return None
    account = holds.zone is ZoneOwner.ACCOUNT
    return Zone(name=name, origin=ZoneOrigin.ACCOUNT if account else ZoneOrigin.SITE)


def tzdata(asked: Request) -> str:
    """Return the version of the zone data, empty where no zone matters."""
    return _version() if asked.zone is not None else ""


@lru_cache(maxsize=1)
def _version() -> str:
    return zones.tzdata_version()
