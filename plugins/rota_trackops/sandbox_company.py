"""
The records that the sandbox holds, and what a person does with them.

The API only reads and creates; here are the other ways in which records come, change
and go: the forms of the web interface.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable, Mapping

import attrs

from rota.clock import Clock


USERNAME = "integration"
LIMITED_USERNAME = "field.agent"
STATUSES = ("none", "needs_action", "in_progress", "complete")


@attrs.define(kw_only=True)
class Client:
    id: int
    name: str
    created: dt.datetime
    updated: dt.datetime


@attrs.define(kw_only=True)
class Staff:
    id: int
    first_name: str
    last_name: str
    email: str
    role: str
    is_vendor: bool
    username: str
    full_access: bool
    is_active: bool
    created: dt.datetime
    updated: dt.datetime


@attrs.define(kw_only=True)
class Case:
    id: int
    number: str
    name: str
    client: int | None
    status: str
    region: str
    subjects: dict[int, str]
    services: dict[int, str]
    created_on: dt.date
    due_on: dt.date | None
    is_request: bool
    created: dt.datetime
    updated: dt.datetime


@attrs.define(kw_only=True)
class Task:
    id: int
    title: str
    body: str
    calendar: int
    case: int | None
    subject: int | None
    case_service: int | None
    due_on: dt.date
    status: str
    complete: dt.datetime | None
    alert: dt.datetime | None
    alert_sent: dt.datetime | None
    address: dict[str, str] | None
    users: tuple[int, ...]
    created: dt.datetime
    updated: dt.datetime


class Company:
    """
    One company's calendars, clients, staff, cases and tasks.

    Args:
        clock: Where every stamp comes from.
        lock: Held by each method.
    """

    def __init__(self, clock: Clock, lock: threading.RLock) -> None:
        self.clock = clock
        self.lock = lock
        self.calendars: dict[int, str] = {}
        self.clients: dict[int, Client] = {}
        self.staff: dict[int, Staff] = {}
        self.cases: dict[int, Case] = {}
        self.tasks: dict[int, Task] = {}
        self._last_task = 0

    def forget(self) -> None:
        """Drop every record; ids begin again at 1."""
        with self.lock:
            for rows in (
                self.calendars,
                self.clients,
                self.staff,
                self.cases,
                self.tasks,
            ):
                rows.clear()
            self._last_task = 0

    def now(self) -> dt.datetime:
        """Return the present as the company stamps it: UTC, whole seconds."""
        return self.clock.now().astimezone(dt.UTC).replace(microsecond=0)

    def add_calendar(self, name: str, *, id: int | None = None) -> int:
        """Add a calendar and return its id; the API has no call that lists them."""
        with self.lock:
            key = _free(self.calendars, id)
            self.calendars[key] = name
            return key

    def add_client(self, name: str, *, id: int | None = None) -> int:
        """Add a client and return its id."""
        with self.lock:
            key, now = _free(self.clients, id), self.now()
            self.clients[key] = Client(id=key, name=name, created=now, updated=now)
            return key

    def add_staff(
        self,
        first_name: str,
        last_name: str,
        *,
        id: int | None = None,
        username: str = "",
        role: str = "Investigator",
        is_vendor: bool = False,
        full_access: bool = True,
        is_active: bool = True,
    ) -> int:
        """Add an employee or a vendor (both are staff) and return the id."""
        with self.lock:
            key, now = _free(self.staff, id), self.now()
            username = username or f"{first_name}.{last_name}".lower()
            self.staff[key] = Staff(
                id=key,
                first_name=first_name,
                last_name=last_name,
                email=f"{username}@acme.example",
                role=role,
                is_vendor=is_vendor,
                username=username,
                full_access=full_access,
                is_active=is_active,
                created=now,
                updated=now,
            )
            return key

    def add_case(
        self,
        name: str,
        *,
        id: int | None = None,
        number: str = "",
        client: int | None = None,
        status: str = "Open",
        region: str = "",
        subjects: Mapping[int, str] | None = None,
        services: Mapping[int, str] | None = None,
        due_on: dt.date | None = None,
        is_request: bool = False,
    ) -> int:
        """Add a case with its subjects and services and return its id."""
        with self.lock:
            key, now = _free(self.cases, id), self.now()
            self.cases[key] = Case(
                id=key,
                number=number or f"C-{key:04}",
                name=name,
                client=client,
                status=status,
                region=region,
                subjects=dict(subjects or {}),
                services=dict(services or {}),
                created_on=now.date(),
                due_on=due_on,
                is_request=is_request,
                created=now,
                updated=now,
            )
            return key

    def add_task(
        self,
        title: str,
        due_on: dt.date,
        *,
        calendar: int = 1,
        case: int | None = None,
        subject: int | None = None,
        case_service: int | None = None,
        body: str = "",
        users: Iterable[int] = (),
        alert: dt.datetime | None = None,
        address: Mapping[str, str] | None = None,
    ) -> int:
        """Add a task, which in the interface needs no case, and return its id."""
        with self.lock:
            self._last_task += 1
            now = self.now()
            self.tasks[self._last_task] = Task(
                id=self._last_task,
                title=title,
                body=body,
                calendar=calendar,
                case=case,
                subject=subject,
                case_service=case_service,
                due_on=due_on,
                status="none",
                complete=None,
                alert=alert,
                alert_sent=None,
                address=dict(address) if address is not None else None,
                users=tuple(users),
                created=now,
                updated=now,
            )
            return self._last_task

    def edit(self, task_id: int, **changes: object) -> None:
        """Change members of a task, by the names of ``Task``."""
        with self.lock:
            stamped: dict[str, object] = {"updated": self.now(), **changes}
            for name, value in stamped.items():
                setattr(self.tasks[task_id], name, value)

    def set_status(self, task_id: int, status: str) -> None:
        """Give a task one of the four statuses; completing stores the moment."""
        if status not in STATUSES:
            raise ValueError(f"{status!r} is none of {', '.join(STATUSES)}")
        done = self.now() if status == "complete" else None
        self.edit(task_id, status=status, complete=done)

    def complete(self, task_id: int) -> None:
        """Mark a task complete."""
        self.set_status(task_id, "complete")

    def delete(self, task_id: int) -> None:
        """Delete a task; its id is never given again."""
        with self.lock:
            del self.tasks[task_id]

    def send_alerts(self) -> None:
        """Send what has fallen due; only assigned staff are ever alerted."""
        with self.lock:
            for task in self.tasks.values():
                if task.alert and task.users and task.alert <= self.now():
                    task.alert_sent = task.alert

    def fill(self) -> None:
        """Add what a small company has in the week around today."""
        field = self.add_calendar("Field work")
        ann = self.add_staff("Ann", "Okafor")
        luis = self.add_staff("Luis", "Moreno")
        self.add_staff("Kite", "Patrols", role="Vendor", is_vendor=True)
        self.add_staff("Jo", "Field", username=LIMITED_USERNAME, full_access=False)
        acme = self.add_client("Acme Storage")
        harbor = self.add_client("Harbor Lofts")
        rounds = self.add_case(
            "Acme Storage, night rounds",
            client=acme,
            region="West",
            subjects={1: "North gate"},
            services={1: "Patrol", 2: "Alarm response"},
        )
        lobby = self.add_case(
            "Harbor Lofts, lobby", client=harbor, services={1: "Patrol"}
        )
        self.add_case("Harbor Lofts, survey", client=harbor, is_request=True)
        today = self.now().date()
        for days, title, case, users in (
            (-2, "Walk the fence", rounds, (ann,)),
            (-1, "Check the lobby", lobby, (ann, luis)),
            (0, "Walk the fence", rounds, (ann,)),
            (1, "Change the lock codes", rounds, ()),
            (3, "Check the lobby", lobby, (luis,)),
        ):
            self.add_task(
                title,
                today + dt.timedelta(days),
                case=case,
                case_service=1,
                users=users,
                calendar=field,
            )
        self.add_task("Order new torches", today + dt.timedelta(7))
        self.complete(1)
        self.set_status(2, "in_progress")


def _free(rows: Mapping[int, object], wanted: int | None) -> int:
    if wanted in rows:
        raise ValueError(f"id {wanted} is taken")
    return max(rows, default=0) + 1 if wanted is None else wanted
