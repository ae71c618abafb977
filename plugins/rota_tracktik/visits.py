"""
Occurrences, sessions, their logs and reports: what TrackTik only ever tells; pure.

``print_...`` of what ``parse_...`` gives is the record again, key for key.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from rota.errors import ValueRefused
from rota.model import (
    Answer,
    Json,
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
from rota.vendor import take_mark

from .records import (
    Reader,
    Record,
    beside,
    id_of,
    instant_text,
    midnight,
    restored,
)


OCCURRENCE_STATUS: Mapping[str, OccurrenceStatus] = {
    "COMPLETED": OccurrenceStatus.DONE,
    "CONVERTED": OccurrenceStatus.DONE,
    "SCHEDULED": OccurrenceStatus.PLANNED,
    "ASSIGNED": OccurrenceStatus.PLANNED,
    "UNASSIGNED": OccurrenceStatus.PLANNED,
    "PENDING": OccurrenceStatus.OFFERED,
    "OFFERED": OccurrenceStatus.OFFERED,
    "IN_PROGRESS": OccurrenceStatus.STARTED,
    "STARTED": OccurrenceStatus.STARTED,
    "CONVERTING": OccurrenceStatus.STARTED,
    "MISSED": OccurrenceStatus.MISSED,
    "INCOMPLETE": OccurrenceStatus.PARTIAL,
    "CANCELLED": OccurrenceStatus.CANCELLED,
}
"""Only COMPLETED is confirmed in the API; the others are the labels of its screens."""

SESSION_STATUS: Mapping[str, SessionStatus] = {
    "COMPLETED": SessionStatus.DONE,
    "CONVERTED": SessionStatus.DONE,
    "SCHEDULED": SessionStatus.OPEN,
    "ASSIGNED": SessionStatus.OPEN,
    "UNASSIGNED": SessionStatus.OPEN,
    "PENDING": SessionStatus.OPEN,
    "OFFERED": SessionStatus.OPEN,
    "IN_PROGRESS": SessionStatus.STARTED,
    "STARTED": SessionStatus.STARTED,
    "CONVERTING": SessionStatus.STARTED,
    "INCOMPLETE": SessionStatus.STOPPED,
    "CANCELLED": SessionStatus.STOPPED,
}
"""Only COMPLETED is confirmed in the API; the others are the labels of its screens."""

STEP_KIND: Mapping[str, StepKind] = {
    "SCHEDULED": StepKind.SCHEDULED,
    "UNASSIGNED": StepKind.UNASSIGNED,
    "ASSIGNED": StepKind.ASSIGNED,
    "STARTED": StepKind.STARTED,
    "POSTPONED": StepKind.POSTPONED,
    "COMPLETE": StepKind.DONE,
    "REPORT_COMPLETE": StepKind.REPORTED,
    "TAKEN": StepKind.ASSIGNED,
    "OFFERED": StepKind.OFFERED,
    "ACCEPTED": StepKind.ACCEPTED,
    "DECLINED": StepKind.DECLINED,
    "CANCELLED": StepKind.CANCELLED,
    "RE-OPENED": StepKind.REOPENED,
    "CONVERTED": StepKind.CONVERTED,
    "CONVERSION_CANCELLED": StepKind.CHANGED,
    "CONVERSION_DECLINED": StepKind.CHANGED,
    "CONVERSION_AUTO-DECLINED": StepKind.CHANGED,
}
"""The 17 types of the session log, all confirmed."""


# ------------------------------------------------------------- occurrences and sessions


def parse_occurrence(record: Record, *, account: str) -> Occurrence:
    """Read a site-task occurrence, with its sessions where they were included."""
    occurrence = _occurrence(Reader(record, "site-task-occurrences", account))
    return attrs.evolve(
        occurrence, extras=beside(record, _print_occurrence(occurrence))
    )


def _occurrence(read: Reader) -> Occurrence:
    custom = read.text("customId")
    _, mark = take_mark(custom)
    site = read.ref("client", Kind.SITE)
    sessions = read.items("sessions")
    single = read.record.get("session")
    if not sessions and isinstance(single, Mapping):
        sessions = [single]
    word = read.text("status")
    status = OCCURRENCE_STATUS.get(word, OccurrenceStatus.UNKNOWN)
    exception = read.record.get("exception")
    day = read.civil("occurrenceDate")
    if day is None:
        raise ValueRefused(f"{read.path('occurrenceDate')}: is missing")
    return Occurrence(
        ref=read.own(Kind.OCCURRENCE),
        schedule=read.ref("schedule", Kind.SCHEDULE),
        day=day,
        start=read.instant("rangeStartedDateTime"),
        end=read.instant("rangeEndedDateTime"),
        title=read.text("description"),
        place=None if site is None else Place(ref=site),
        assignee=read.ref("position", Kind.POST),
        status=status,
        status_text=word,
        foreseen=single is None and not sessions and status is OccurrenceStatus.PLANNED,
        exception=None if exception is None else _words(exception),
        done_times=read.number("periodicCompleted"),
        times=read.number("periodicTotal") if read.flag("isPeriodic") else None,
        mark=mark if mark == custom else None,
        sessions=tuple(parse_session(one, account=read.account) for one in sessions),
    )


def print_occurrence(occurrence: Occurrence) -> dict[str, Json]:
    """Return the record that an occurrence was read from."""
    canonical = _print_occurrence(occurrence)
    return restored(
        canonical,
        occurrence.extras,
        lambda record: _occurrence(Reader(record, "", "")),
    )


def _print_occurrence(occurrence: Occurrence) -> dict[str, Json]:
    sessions = [print_session(one) for one in occurrence.sessions]
    record: dict[str, Json] = {
        "id": id_of(occurrence.ref),
        "occurrenceDate": midnight(occurrence.day),
        "schedule": id_of(occurrence.schedule),
        "description": occurrence.title,
        "client": id_of(occurrence.place.ref if occurrence.place else None),
        "position": id_of(occurrence.assignee),
        "status": occurrence.status_text,
        "session": sessions[-1].get("id") if sessions else None,
    }
    if occurrence.mark is not None:
        record["customId"] = occurrence.mark
    if sessions:
        record["sessions"] = list(sessions)
    if occurrence.times is not None or occurrence.done_times is not None:
        record |= {
            "periodicCompleted": occurrence.done_times,
            "periodicTotal": occurrence.times,
        }
    return record


def parse_session(record: Record, *, account: str) -> Session:
    """Read a session; its report where that was included, else the report's id."""
    session = _session(Reader(record, "site-task-occurrence-sessions", account))
    return attrs.evolve(session, extras=beside(record, _print_session(session)))


def _session(read: Reader) -> Session:
    status = read.text("status")
    report = read.record.get("report")
    return Session(
        ref=read.own(Kind.SESSION),
        status=SESSION_STATUS.get(status, SessionStatus.UNKNOWN),
        status_text=status,
        who=read.ref("employee", Kind.PERSON),
        started=read.instant("startedOn"),
        ended=read.instant("endedOn"),
        first=read.visit("first_visit_id"),
        previous=read.visit("previous_visit_id"),
        report=parse_report(report, account=read.account)
        if isinstance(report, Mapping)
        else None
        if (ref := read.ref("report", Kind.REPORT)) is None
        else Report(ref=ref),
    )


def print_session(session: Session) -> dict[str, Json]:
    """Return the record that a session was read from."""
    return restored(
        _print_session(session),
        session.extras,
        lambda record: _session(Reader(record, "", "")),
    )


def _print_session(session: Session) -> dict[str, Json]:
    report = session.report
    record: dict[str, Json] = {
        "id": id_of(session.ref),
        "status": session.status_text,
        "startedOn": instant_text(session.started),
        "endedOn": instant_text(session.ended),
        "report": None
        if report is None
        else id_of(report.ref)
        if report == Report(ref=report.ref)
        else print_report(report),
    }
    if session.who is not None:
        record["employee"] = id_of(session.who)
    if session.first is not None or session.previous is not None:
        record["first_visit_id"] = id_of(session.first)
        record["previous_visit_id"] = id_of(session.previous) or 0
    return record


def parse_report(record: Record, *, account: str) -> Report:
    """Read a report; its fields where they were included."""
    report = _report(Reader(record, "reports", account))
    return attrs.evolve(report, extras=beside(record, _print_report(report)))


def _report(read: Reader) -> Report:
    ref = read.own(Kind.REPORT)
    if ref is None:
        raise ValueRefused(f"{read.path('id')}: is missing")
    return Report(
        ref=ref,
        form=read.ref("reportTemplate", Kind.FORM),
        submitted=read.instant("submittedOn"),
        status_text=read.text("status"),
        answers=tuple(_answer(one) for one in read.items("reportFields")),
    )


def _answer(record: Record) -> Answer:
    value = record.get("value")
    if isinstance(value, Mapping) and "value" in value:
        value = value["value"]
    return Answer(
        name=Reader(record, "report-fields", "").text("fieldTag"), value=value
    )


def print_report(report: Report) -> dict[str, Json]:
    """Return the record that a report was read from."""
    return restored(
        _print_report(report),
        report.extras,
        lambda record: _report(Reader(record, "", "")),
    )


def _print_report(report: Report) -> dict[str, Json]:
    record: dict[str, Json] = {
        "id": id_of(report.ref),
        "reportTemplate": id_of(report.form),
        "submittedOn": instant_text(report.submitted),
        "status": report.status_text,
    }
    if report.answers:
        record["reportFields"] = [
            {"fieldTag": one.name, "value": one.value} for one in report.answers
        ]
    return record


@attrs.frozen(kw_only=True)
class LogLine:
    """
    A line of a session's log, and what was included with it.

    Args:
        occurrence: The occurrence, or its reference where it was not included.
        session: The session, or its reference where it was not included.
    """

    step: Step
    occurrence: Occurrence | Ref | None
    session: Session | Ref | None


def parse_log(record: Record, *, account: str) -> LogLine:
    """Read a line of the session log; ``createdOn`` where it was included."""
    line = _log(Reader(record, "site-task-occurrence-session-logs", account))
    extras = beside(record, _print_log(line))
    return attrs.evolve(line, step=attrs.evolve(line.step, extras=extras))


def _log(read: Reader) -> LogLine:
    occurrence, session = read.record.get("occurrence"), read.record.get("session")
    kind = read.text("type")
    return LogLine(
        step=Step(
            kind=STEP_KIND.get(kind, StepKind.UNKNOWN),
            text=kind,
            at=read.instant("createdOn"),
            who=read.ref("employee", Kind.PERSON),
            note=read.text("comments"),
        ),
        occurrence=parse_occurrence(occurrence, account=read.account)
        if isinstance(occurrence, Mapping)
        else read.ref("occurrence", Kind.OCCURRENCE),
        session=parse_session(session, account=read.account)
        if isinstance(session, Mapping)
        else read.ref("session", Kind.SESSION),
    )


def print_log(line: LogLine) -> dict[str, Json]:
    """Return the record that a log line was read from."""
    return restored(
        _print_log(line), line.step.extras, lambda record: _log(Reader(record, "", ""))
    )


def _print_log(line: LogLine) -> dict[str, Json]:
    step = line.step
    record: dict[str, Json] = {
        "employee": id_of(step.who),
        "type": step.text,
        "comments": step.note,
        "occurrence": print_occurrence(line.occurrence)
        if isinstance(line.occurrence, Occurrence)
        else id_of(line.occurrence),
        "session": print_session(line.session)
        if isinstance(line.session, Session)
        else id_of(line.session),
    }
    if step.at is not None:
        record["createdOn"] = instant_text(step.at)
    return record


def _words(value: Json) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {v}" for k, v in value.items())
    return str(value)
