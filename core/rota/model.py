"""
What rota speaks of: Task, Schedule, Occurrence, Session, and what they are made of.

A Task is what, where and who; a Schedule adds when; an Occurrence is a Schedule on
one day; a Session is one execution of an Occurrence. All are frozen values. No
vendor's word appears here: what a record holds beyond the core stays in ``extras``,
typed by the plugin that read it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

import attrs

from .errors import ValueRefused
from .recurrence import Recurrence


Json: TypeAlias = "bool | int | float | str | list[Json] | tuple[Json, ...] | Mapping[str, Json] | None"
Extras: TypeAlias = Mapping[str, Json]

MOST_DAYS = 32


class Kind(StrEnum):
    """What a reference points at; the crosswalk maps kind to kind."""

    SCHEDULE = "schedule"
    OCCURRENCE = "occurrence"
    SESSION = "session"
    REPORT = "report"
    PERSON = "person"
    POST = "post"
    DEVICE = "device"
    SITE = "site"
    CASE = "case"
    CATEGORY = "category"
    FORM = "form"
    TAG = "tag"
    TOUR = "tour"


@attrs.frozen(kw_only=True, order=True)
class Ref:
    """
    One record of one account.

    Args:
        account: The account's name in the configuration.
        id: The vendor's id as text; unique for the account and kind.
    """

    account: str
    kind: Kind
    id: str

    @property
    def key(self) -> str:
        """The reference without its account: ``site:12``."""
        return f"{self.kind}:{self.id}"

    @classmethod
    def parse(cls, account: str, key: str) -> Ref:
        """Read a :attr:`key` back; ValueRefused where it is not one."""
        kind, colon, identifier = key.partition(":")
        if not colon or kind not in {str(k) for k in Kind} or not identifier:
            raise ValueRefused(
                f"{key!r} is not a reference",
                hint="write KIND:ID, for instance site:12; kinds are "
                + ", ".join(Kind),
            )
        return cls(account=account, kind=Kind(kind), id=identifier)

    def __str__(self) -> str:
        return f"{self.account}/{self.key}"


# ---------------------------------------------------------------- what, where, who


@attrs.frozen(kw_only=True)
class Point:
    """
    A circle on the ground.

    Args:
        lat: Degrees north, WGS 84.
        lng: Degrees east.
        radius_m: Metres; None where the record has none.
    """

    lat: float = attrs.field(
        validator=[attrs.validators.ge(-90), attrs.validators.le(90)]
    )
    lng: float = attrs.field(
        validator=[attrs.validators.ge(-180), attrs.validators.le(180)]
    )
    radius_m: int | None = None


@attrs.frozen(kw_only=True)
class Place:
    """Where: a site or case by reference, a point, an address, or several of these."""

    ref: Ref | None = None
    point: Point | None = None
    address: str | None = None


class Keeps(StrEnum):
    """What a vendor keeps of a window when the clock changes inside it."""

    END = "end"
    LENGTH = "length"


@attrs.frozen(kw_only=True)
class Window:
    """
    A span on the wall clock that belongs to the day on which it starts.

    Args:
        start: Local time of day, naive.
        end: Local time of day, naive.
        days: Midnights crossed, 0 to 32: 22:00-02:00 has 1, a full day from
            06:00 has 1 and equal times.
        keeps: What stays when the clock changes inside: the end on the wall clock,
            or the length in minutes.
    """

    start: dt.time
    end: dt.time
    days: int = 0
    keeps: Keeps = Keeps.END

    def __attrs_post_init__(self) -> None:
        if self.start.tzinfo or self.end.tzinfo:
            raise ValueRefused("a window's times are wall-clock times without a zone")
        if not 0 <= self.days <= MOST_DAYS:
            raise ValueRefused(
                f"a window crosses 0 to {MOST_DAYS} midnights, not {self.days}"
            )
        if self.days == 0 and self.end <= self.start:
            raise ValueRefused(
                f"a window from {self.start} to {self.end} ends before it starts",
                hint="a window that ends on the next day has days=1",
            )

    @classmethod
    def lasting(
        cls, start: dt.time, minutes: int, *, keeps: Keeps = Keeps.END
    ) -> Window:
        """Return the window that begins at ``start`` and lasts so many minutes."""
        begin = dt.datetime.combine(dt.date(2000, 1, 1), start)
        end = begin + dt.timedelta(minutes=minutes)
        return cls(
            start=start,
            end=end.time(),
            days=(end.date() - begin.date()).days,
            keeps=keeps,
        )

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read ``22:00-02:00``; an end that is not after the start is on the next day."""
        start, _, end = text.partition("-")
        try:
            first, last = (dt.time.fromisoformat(at.strip()) for at in (start, end))
        except ValueError:
            raise ValueRefused(
                f"{text!r} is no window", hint="write a start and an end: 08:00-17:00"
            ) from None
        return cls(start=first, end=last, days=0 if last > first else 1)

    @property
    def length(self) -> dt.timedelta:
        """Its length on a day without a clock change."""
        return (
            dt.datetime.combine(dt.date(2000, 1, 1) + dt.timedelta(self.days), self.end)
        ) - dt.datetime.combine(dt.date(2000, 1, 1), self.start)

    @property
    def minutes(self) -> int:
        """:attr:`length` in whole minutes."""
        return int(self.length.total_seconds() // 60)

    def __str__(self) -> str:
        late = f" (+{self.days}d)" if self.days > 1 else ""
        return f"{_clock(self.start)}-{_clock(self.end)}{late}"


@attrs.frozen(kw_only=True)
class AllDay:
    """A whole day, without hours and without a zone."""

    def __str__(self) -> str:
        return "all day"


When: TypeAlias = Window | AllDay


@attrs.frozen(kw_only=True)
class Stop:
    """One place of a round, in order; its window is on the day of the round."""

    title: str
    place: Place
    window: Window
    instructions: str = ""
    grace_min: int | None = None
    form: Ref | None = None
    tags: tuple[Ref, ...] = ()
    extras: Extras = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Task:
    """
    What, where and who.

    Args:
        category: The vendor's type of task, by reference.
        assignee: A post, person or device; None is nobody.
        helpers: Further assignees, where a vendor takes several.
        tour: A round kept elsewhere, by reference.
        stops: A round that is part of the record.
        effort_min: Minutes of work expected; not the length of the window.
        grace_min: Minutes of lateness tolerated.
    """

    title: str
    instructions: str = ""
    category: Ref | None = None
    place: Place | None = None
    assignee: Ref | None = None
    helpers: tuple[Ref, ...] = ()
    tour: Ref | None = None
    stops: tuple[Stop, ...] = ()
    form: Ref | None = None
    tags: tuple[Ref, ...] = ()
    effort_min: int | None = None
    grace_min: int | None = None


# ------------------------------------------------------------------------------ when


@attrs.frozen(kw_only=True)
class Line:
    """Days, and the window on each of them."""

    days: Recurrence
    window: When


@attrs.frozen(kw_only=True)
class Recurring:
    """On all the days of its lines; begin and end live in the recurrences."""

    lines: tuple[Line, ...]


@attrs.frozen(kw_only=True)
class Once:
    """On one day."""

    day: dt.date
    window: When


@attrs.frozen(kw_only=True)
class AdHoc:
    """Whenever somebody adds an occurrence, between two days (both included)."""

    window: When
    first: dt.date | None = None
    last: dt.date | None = None


class Period(StrEnum):
    """The span within which a quota is to be reached."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@attrs.frozen(kw_only=True)
class Quota:
    """
    So many times within a period, on days that the people choose.

    Args:
        times: None where the record doesn't say.
        period: None where neither the record nor the settings say.
        several_a_day: Whether several executions may fall on one day.
    """

    times: int | None
    period: Period | None
    several_a_day: bool
    optional: bool
    window: When
    first: dt.date | None = None
    last: dt.date | None = None


@attrs.frozen(kw_only=True)
class Opaque:
    """
    A timing that is kept but not understood, so it's never translated.

    Args:
        why: What is not known, and which setting would tell.
    """

    why: str
    first: dt.date | None = None
    last: dt.date | None = None


Timing: TypeAlias = Recurring | Once | AdHoc | Quota | Opaque


class ZoneOrigin(StrEnum):
    """Who decided a zone."""

    SITE = "site"
    ACCOUNT = "account"
    SETTING = "setting"


@attrs.frozen(kw_only=True)
class Zone:
    """An IANA zone and where it came from."""

    name: str
    origin: ZoneOrigin


class ScheduleStatus(StrEnum):
    """Whether a schedule makes occurrences; its completion belongs to these."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    ENDED = "ended"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class Schedule:
    """
    A Task and when it is to be done.

    Args:
        ref: None until an account holds it.
        zone: The zone of all wall-clock times; None for whole days.
        status_text: The vendor's own word for the status.
        mark: The mark found on the record when it was read, taken off its texts.
    """

    ref: Ref | None = None
    task: Task
    timing: Timing
    zone: Zone | None = None
    status: ScheduleStatus = ScheduleStatus.ACTIVE
    status_text: str = ""
    mark: str | None = None
    extras: Extras = attrs.field(factory=dict)

    @property
    def zone_name(self) -> str | None:
        """The zone's IANA name, None for whole days."""
        return self.zone.name if self.zone else None


# -------------------------------------------------------------------- what was done


class OccurrenceStatus(StrEnum):
    """How far an occurrence has come."""

    PLANNED = "planned"
    OFFERED = "offered"
    STARTED = "started"
    DONE = "done"
    LATE = "late"
    PARTIAL = "partial"
    MISSED = "missed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class SessionStatus(StrEnum):
    """How far one execution has come."""

    OPEN = "open"
    STARTED = "started"
    DONE = "done"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


class StepKind(StrEnum):
    """What happened at one step of a session."""

    SCHEDULED = "scheduled"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    STARTED = "started"
    ARRIVED = "arrived"
    POSTPONED = "postponed"
    REPORTED = "reported"
    DONE = "done"
    CANCELLED = "cancelled"
    REOPENED = "reopened"
    CONVERTED = "converted"
    CHANGED = "changed"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class Step:
    """One line of a session's log; ``text`` keeps the vendor's word."""

    ref: Ref | None = None
    kind: StepKind
    text: str
    at: dt.datetime | None = None
    who: Ref | None = None
    note: str = ""
    extras: Extras = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Answer:
    """One field of a report."""

    name: str
    value: Json


@attrs.frozen(kw_only=True)
class Report:
    """What was written down during a session."""

    ref: Ref
    form: Ref | None = None
    submitted: dt.datetime | None = None
    status_text: str = ""
    answers: tuple[Answer, ...] = ()
    extras: Extras = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Session:
    """
    One execution of an occurrence.

    Args:
        started: Aware; None while not started.
        ended: Aware; None while not ended.
        first: The first visit of its sequence; None when standalone.
        previous: The visit before it; None when standalone.
    """

    ref: Ref | None = None
    status: SessionStatus
    status_text: str = ""
    who: Ref | None = None
    started: dt.datetime | None = None
    ended: dt.datetime | None = None
    first: Ref | None = None
    previous: Ref | None = None
    report: Report | None = None
    steps: tuple[Step, ...] = ()
    extras: Extras = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Occurrence:
    """
    A Schedule on one day.

    Args:
        schedule: None where the vendor keeps no link back.
        day: The day on which its window starts, in its own zone.
        start: Aware instant; None for a whole day.
        end: Aware instant; None for a whole day.
        foreseen: The vendor's own preview: nothing exists yet.
        exception: The vendor's word for an override of this one day.
        done_times: Executions done, for a quota.
        times: Executions asked for, for a quota.
    """

    ref: Ref | None = None
    schedule: Ref | None = None
    day: dt.date
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    title: str = ""
    place: Place | None = None
    assignee: Ref | None = None
    status: OccurrenceStatus = OccurrenceStatus.PLANNED
    status_text: str = ""
    foreseen: bool = False
    exception: str | None = None
    done_times: int | None = None
    times: int | None = None
    mark: str | None = None
    sessions: tuple[Session, ...] = ()
    extras: Extras = attrs.field(factory=dict)


def _clock(at: dt.time) -> str:
    return at.strftime("%H:%M:%S") if at.second else at.strftime("%H:%M")
