"""How two records, places and moments are held against each other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from rota.model import (
    AllDay,
    Occurrence,
    Once,
    Place,
    Point,
    Recurring,
    Schedule,
    Timing,
    When,
    Window,
)
from rota.testing.samples import Samples
from rota.vendor import (
    Account,
    Certificate,
    Completeness,
    Windows,
)


def certified(account: Account, certificate: Certificate) -> None:
    """See that a certificate is complete, and honest about what it rests on."""
    declared = account.capabilities.completeness
    assert certificate.complete, certificate.errors
    assert certificate.account == account.name
    assert certificate.read_at.tzinfo is not None
    assert certificate.asked.user
    assert certificate.rests_on in Completeness
    if certificate.scope.ids is None:
        totals = (Completeness.DECLARED_TOTAL, Completeness.COUNTED_TWICE)
        if certificate.rests_on in totals:
            assert certificate.declared == certificate.rows
        if certificate.scope.window is not None:
            assert certificate.rests_on is declared or declared not in totals


def around(samples: Samples) -> tuple[dt.date, dt.date]:
    """Return days that hold all that the samples write."""
    return samples.today - dt.timedelta(1), samples.first + dt.timedelta(60)


def fitting(can: Windows) -> Iterator[When]:
    """Yield the windows at the edges of a range."""
    if can.all_day:
        yield AllDay()
    if not can.clock:
        return
    spans = {
        dt.time(9, 0): can.shortest_min,
        dt.time(6, 0): can.longest_min,
        dt.time(22, 15): 8 * 60,
        dt.time(0, 0): 60,
    }
    for start, minutes in spans.items():
        if can.shortest_min <= minutes <= can.longest_min:
            yield Window.lasting(start, minutes, keeps=can.keeps)


def misfits(can: Windows) -> Iterator[When]:
    """Yield the windows just beyond a range."""
    if not can.all_day:
        yield AllDay()
    if not can.clock:
        yield Window(start=dt.time(8), end=dt.time(9))
        return
    if can.shortest_min > 1:
        yield Window.lasting(dt.time(9), can.shortest_min - 1, keeps=can.keeps)
    if can.longest_min < 32 * 24 * 60:
        yield Window.lasting(dt.time(6), can.longest_min + 1, keeps=can.keeps)


def one(name: str, value: object) -> dict[str, Any]:
    """Name a value for a call whose argument is known by data only."""
    return {name: value}


def get(schedule: Schedule, field: str) -> object:
    """Return a field of a schedule or of its task."""
    if field in ("timing", "zone", "status"):
        return getattr(schedule, field)
    return getattr(schedule.task, field)


def same_place(read: Place | None, wanted: Place | None) -> None:
    """See that all that was wanted of a place is there."""
    if wanted is None:
        assert read is None
        return
    assert read is not None
    assert read.ref == wanted.ref
    if wanted.point is not None:
        same_point(read.point, wanted.point)
    if wanted.address is not None:
        assert read.address == wanted.address


def same_stops(read: Schedule, wanted: Schedule) -> None:
    """See that a round has the same places, in order and in time."""
    for after, before in zip(read.task.stops, wanted.task.stops, strict=True):
        assert after.title == before.title
        assert after.window == before.window
        same_place(after.place, before.place)


def same_point(read: Point | None, wanted: Point | None) -> None:
    """See that a point is where it was wanted, and as wide."""
    assert wanted is not None
    assert read is not None
    assert abs(read.lat - wanted.lat) < 1e-6
    assert abs(read.lng - wanted.lng) < 1e-6
    assert read.radius_m == wanted.radius_m


def last_day(timing: Timing) -> dt.date:
    """Return the last day of a timing, as far as it says."""
    match timing:
        case Once(day=day):
            return day
        case Recurring():
            return dt.date.max
    return timing.last or dt.date.max


def sound(item: Occurrence, account: Account) -> None:
    """See that an occurrence is of this account and its times are aware."""
    assert item.ref is None or item.ref.account == account.name
    assert (item.start is None) == (item.end is None)
    if item.start is not None and item.end is not None:
        assert item.start.tzinfo is not None
        assert item.end.tzinfo is not None
        assert item.start < item.end
    for session in item.sessions:
        for moment in (session.started, session.ended):
            assert moment is None or moment.tzinfo is not None


def moment(item: Occurrence) -> tuple[dt.datetime, dt.datetime] | dt.date:
    """Return when an occurrence is, as ``expand`` says it."""
    if item.start is None or item.end is None:
        return item.day
    return item.start.astimezone(dt.UTC), item.end.astimezone(dt.UTC)
