"""
Navixy's entries, tasks and routes told in rota's model, and told back; pure.

A record's members that the model says are printed from it; all others stay in
``extras`` under the vendor's names and fill in what the model leaves open. So
``record(parse(x))`` is ``x`` again, and ``writable`` takes from it what a client may
send. Null, an empty list and a missing member are one and the same.

References bear the record's kind, for entries and tasks are numbered apart:
``entry-7``, ``route-entry-8`` (recurring), ``task-9``, ``route-10`` (one-off).
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

import attrs

from rota import zones
from rota.days import DaySet
from rota.errors import ValueRefused
from rota.model import (
    Extras,
    Json,
    Keeps,
    Kind,
    Line,
    Once,
    Opaque,
    Place,
    Recurring,
    Ref,
    Schedule,
    Stop,
    Task,
    Timing,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.recurrence import Freq, Recurrence
from rota.vendor import Mark, add_mark, take_mark

from .reading import Body, Reader, Row, tell_moment, tell_wall


READ_ONLY = frozenset(
    {
        *("user_id", "type", "files", "form", "creation_date", "origin", "status"),
        *("status_change_date", "arrival_date", "stay_duration", "checkpoints"),
    }
)
"""What the vendor ignores or refuses in what a client sends."""

_OF_STOPS = frozenset({"min_stay_duration", "min_arrival_duration"})
_FEWEST, _MOST = 2, 500


class RecordKind(StrEnum):
    """What a schedule is at the vendor; the beginning of its reference's id."""

    ENTRY = "entry"
    ROUTE_ENTRY = "route-entry"
    TASK = "task"
    ROUTE = "route"

    @property
    def recurs(self) -> bool:
        """Whether it is an entry of the daily run."""
        return self in (RecordKind.ENTRY, RecordKind.ROUTE_ENTRY)

    @property
    def routed(self) -> bool:
        """Whether it has checkpoints."""
        return self in (RecordKind.ROUTE_ENTRY, RecordKind.ROUTE)


@attrs.frozen(kw_only=True)
class Record:
    """A record in the vendor's words; ``checkpoints`` are of a route."""

    kind: RecordKind
    row: Row
    checkpoints: tuple[Row, ...] = ()


# ------------------------------------------------------------------------- references


def make_id(kind: RecordKind, number: int) -> str:
    """Return the id of a reference: ``route-entry-8``."""
    return f"{kind}-{number}"


def split_id(text: str) -> tuple[RecordKind, int]:
    """Return what an id names; ValueRefused if it is none of ours."""
    kind, _, number = text.rpartition("-")
    if kind not in list(RecordKind) or not re.fullmatch(r"[1-9]\d*", number, re.ASCII):
        raise ValueRefused(
            f"{text!r} names no Navixy record",
            hint="ids look like " + ", ".join(f"{kind}-7" for kind in RecordKind),
        )
    return RecordKind(kind), int(number)


def _number(ref: Ref | None, kind: Kind, what: str) -> int | None:
    if ref is None:
        return None
    if ref.kind is not kind or not ref.id.isdecimal():
        raise ValueRefused(f"{what}: {ref.key} is no {kind} of this account")
    return int(ref.id)


# ---------------------------------------------------------------------------- parsing


def parse(record: Record, *, account: str, zone: str, keeps: Keeps) -> Schedule:
    """
    Return the schedule that a record is.

    Args:
        account: The account's name, for references.
        zone: The account's zone; all wall clocks are told in it.
        keeps: What the vendor keeps of an entry's window when the clock changes.

    Raises:
        ValueRefused: A member is missing or of a wrong type, with its path.
    """
    row, kind = record.row, record.kind
    reader = Reader(account=account, where=str(kind), keeps=keeps)
    stops = tuple(
        _read_stop(reader, stop, place, kind, zone)
        for place, stop in enumerate(_in_order(record))
    )
    description = reader.text(row, "description")
    if kind.recurs:
        instructions, mark = take_mark(description)
    else:
        instructions, mark = description, reader.external_mark(row)
    task = Task(
        title=reader.text(row, "label"),
        instructions=instructions,
        place=None if kind.routed else reader.place(row),
        assignee=reader.ref(row, "tracker_id", Kind.DEVICE),
        form=None if kind.routed else reader.form(row),
        tags=reader.tags(row),
        grace_min=None if kind.routed else reader.lateness(row),
        stops=stops,
    )
    timing = (
        _read_recurring(reader, row, stops)
        if kind.recurs
        else reader.once(row, zones.load(zone))
    )
    number = reader.whole(row, "id")
    core = Schedule(
        ref=None
        if number is None
        else Ref(account=account, kind=Kind.SCHEDULE, id=make_id(kind, number)),
        task=task,
        timing=timing,
        zone=Zone(name=zone, origin=ZoneOrigin.ACCOUNT),
        status_text="" if kind.recurs else reader.text(row, "status", default=""),
        mark=mark,
    )
    printed = _core_row(core, kind)
    return attrs.evolve(core, extras=_beyond(row, printed))


def _in_order(record: Record) -> Sequence[Row]:
    ids = record.row.get("checkpoint_ids")
    if isinstance(ids, list | tuple) and {c.get("id") for c in record.checkpoints} == (
        set(ids)
    ):
        return sorted(record.checkpoints, key=lambda c: ids.index(c.get("id")))
    return sorted(
        record.checkpoints,
        key=lambda c: order if isinstance(order := c.get("order"), int) else 0,
    )


def _read_stop(
    reader: Reader, row: Row, place: int, kind: RecordKind, zone: str
) -> Stop:
    here = attrs.evolve(reader, where=f"{reader.where}.checkpoints[{place}]")
    if kind.recurs:
        window = here.window(row)
    else:
        timing = here.once(row, zones.load(zone))
        if not isinstance(timing, Once) or not isinstance(timing.window, Window):
            raise here.refuse("to", "its window can't be told")
        window = timing.window
    core = Stop(
        title=here.text(row, "label"),
        place=here.place(row),
        window=window,
        instructions=here.text(row, "description"),
        grace_min=here.lateness(row),
        form=here.form(row),
        tags=here.tags(row),
    )
    printed = _stop_row(core, place, kind)
    if not kind.recurs:
        printed |= {"from": row.get("from"), "to": row.get("to")}
    return attrs.evolve(core, extras=_beyond(row, printed))


def _read_recurring(reader: Reader, row: Row, stops: tuple[Stop, ...]) -> Timing:
    window = _round_window(stops, reader.keeps) if stops else None
    if window is None and not stops and "from_time" in row:
        window = reader.window(row)
    days = reader.days(row)
    if window is None:
        return Opaque(why="its checkpoints do not follow one another")
    return Recurring(lines=(Line(days=days, window=window),))


def _round_window(stops: tuple[Stop, ...], keeps: Keeps) -> Window | None:
    """Return the window from the first stop's start to the latest stop's end."""
    ends = [(stop.window.days, stop.window.end) for stop in stops]
    days, end = max(ends)
    start = stops[0].window.start
    if (days, end) <= (0, start) or any(
        one.window.start > two.window.start for one, two in itertools.pairwise(stops)
    ):
        return None
    return Window(start=start, end=end, days=days, keeps=keeps)


# --------------------------------------------------------------------------- printing


def record(schedule: Schedule, *, iso: bool = False, sent: bool = False) -> Record:
    """
    Return the whole record that a schedule is; its own members fill in from extras.

    A route has no hours of its own: those of its stops are the round's, moved
    together where the round begins at another time than they do.

    Args:
        iso: Whether dates bear their offset.
        sent: Whether it is for the vendor, who wants the template of a form that is
            on the record already named again.

    Raises:
        ValueRefused: The vendor can't say it; the reason is told.
    """
    kind = kind_of(schedule)
    stops = _placed(_shared(schedule, kind)) if kind.routed else ()
    if kind.routed and not _FEWEST <= len(stops) <= _MOST:
        raise ValueRefused(
            f"a route has {_FEWEST} to {_MOST} checkpoints, not {len(stops)}"
        )
    core = _core_row(schedule, kind, iso=iso)
    left_out = _OF_STOPS if kind.routed else frozenset()
    row = _filled(core, {k: v for k, v in schedule.extras.items() if k not in left_out})
    if kind is RecordKind.ROUTE_ENTRY:
        row.pop("tags", None)
    checkpoints = []
    for place, stop in enumerate(stops):
        printed = _stop_row(stop, place, kind)
        if not kind.recurs:
            printed |= _period(stop.window, schedule, iso=iso)
        checkpoints.append(_filled(printed, stop.extras))
    if not sent:
        row, checkpoints = _formed(row), [_formed(stop) for stop in checkpoints]
    return Record(kind=kind, row=row, checkpoints=tuple(checkpoints))


def _shared(schedule: Schedule, kind: RecordKind) -> Schedule:
    """
    Give the stops what a route can't hold itself.

    Lateness, least times and, of an entry, tags go to every stop that has none; a form
    goes to the last one, to be filled in at the end of the round.
    """
    task = schedule.task
    own = {k: v for k, v in schedule.extras.items() if k in _OF_STOPS}
    stops = tuple(
        attrs.evolve(
            stop,
            grace_min=task.grace_min if stop.grace_min is None else stop.grace_min,
            tags=stop.tags or (task.tags if kind.recurs else ()),
            extras={**own, **stop.extras},
        )
        for stop in task.stops
    )
    if task.form is not None and stops[-1].form is None:
        stops = (*stops[:-1], attrs.evolve(stops[-1], form=task.form))
    return attrs.evolve(schedule, task=attrs.evolve(task, stops=stops))


def _placed(schedule: Schedule) -> tuple[Stop, ...]:
    """Return the stops, moved together to where their round begins."""
    stops, timing = schedule.task.stops, schedule.timing
    if isinstance(timing, Recurring):
        begin = _clocked(_only_line(timing).window).start
    elif isinstance(timing, Once):
        begin = _clocked(timing.window).start
    else:
        return stops
    by = _since_midnight(begin) - _since_midnight(stops[0].window.start)
    if not by:
        return stops
    return tuple(attrs.evolve(stop, window=_moved(stop.window, by)) for stop in stops)


def _moved(window: Window, by: dt.timedelta) -> Window:
    start = _since_midnight(window.start) + by
    if not dt.timedelta(0) <= start < dt.timedelta(days=1):
        raise ValueRefused(
            "a checkpoint would begin on another day than its route",
            hint="all checkpoints of a route begin on the day of the route",
        )
    moved = dt.datetime.combine(dt.date(2000, 1, 1), dt.time()) + start
    return Window.lasting(moved.time(), window.minutes, keeps=window.keeps)


def _since_midnight(at: dt.time) -> dt.timedelta:
    return dt.timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)


def _formed(row: Body) -> Body:
    """Leave out the template of a form that is on the record already."""
    form = row.get("form")
    if isinstance(form, Mapping) and form.get("template_id") == row.get(
        "form_template_id"
    ):
        return {k: v for k, v in row.items() if k != "form_template_id"}
    return row


def writable(made: Record) -> tuple[Body, list[Body]]:
    """Return what a client may send of a record: the row and its checkpoints."""
    tracker = made.row.get("tracker_id")
    row = {k: v for k, v in made.row.items() if k not in READ_ONLY}
    stops = [
        {k: v for k, v in stop.items() if k not in READ_ONLY} | {"tracker_id": tracker}
        for stop in made.checkpoints
    ]
    return row, stops


def kind_of(schedule: Schedule) -> RecordKind:
    """Return what a schedule is at the vendor; ValueRefused if it is nothing."""
    routed = bool(schedule.task.stops)
    match schedule.timing:
        case Recurring():
            return RecordKind.ROUTE_ENTRY if routed else RecordKind.ENTRY
        case Once():
            return RecordKind.ROUTE if routed else RecordKind.TASK
        case Opaque() if schedule.ref is not None:
            return split_id(schedule.ref.id)[0]
    raise ValueRefused(
        f"Navixy holds nothing like {type(schedule.timing).__name__}",
        hint="it knows weekdays, days of the month and single days",
    )


def _core_row(schedule: Schedule, kind: RecordKind, *, iso: bool = False) -> Body:
    """Return the members that the model says."""
    task, timing = schedule.task, schedule.timing
    text = task.instructions
    mark = Mark(schedule.mark) if schedule.mark else None
    row: Body = {}
    if schedule.ref is not None:
        row["id"] = split_id(schedule.ref.id)[1]
    row["tracker_id"] = _number(task.assignee, Kind.DEVICE, "assignee")
    row["label"] = task.title
    row["description"] = add_mark(text, mark) if kind.recurs else text
    if task.tags:
        row["tags"] = _tag_numbers(task.tags)
    if not kind.recurs and mark is not None:
        row["external_id"] = mark
    if not kind.recurs and schedule.status_text:
        row["status"] = schedule.status_text
    if not kind.routed:
        row["location"] = _location(task.place)
        _attach(row, task.form, task.grace_min)
    if isinstance(timing, Recurring):
        line = _only_line(timing)
        row["parameters"] = _parameters(line.days)
        if not kind.routed:
            row |= _hours(_clocked(line.window))
    elif isinstance(timing, Once):
        row |= _period(_clocked(timing.window), schedule, iso=iso)
    return row


def _stop_row(stop: Stop, place: int, kind: RecordKind) -> Body:
    row: Body = {
        "label": stop.title,
        "description": stop.instructions,
        "order": place,
        "location": _location(stop.place),
    }
    if stop.tags:
        row["tags"] = _tag_numbers(stop.tags)
    _attach(row, stop.form, stop.grace_min)
    return row | (_hours(stop.window) if kind.recurs else {})


def _attach(row: Body, form: Ref | None, grace_min: int | None) -> None:
    if form is not None:
        row["form_template_id"] = _number(form, Kind.FORM, "form")
    if grace_min is not None:
        if grace_min < 1:
            raise ValueRefused(f"{grace_min} minutes of lateness are none at all")
        row["max_delay"] = grace_min


def _tag_numbers(tags: tuple[Ref, ...]) -> list[Json]:
    return [_number(tag, Kind.TAG, "tags") for tag in tags]


def _location(place: Place | None) -> Body:
    if place is None or place.point is None or place.point.radius_m is None:
        raise ValueRefused(
            "Navixy demands a latitude, a longitude and a radius",
            hint="give the site a row in the crosswalk",
        )
    point = place.point
    where: Body = {"lat": point.lat, "lng": point.lng, "radius": point.radius_m}
    return where | ({"address": place.address} if place.address else {})


def _only_line(timing: Recurring) -> Line:
    if len(timing.lines) != 1:
        raise ValueRefused(
            f"an entry has one set of days and hours, not {len(timing.lines)}",
            hint="write one schedule for each",
        )
    return timing.lines[0]


def _clocked(window: object) -> Window:
    if not isinstance(window, Window):
        raise ValueRefused("Navixy knows no whole days, only hours")
    return window


def _hours(window: Window) -> Body:
    minutes, rest = divmod(window.length, dt.timedelta(minutes=1))
    if rest:
        raise ValueRefused(f"{window} does not last whole minutes")
    return {
        "from_time": window.start.strftime("%H:%M:%S"),
        "duration": minutes,
    }


def _parameters(days: Recurrence) -> Body:
    """Say days as weekdays or days of the month; ValueRefused where neither does."""
    wanted = days.dayset()
    ways = [
        ("weekdays", range(1, 8), DaySet.weekdays),
        ("month_days", range(1, 32), DaySet.month_days),
    ]
    # "Every day" fits both; what was said by the month stays said by the month.
    if days.rules and all(rule.freq is Freq.MONTHLY for rule in days.rules):
        ways.reverse()
    for kind, numbers, make in ways:
        fits = [n for n in numbers if make([n]).within(wanted)]
        if fits and make(fits) == wanted:
            return {"type": kind, kind: list(fits)}
    raise ValueRefused(
        f"an entry can't say {days.describe()!r}",
        hint="it says weekdays or days of the month, with no begin, end or exception",
    )


def _period(window: Window, schedule: Schedule, *, iso: bool) -> Body:
    if not isinstance(schedule.timing, Once) or schedule.zone is None:
        raise ValueRefused("a task needs a day and the account's zone")
    zone, day = zones.load(schedule.zone.name), schedule.timing.day
    wall = dt.datetime.combine(day, window.start)
    wall_end = dt.datetime.combine(day + dt.timedelta(window.days), window.end)
    if not iso and window.keeps is Keeps.END:
        return {"from": tell_wall(wall), "to": tell_wall(wall_end)}
    start = zones.instant(zone, wall.date(), wall.time())
    end = (
        start + window.length
        if window.keeps is Keeps.LENGTH
        else zones.instant(zone, wall_end.date(), wall_end.time())
    )
    return {
        "from": tell_moment(start, zone, iso=iso),
        "to": tell_moment(end, zone, iso=iso),
    }


# ----------------------------------------------------------------------------- extras


def _beyond(row: Row, printed: Row) -> Extras:
    """Return what a record holds beyond what is printed from the model."""
    found: Body = {}
    for key, value in row.items():
        said = printed.get(key)
        if isinstance(value, Mapping) and isinstance(said, Mapping):
            value = _beyond(value, said)
        elif key in printed:
            continue
        if value not in (None, [], (), {}):
            found[key] = value
    return found


def _filled(printed: Row, extras: Extras) -> Body:
    """Return the printed members, with what they leave open from the extras."""
    made = dict(printed)
    for key, value in extras.items():
        said = made.get(key)
        if isinstance(said, Mapping) and isinstance(value, Mapping):
            made[key] = _filled(said, value)
        elif key not in made:
            made[key] = value
    return made
