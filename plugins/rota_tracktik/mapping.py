"""
Site-task schedules and the core's values, each from the other; pure.

``print_schedule`` of what ``parse_schedule`` gives is the record again, key for key,
and the other way round: for all that a site task can say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import attrs

from rota.errors import RotaError, ValueRefused
from rota.model import (
    AdHoc,
    Json,
    Kind,
    Line,
    Once,
    Opaque,
    Place,
    Quota,
    Recurring,
    Ref,
    Schedule,
    ScheduleStatus,
    Task,
    Timing,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.recurrence import ByDay, Freq, Recurrence, Rule, Weekday
from rota.vendor import Entry, Number, Text, take_mark

from .records import DAYS, Reader, Record, beside, beyond, id_of, midnight, said_of
from .settings import SameTimes, Settings, capabilities, week_start


READ_ONLY = ("id", "createdOn", "updatedOn")
PERIODIC = (
    "isPeriodic",
    "isPeriodicOptional",
    "isPeriodicMultipleExecution",
    "periodicTotal",
)
TIMING = (
    "type",
    "beginServiceDate",
    "endServiceDate",
    "rangeStartTime",
    "rangeEndTime",
    "dayOfWeekStart",
    "dayOfWeekEnd",
    "frequency",
    *PERIODIC,
)
SCHEDULE_STATUS: Mapping[str, ScheduleStatus] = {
    "ACTIVE": ScheduleStatus.ACTIVE,
    "INACTIVE": ScheduleStatus.INACTIVE,
    "ENDED": ScheduleStatus.ENDED,
}
"""ACTIVE is confirmed; INACTIVE is its usual counterpart, ENDED a guess."""

# --------------------------------------------------------------------------- schedules


def parse_schedule(
    record: Record, *, account: str, zone: str | None, settings: Settings
) -> Schedule:
    """
    Read a site-task schedule.

    Args:
        account: The account's name, for references.
        zone: IANA zone of its client site; None where it is not known.

    Raises:
        ValueRefused: A field has the wrong type, with its path.
    """
    read = Reader(record, "site-task-schedules", account)
    schedule = _schedule(read, zone=zone, settings=settings)
    custom: dict[str, Json] = {}
    if schedule.mark is None and record.get("customId"):
        custom["customId"] = record["customId"]
    canonical = _print_schedule(attrs.evolve(schedule, extras=custom), settings)
    return attrs.evolve(schedule, extras=custom | beside(record, canonical, TIMING))


def _schedule(read: Reader, *, zone: str | None, settings: Settings) -> Schedule:
    custom = read.text("customId")
    _, mark = take_mark(custom)
    site = read.ref("client", Kind.SITE)
    status = read.text("status") or "ACTIVE"
    return Schedule(
        ref=None
        if read.id is None
        else Ref(account=read.account, kind=Kind.SCHEDULE, id=read.id),
        task=Task(
            title=read.text("description"),
            instructions=read.text("instructions").replace("\r\n", "\n"),
            category=read.ref("taskType", Kind.CATEGORY),
            place=None if site is None else Place(ref=site),
            assignee=read.ref("position", Kind.POST),
            tour=read.ref("checkpointTour", Kind.TOUR),
            form=read.ref("reportTemplate", Kind.FORM),
            effort_min=read.number("durationMinutes") or None,
        ),
        timing=_parse_timing(read, settings),
        zone=None if zone is None else Zone(name=zone, origin=ZoneOrigin.SITE),
        status=_status(status, settings),
        status_text=status,
        mark=mark if mark == custom else None,
    )


def print_schedule(schedule: Schedule, *, settings: Settings) -> dict[str, Json]:
    """
    Return the record of a schedule, with its id and all it held when it was read.

    Raises:
        ValueRefused: The timing can't be said, or needs a setting.
    """
    canonical = _print_schedule(schedule, settings, opaque=True)

    def told(record: Record) -> Schedule:
        read = Reader(record, "site-task-schedules", "")
        return _schedule(read, zone=None, settings=settings)

    record = dict(canonical)
    groups: list[tuple[str, ...]] = [TIMING]
    groups += [(name,) for name in canonical if name not in TIMING]
    said, left_out = said_of(schedule.extras)
    for group in groups:
        trial = {**canonical, **{k: v for k, v in said.items() if k in group}}
        for name in left_out & set(group):
            trial.pop(name, None)
        if trial == canonical:
            continue
        if _core(told(trial)) == _core(told(canonical)):
            record = {k: v for k, v in record.items() if k not in group}
            record |= {k: v for k, v in trial.items() if k in group}
    return {**record, **beyond(schedule.extras, canonical)}


def _status(text: str, settings: Settings) -> ScheduleStatus:
    if text == settings.inactive_status:
        return ScheduleStatus.INACTIVE
    return SCHEDULE_STATUS.get(text, ScheduleStatus.UNKNOWN)


_STATUS_TEXT = {ScheduleStatus.ACTIVE: "ACTIVE", ScheduleStatus.ENDED: "ENDED"}


def changes(now: Record, was: Record) -> dict[str, Json]:
    """Return the body of the PATCH that makes the one record of the other."""
    body = {k: v for k, v in writable(now).items() if k not in was or was[k] != v}
    if was.get("isPeriodic") and "isPeriodic" not in now:
        body["isPeriodic"] = False
    return body


_REQUIRED = {
    "client": "a site",
    "taskType": "a task type",
    "beginServiceDate": "a first day of service",
}


def new_record(schedule: Schedule, *, settings: Settings) -> dict[str, Json]:
    """
    Return the body of the POST that makes a schedule.

    Raises:
        ValueRefused: It can't be said, lacks what the vendor requires, or is of a type
            whose token is not confirmed and not configured.
    """
    allowed, setting = {
        Once: (settings.create_one_time, "create_one_time"),
        AdHoc: (settings.create_adhoc, "create_adhoc"),
        Quota: (settings.create_periodic, "create_periodic"),
    }.get(type(schedule.timing), (True, ""))
    if not allowed:
        raise ValueRefused(
            f"how TrackTik is told of a {type(schedule.timing).__name__} schedule is not "
            "documented, so none is made",
            hint=f"set {setting} = true once the portal's own words are configured",
        )
    _refuse(_problems(schedule, settings))
    record = writable(print_schedule(schedule, settings=settings))
    if not isinstance(schedule.timing, Quota):
        record = {k: v for k, v in record.items() if k not in PERIODIC}
    for name, what in _REQUIRED.items():
        if record.get(name) is None:
            raise ValueRefused(f"a site task needs {what} ({name})")
    return record


def changed_record(
    schedule: Schedule, was: Schedule, *, settings: Settings
) -> dict[str, Json]:
    """
    Return the body of the PATCH that makes one schedule of the other; empty for none.

    A null ``taskSiteInstruction`` is never in it: the vendor would take it as a request
    to pick one.

    Raises:
        ValueRefused: What changed can't be said.
    """
    before = _problems(was, settings)
    if schedule.mark and not was.mark and was.extras.get("customId"):
        _refuse([f"its customId is taken: {was.extras['customId']}"])
    _refuse([each for each in _problems(schedule, settings) if each not in before])
    body = changes(
        print_schedule(schedule, settings=settings),
        print_schedule(was, settings=settings),
    )
    if body.get("taskSiteInstruction", 0) is None:
        del body["taskSiteInstruction"]
    return body


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ValueRefused("; ".join(problems))


def _problems(schedule: Schedule, settings: Settings) -> list[str]:
    """Return what of the schedule the vendor's fields can't hold."""
    can, task = capabilities(settings), schedule.task
    found = []
    for name, text in (("title", task.title), ("instructions", task.instructions)):
        limit = can.fields[name]
        assert isinstance(limit, Text)
        if len(text) > limit.longest:
            found.append(f"its {name} is longer than {limit.longest} characters")
        if not limit.lines and ("\n" in text or "\r" in text):
            found.append(f"its {name} has a line break")
    minutes = can.fields["effort_min"]
    assert isinstance(minutes, Number)
    if task.effort_min is not None and not (
        minutes.least <= task.effort_min <= minutes.most
    ):
        found.append(f"{task.effort_min} minutes of work")
    timing = schedule.timing
    if isinstance(timing, Quota) and timing.period is not settings.quota_period:
        found.append(
            f"a quota by the {timing.period or 'unknown period'}, where the account's "
            f"is by the {settings.quota_period or 'unknown period'}"
        )
    if (holds := can.holds(timing)) is not None:
        windows = (
            [line.window for line in timing.lines]
            if isinstance(timing, Recurring)
            else []
            if isinstance(timing, Opaque)
            else [timing.window]
        )
        found += [
            f"a window of {window}"
            for window in windows
            if not isinstance(window, Window)
            or window.minutes > holds.window.longest_min
        ]
    return found


def writable(record: Record) -> dict[str, Json]:
    """Return the record without the fields that only the vendor writes."""
    return {k: v for k, v in record.items() if k not in READ_ONLY}


def _core(schedule: Schedule) -> Schedule:
    return attrs.evolve(schedule, ref=None, zone=None, extras={})


def _print_schedule(
    schedule: Schedule, settings: Settings, *, opaque: bool = False
) -> dict[str, Json]:
    task = schedule.task
    status = schedule.status_text
    if _status(status, settings) is not schedule.status:
        status = _STATUS_TEXT.get(schedule.status, settings.inactive_status)
    custom = schedule.extras.get("customId")
    record: dict[str, Json] = {
        **({} if schedule.ref is None else {"id": id_of(schedule.ref)}),
        "customId": schedule.mark or (custom if isinstance(custom, str) else ""),
        "taskType": id_of(task.category),
        "description": task.title,
        "instructions": task.instructions.replace("\n", "\r\n"),
        "client": id_of(task.place.ref if task.place else None),
        "position": id_of(task.assignee),
        "checkpointTour": id_of(task.tour),
        "reportTemplate": id_of(task.form),
        "durationMinutes": task.effort_min or 0,
        "status": status,
    }
    if isinstance(schedule.timing, Opaque):
        said, _ = said_of(schedule.extras)
        if opaque and not said:
            raise ValueRefused(
                f"a timing that is not understood can't be written: {schedule.timing.why}"
            )
        return record | {k: v for k, v in said.items() if k in TIMING}
    return record | _print_timing(schedule.timing, settings)


# ------------------------------------------------------------------------------ timing


def _parse_timing(read: Reader, settings: Settings) -> Timing:
    first = read.civil("beginServiceDate")
    last = read.civil("endServiceDate")
    if last is not None and not settings.end_inclusive:
        last -= dt.timedelta(1)

    def unknown(why: str) -> Opaque:
        return Opaque(why=why, first=first, last=last)

    kind = read.text("type")
    frequency = read.text("frequency")
    starts, ends = read.days("dayOfWeekStart"), read.days("dayOfWeekEnd")
    start, end = read.clock("rangeStartTime"), read.clock("rangeEndTime")
    if start is None or end is None:
        return unknown("it names no hours")
    if len(starts) != len(ends):
        return unknown("its start days and end days don't pair")
    nights = [(e - s) % 7 for s, e in zip(starts, ends, strict=True)]
    nights = nights or [int(end < start)]
    if 0 in nights and end <= start and settings.same_times is SameTimes.REFUSE:
        return unknown(
            f"its window {start:%H:%M} to {end:%H:%M} starts and ends on one weekday; "
            'set same_times = "24h" if it ends on the next day'
        )

    late = int(end <= start)
    lasting = [Window(start=start, end=end, days=days or late) for days in nights]
    if kind == settings.one_time_token:
        if first is None or (starts and first.weekday() not in starts):
            return unknown("it happens once, and it is not clear on which day")
        at = starts.index(first.weekday()) if starts else 0
        return Once(day=first, window=lasting[at])
    dayless = kind == settings.adhoc_token or read.flag("isPeriodic")
    if dayless and any(window.days != late for window in lasting):
        return unknown("its days make its windows longer than its hours say")
    if kind == settings.adhoc_token:
        return AdHoc(window=lasting[0], first=first, last=last)
    if kind != "RECURRING":
        return unknown(
            f"its type {kind!r} is not known; set one_time_token or adhoc_token"
        )
    if read.flag("isPeriodic"):
        return Quota(
            times=read.number("periodicTotal"),
            period=settings.quota_period,
            several_a_day=read.flag("isPeriodicMultipleExecution"),
            optional=read.flag("isPeriodicOptional"),
            window=lasting[0],
            first=first,
            last=last,
        )
    if not starts:
        return unknown("it names no days and does not say that it is periodic")
    if frequency == "WEEKLY":
        interval = 1
    elif settings.biweekly_token and frequency == settings.biweekly_token:
        interval = 2
    else:
        return unknown(
            f"its frequency {frequency!r} is not known; set biweekly_token if it means "
            "every second week"
        )
    if interval > 1 and first is None:
        return unknown("every second week, without a first day to count from")
    days_of: dict[int, list[int]] = {}
    for day, window in zip(starts, lasting, strict=True):
        days_of.setdefault(window.days, []).append(day)
    try:
        lines = tuple(
            Line(
                days=Recurrence(
                    rules=(
                        Rule(
                            freq=Freq.WEEKLY,
                            interval=interval,
                            start=first,
                            until=last,
                            by_day=tuple(ByDay(Weekday(d + 1)) for d in on),
                            wkst=week_start(settings) if interval > 1 else Weekday.MO,
                        ),
                    )
                ),
                window=Window(start=start, end=end, days=days),
            )
            for days, on in sorted(days_of.items())
        )
    except RotaError as error:
        return unknown(error.message)
    return Recurring(lines=lines)


def _print_timing(timing: Timing, settings: Settings) -> dict[str, Json]:
    match timing:
        case Recurring(lines=lines):
            return _print_lines(lines, settings)
        case Once(day=day, window=Window() as window):
            return {
                **_span(settings.one_time_token, window, day, day, settings),
                "dayOfWeekStart": [DAYS[day.weekday()]],
                "dayOfWeekEnd": [DAYS[(day.weekday() + window.days) % 7]],
            }
        case AdHoc(window=Window() as window, first=first, last=last):
            _check_dayless(window, settings)
            return _span(settings.adhoc_token, window, first, last, settings)
        case Quota(window=Window() as window) as quota:
            _check_dayless(window, settings)
            return {
                **_span("RECURRING", window, quota.first, quota.last, settings),
                "isPeriodic": True,
                "isPeriodicOptional": quota.optional,
                "isPeriodicMultipleExecution": quota.several_a_day,
                "periodicTotal": quota.times,
            }
    raise ValueRefused(
        f"a site task can't be {type(timing).__name__}",
        hint="site tasks have hours: whole days can't be written",
    )


def _check_dayless(window: Window, settings: Settings) -> None:
    """Refuse a window that a record without days can't say."""
    same = window.start == window.end and settings.same_times is SameTimes.REFUSE
    if same or window.days != int(window.end <= window.start):
        raise ValueRefused(
            f"a site task without days can't last from {window}",
            hint='equal times need same_times = "24h"' if same else "",
        )


def _span(
    kind: str,
    window: Window,
    first: dt.date | None,
    last: dt.date | None,
    settings: Settings,
) -> dict[str, Json]:
    if last is not None and not settings.end_inclusive:
        last += dt.timedelta(1)
    return {
        "type": kind,
        "beginServiceDate": midnight(first),
        "endServiceDate": midnight(last),
        "rangeStartTime": window.start.isoformat("seconds"),
        "rangeEndTime": window.end.isoformat("seconds"),
        "dayOfWeekStart": None,
        "dayOfWeekEnd": None,
        "frequency": "WEEKLY",
    }


def _print_lines(lines: tuple[Line, ...], settings: Settings) -> dict[str, Json]:
    pairs: list[tuple[int, int]] = []
    found: set[tuple[object, ...]] = set()
    for line in lines:
        rule, window = _weekly(line), line.window
        if not isinstance(window, Window):
            raise ValueRefused("a site task has hours; a whole day can't be written")
        if window.days > 6 or (window.days == 0 and window.end <= window.start):
            raise ValueRefused(f"a site task can't last from {window}")
        found.add(
            (rule.interval, rule.start, rule.until, rule.wkst, window.start, window.end)
        )
        pairs += [
            (by.weekday - 1, (by.weekday - 1 + window.days) % 7) for by in rule.by_day
        ]
    if len(found) != 1 or len({s for s, _ in pairs}) != len(pairs) or not pairs:
        raise ValueRefused(
            "a site task has one span of service, one pair of times and each weekday once",
            hint="tell it as several schedules",
        )
    rule, window = _weekly(lines[0]), lines[0].window
    assert isinstance(window, Window)
    frequency = "WEEKLY"
    if rule.interval == 2 and settings.biweekly_token:
        frequency = settings.biweekly_token
        rule = _in_weeks(rule, week_start(settings))
    elif rule.interval != 1:
        raise ValueRefused(
            f"a site task can't be said every {rule.interval} weeks",
            hint="set biweekly_token if the portal has every second week",
        )
    pairs.sort()
    return {
        **_span("RECURRING", window, rule.start, rule.until, settings),
        "dayOfWeekStart": [DAYS[s] for s, _ in pairs],
        "dayOfWeekEnd": [DAYS[e] for _, e in pairs],
        "frequency": frequency,
    }


def _in_weeks(rule: Rule, wkst: Weekday) -> Rule:
    """Return the same days, counted in weeks that begin on another day."""
    if rule.wkst == wkst:
        return rule
    days = rule.dayset()
    other = attrs.evolve(rule, wkst=wkst, start=days.first() or rule.start)
    if other.dayset() == days:
        return other
    raise ValueRefused(
        f"{rule.text} falls into two kinds of week where weeks begin on {wkst.name}",
        hint="tell it as two schedules, or set week_starts",
    )


def _weekly(line: Line) -> Rule:
    days = line.days
    if len(days.rules) == 1 and not days.rdates and not days.exdates:
        [rule] = days.rules
        plain = Rule(
            freq=Freq.WEEKLY,
            interval=rule.interval,
            start=rule.start,
            until=rule.until,
            by_day=rule.by_day,
            wkst=rule.wkst,
        )
        if rule == plain and all(by.ordinal is None for by in rule.by_day):
            return rule
    raise ValueRefused(
        f"a site task says days of the week, not {days.text.replace(chr(10), ', ')}"
    )


# --------------------------------------------------------------------------- directory


def parse_entry(record: Record, kind: Kind, *, account: str) -> Entry:
    """Read a line of the directory; a site's zone where it was included."""
    read = Reader(record, str(kind), account)
    ref = read.own(kind)
    if ref is None:
        raise ValueRefused(f"{read.path('id')}: is missing")
    names = (
        read.text("name"),
        f"{read.text('firstName')} {read.text('lastName')}".strip(),
    )
    name = next(filter(None, (*names, read.text("company"))), ref.id)
    active = read.text("status") in ("", "ACTIVE")
    return Entry(
        ref=ref,
        name=name,
        external=read.text("customId"),
        active=active,
        usable=active or kind is Kind.SITE,
        zone=(read.text("timeZone") or None) if kind is Kind.SITE else None,
        place=Place(address=_address(record.get("address")))
        if record.get("address")
        else None,
        extras={
            k: v
            for k, v in record.items()
            if k not in ("id", "name", "customId", "timeZone")
        },
    )


def _address(value: Json) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            str(part) for part in value.values() if isinstance(part, str) and part
        )
    return str(value)
