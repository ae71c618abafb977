"""
Trackops' tasks, staff and cases told in rota's model, and tasks told back.

The vendor documents how a task is made and shows none that comes back, so reading is
tolerant of names (``users_list`` or ``Users``, ``address`` or ``Address``, a case by
``casefile_id`` or ``Casefile``) and strict about types. What the model has no place
for stays in ``extras`` under the vendor's own names, so that :func:`record` gives the
whole record again; :func:`creation` picks from them what POST takes.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping

import attrs

from rota.errors import ValueRefused
from rota.model import (
    AllDay,
    Extras,
    Json,
    Kind,
    Occurrence,
    OccurrenceStatus,
    Once,
    Place,
    Ref,
    Schedule,
    ScheduleStatus,
    Session,
    SessionStatus,
    Task,
)
from rota.vendor import Entry, Mark, add_mark, take_mark


STATUSES: Mapping[
    str, tuple[ScheduleStatus, OccurrenceStatus, SessionStatus | None]
] = {
    "none": (ScheduleStatus.ACTIVE, OccurrenceStatus.PLANNED, None),
    "needs_action": (ScheduleStatus.ACTIVE, OccurrenceStatus.PLANNED, None),
    "in_progress": (
        ScheduleStatus.ACTIVE,
        OccurrenceStatus.STARTED,
        SessionStatus.STARTED,
    ),
    "complete": (ScheduleStatus.ACTIVE, OccurrenceStatus.DONE, SessionStatus.DONE),
}
"""From the vendor's word to ours; completion belongs to the occurrence alone."""

ADDRESS = ("address_1", "address_2", "address_3", "city", "state", "zip", "country")
SEEDS = ("calendar_id", "subject_id", "case_service_id", "alert_at")
"""What POST takes and the model has not; ids are whole numbers, ``alert_at`` is text."""

_ABSENT = "rota_absent"
_COMPLETED = ("completed_at", "complete_at", "completed_on", "completed")
_STAMP = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?(Z| ?UTC|[+-]\d\d:?\d\d)?",
    re.ASCII,
)


# ---------------------------------------------------------------------------- reading


def parse_task(data: Json, account: str, *, country: str = "") -> Schedule:
    """
    Return the schedule that a task is: once, on a whole day, in no zone.

    Args:
        data: The task, bare or nested as ``{"task": {...}}``; of a creation it has
            no id, and the schedule no reference.
        account: The account's name, for references.
        country: The country that goes without saying in an address told as text.

    Raises:
        ValueRefused: A member is missing or of a wrong type, with its path.
    """
    raw = unwrap(data, "task")
    where = _where(raw, "task")
    key = _whole(raw, "id", where)
    word = _text(raw, "status", where)
    case = _case(raw, where)
    people = _people(raw, where)
    address = address_text(_address(raw, where), country=country)
    body, mark = take_mark(_text(raw, "body", where) or "")
    place = None
    if case is not None or address:
        place = Place(
            ref=None if case is None else _ref(account, Kind.CASE, case),
            address=address or None,
        )
    title = _text(raw, "title", where)
    if title is None:
        raise ValueRefused(f"{where}.title: is missing")
    core = Schedule(
        ref=None if key is None else _ref(account, Kind.SCHEDULE, key),
        task=Task(
            title=title,
            instructions=body,
            place=place,
            assignee=_ref(account, Kind.PERSON, people[0]) if people else None,
            helpers=tuple(_ref(account, Kind.PERSON, who) for who in people[1:]),
        ),
        timing=Once(day=_day(raw, "due_on", where), window=AllDay()),
        status=_statuses(word)[0],
        status_text=word or "",
        mark=mark,
    )
    return _with_extras(core, raw)


def parse_occurrence(data: Json, account: str, *, country: str = "") -> Occurrence:
    """
    Return the occurrence that a task is, with its session once there is one.

    Who completed a task is not told, so a session names nobody.

    Raises:
        ValueRefused: As :func:`parse_task`, and for a task without an id.
    """
    raw = unwrap(data, "task")
    where = _where(raw, "task")
    schedule = parse_task(raw, account, country=country)
    if schedule.ref is None:
        raise ValueRefused(f"{where}.id: is missing")
    assert isinstance(schedule.timing, Once)
    _, status, performed = _statuses(schedule.status_text)
    ended = next((at for n in _COMPLETED if (at := stamp(raw.get(n), where, n))), None)
    sessions: tuple[Session, ...] = ()
    if performed is not None:
        sessions = (
            Session(
                ref=_same_id(schedule.ref, Kind.SESSION),
                status=performed,
                status_text=schedule.status_text,
                ended=ended if performed is SessionStatus.DONE else None,
            ),
        )
    return Occurrence(
        ref=_same_id(schedule.ref, Kind.OCCURRENCE),
        schedule=schedule.ref,
        day=schedule.timing.day,
        title=schedule.task.title,
        place=schedule.task.place,
        assignee=schedule.task.assignee,
        status=status,
        status_text=schedule.status_text,
        mark=schedule.mark,
        sessions=sessions,
        extras=schedule.extras,
    )


def parse_staff(data: Json, account: str) -> Entry:
    """Return the directory's line for an employee or a vendor: both are staff."""
    raw = unwrap(data, "staff")
    where = _where(raw, "staff")
    names = (_text(raw, name, where) for name in ("first_name", "last_name"))
    return _entry(
        raw,
        where,
        _ref(account, Kind.PERSON, _key(raw, where)),
        name=" ".join(filter(None, names)) or _text(raw, "name", where) or "",
        external=_text(raw, "email", where) or "",
    )


def parse_case(data: Json, account: str) -> Entry:
    """Return the directory's line for a case; its number is what people call it."""
    raw = unwrap(data, "casefile")
    where = _where(raw, "case")
    number = _first_text(raw, ("case_number", "number"), where)
    name = _first_text(raw, ("name", "title", "case_name"), where)
    return _entry(
        raw,
        where,
        _ref(account, Kind.CASE, _key(raw, where)),
        name=name or number,
        external=number,
    )


def unwrap(data: Json, name: str) -> Mapping[str, Json]:
    """Return the record itself, whether or not it is nested under its name."""
    if not isinstance(data, Mapping):
        raise ValueRefused(f"{name}: expected an object, found {_kind(data)}")
    for nested in (name, name.capitalize()):
        inner = data.get(nested)
        if len(data) == 1 and isinstance(inner, Mapping):
            return inner
    return data


def key_of(data: Json) -> str:
    """Return a listed record's id as text; TypeError or KeyError where it has none."""
    if not isinstance(data, Mapping):
        raise TypeError(f"expected an object, found {_kind(data)}")
    inner = next(iter(data.values())) if len(data) == 1 else data
    key = (inner if isinstance(inner, Mapping) else data)["id"]
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise TypeError(f"expected an id, found {_kind(key)}")
    return str(key)


def stamp(value: Json, where: str, name: str) -> dt.datetime | None:
    """
    Return a timestamp as an aware datetime; without an offset it is in UTC.

    The vendor says that all timestamps are in UTC and shows none of them.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _STAMP.fullmatch(value):
        raise ValueRefused(f"{where}.{name}: expected a timestamp")
    try:
        at = dt.datetime.fromisoformat(value.replace(" UTC", "Z").replace("UTC", "Z"))
        return at.replace(tzinfo=at.tzinfo or dt.UTC).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ValueRefused(f"{where}.{name}: expected a timestamp") from None


def address_text(address: Mapping[str, Json], *, country: str = "") -> str:
    """Return an address object on one line, without the country that is understood."""
    part = {name: str(address.get(name) or "").strip() for name in ADDRESS}
    if part["country"] == country:
        part["country"] = ""
    region = f"{part['state']} {part['zip']}".strip()
    lines = [part[name] for name in ADDRESS[:4]] + [region, part["country"]]
    return ", ".join(filter(None, lines))


# ---------------------------------------------------------------------------- telling


def record(schedule: Schedule) -> dict[str, Json]:
    """Return the task as it was read, to the letter, while nobody changed it."""
    extras = dict(schedule.extras)
    absent = extras.pop(_ABSENT, ())
    told = {**_members(schedule), **extras}
    for name in absent if isinstance(absent, list | tuple) else ():
        told.pop(str(name), None)
    return told


def creation(
    schedule: Schedule,
    mark: Mark | None = None,
    *,
    calendar_id: int | None = None,
    country: str = "",
) -> dict[str, Json]:
    """
    Return the body of the POST that makes the task.

    Args:
        mark: Goes on the last line of ``body``.
        calendar_id: For schedules that bring none in their extras.
        country: Sent with an address that is known as text only.

    Raises:
        ValueRefused: The vendor has no such task; says what is wanted.
    """
    if not isinstance(schedule.timing, Once) or schedule.timing.window != AllDay():
        raise ValueRefused(
            "a Trackops task is due on one whole day",
            hint='a schedule becomes such tasks with fidelity = "expand"',
        )
    task, extras = schedule.task, schedule.extras
    case = task.place.ref if task.place else None
    if case is None:
        raise ValueRefused(
            "a Trackops task is made for a case, and this one has none",
            hint="give its site a row in the crosswalk, or the pair a default place",
        )
    calendar = _whole(extras, "calendar_id", "extras") or calendar_id
    if calendar is None:
        raise ValueRefused(
            "a Trackops task is made on a calendar, and none is named",
            hint="give the pair defaults = { calendar_id = 1 }; "
            "the calendar's address in the web interface shows the number",
        )
    if not task.title.strip():
        raise ValueRefused("a Trackops task wants a title")
    told: dict[str, Json] = {"casefile_id": _number(case, Kind.CASE)}
    for name in ("subject_id", "case_service_id"):
        if (value := _whole(extras, name, "extras")) is not None:
            told[name] = value
    told["calendar_id"] = calendar
    told["due_on"] = schedule.timing.day.isoformat()
    if alert := _text(extras, "alert_at", "extras"):
        told["alert_at"] = alert
    told["title"] = task.title
    if body := add_mark(task.instructions, mark, line=True):
        told["body"] = body
    if address := _creation_address(schedule, country):
        told["address"] = address
    if people := _assigned(task):
        told["users_list"] = people
    return {"task": told}


def _creation_address(schedule: Schedule, country: str) -> dict[str, Json] | None:
    text = schedule.task.place.address if schedule.task.place else None
    kept = _address(schedule.extras, "extras")
    if kept and address_text(kept, country=country) == (text or ""):
        return {
            name: str(value) if name == "zip" and value is not None else value
            for name, value in kept.items()
        }
    if not text:
        return None
    return {**dict.fromkeys(ADDRESS, ""), "address_1": text, "country": country}


def _members(schedule: Schedule) -> dict[str, Json]:
    """Return the members that the model carries, in their usual spelling."""
    assert isinstance(schedule.timing, Once)
    task = schedule.task
    case = task.place.ref if task.place else None
    mark = Mark(schedule.mark) if schedule.mark else None
    members: dict[str, Json] = {
        "title": task.title,
        "body": add_mark(task.instructions, mark, line=True),
        "status": schedule.status_text,
        "due_on": schedule.timing.day.isoformat(),
        "casefile_id": None if case is None else _number(case, Kind.CASE),
        "users_list": _assigned(task),
    }
    if schedule.ref is not None:
        members["id"] = _number(schedule.ref, Kind.SCHEDULE)
    return members


def _with_extras(core: Schedule, raw: Mapping[str, Json]) -> Schedule:
    """Keep whatever the model alone would not tell again to the letter."""
    members = _members(core)
    extras: dict[str, Json] = {
        name: value
        for name, value in raw.items()
        if name not in members or members[name] != value
    }
    absent: list[Json] = [name for name in members if name not in raw]
    if absent:
        extras[_ABSENT] = absent
    return attrs.evolve(core, extras=extras)


def _assigned(task: Task) -> list[Json]:
    people = (task.assignee, *task.helpers)
    return [_number(who, Kind.PERSON) for who in people if who is not None]


# ------------------------------------------------------------------------------ parts


def _statuses(
    word: str | None,
) -> tuple[ScheduleStatus, OccurrenceStatus, SessionStatus | None]:
    unknown = (ScheduleStatus.UNKNOWN, OccurrenceStatus.UNKNOWN, None)
    return STATUSES.get(word or "none", unknown)


def _entry(
    raw: Mapping[str, Json], where: str, ref: Ref, *, name: str, external: str
) -> Entry:
    active = raw.get("is_active", True)
    if not isinstance(active, bool):
        raise ValueRefused(f"{where}.is_active: expected true or false")
    known = {"id", "first_name", "last_name", "name", "email", "is_active"}
    extras: Extras = {key: value for key, value in raw.items() if key not in known}
    return Entry(
        ref=ref, name=name or ref.key, external=external, active=active, extras=extras
    )


def _where(raw: Mapping[str, Json], name: str) -> str:
    key = raw.get("id")
    return f"{name} {key}" if isinstance(key, int | str) and key != "" else name


def _ref(account: str, kind: Kind, key: int) -> Ref:
    return Ref(account=account, kind=kind, id=str(key))


def _same_id(ref: Ref, kind: Kind) -> Ref:
    return attrs.evolve(ref, kind=kind)


def _number(ref: Ref, kind: Kind) -> int:
    if ref.kind is not kind or not re.fullmatch(r"[0-9]{1,18}", ref.id):
        raise ValueRefused(
            f"{ref.key} can't stand here: Trackops takes a {kind} by its number",
            hint="give it a row in the crosswalk",
        )
    return int(ref.id)


def _case(raw: Mapping[str, Json], where: str) -> int | None:
    own = _whole(raw, "casefile_id", where)
    return own if own is not None else _related(raw, "Casefile", where)


def _people(raw: Mapping[str, Json], where: str) -> list[int]:
    for name in ("users_list", "Users"):
        listed = raw.get(name)
        if listed is None:
            continue
        if not isinstance(listed, list | tuple):
            raise ValueRefused(f"{where}.{name}: expected a list")
        found = []
        for n, item in enumerate(listed):
            at = f"{where}.{name}[{n}]"
            member = item if isinstance(item, Mapping) else {"id": item}
            found.append(_key(member, at))
        return list(dict.fromkeys(found))
    return []


def _address(raw: Mapping[str, Json], where: str) -> Mapping[str, Json]:
    for name in ("address", "Address"):
        value = raw.get(name)
        if value is None or value == []:
            continue
        if not isinstance(value, Mapping):
            raise ValueRefused(f"{where}.{name}: expected an object")
        for part in ADDRESS:
            if part != "zip" or not isinstance(value.get(part), int):
                _text(value, part, f"{where}.{name}")
            elif isinstance(value[part], bool):
                raise ValueRefused(f"{where}.{name}.zip: expected text")
        return value
    return {}


def _related(raw: Mapping[str, Json], name: str, where: str) -> int | None:
    value = raw.get(name)
    if value is None or value == []:
        return None
    if not isinstance(value, Mapping):
        raise ValueRefused(f"{where}.{name}: expected an object")
    return _whole(value, "id", f"{where}.{name}")


def _key(raw: Mapping[str, Json], where: str) -> int:
    key = _whole(raw, "id", where)
    if key is None:
        raise ValueRefused(f"{where}.id: is missing")
    return key


def _whole(raw: Mapping[str, Json], name: str, where: str) -> int | None:
    """Return an id: a whole number, also as digits, which PHP is fond of."""
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueRefused(
            f"{where}.{name}: expected a whole number, found {_kind(value)}"
        )
    return value


def _text(raw: Mapping[str, Json], name: str, where: str) -> str | None:
    value = raw.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueRefused(f"{where}.{name}: expected text, found {_kind(value)}")
    return value


def _first_text(raw: Mapping[str, Json], names: tuple[str, ...], where: str) -> str:
    return next((text for name in names if (text := _text(raw, name, where))), "")


def _day(raw: Mapping[str, Json], name: str, where: str) -> dt.date:
    value = raw.get(name)
    if value is None:
        raise ValueRefused(f"{where}.{name}: is missing")
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise ValueRefused(f"{where}.{name}: expected a date like 2026-01-05")
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ValueRefused(f"{where}.{name}: expected a date like 2026-01-05") from None


def _kind(value: Json) -> str:
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case Mapping():
            return "an object"
        case _:
            return "a list"
