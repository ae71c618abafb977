"""Something planned on one day, and what became of it."""

from __future__ import annotations

import datetime as dt
from typing import TypeAlias

import attrs

from rota import zones
from rota.model import Occurrence, OccurrenceStatus, Place, Ref, SessionStatus
from rota.planning import local_day

from .figures import Outcome


Moment: TypeAlias = tuple[dt.datetime, dt.datetime] | dt.date


@attrs.define(kw_only=True)
class Slot:
    """
    Something planned, and the occurrence that is it.

    Args:
        source: The schedule, as ``kind:id`` at the source.
        target: The record that planned it, empty at the source.
        day: In the zone of the schedule at the source.
        over: When it counts as missed: its end, and the grace.
        once: Whether its record is this one occurrence.
    """

    source: str
    target: str = ""
    titles: frozenset[str] = frozenset()
    day: dt.date
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    over: dt.datetime
    place: Place | None = None
    assignee: Ref | None = None
    once: bool = False
    occurrence: Occurrence | None = None
    doubtful: bool = False

    @property
    def moment(self) -> Moment:
        """When it is, comparable with an occurrence's."""
        return moment_of(self.day, self.start, self.end)

    def outcome(self, now: dt.datetime) -> Outcome:
        """Return what became of it."""
        if self.doubtful:
            return Outcome.UNATTRIBUTED
        if self.occurrence is not None:
            return judge(self.occurrence, self.over, now)
        return Outcome.ABSENT if self.over <= now else Outcome.OPEN


def judge(one: Occurrence, over: dt.datetime, now: dt.datetime) -> Outcome:
    """Return what became of an occurrence; done late counts from the end of its work."""
    begun = any(session.started or session.ended for session in one.sessions)
    if _is_done(one):
        ended = max((s.ended for s in one.sessions if s.ended), default=None)
        late = one.status is OccurrenceStatus.LATE if ended is None else ended > over
        return Outcome.LATE if late else Outcome.DONE
    match one.status:
        case OccurrenceStatus.PARTIAL:
            return Outcome.PARTIAL
        case OccurrenceStatus.MISSED:
            return Outcome.MISSED
        case OccurrenceStatus.FAILED:
            return Outcome.PARTIAL if begun else Outcome.MISSED
        case OccurrenceStatus.CANCELLED:
            return Outcome.CANCELLED
        case OccurrenceStatus.UNKNOWN:
            return Outcome.UNKNOWN
        case OccurrenceStatus.STARTED:
            return Outcome.OPEN
    return Outcome.OPEN if begun or now < over else Outcome.MISSED


def _is_done(one: Occurrence) -> bool:
    """Tell whether the work was done, also where only its session says so."""
    if one.status in (OccurrenceStatus.DONE, OccurrenceStatus.LATE):
        return True
    silent = (OccurrenceStatus.PLANNED, OccurrenceStatus.OFFERED)
    return one.status in (*silent, OccurrenceStatus.MISSED) and any(
        session.status is SessionStatus.DONE for session in one.sessions
    )


def moment_of(
    day: dt.date, start: dt.datetime | None, end: dt.datetime | None
) -> Moment:
    """Return both instants in UTC, or the day where there are none."""
    if start is None or end is None:
        return day
    return start.astimezone(dt.UTC), end.astimezone(dt.UTC)


def when(one: Occurrence) -> Moment:
    """Return when an occurrence is, comparable with a slot's moment."""
    return moment_of(one.day, one.start, one.end)


def day_in(start: dt.datetime | None, zone: str | None, own: dt.date) -> dt.date:
    """Return the day of a start in a zone; ``own`` where one of them is not known."""
    return local_day(start, zone) if start is not None and zone is not None else own


def day_over(day: dt.date, zone: str | None) -> dt.datetime:
    """Return when a day is over: in its zone, or everywhere on earth."""
    if zone is None:
        return dt.datetime.combine(day + dt.timedelta(1), dt.time(12), dt.UTC)
    return zones.instant(zones.load(zone), day + dt.timedelta(1), dt.time(0))
