"""Navixy's tasks told as occurrences and sessions, and its directories; pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from rota import zones
from rota.model import (
    Answer,
    Json,
    Keeps,
    Kind,
    Occurrence,
    OccurrenceStatus,
    Place,
    Ref,
    Report,
    Session,
    SessionStatus,
    Step,
    StepKind,
)
from rota.vendor import Entry, take_mark

from .mapping import Record, make_id
from .reading import Reader, Row, read_moment


STATUSES: Mapping[str, tuple[OccurrenceStatus, SessionStatus | None, StepKind]] = {
    "unassigned": (OccurrenceStatus.PLANNED, None, StepKind.UNASSIGNED),
    "assigned": (OccurrenceStatus.PLANNED, None, StepKind.ASSIGNED),
    "arrived": (OccurrenceStatus.STARTED, SessionStatus.STARTED, StepKind.ARRIVED),
    "done": (OccurrenceStatus.DONE, SessionStatus.DONE, StepKind.DONE),
    "delayed": (OccurrenceStatus.LATE, SessionStatus.DONE, StepKind.DONE),
    "faulty": (OccurrenceStatus.PARTIAL, SessionStatus.DONE, StepKind.DONE),
    "failed": (OccurrenceStatus.FAILED, SessionStatus.STOPPED, StepKind.CHANGED),
}
"""From the vendor's word to ours: the occurrence, its session, a step to it."""

OPEN = ("unassigned", "assigned")
_UNKNOWN = (OccurrenceStatus.UNKNOWN, SessionStatus.UNKNOWN, StepKind.UNKNOWN)
_OPERATIONS = {"create": StepKind.SCHEDULED, "update": StepKind.CHANGED}
_TOLD = frozenset(
    {
        *("id", "label", "from", "to", "location", "tracker_id", "status", "form"),
        "checkpoints",
    }
)


def parse_occurrence(
    record: Record,
    *,
    account: str,
    zone: str,
    schedule: Ref | None = None,
    histories: Mapping[int, Sequence[Row]] | None = None,
    foreseen: bool = False,
) -> Occurrence:
    """
    Return the occurrence that a task, a route or a preview of one is.

    Args:
        schedule: The record that it comes from, where that is known.
        histories: The lines of ``task/history/list``, by task.
        foreseen: Whether it is a preview; its id then means nothing.

    Raises:
        ValueRefused: A member is missing or of a wrong type, with its path.
    """
    row = record.row
    reader = Reader(account=account, where=str(record.kind), keeps=Keeps.END)
    info = zones.load(zone)
    start, end = reader.moment(row, "from", info), reader.moment(row, "to", info)
    word = reader.text(row, "status", default="")
    number = reader.whole(row, "id")
    ref = None
    if number is not None and not foreseen:
        identifier = make_id(record.kind, number)
        ref = Ref(account=account, kind=Kind.OCCURRENCE, id=identifier)
    _, described = take_mark(reader.text(row, "description", default=""))
    sessions: tuple[Session, ...] = ()
    if not foreseen:
        visits = record.checkpoints if record.kind.routed else (row,)
        found = (
            parse_session(visit, reader, info, (histories or {}).get(_id(visit), ()))
            for visit in visits
        )
        sessions = tuple(one for one in found if one is not None)
    return Occurrence(
        ref=ref,
        schedule=schedule,
        day=start.astimezone(info).date(),
        start=start,
        end=end,
        title=reader.text(row, "label"),
        place=_place(row, reader),
        assignee=reader.ref(row, "tracker_id", Kind.DEVICE),
        status=STATUSES.get(word, _UNKNOWN)[0] if word else OccurrenceStatus.PLANNED,
        status_text=word,
        foreseen=foreseen,
        mark=reader.external_mark(row) or described,
        sessions=sessions,
        extras={
            key: value
            for key, value in row.items()
            if key not in _TOLD and value not in (None, [], {})
        },
    )


def parse_session(
    row: Row, reader: Reader, zone: ZoneInfo, history: Sequence[Row]
) -> Session | None:
    """Return what was done at a task or checkpoint; None if nobody came."""
    word = reader.text(row, "status", default="")
    status = STATUSES.get(word, _UNKNOWN)[1]
    arrived = read_moment(row.get("arrival_date"), zone)
    report = _report(row, reader, zone)
    if status is None or not has_begun(row):
        return None
    changed = read_moment(row.get("status_change_date"), zone)
    ended = changed if word not in (*OPEN, "arrived") else None
    stay = reader.whole(row, "stay_duration") or 0
    if word == "failed" and arrived is not None:
        ended = arrived + dt.timedelta(seconds=stay)
    number = _id(row)
    return Session(
        ref=Ref(account=reader.account, kind=Kind.SESSION, id=f"task-{number}")
        if number
        else None,
        status=status,
        status_text=word,
        who=reader.ref(row, "tracker_id", Kind.DEVICE),
        started=arrived,
        ended=ended,
        report=report,
        steps=tuple(_step(line, reader, zone) for line in history),
        extras={"stay_duration": stay} if stay else {},
    )


def has_begun(row: Row) -> bool:
    """Tell whether somebody came, or wrote a report: whether there is a session."""
    word, form = row.get("status"), row.get("form")
    if word in OPEN:
        return False
    written = isinstance(form, Mapping) and form.get("submitted") is not None
    return word != "failed" or written or row.get("arrival_date") is not None


def _id(row: Row) -> int:
    number = row.get("id")
    return number if isinstance(number, int) else 0


def _place(row: Row, reader: Reader) -> Place | None:
    return reader.place(row) if isinstance(row.get("location"), Mapping) else None


def _report(row: Row, reader: Reader, zone: ZoneInfo) -> Report | None:
    form = row.get("form")
    if not isinstance(form, Mapping) or form.get("submitted") is None:
        return None
    values, fields = form.get("values"), form.get("fields")
    names: dict[str, str] = {}
    for field in fields if isinstance(fields, list | tuple) else ():
        if isinstance(field, Mapping):
            names[str(field.get("id"))] = str(field.get("label") or field.get("id"))
    return Report(
        ref=Ref(account=reader.account, kind=Kind.REPORT, id=str(form.get("id"))),
        form=reader.ref(form, "template_id", Kind.FORM),
        submitted=read_moment(form.get("submitted"), zone),
        answers=tuple(
            Answer(name=names.get(key, key), value=_answer(value))
            for key, value in (values.items() if isinstance(values, Mapping) else ())
        ),
        extras={
            key: form[key]
            for key in ("label", "submit_location")
            if form.get(key) is not None
        },
    )


def _answer(value: Json) -> Json:
    """Return the value alone; each type of field has its own name for it."""
    if isinstance(value, Mapping):
        for key in ("value", "values", "value_index", "file_ids", "file_id"):
            if key in value:
                return value[key]
    return value


def _step(line: Row, reader: Reader, zone: ZoneInfo) -> Step:
    operation = reader.text(line, "operation", default="")
    payload = line.get("payload")
    payload = payload if isinstance(payload, Mapping) else {}
    kind, text, who = _OPERATIONS.get(operation, StepKind.UNKNOWN), operation, None
    if operation == "status_change":
        text = str(payload.get("status"))
        kind = STATUSES.get(text, _UNKNOWN)[2]
    elif operation == "assign":
        who = reader.ref(payload, "tracker_id", Kind.DEVICE)
        kind = StepKind.UNASSIGNED if who is None else StepKind.ASSIGNED
    return Step(
        kind=kind, text=text, at=read_moment(line.get("event_date"), zone), who=who
    )


# ------------------------------------------------------------------------ directories


_PHONE = (
    "looks like a phone with X-GPS Tracker, which does not show recurring tasks; "
    'native = "avoid" on the pair makes dated ones'
)


def parse_tracker(row: Json, account: str) -> Entry:
    """
    Return a device; a blocked one is not usable.

    The vendor's help says that recurring tasks do not reach its app on a phone. Which
    models that app reports is in no schema: a name with ``xgps`` or ``mobile``.
    """
    reader, whole = _entry(row, account, "tracker")
    source = whole.get("source")
    source = source if isinstance(source, Mapping) else {}
    blocked = source.get("blocked") is True
    model = str(source.get("model") or "").lower()
    phone = "xgps" in model or "mobile" in model
    return Entry(
        ref=_ref(reader, whole, Kind.DEVICE),
        name=reader.text(whole, "label"),
        external=str(source.get("device_id") or ""),
        usable=not blocked,
        caution=_PHONE if phone else "",
        extras={"model": source.get("model")} if source.get("model") else {},
    )


def parse_employee(row: Json, account: str) -> Entry:
    """Return a person, with the tracker that they carry now among the extras."""
    reader, whole = _entry(row, account, "employee")
    names = (
        reader.text(whole, key, default="")
        for key in ("first_name", "middle_name", "last_name")
    )
    tracker = reader.whole(whole, "tracker_id")
    return Entry(
        ref=_ref(reader, whole, Kind.PERSON),
        name=" ".join(name for name in names if name),
        external=reader.text(whole, "personnel_number", default=""),
        extras={} if tracker is None else {"tracker_id": tracker},
    )


def parse_place(row: Json, account: str) -> Entry:
    """Return a place on the map as a site, with its point and radius."""
    reader, whole = _entry(row, account, "place")
    return Entry(
        ref=_ref(reader, whole, Kind.SITE),
        name=reader.text(whole, "label"),
        external=reader.text(whole, "external_id", default=""),
        place=_place(whole, reader),
    )


def parse_tag(row: Json, account: str) -> Entry:
    """Return a tag."""
    reader, whole = _entry(row, account, "tag")
    return Entry(ref=_ref(reader, whole, Kind.TAG), name=reader.text(whole, "name"))


def parse_template(row: Json, account: str) -> Entry:
    """Return a form template."""
    reader, whole = _entry(row, account, "template")
    return Entry(ref=_ref(reader, whole, Kind.FORM), name=reader.text(whole, "label"))


def _entry(row: Json, account: str, where: str) -> tuple[Reader, Row]:
    reader = Reader(account=account, where=where, keeps=Keeps.END)
    if not isinstance(row, Mapping):
        raise reader.refuse("id", "is missing")
    return reader, row


def _ref(reader: Reader, row: Row, kind: Kind) -> Ref:
    ref = reader.ref(row, "id", kind)
    if ref is None:
        raise reader.refuse("id", "is missing")
    return ref
