"""
An account that looks like life, for demonstrations: five sites in three zones.

Its numbers are fixed, so that a story told on it reads the same every day.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from .sandbox_records import DAYS
from .sandbox_seeds import Seeds


WEEKDAYS, WEEKEND = DAYS[:5], DAYS[5:]
PATROL, LOCK_UP, INSPECTION, CASE_VISIT = 1, 2, 3, 4
SITES = {
    101: ("Harbour Mill", "America/Chicago", "IL-MILL"),
    102: ("Lakeside Depot", "America/Chicago", "IL-LAKE"),
    103: ("Mesa Storage", "America/Phoenix", "AZ-MESA"),
    104: ("Battery Wharf", "America/New_York", "NY-BATT"),
    105: ("Canyon Court", "America/Phoenix", "AZ-CANY"),
}
GUARDS = {
    401: ("Noor", "Haddad"),
    402: ("Ines", "Okafor"),
    403: ("Tomas", "Lind"),
    404: ("Priya", "Raman"),
    405: ("Sam", "Whitaker"),
    406: ("Lena", "Brandt"),
}


def fill(box: Seeds) -> None:
    """Add the account; seasons and dates are near the clock's own."""
    for region, name in ((1, "Great Lakes"), (2, "South West"), (3, "East")):
        box.add_region(name, id=region)
    for site, (name, zone, code) in SITES.items():
        box.add_client(name, zone, id=site, customId=code)
        box.add_position(site, f"{name} day", id=200 + site)
        box.add_position(site, f"{name} night", id=300 + site)
    for guard, (first, last) in GUARDS.items():
        box.add_employee(first, last, id=guard, customId=f"E-{guard}")
    for number, name in enumerate(
        ("Patrol", "Lock-up", "Inspection", "Case visit"), PATROL
    ):
        box.add_task_type(name, id=number)
    box.add_report_template("Patrol report", id=501)
    box.add_checkpoint_tour(101, "Fence walk", id=601)
    for site in SITES:
        box.add_site_instruction(site, PATROL, jobInstructions="Carry a torch")
    today = box.clock.now().date()
    _rounds(box, today)
    _seasons(box, today)
    _oddities(box, today)
    _case_visits(box, today)
    _history(box, today)


def edit(box: Seeds) -> tuple[str, ...]:
    """Change three schedules as people at the source would; say what was done."""
    table = box.tables["site-task-schedules"]
    with box.lock:
        table[1001].update(rangeEndTime="11:00:00", durationMinutes=60)
        table[1004].update(status="INACTIVE")
        table[1901].update(description="Visit witness, bring the file")
        box.revision += 1
    return (
        "1001, the weekday patrol at Harbour Mill, now lasts until 11:00",
        "1004, its lock-up round, was taken out of service",
        "1901, a case visit, got another description",
    )


def _rounds(box: Seeds, today: dt.date) -> None:
    begin = today - dt.timedelta(400)
    for n, site in enumerate((101, 102, 103, 104)):
        day, night, name = 200 + site, 300 + site, SITES[site][0]
        first = 1001 + 100 * n
        common: dict[str, Any] = {"begin": begin, "reportTemplate": 501}
        for offset, (title, type_, days, start, end, post) in enumerate(
            (
                ("weekday patrol", PATROL, WEEKDAYS, "09:00:00", "10:00:00", day),
                ("night patrol", PATROL, DAYS, "22:00:00", "02:00:00", night),
                ("weekend round", PATROL, WEEKEND, "12:00:00", "13:30:00", day),
                ("lock-up", LOCK_UP, DAYS[:6], "18:30:00", "19:00:00", day),
                ("opening", LOCK_UP, WEEKDAYS, "05:30:00", "06:15:00", day),
                ("midnight check", PATROL, DAYS[1:4], "23:30:00", "00:30:00", night),
            )
        ):
            box.add_schedule(
                site, type_, days=days, start=start, end=end, position=post,
                description=f"{name} {title}", id=first + offset, **common,
            )  # fmt: skip


def _seasons(box: Seeds, today: dt.date) -> None:
    begin = today - dt.timedelta(60)
    box.add_schedule(
        101, PATROL, days=WEEKDAYS, start="16:00:00", end="17:00:00", position=301,
        description="Winter storage watch", begin=begin,
        until=today + dt.timedelta(86), id=1401,
    )  # fmt: skip
    box.add_schedule(
        102, PATROL, days=WEEKEND, start="10:00:00", end="12:00:00", position=302,
        description="Spring market round", begin=today + dt.timedelta(56), id=1402,
    )  # fmt: skip
    box.add_schedule(
        104, INSPECTION, days=("WEDNESDAY",), start="14:00:00", end="15:00:00",
        position=304, description="Pier inspection", begin=today + dt.timedelta(14),
        until=today + dt.timedelta(150), id=1403,
    )  # fmt: skip


def _oddities(box: Seeds, today: dt.date) -> None:
    begin = today - dt.timedelta(200 + today.weekday())
    for number, site, day in (
        (1501, 101, "MONDAY"),
        (1502, 102, "THURSDAY"),
        (1503, 104, "FRIDAY"),
    ):
        box.add_schedule(
            site, INSPECTION, days=(day,), start="11:00:00", end="12:00:00",
            position=200 + site, description=f"{SITES[site][0]} oil tank",
            frequency=box.biweekly_token, begin=begin, id=number,
        )  # fmt: skip
    box.add_schedule(
        102, PATROL, days=("MONDAY", "FRIDAY"), end_days=("TUESDAY", "MONDAY"),
        start="20:00:00", end="06:00:00", position=402, begin=begin,
        description="Depot watch, one night and over the weekend", id=1511,
    )  # fmt: skip
    for number in (1521, 1522):
        box.add_schedule(
            104, PATROL, days=DAYS, start="01:00:00", end="03:00:00", position=404,
            description="Battery Wharf double round", begin=begin, id=number,
        )  # fmt: skip
    box.add_schedule(
        101, PATROL, start="10:00:00", end="12:00:00", type=box.one_time_token,
        description="Visitor escort", begin=today + dt.timedelta(11), position=301,
        id=1531,
    )  # fmt: skip
    box.add_schedule(
        104, INSPECTION, start="08:00:00", end="16:00:00", type=box.one_time_token,
        description="Alarm system audit", begin=today + dt.timedelta(18), position=304,
        id=1532,
    )  # fmt: skip
    box.add_schedule(
        101, PATROL, type=box.adhoc_token, description="Clear the snow", begin=begin,
        start="06:00:00", end="20:00:00", position=301, id=1541,
    )  # fmt: skip
    box.add_schedule(
        102, INSPECTION, start="14:00:00", end="18:00:00", position=302, begin=begin,
        description="Boiler check, five times a month", isPeriodic=True,
        isPeriodicMultipleExecution=True, periodicTotal=5, id=1551,
    )  # fmt: skip
    for number, site in ((1561, 101), (1562, 103)):
        box.add_schedule(
            site, PATROL, days=("SUNDAY",), description="Old contract round",
            begin=begin, status="INACTIVE", position=200 + site, id=number,
        )  # fmt: skip
    box.add_schedule(
        104, PATROL, days=WEEKDAYS, description="Ended last autumn", begin=begin,
        until=today - dt.timedelta(40), position=304, id=1563,
    )  # fmt: skip
    for number, title in ((1571, "Canyon Court round"), (1572, "Canyon Court gate")):
        box.add_schedule(
            105, PATROL, days=WEEKDAYS, start="07:00:00", end="08:00:00", position=305,
            description=title, begin=begin, id=number,
        )  # fmt: skip


def _case_visits(box: Seeds, today: dt.date) -> None:
    begin = today - dt.timedelta(30)
    for number, site, days, title in (
        (1901, 101, ("WEDNESDAY",), "Visit witness"),
        (1902, 102, ("TUESDAY", "FRIDAY"), "Photograph the yard"),
        (1903, 104, ("MONDAY",), "Serve papers"),
        (1904, 101, ("THURSDAY",), "Collect statements"),
    ):
        box.add_schedule(
            site, CASE_VISIT, days=days, start="13:00:00", end="15:00:00",
            position=200 + site, description=title, begin=begin, id=number,
            instructions="Write it up the same day",
        )  # fmt: skip
    box.add_schedule(
        104, CASE_VISIT, start="09:00:00", end="11:00:00", type=box.one_time_token,
        description="Court appearance", begin=today + dt.timedelta(4), position=304,
        id=1905,
    )  # fmt: skip


def _history(box: Seeds, today: dt.date) -> None:
    """Say what was done on the last days: sessions, logs, reports."""
    log = ("ASSIGNED", "STARTED", "REPORT_COMPLETE", "COMPLETE")
    for back in (1, 2, 3):
        day = today - dt.timedelta(back)
        for schedule, site, hour, guard in (
            (1002, 101, 23, 401),
            (1102, 102, 23, 402),
            (1302, 104, 22, 403),
        ):
            began = dt.datetime.combine(day, dt.time(hour, 5), dt.UTC)
            began += dt.timedelta(hours=6)
            visit = box.add_session(
                schedule, day, started=began, ended=began + dt.timedelta(minutes=41),
                employee=guard, log=log,
            )  # fmt: skip
            box.add_report(
                site, 501, {"details": "All quiet"}, submitted=began, session=visit
            )
    yesterday = today - dt.timedelta(1)
    for hour in (15, 16, 17):
        began = dt.datetime.combine(yesterday, dt.time(hour + 5), dt.UTC)
        box.add_session(
            1551, yesterday, started=began, ended=began + dt.timedelta(minutes=9),
            employee=404, log=("STARTED", "COMPLETE"),
        )  # fmt: skip
