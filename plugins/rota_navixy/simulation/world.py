"""What the account holds, and what time does to it."""

from __future__ import annotations

import datetime as dt
import heapq
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal
from zoneinfo import ZoneInfo

from .checks import LATENESS, Record


OPEN = ("unassigned", "assigned")
FINAL = ("done", "failed", "delayed", "faulty")


class Simulation:
    """
    One account: trackers, people, places, forms, schedule entries and tasks.

    Args:
        now: The sandbox's clock.
        zone: The account's time zone; all wall clocks are told in it.
        keeps: What a clock change inside a window leaves alone, ``length`` or ``end``.
        run_at: The wall clock of the daily run that turns entries into tasks.
        copies: Whether generated tasks carry the tags and fields of their entry.
    """

    def __init__(
        self,
        *,
        now: Callable[[], dt.datetime],
        zone: str,
        keeps: Literal["length", "end"],
        run_at: dt.time,
        copies: bool,
    ) -> None:
        self.now = now
        self.zone = ZoneInfo(zone)
        self.keeps = keeps
        self.run_at = run_at
        self.copies = copies
        self.user_id = 3
        self.trackers: dict[int, Record] = {}
        self.employees: dict[int, Record] = {}
        self.tags: dict[int, Record] = {}
        self.places: dict[int, Record] = {}
        self.templates: dict[int, Record] = {}
        self.forms: dict[int, Record] = {}
        self.entries: dict[int, Record] = {}
        self.tasks: dict[int, Record] = {}
        self.history: dict[int, list[Record]] = {}
        self._attached: dict[int, int] = {}
        self._last_id = 100_000
        self._events: list[tuple[dt.datetime, int, str, Record]] = []
        self._next_run = self._day(now())
        if self._run_moment() <= now():
            self._next_run += dt.timedelta(days=1)

    # Time

    def instant(self, wall: dt.datetime) -> dt.datetime:
        """Return the instant of a wall clock: before the gap, first of a fold."""
        return wall.replace(tzinfo=self.zone, fold=0).astimezone(dt.UTC)

    def odd(self, entry: Record, day: dt.date) -> bool:
        """Tell whether a clock change touches an entry's window of a day."""
        wall = dt.datetime.combine(day, dt.time.fromisoformat(entry["from_time"]))
        end = wall + dt.timedelta(minutes=entry["duration"])
        offsets = {
            moment.replace(tzinfo=self.zone, fold=fold).utcoffset()
            for moment in (wall, end)
            for fold in (0, 1)
        }
        return len(offsets) > 1

    def tick(self) -> None:
        """Let everything happen that the clock has passed, in its order."""
        now = self.now()
        while True:
            run = self._run_moment()
            due = self._events[0][0] if self._events else None
            if run <= now and (due is None or run <= due):
                self._generate(self._next_run, run)
                self._next_run += dt.timedelta(days=1)
            elif due is not None and due <= now:
                at, _, kind, event = heapq.heappop(self._events)
                self._happen(at, kind, event)
            else:
                return

    def _day(self, at: dt.datetime) -> dt.date:
        return at.astimezone(self.zone).date()

    def _run_moment(self) -> dt.datetime:
        return self.instant(dt.datetime.combine(self._next_run, self.run_at))

    def _plan(self, at: dt.datetime, kind: str, event: Record) -> None:
        self._last_id += 1
        heapq.heappush(self._events, (at, self._last_id, kind, event))

    def _happen(self, at: dt.datetime, kind: str, event: Record) -> None:
        task = self.tasks.get(event["id"])
        if task is None or task["status"] in FINAL:
            return
        if kind == "expire":
            if task["type"] != "route" and self._deadline(task) == at:
                self._turn(task, "failed", at)
        elif kind == "arrive":
            task["arrival_date"] = at
            self._turn(task, "arrived", at)
        else:
            stay = event["stay"]
            arrived = max(at - dt.timedelta(seconds=stay), task["creation_date"])
            task["arrival_date"] = task["arrival_date"] or arrived
            task["stay_duration"] = stay
            form = self.form_of(task["id"])
            if form is not None:
                place = {k: task["location"][k] for k in ("lat", "lng")}
                form |= {"values": event["values"], "submitted": at}
                form["submit_location"] = place | {
                    "address": task["location"].get("address", "")
                }
            late = at > task["to"]
            in_time = "done" if not late else "delayed"
            self._turn(task, event["status"] or in_time, at)

    @staticmethod
    def _deadline(task: Record) -> dt.datetime:
        end: dt.datetime = task["to"]
        return end + dt.timedelta(minutes=task["max_delay"])

    # Generated tasks

    def due(self, entry: Record, day: dt.date) -> bool:
        """Tell whether an entry acts on a day; a day a month lacks is skipped."""
        rule = entry["parameters"]
        if rule["type"] == "weekdays":
            return day.isoweekday() in rule["weekdays"]
        return day.day in rule["month_days"]

    def period(self, entry: Record, day: dt.date) -> tuple[dt.datetime, dt.datetime]:
        """Return when a task or checkpoint entry's window of a day begins and ends."""
        wall = dt.datetime.combine(day, dt.time.fromisoformat(entry["from_time"]))
        length = dt.timedelta(minutes=entry["duration"])
        start = self.instant(wall)
        end = start + length if self.keeps == "length" else self.instant(wall + length)
        return start, max(start, end)

    def checkpoints(self, route: int) -> list[Record]:
        """Return the checkpoint entries of a route entry in their order."""
        rows = (e for e in self.entries.values() if e.get("parent_id") == route)
        return sorted(rows, key=lambda e: e["order"])

    def proposals(
        self, first: dt.datetime, last: dt.datetime
    ) -> Iterator[tuple[Record, Record, bool]]:
        """
        Yield each task that the runs to come would make between two instants.

        With it the entry that it comes from, and whether its wall clock is one that a
        clock change skips or repeats.
        """
        for entry in list(self.entries.values()):
            if entry["type"] == "checkpoint":
                continue
            routed = entry["type"] == "route"
            stops = self.checkpoints(entry["id"]) if routed else [entry]
            day = max(self._next_run, self._day(first))
            while day <= self._day(last):
                if self.due(entry, day):
                    periods = [self.period(stop, day) for stop in stops]
                    odd = any(self.odd(stop, day) for stop in stops)
                    if first <= periods[0][0] <= last:
                        row = self._row(entry, periods[0][0], periods[-1][1], day)
                        yield row, entry, odd
                day += dt.timedelta(days=1)

    def _row(
        self, entry: Record, start: dt.datetime, end: dt.datetime, day: dt.date
    ) -> Record:
        at = self.instant(dt.datetime.combine(day, self.run_at))
        copied = ("tracker_id", "label", "description", "location", *LATENESS)
        row = {key: entry[key] for key in copied if key in entry}
        if self.copies:
            row |= {key: entry[key] for key in ("tags", "fields") if key in entry}
        row |= {"user_id": self.user_id, "from": start, "to": end, "external_id": None}
        row |= {"creation_date": at, "status_change_date": at, "origin": "scheduled"}
        row["status"] = "unassigned" if row["tracker_id"] is None else "assigned"
        row["type"] = entry["type"]
        if entry["type"] != "route":
            row |= {"arrival_date": None, "stay_duration": 0}
        return row

    def _generate(self, day: dt.date, at: dt.datetime) -> None:
        for entry in list(self.entries.values()):
            if entry["type"] == "checkpoint" or not self.due(entry, day):
                continue
            if entry["type"] == "task":
                task = self.keep_task(self._row(entry, *self.period(entry, day), day))
                self._make_form(task, entry.get("form_template_id"), at)
                continue
            stops = self.checkpoints(entry["id"])
            rows = [self._row(s, *self.period(s, day), day) for s in stops]
            whole = self._row(entry, rows[0]["from"], rows[-1]["to"], day)
            made = self.keep_route(whole, rows)
            for stop, row in zip(stops, made["checkpoint_ids"], strict=True):
                self._make_form(self.tasks[row], stop.get("form_template_id"), at)

    # Seeds

    def add_tracker(
        self,
        label: str,
        *,
        id: int | None = None,
        blocked: bool = False,
        tasks: bool = True,
        model: str = "bce_fms500",
    ) -> int:
        """Register a device; ``tasks`` is whether its plan includes them."""
        number = id or self.new_id()
        self.trackers[number] = {
            "id": number,
            "label": label,
            "clone": False,
            "group_id": 0,
            "source": {
                "id": number + 500_000,
                "device_id": f"{356_000_000_000_000 + number}",
                "model": model,
                "blocked": blocked,
                "tariff_id": 12,
                "creation_date": "2025-03-01",
                "tariff_end_date": None,
                "phone": None,
            },
            "tag_bindings": [],
            "_tasks": tasks,
        }
        return number

    def block_tracker(self, number: int, *, blocked: bool = True) -> None:
        """Block a device, as when its plan ends."""
        self.trackers[number]["source"]["blocked"] = blocked

    def add_employee(
        self,
        first_name: str,
        last_name: str,
        *,
        id: int | None = None,
        tracker: int | None = None,
        number: str = "",
    ) -> int:
        """Hire somebody, who may carry one tracker."""
        key = id or self.new_id()
        self.employees[key] = {
            "id": key,
            "tracker_id": tracker,
            "first_name": first_name,
            "middle_name": "",
            "last_name": last_name,
            "email": "",
            "phone": "",
            "personnel_number": number,
            "department_id": None,
            "location": None,
            "tags": [],
        }
        return key

    def add_tag(self, name: str, *, id: int | None = None) -> int:
        """Make a tag."""
        key = id or self.new_id()
        self.tags[key] = {"id": key, "name": name, "color": "1E88E5"}
        return key

    def add_place(
        self,
        label: str,
        lat: float,
        lng: float,
        *,
        id: int | None = None,
        radius: int = 150,
        address: str = "",
        external_id: str | None = None,
    ) -> int:
        """Put a place on the map."""
        key = id or self.new_id()
        where = {"lat": lat, "lng": lng, "address": address, "radius": radius}
        self.places[key] = {
            "id": key,
            "label": label,
            "location": where,
            "external_id": external_id,
            "fields": {},
            "tags": [],
        }
        return key

    def add_form_template(self, label: str, *, id: int | None = None) -> int:
        """Make a form of one line of text."""
        key = id or self.new_id()
        self.templates[key] = {
            "id": key,
            "label": label,
            "description": "",
            "version": 1,
            "fields": [
                {
                    "id": "1",
                    "type": "text",
                    "label": "Report",
                    "description": "What you saw",
                    "required": True,
                }
            ],
            "created": self.now(),
            "updated": self.now(),
            "submit_in_zone": False,
            "default": False,
        }
        return key

    # Keeping records

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def keep_entry(self, entry: Record, kind: str, **more: object) -> Record:
        """Store a checked schedule entry under a new id."""
        number = self.new_id()
        row = {"id": number, "user_id": self.user_id, **entry, **more, "type": kind}
        self.entries[number] = row
        return row

    def drop_entry(self, number: int) -> None:
        """Forget an entry and, of a route, its checkpoints; tasks stay."""
        for row in [self.entries[number], *self.checkpoints(number)]:
            del self.entries[row["id"]]

    def keep_task(self, row: Record, *, checkpoint: bool = False) -> Record:
        """Store a checked task under a new id, with the history's first line."""
        now = self.now()
        fresh: Record = {
            "user_id": self.user_id,
            "creation_date": now,
            "status": "unassigned" if row["tracker_id"] is None else "assigned",
            "status_change_date": now,
            "origin": "manual",
            "arrival_date": None,
            "stay_duration": 0,
            "tags": [],
        }
        task: Record = fresh | row | {"type": "checkpoint" if checkpoint else "task"}
        task["id"] = self.new_id()
        self.tasks[task["id"]] = task
        self.note(task, "create", dict(task), task["creation_date"])
        self.expect(task)
        return task

    def keep_route(self, route: Record, rows: list[Record]) -> Record:
        """Store a checked route with its checkpoints under new ids."""
        now = self.now()
        assigned = route["tracker_id"] is not None
        fresh: Record = {
            "id": self.new_id(),
            "user_id": self.user_id,
            "creation_date": now,
            "status": "assigned" if assigned else "unassigned",
            "status_change_date": now,
            "origin": "manual",
            "tags": [],
        }
        kept = fresh | route | {"type": "route"}
        self.tasks[kept["id"]] = kept
        stops = []
        for row in rows:
            row = row | {"tracker_id": kept["tracker_id"], "parent_id": kept["id"]}
            row["status"] = kept["status"]
            number = row.pop("id", None)
            if number is None:
                stops.append(self.keep_task(row, checkpoint=True))
            else:
                self.tasks[number] |= row | {"type": "checkpoint"}
                self.expect(self.tasks[number])
                stops.append(self.tasks[number])
        self.order_route(kept, stops)
        self.note(kept, "create", dict(kept), kept["creation_date"])
        return kept

    def order_route(self, route: Record, stops: list[Record]) -> None:
        """Give a route its checkpoints in this order, and its period from them."""
        for place, stop in enumerate(stops):
            stop |= {"parent_id": route["id"], "order": place}
        route["checkpoint_ids"] = [stop["id"] for stop in stops]
        route |= {"from": stops[0]["from"], "to": stops[-1]["to"]}

    def drop_task(self, number: int) -> None:
        """Forget a task or a route with its checkpoints, forms and history."""
        task = self.tasks[number]
        for each in [number, *task.get("checkpoint_ids", ())]:
            self.detach_form(each)
            self.history.pop(each, None)
            del self.tasks[each]

    def leave_route(self, task: Record) -> None:
        """Take a checkpoint out of its route; a route left with none goes too."""
        route = self.tasks[task["parent_id"]]
        rest = [n for n in route["checkpoint_ids"] if n != task["id"]]
        if rest:
            self.order_route(route, [self.tasks[n] for n in rest])
        else:
            route["checkpoint_ids"] = []
            self.drop_task(route["id"])

    def expect(self, task: Record) -> None:
        """Let an open task fail once its lateness is used up."""
        self._plan(self._deadline(task), "expire", {"id": task["id"]})

    def assign(self, task: Record, tracker: int | None) -> None:
        """Give a task, or a route with its checkpoints, to a tracker or nobody."""
        rows = [task, *(self.tasks[n] for n in task.get("checkpoint_ids", ()))]
        status = "unassigned" if tracker is None else "assigned"
        now = self.now()
        for row in rows:
            row["tracker_id"] = tracker
            self.note(row, "assign", {"tracker_id": tracker}, now)
            if row["status"] != status:
                self._turn(row, status, now, refresh=False)

    def note(
        self, task: Record, operation: str, payload: Record, at: dt.datetime
    ) -> None:
        """Add a line to a task's history."""
        line = {"id": self.new_id(), "user_id": self.user_id, "task_id": task["id"]}
        line |= {"event_date": at, "operation": operation, "payload": payload}
        self.history.setdefault(task["id"], []).append(line)

    def counts(self, *texts: str | None) -> list[Record]:
        """Return how many records bear each of these external ids."""
        rows = []
        for text in dict.fromkeys(t for t in texts if t is not None):
            n = sum(t.get("external_id") == text for t in self.tasks.values())
            rows.append({"external_id": text, "count": n})
        return rows

    # Life

    def finish(
        self,
        number: int,
        at: dt.datetime | None,
        *,
        stay: int,
        status: str | None,
        values: Record,
    ) -> None:
        event = {"id": number, "stay": stay, "status": status, "values": values}
        self._plan(at or self.now(), "finish", event)
        self.tick()

    def arrive(self, number: int, at: dt.datetime | None) -> None:
        self._plan(at or self.now(), "arrive", {"id": number})
        self.tick()

    def _turn(
        self, task: Record, status: str, at: dt.datetime, *, refresh: bool = True
    ) -> None:
        task |= {"status": status, "status_change_date": at}
        self.note(task, "status_change", {"status": status}, at)
        if not refresh or task["type"] != "checkpoint":
            return
        route = self.tasks[task["parent_id"]]
        stops = [self.tasks[n]["status"] for n in route["checkpoint_ids"]]
        if not all(s in FINAL for s in stops):
            return
        kinds = set(stops)
        whole = kinds.pop() if len(kinds) == 1 else "faulty"
        self._turn(route, whole, at)

    # Forms

    def form_of(self, task: int) -> Record | None:
        """Return the form attached to a task."""
        return self.forms.get(self._attached.get(task, 0))

    def detach_form(self, task: int) -> None:
        """Forget the form of a task, if it has one."""
        self.forms.pop(self._attached.pop(task, 0), None)

    def _make_form(self, task: Record, template: int | None, at: dt.datetime) -> None:
        if template is not None and template in self.templates:
            self.attach_form(task, template, at)

    def attach_form(self, task: Record, template: int, at: dt.datetime) -> None:
        """Copy a template onto a task, in place of any form that it has."""
        self.detach_form(task["id"])
        source = self.templates[template]
        form = {key: source[key] for key in ("label", "description", "fields")}
        form |= {"id": self.new_id(), "created": at, "task_id": task["id"]}
        form |= {"checkin_id": None, "tracker_id": task["tracker_id"]}
        form |= {"template_id": template, "template_version": source["version"]}
        form |= {"submit_in_zone": source["submit_in_zone"], "values": None}
        self.forms[form["id"]] = form | {"submitted": None, "submit_location": None}
        self._attached[task["id"]] = form["id"]


def shown(value: object, moment: Callable[[dt.datetime], str]) -> Any:
    """Return a record as JSON, its moments in the request's style."""
    if isinstance(value, dt.datetime):
        return moment(value)
    if isinstance(value, dict):
        return {key: shown(each, moment) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [shown(each, moment) for each in value]
    return value


def metres(one: Record, two: Record) -> float:
    """Return the distance of two points on the globe."""
    a, b = math.radians(one["lat"]), math.radians(two["lat"])
    turn = math.radians(two["lng"] - one["lng"])
    half = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * (
        math.sin(turn / 2) ** 2
    )
    return 2 * 6_371_000 * math.asin(min(1.0, math.sqrt(half)))
