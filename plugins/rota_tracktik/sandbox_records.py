"""
What the TrackTik sandbox holds, and the occurrences that its schedules make.

Occurrences are never stored: like the vendor's view they are computed for the days
asked for, with plain ``datetime`` and ``zoneinfo``, so that they are a second opinion
on anything that rota derives by other means.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from rota.clock import Clock

from .sandbox_query import Resource, Row, Source


DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
LOG_TYPES = [
    "SCHEDULED",
    "UNASSIGNED",
    "ASSIGNED",
    "STARTED",
    "POSTPONED",
    "COMPLETE",
    "REPORT_COMPLETE",
    "TAKEN",
    "OFFERED",
    "ACCEPTED",
    "DECLINED",
    "CANCELLED",
    "RE-OPENED",
    "CONVERTED",
    "CONVERSION_CANCELLED",
    "CONVERSION_DECLINED",
    "CONVERSION_AUTO-DECLINED",
]
HORIZON_DAYS = 5 * 366  # "up to a number of future years"

_SCHEDULE = (
    "customId:t taskType:>task-types description:t instructions:t status:t "
    "client:>clients priceTier:n position:>positions checkpointTour:>checkpoint-tours "
    "reportTemplate:>report-templates type:t beginServiceDate:d endServiceDate:d "
    "rangeStartTime:c rangeEndTime:c durationMinutes:n dayOfWeekStart:a dayOfWeekEnd:a "
    "frequency:t taskSiteInstruction:>task-site-instructions "
    "isPeriodic:f isPeriodicOptional:f isPeriodicMultipleExecution:f periodicTotal:n "
)

RESOURCES: Mapping[str, Resource] = {
    resource.tag: resource
    for resource in (
        Resource.of("regions", "id:n customId:t name:t parentRegion:>regions"),
        Resource.of(
            "employees",
            "id:n customId:t firstName:t lastName:t name:t? email:t jobTitle:t "
            "primaryPhone:t status:t region:>regions createdOn:m? updatedOn:m?",
            hidden="INACTIVE",
        ),
        Resource.of(
            "clients",
            "id:n customId:t name:t company:t status:t region:>regions timeZone:t? "
            "address:o? createdOn:m? updatedOn:m?",
            hidden="INACTIVE CLOSED",
        ),
        Resource.of(
            "positions",
            "id:n customId:t name:t status:t account:>clients createdOn:m?",
            hidden="INACTIVE",
        ),
        Resource.of(
            "task-types",
            "id:n customId:t name:t priority:t schedulable:f dispatchable:f status:t",
            hidden="INACTIVE",
        ),
        Resource.of(
            "report-templates", "id:n customId:t name:t status:t", hidden="INACTIVE"
        ),
        Resource.of(
            "checkpoint-tours",
            "id:n customId:t name:t account:>clients status:t",
            hidden="INACTIVE",
        ),
        Resource.of(
            "task-site-instructions",
            "taskType:>task-types site:>clients jobInstructions:t generalInstructions:t "
            "checkPointTour:>checkpoint-tours taskPriceTier:n dispatchSla:n "
            "generalDispatchSla:t gracePeriodRunsheetStart:n gracePeriodRunsheetEnd:n "
            "gracePeriodSiteTaskStart:n gracePeriodSiteTaskEnd:n allowClientRequest:f "
            "id:n",
        ),
        Resource.of(
            "site-task-schedules",
            f"id:n {_SCHEDULE} createdOn:m? updatedOn:m?",
            hidden="INACTIVE ENDED",
        ),
        Resource.of(
            "site-task-occurrences",
            f"id:n occurrenceDate:d schedule:>site-task-schedules {_SCHEDULE} "
            "timeZone:t rangeStartedDateTime:m rangeEndedDateTime:m "
            "session:>site-task-occurrence-sessions exception:o periodicCompleted:n "
            "sessions:*site-task-occurrence-sessions",
            window="occurrenceDate",
        ),
        Resource.of(
            "site-task-occurrence-sessions",
            "report:>reports status:t startedOn:m endedOn:m effectiveDuration:n id:n "
            "occurrence:>site-task-occurrences? employee:>employees? "
            "first_visit_id:n? previous_visit_id:n?",
        ),
        Resource.of(
            "site-task-occurrence-session-logs",
            "employee:>employees type:t comments:t id:n "
            "occurrence:>site-task-occurrences session:>site-task-occurrence-sessions "
            "createdOn:m?",
            window="occurrence.occurrenceDate createdOn",
        ),
        Resource.of(
            "reports",
            "reportTemplate:>report-templates timeZone:t reportDateTime:m submitTime:s "
            "submittedOn:m account:>clients position:>positions approvedOn:m "
            "approvalDateTime:m status:t approvedBy:>employees checkpoint:n "
            "reportFlag:n siteLocation:n id:n custom:n reportFields:*report-fields",
            window="reportDateTime submittedOn",
        ),
        Resource.of(
            "report-fields",
            "fieldTag:t report:>reports templateField:n value:o archived:f id:n",
        ),
        Resource.of(
            "shifts",
            "status:t customId:t? billable:f payable:f paidTimeOff:f vacant:f "
            "startDateTime:m startsOn:s? endDateTime:m endsOn:s? breakInMinutes:n "
            "published:f employee:>employees position:>positions client:>clients? "
            "plannedPayableHours:n approvedHours:n? payableHours:n? billableHours:n? "
            "clockedHours:n? attendanceStatus:t workSessions:*work-sessions id:n "
            "timeZone:t",
            hidden="CANCELLED",
            window="startDateTime endDateTime startsOn",
        ),
        Resource.of(
            "work-sessions",
            "employee:>employees position:>positions account:>clients shift:>shifts "
            "startDateTime:m endDateTime:m startedOn:m endedOn:m payableHours:n "
            "status:t id:n timeZone:t",
        ),
    )
}

_LISTS = {
    ("reports", "reportFields"): "report",
    ("shifts", "workSessions"): "shift",
}


class Records(Source):
    """
    Tables of rows, relations as ids, and the view of occurrences.

    Args:
        biweekly_token: The ``frequency`` that fires every second week; inferred.
        one_time_token: The ``type`` of a single occurrence; inferred.
        adhoc_token: The ``type`` that makes none by itself; inferred.
        end_inclusive: Whether ``endServiceDate`` is the last day, or the day after.
        week_starts: 0 for Monday to 6 for Sunday: where two-week turns begin.
        misread: From a schedule's id to n: whatever its record says, it fires only
            every n-th week.
    """

    resources = RESOURCES

    def __init__(
        self,
        *,
        clock: Clock,
        lock: threading.RLock,
        biweekly_token: str,
        one_time_token: str,
        adhoc_token: str,
        end_inclusive: bool,
        week_starts: int,
    ) -> None:
        self.clock = clock
        self.lock = lock
        self.biweekly_token = biweekly_token
        self.one_time_token = one_time_token
        self.adhoc_token = adhoc_token
        self.end_inclusive = end_inclusive
        self.week_starts = week_starts
        self.misread: dict[int, int] = {}
        self.clear()

    def clear(self) -> None:
        """Forget all rows."""
        with self.lock:
            self.tables: dict[str, dict[int, Row]] = {tag: {} for tag in RESOURCES}
            self.added: dict[int, set[dt.date]] = {}
            self.exceptions: dict[tuple[int, dt.date], Row] = {}
            self.misread.clear()
            self.visits_on: dict[tuple[int, dt.date], list[Row]] = {}
            self._children: dict[tuple[str, int], list[Row]] = {}
            self.revision = 0

    # ------------------------------------------------------------------- reading

    def find(self, tag: str, identifier: Any) -> Row | None:
        if tag == "site-task-occurrences":
            return self._occurrence(str(identifier))
        return self.tables[tag].get(int(identifier))

    def related(self, tag: str, row: Row, name: str) -> list[Row]:
        if (tag, name) == ("site-task-occurrences", "sessions"):
            return self.visits_on.get(
                (row["schedule"], _day(row["occurrenceDate"])), []
            )
        return self._children.get((f"{tag}.{name}", row["id"]), [])

    def rows(
        self, tag: str, days: tuple[dt.date, dt.date] | None = None
    ) -> Iterable[Row]:
        """Return all rows of a table; of the view, those of the days."""
        if tag != "site-task-occurrences":
            return list(self.tables[tag].values())
        first, last = days or self._horizon()
        return [
            occurrence
            for schedule in self.tables["site-task-schedules"].values()
            for day in self._days(schedule, first, last)
            if (occurrence := self._view(schedule, day)) is not None
        ]

    def region(self, tag: str, row: Row) -> int | None:
        """Return the region that decides who sees the row, None for nobody's."""
        if tag == "regions":
            return int(row["id"])
        for name in ("client", "account", "site"):
            if row.get(name) is not None:
                row = self.tables["clients"][row[name]]
        region = row.get("region")
        return None if region is None else int(region)

    def _horizon(self) -> tuple[dt.date, dt.date]:
        today = self.clock.now().date()
        return today - dt.timedelta(HORIZON_DAYS), today + dt.timedelta(HORIZON_DAYS)

    # ------------------------------------------------------------------- the view

    def _occurrence(self, identifier: str) -> Row | None:
        try:
            day = dt.date(
                int(identifier[:4]), int(identifier[4:6]), int(identifier[6:8])
            )
            schedule = self.tables["site-task-schedules"].get(int(identifier[8:]))
        except ValueError:
            return None
        if schedule is None or day not in self._days(schedule, day, day):
            return None
        return self._view(schedule, day)

    def _days(self, schedule: Row, first: dt.date, last: dt.date) -> list[dt.date]:
        identifier = schedule["id"]
        held = (
            {day for sid, day in self.visits_on if sid == identifier}
            if (schedule["status"] != "ACTIVE" or schedule["type"] == self.adhoc_token)
            else set()
        )
        if schedule["type"] == self.adhoc_token:
            held |= self.added.get(identifier, set())
        if (
            held
            or schedule["status"] != "ACTIVE"
            or schedule["type"] == self.adhoc_token
        ):
            return sorted(day for day in held if first <= day <= last)
        begin = _day(schedule["beginServiceDate"])
        if schedule["type"] == self.one_time_token:
            return [begin] if first <= begin <= last else []
        if schedule["endServiceDate"] is not None:
            end = _day(schedule["endServiceDate"])
            last = min(last, end if self.end_inclusive else end - dt.timedelta(1))
        first = max(first, begin)
        span = [first + dt.timedelta(n) for n in range((last - first).days + 1)]
        if schedule.get("isPeriodic"):
            return span
        names = {DAYS.index(name) for name in schedule["dayOfWeekStart"] or ()}
        every = self.misread.get(
            identifier, 2 if schedule["frequency"] == self.biweekly_token else 1
        )
        return [
            day
            for day in span
            if day.weekday() in names
            and (every == 1 or (self._week(day) - self._week(begin)) // 7 % every == 0)
        ]

    def _week(self, day: dt.date) -> int:
        return day.toordinal() - (day.weekday() - self.week_starts) % 7

    def _view(self, schedule: Row, day: dt.date) -> Row | None:
        client = self.tables["clients"][schedule["client"]]
        zone = ZoneInfo(client["timeZone"])
        start_at, end_at = (
            dt.time.fromisoformat(schedule[name])
            for name in ("rangeStartTime", "rangeEndTime")
        )
        start = _local(zone, day, start_at)
        end = _local(zone, day + dt.timedelta(self._nights(schedule, day)), end_at)
        identifier = schedule["id"]
        visits = self.visits_on.get((identifier, day), [])
        row = {
            "id": int(f"{day:%Y%m%d}{identifier}"),
            "occurrenceDate": midnight(day),
            "schedule": identifier,
            **{k: v for k, v in schedule.items() if k not in _NOT_IN_VIEW},
            "timeZone": client["timeZone"],
            "rangeStartedDateTime": start.isoformat(),
            "rangeEndedDateTime": end.isoformat(),
            "session": visits[-1]["id"] if visits else None,
            "exception": self.exceptions.get((identifier, day)),
        }
        if row.get("isPeriodic"):
            row["periodicCompleted"] = self._done(schedule, day)
        row["status"] = self._status(schedule, day, visits, end, row)
        return row

    def _nights(self, schedule: Row, day: dt.date) -> int:
        starts, ends = schedule["dayOfWeekStart"], schedule["dayOfWeekEnd"]
        late = int(schedule["rangeEndTime"] <= schedule["rangeStartTime"])
        name = DAYS[day.weekday()]
        if not starts or not ends or name not in starts:
            return late
        nights = (DAYS.index(ends[starts.index(name)]) - day.weekday()) % 7
        return nights or late

    def _done(self, schedule: Row, day: dt.date) -> int:
        """Count what was done in the day's calendar month."""
        return sum(
            visit["status"] == "COMPLETED"
            for (identifier, on), visits in self.visits_on.items()
            if identifier == schedule["id"]
            and (on.year, on.month) == (day.year, day.month)
            for visit in visits
        )

    def _status(
        self,
        schedule: Row,
        day: dt.date,
        visits: Sequence[Row],
        end: dt.datetime,
        row: Row,
    ) -> str:
        if visits:
            return str(visits[-1]["status"])
        if end >= self.clock.now():
            return "SCHEDULED"
        if not row.get("isPeriodic"):
            return "MISSED"
        last_of_month = (day + dt.timedelta(1)).day == 1
        short = row["periodicCompleted"] < (row["periodicTotal"] or 0)
        return (
            "MISSED"
            if last_of_month and short and not row["isPeriodicOptional"]
            else "SCHEDULED"
        )

    # ------------------------------------------------------------------- writing

    def put(self, tag: str, row: Row, identifier: int | None = None) -> int:
        """Store a row; returns its id, the next free one if none is given."""
        with self.lock:
            table = self.tables[tag]
            if identifier is None:
                identifier = max(table, default=_FIRST.get(tag, 1) - 1) + 1
            now = self.clock.now().isoformat(timespec="seconds")
            old = table.get(identifier, {})
            table[identifier] = {
                **row,
                "id": identifier,
                "createdOn": row.get("createdOn", old.get("createdOn", now)),
                "updatedOn": now,
            }
            self._index(tag, table[identifier], fresh=not old)
            self.revision += 1
            return identifier

    def _index(self, tag: str, row: Row, *, fresh: bool) -> None:
        if not fresh:
            return
        for (parent, name), field in _LISTS.items():
            if RESOURCES[parent].columns[name].to == tag and row.get(field) is not None:
                self._children.setdefault((f"{parent}.{name}", row[field]), []).append(
                    row
                )
        if tag == "site-task-occurrence-sessions":
            text = str(row["occurrence"])
            day = dt.date(int(text[:4]), int(text[4:6]), int(text[6:8]))
            self.visits_on.setdefault((int(text[8:]), day), []).append(row)


_FIRST = {"site-task-schedules": 101, "clients": 11, "employees": 501, "positions": 301}
_NOT_IN_VIEW = ("id", "status", "createdOn", "updatedOn")


def _local(zone: ZoneInfo, day: dt.date, at: dt.time) -> dt.datetime:
    """Return the instant, told by a clock that exists: a skipped time moves on."""
    wall = dt.datetime.combine(day, at, tzinfo=zone)
    return wall.astimezone(dt.UTC).astimezone(zone)


def utc_text(at: dt.datetime | None) -> str | None:
    """Return the instant as the vendor prints it, in UTC to the second."""
    return None if at is None else at.astimezone(dt.UTC).isoformat(timespec="seconds")


def midnight(day: dt.date) -> str:
    """Return a civil date dressed as the midnight of UTC."""
    return f"{day.isoformat()}T00:00:00+00:00"


def _day(text: str) -> dt.date:
    return dt.date.fromisoformat(text[:10])
