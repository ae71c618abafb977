"""
The hands that fill the TrackTik sandbox: a method for each thing, and a small account.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from .sandbox_query import Row
from .sandbox_records import DAYS, LOG_TYPES, RESOURCES, Records, midnight, utc_text


class Seeds(Records):
    """Adds rows as if they had always been there; nothing is checked as a POST is."""

    def add_region(self, name: str, **fields: Any) -> int:
        """Add a region."""
        return self._add(
            "regions", {"customId": "", "name": name, "parentRegion": None}, fields
        )

    def add_client(
        self, name: str, zone: str, region: int | None = None, **fields: Any
    ) -> int:
        """Add a site; all its schedules take its IANA zone."""
        row = {
            "customId": "",
            "name": name,
            "company": name,
            "status": "ACTIVE",
            "region": region,
            "timeZone": ZoneInfo(zone).key,
            "address": None,
        }
        return self._add("clients", row, fields)

    def add_employee(self, first: str, last: str, **fields: Any) -> int:
        """Add a person."""
        row = {
            "customId": "",
            "firstName": first,
            "lastName": last,
            "name": f"{first} {last}",
            "email": f"{first}.{last}@example.com".lower(),
            "jobTitle": "Officer",
            "primaryPhone": None,
            "status": "ACTIVE",
            "region": None,
        }
        return self._add("employees", row, fields)

    def add_position(self, client: int, name: str, **fields: Any) -> int:
        """Add a post at a site."""
        row = {"customId": "", "name": name, "status": "ACTIVE", "account": client}
        return self._add("positions", row, fields)

    def add_task_type(self, name: str, **fields: Any) -> int:
        """Add a task type that can be scheduled and dispatched."""
        row = {
            "customId": "",
            "name": name,
            "priority": "LOW",
            "schedulable": True,
            "dispatchable": True,
            "status": "ACTIVE",
        }
        return self._add("task-types", row, fields)

    def add_report_template(self, name: str, **fields: Any) -> int:
        """Add a report template."""
        return self._add(
            "report-templates",
            {"customId": "", "name": name, "status": "ACTIVE"},
            fields,
        )

    def add_checkpoint_tour(self, client: int, name: str, **fields: Any) -> int:
        """Add a tour at a site."""
        row = {"customId": "", "name": name, "account": client, "status": "ACTIVE"}
        return self._add("checkpoint-tours", row, fields)

    def add_site_instruction(self, client: int, task_type: int, **fields: Any) -> int:
        """Add a task site instruction; a null on a schedule's write may pick it."""
        row = {
            "taskType": task_type,
            "site": client,
            "jobInstructions": "",
            "generalInstructions": "",
            "checkPointTour": None,
            "taskPriceTier": None,
            "dispatchSla": None,
            "generalDispatchSla": "",
            "gracePeriodRunsheetStart": None,
            "gracePeriodRunsheetEnd": None,
            "gracePeriodSiteTaskStart": None,
            "gracePeriodSiteTaskEnd": None,
            "allowClientRequest": False,
        }
        return self._add("task-site-instructions", row, fields)

    def add_schedule(
        self,
        client: int,
        task_type: int,
        *,
        days: Iterable[str] = (),
        end_days: Iterable[str] | None = None,
        start: str = "09:00:00",
        end: str = "10:00:00",
        begin: dt.date,
        until: dt.date | None = None,
        **fields: Any,
    ) -> int:
        """
        Add a site-task schedule as if it had always been there, unchecked.

        Args:
            days: Names of the days on which it starts, e.g. ``MONDAY``.
            end_days: Those on which it ends, by position; None for the same day, or
                the next where the end is not after the start.
            begin: ``beginServiceDate``.
            until: ``endServiceDate``.
            fields: Any other field by the vendor's name, and ``id``.
        """
        names = list(days)
        late = int(end <= start)
        ends = (
            [DAYS[(DAYS.index(name) + late) % 7] for name in names]
            if end_days is None
            else list(end_days)
        )
        row = {
            "customId": "",
            "taskType": task_type,
            "description": "",
            "instructions": "",
            "status": "ACTIVE",
            "client": client,
            "priceTier": None,
            "position": None,
            "checkpointTour": None,
            "reportTemplate": None,
            "type": "RECURRING",
            "beginServiceDate": midnight(begin),
            "endServiceDate": None if until is None else midnight(until),
            "rangeStartTime": start,
            "rangeEndTime": end,
            "durationMinutes": 15,
            "dayOfWeekStart": names or None,
            "dayOfWeekEnd": ends or None,
            "frequency": "WEEKLY",
            "taskSiteInstruction": None,
            "isPeriodic": False,
            "isPeriodicOptional": False,
            "isPeriodicMultipleExecution": False,
            "periodicTotal": None,
        }
        return self._add("site-task-schedules", row, fields)

    def add_occurrence(self, schedule: int, day: dt.date) -> int:
        """Add an occurrence of an ad hoc schedule, as the guard's phone does."""
        with self.lock:
            self.added.setdefault(schedule, set()).add(day)
            self.revision += 1
        return int(f"{day:%Y%m%d}{schedule}")

    def add_exception(self, schedule: int, day: dt.date, **exception: Any) -> None:
        """Give one day's occurrence an ``exception``, whose meaning nobody knows."""
        with self.lock:
            self.exceptions[schedule, day] = exception or {"type": "MODIFIED"}
            self.revision += 1

    def add_session(
        self,
        schedule: int,
        day: dt.date,
        *,
        started: dt.datetime | None = None,
        ended: dt.datetime | None = None,
        status: str = "COMPLETED",
        employee: int | None = None,
        log: Iterable[str] = (),
        **fields: Any,
    ) -> int:
        """Add a session of one day's occurrence, and a log line for each type."""
        minutes = (
            int(((ended - started).total_seconds() + 30) // 60)
            if started and ended
            else 0
        )
        with self.lock:
            before = self.visits_on.get((schedule, day), [])
            row = {
                "report": None,
                "status": status,
                "startedOn": utc_text(started),
                "endedOn": utc_text(ended),
                "effectiveDuration": minutes,
                "occurrence": int(f"{day:%Y%m%d}{schedule}"),
                "employee": employee,
                "first_visit_id": before[0]["id"] if before else None,
                "previous_visit_id": before[-1]["id"] if before else 0,
            }
            identifier = self._add("site-task-occurrence-sessions", row, fields)
            for type_ in log:
                self.add_log(identifier, type_, employee=employee, at=ended or started)
            return identifier

    def add_log(
        self,
        session: int,
        type_: str,
        *,
        employee: int | None = None,
        at: dt.datetime | None = None,
        comments: str = "",
        **fields: Any,
    ) -> int:
        """Add a line to a session's log; the type is one of 17."""
        if type_ not in LOG_TYPES:
            raise ValueError(f"{type_} is no log type")
        visit = self.tables["site-task-occurrence-sessions"][session]
        row = {
            "employee": employee if employee is not None else visit["employee"],
            "type": type_,
            "comments": comments,
            "occurrence": visit["occurrence"],
            "session": session,
            "createdOn": utc_text(at or self.clock.now()),
        }
        return self._add("site-task-occurrence-session-logs", row, fields)

    def add_report(
        self,
        client: int,
        template: int,
        answers: Mapping[str, str],
        *,
        submitted: dt.datetime,
        session: int | None = None,
        **fields: Any,
    ) -> int:
        """Add a report with its fields, and hang it on a session if one is named."""
        with self.lock:
            zone = self.tables["clients"][client]["timeZone"]
            row = {
                "reportTemplate": template,
                "timeZone": zone,
                "reportDateTime": submitted.astimezone(ZoneInfo(zone)).isoformat(
                    timespec="seconds"
                ),
                "submitTime": int(submitted.timestamp()),
                "submittedOn": utc_text(submitted),
                "account": client,
                "position": None,
                "approvedOn": None,
                "approvalDateTime": None,
                "status": "NEW",
                "approvedBy": None,
                "checkpoint": None,
                "reportFlag": None,
                "siteLocation": None,
            }
            identifier = self._add("reports", row, fields)
            self.tables["reports"][identifier]["custom"] = identifier
            for n, (name, value) in enumerate(answers.items(), 1):
                self.put(
                    "report-fields",
                    {
                        "fieldTag": name,
                        "report": identifier,
                        "templateField": n,
                        "value": {"type": "text", "value": value},
                        "archived": False,
                    },
                )
            if session is not None:
                self.tables["site-task-occurrence-sessions"][session]["report"] = (
                    identifier
                )
            return identifier

    def add_shift(
        self,
        employee: int | None,
        position: int,
        start: dt.datetime,
        end: dt.datetime,
        *,
        approved: bool = False,
        **fields: Any,
    ) -> int:
        """Add a shift between two wall-clock times of the post's site."""
        client = self.tables["positions"][position]["account"]
        zone = ZoneInfo(self.tables["clients"][client]["timeZone"])
        first, last = (at.replace(tzinfo=zone) for at in (start, end))
        hours = round((last.timestamp() - first.timestamp()) / 3600, 2)
        row = {
            "status": "APPROVED" if approved else "ACTIVE",
            "customId": "",
            "billable": True,
            "payable": True,
            "paidTimeOff": False,
            "vacant": employee is None,
            "startDateTime": first.isoformat(),
            "startsOn": int(first.timestamp()),
            "endDateTime": last.isoformat(),
            "endsOn": int(last.timestamp()),
            "breakInMinutes": 0,
            "published": True,
            "employee": employee,
            "position": position,
            "client": client,
            "plannedPayableHours": hours,
            "approvedHours": hours if approved else None,
            "payableHours": hours if approved else None,
            "billableHours": hours if approved else None,
            "clockedHours": None,
            "attendanceStatus": "COMPLETED" if approved else "SCHEDULED",
            "timeZone": zone.key,
        }
        return self._add("shifts", row, fields)

    def add_work_session(
        self, shift: int, started: dt.datetime, ended: dt.datetime | None, **fields: Any
    ) -> int:
        """Add what was clocked on a shift; aware instants."""
        of = self.tables["shifts"][shift]
        zone = ZoneInfo(of["timeZone"])
        row = {
            "employee": of["employee"],
            "position": of["position"],
            "account": of["client"],
            "shift": shift,
            "startDateTime": started.astimezone(zone).isoformat(),
            "endDateTime": ended.astimezone(zone).isoformat() if ended else None,
            "startedOn": utc_text(started),
            "endedOn": utc_text(ended),
            "payableHours": round((ended - started).total_seconds() / 3600, 2)
            if ended
            else None,
            "status": "CLOSED" if ended else "OPEN",
            "timeZone": zone.key,
        }
        return self._add("work-sessions", row, fields)

    def _add(self, tag: str, row: Row, fields: Mapping[str, Any]) -> int:
        given = dict(fields)
        identifier = given.pop("id", None)
        unknown = set(given) - set(RESOURCES[tag].columns)
        if unknown:
            raise ValueError(f"{tag} has no {', '.join(sorted(unknown))}")
        return self.put(tag, {**row, **given}, identifier)


def fill(box: Seeds) -> None:
    """Add a small account that looks like life; its days are near the clock's own."""
    today = box.clock.now().date()
    monday = today - dt.timedelta(today.weekday() + 28)
    west = box.add_region("West")
    lakes = box.add_region("Great Lakes")
    mill = box.add_client("Harbour Mill", "America/Chicago", lakes, customId="IL-MILL")
    mesa = box.add_client("Mesa Depot", "America/Phoenix", west, customId="AZ-MESA")
    noor = box.add_employee("Noor", "Haddad", region=lakes, customId="E-1001")
    ines = box.add_employee("Ines", "Okafor", region=west, customId="E-1002")
    gate = box.add_position(mill, "Gate")
    yard = box.add_position(mesa, "Yard")
    patrol = box.add_task_type("Patrol")
    report = box.add_report_template("Patrol report")
    tour = box.add_checkpoint_tour(mill, "Fence walk")
    box.add_site_instruction(mill, patrol, jobInstructions="Carry a torch")
    common: dict[str, Any] = {"reportTemplate": report, "begin": monday}
    night = box.add_schedule(
        mill, patrol, days=DAYS, start="22:00:00", end="02:00:00", position=gate,
        description="Night patrol", checkpointTour=tour, **common,
    )  # fmt: skip
    box.add_schedule(
        mesa, patrol, days=DAYS[:5], start="08:00:00", end="09:30:00", position=yard,
        description="Morning round", instructions="Check the pumps", **common,
    )  # fmt: skip
    box.add_schedule(
        mesa, patrol, days=("MONDAY",), start="07:00:00", end="08:00:00", position=yard,
        description="Oil tank", frequency=box.biweekly_token, **common,
    )  # fmt: skip
    box.add_schedule(
        mesa, patrol, start="10:00:00", end="12:00:00", type=box.one_time_token,
        description="Visitor escort", begin=today + dt.timedelta(5), position=yard,
    )  # fmt: skip
    box.add_schedule(
        mill, patrol, type=box.adhoc_token, description="Clear the snow", begin=monday,
        start="06:00:00", end="20:00:00",
    )  # fmt: skip
    rounds = box.add_schedule(
        mill, patrol, start="14:00:00", end="18:00:00", description="Boiler check",
        isPeriodic=True, isPeriodicMultipleExecution=True, periodicTotal=5, position=gate,
        **common,
    )  # fmt: skip
    box.add_schedule(
        mill, patrol, days=("SUNDAY",), description="Old contract", status="INACTIVE",
        **common,
    )  # fmt: skip
    for schedule, back, hour, guard in (
        (night, 2, 4, noor),
        (night, 1, 4, noor),
        (rounds, 1, 20, ines),
    ):
        day = today - dt.timedelta(back)
        began = dt.datetime.combine(
            day + dt.timedelta(hour < 12), dt.time(hour, 21, 15), tzinfo=dt.UTC
        )
        visit = box.add_session(
            schedule, day, started=began, ended=began + dt.timedelta(seconds=187),
            employee=guard, log=("ASSIGNED", "STARTED", "REPORT_COMPLETE", "COMPLETE"),
        )  # fmt: skip
        box.add_report(
            mill, report, {"details": "All quiet"}, submitted=began, session=visit
        )
    start = dt.datetime.combine(today - dt.timedelta(3), dt.time(8, 0))
    for n in range(3):
        at = start + dt.timedelta(n)
        box.add_shift(noor, gate, at, at + dt.timedelta(hours=8), approved=n < 2)
