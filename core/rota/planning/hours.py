"""When a change may be written, and on which day it first acts."""

from __future__ import annotations

import datetime as dt

import attrs

from rota import zones
from rota.vendor import (
    Generation,
)


# ------------------------------------------------------------------------------ timing


def local_day(now: dt.datetime, zone: str | None) -> dt.date:
    """Return the date in a zone; in UTC where there is none."""
    return now.astimezone(zones.load(zone) if zone else dt.UTC).date()


@attrs.frozen(kw_only=True)
class Hours:
    """When a change may be written so that it first acts on a day."""

    first_day: dt.date
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None


def seam_hours(day: dt.date, generation: Generation | None, zone: str | None) -> Hours:
    """
    Return the hours in which a change must be written to first act on a day.

    Where the vendor has no run of its own, these are the hours of the day before: what
    begins a little early is a nuisance, what begins late is a gap.
    """
    where = zones.load(zone or "UTC")
    at = generation.at if generation else dt.time()
    margin = generation.margin if generation else dt.timedelta()
    before = zones.instant(where, day - dt.timedelta(1), at)
    return Hours(
        first_day=day,
        not_before=before + margin,
        not_after=zones.instant(where, day, at) - margin,
    )


def next_hours(
    now: dt.datetime, generation: Generation | None, zone: str | None
) -> Hours:
    """
    Return the first day on which a change made now can act, and its hours.

    A vendor that makes a day's tasks in a run of its own shows a change only from the
    run after it; within the margin of a run nothing is written.
    """
    today = local_day(now, zone)
    if generation is None or zone is None:
        return Hours(first_day=today)
    where = zones.load(zone)
    run = zones.instant(where, today, generation.at)
    day = today
    while run - generation.margin <= now:
        day += dt.timedelta(1)
        run = zones.instant(where, day, generation.at)
    last_run = zones.instant(where, day - dt.timedelta(1), generation.at)
    return Hours(
        first_day=day,
        not_before=max(now, last_run + generation.margin),
        not_after=run - generation.margin,
    )
