"""
Trackops on loopback: tasks, and the staff, cases and clients beside them.

Written from the vendor's help pages and its own PHP client. Both say how a task is
asked for and made; neither shows a task that comes back, an error, or a limit, so
every answer that rests on a guess carries ``X-Rota-Inferred`` with the guess's name:

    task-shape, case-shape ...   names of the members that an answer holds
    error-body                   ``{"error": {"message", "fields"}}`` and the HTTP status
    created-status               201 for a task made
    per-page                     25 rows unless asked, never more than 100
    order                        rows by the main date, then by id
    title-match                  ``title`` finds a part of the title, in any case
    ignored: NAME ...            a parameter or member that the pages do not list
    no-such-call                 405 for PUT, PATCH and DELETE
    throttled                    429 for a call that comes too soon

Without ``username`` and ``token`` the sandbox lets ``{USERNAME}/token:{TOKEN}`` in.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NoReturn, TypeGuard
from urllib.parse import quote

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from rota.clock import Clock
from rota.sandbox import Sandbox, inferred, read_json

from .sandbox_company import STATUSES, USERNAME, Case, Client, Company, Staff, Task


TOKEN = "sandbox-token"
PER_PAGE, MOST_PER_PAGE = 25, 100

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class _Told(Exception):
    """Carry an answer from where it is decided to where it is sent."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


@attrs.frozen
class _Filter:
    """One documented parameter: how its text is read, and which rows it keeps."""

    read: Callable[[str], object]
    keeps: Callable[[Any, Any], bool]


class TrackopsSandbox(Company, Sandbox):
    """
    Speak Trackops' protocol, with a clock and records of its own.

    Args:
        clock: Where every stamp comes from.
        username: A *Full Access* employee; the sandbox makes one of that name.
        token: The company's API token.
        filled: Whether to begin with a small company, or with that one employee.
        read_only: Refuse POST, as the older introduction describes the API.
        throttle_seconds: The least time between two calls, by the sandbox's clock;
            sooner ones get 429. The vendor publishes no figure, only a pause of 2 s.
        timestamps: How stamps look; the vendor shows none.
        shape: ``nested`` puts related records in PascalCase members, as the vendor's
            expense export does; ``flat`` answers with the names that POST takes.
        title_match: What the ``title`` filter means; the vendor does not say.
    """

    name = "trackops"

    def __init__(
        self,
        *,
        clock: Clock,
        username: str = USERNAME,
        token: str = TOKEN,
        filled: bool = True,
        read_only: bool = False,
        throttle_seconds: float = 0.0,
        timestamps: Literal["iso", "plain"] = "iso",
        shape: Literal["nested", "flat"] = "nested",
        title_match: Literal["partial", "exact"] = "partial",
    ) -> None:
        Sandbox.__init__(self, clock=clock)
        Company.__init__(self, clock, self.lock)
        self.username = username
        self.token = token
        self.filled = filled
        self.read_only = read_only
        self.throttle_seconds = throttle_seconds
        self.timestamps = timestamps
        self.shape = shape
        self.title_match = title_match
        self._last_call: float | None = None
        self.reset()

    def reset(self) -> None:
        """Go back to the records that the sandbox began with."""
        with self.lock:
            self.forget()
            self._last_call = None
            self.add_calendar("Operations")
            self.add_staff(
                "Rosa", "Integration", username=self.username, role="Manager"
            )
            if self.filled:
                self.fill()

    def credentials(self) -> Mapping[str, str | int]:
        """Return what a client logs in with, and the one calendar's number."""
        return {
            "username": self.username,
            "api_token": self.token,
            "calendar_id": next(iter(self.calendars)),
        }

    def state(self) -> Mapping[str, object]:
        """Return every record as JSON, by kind."""
        with self.lock:
            return {
                "calendars": {str(key): name for key, name in self.calendars.items()},
                "clients": [self._client(row) for row in self.clients.values()],
                "staff": [self._staff(row) for row in self.staff.values()],
                "cases": [self._case(row) for row in self.cases.values()],
                "tasks": [self._task(row) for row in self.tasks.values()],
            }

    # -- the protocol ----------------------------------------------------------

    def routes(self) -> list[BaseRoute]:
        """Return every documented path under ``/api/v1``."""
        calls = [
            ("/api/v1/tasks", self._tasks_call),
            ("/api/v1/tasks/{id}", self._task_call),
            ("/api/v1/staff", self._staff_call),
            ("/api/v1/staff/{id}", self._one_staff_call),
            ("/api/v1/cases", self._cases_call),
            ("/api/v1/clients", self._clients_call),
            ("/{rest:path}", self._nowhere),
        ]
        return [
            Route(path, self._guarded(call), methods=_METHODS) for path, call in calls
        ]

    def error(self, status: int, message: str) -> Response:
        """Return an error as the sandbox words it; the vendor shows no error body."""
        return inferred(
            JSONResponse({"error": {"message": message}}, status), "error-body"
        )

    def _guarded(
        self, call: Callable[[Request], Response]
    ) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            with self.lock:
                try:
                    self._admit(request)
                    self.send_alerts()
                    return call(request)
                except _Told as told:
                    return told.response

        return endpoint

    def _admit(self, request: Request) -> None:
        scheme, _, coded = request.headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(coded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            given = ""
        user, _, token = given.partition(":")
        name, slash, word = user.rpartition("/")
        known = hmac.compare_digest(token.encode(), self.token.encode())
        if scheme.lower() != "basic" or not (slash and word == "token" and known):
            self._refuse(401, "the user is {username}/token, the password the token")
        person = next((s for s in self.staff.values() if s.username == name), None)
        if person is None or not person.is_active:
            self._refuse(401, "no active employee has this user name")
        if not person.full_access:
            self._refuse(403, "the API is for Full Access employees")
        if self.throttle_seconds:
            at, last = self.clock.monotonic(), self._last_call
            self._last_call = at
            if last is not None and at - last < self.throttle_seconds:
                raise _Told(inferred(self.error(429, "too many calls"), "throttled"))

    def _tasks_call(self, request: Request) -> Response:
        if request.method == "POST":
            return self._create(request)
        return self._list(request, self.tasks, _TASK_FILTERS, self._task, "due_on")

    def _task_call(self, request: Request) -> Response:
        return self._one(request, self.tasks, self._task)

    def _staff_call(self, request: Request) -> Response:
        return self._list(request, self.staff, _STAFF_FILTERS, self._staff, "id")

    def _one_staff_call(self, request: Request) -> Response:
        return self._one(request, self.staff, self._staff)

    def _cases_call(self, request: Request) -> Response:
        return self._list(request, self.cases, _CASE_FILTERS, self._case, "created_on")

    def _clients_call(self, request: Request) -> Response:
        return self._list(request, self.clients, _CLIENT_FILTERS, self._client, "id")

    def _nowhere(self, request: Request) -> Response:
        return self.error(404, f"there is no {request.url.path}")

    def _one(
        self,
        request: Request,
        rows: Mapping[int, Any],
        shown: Callable[[Any], dict[str, object]],
    ) -> Response:
        self._only(request, "GET")
        text = request.path_params["id"]
        row = rows.get(int(text)) if re.fullmatch(r"\d{1,18}", text) else None
        if row is None:
            self._refuse(404, f"there is no {request.url.path}")
        return inferred(JSONResponse(shown(row)), _fact(row))

    def _list(
        self,
        request: Request,
        rows: Mapping[int, Any],
        filters: Mapping[str, _Filter],
        shown: Callable[[Any], dict[str, object]],
        by: str,
    ) -> Response:
        self._only(request, "GET")
        asked = dict(request.query_params)
        page = self._whole(asked, "page", 1)
        per_page = min(self._whole(asked, "per_page", PER_PAGE), MOST_PER_PAGE)
        order = asked.pop("dir", "asc")
        mode = asked.pop("mode", "")
        if order not in ("asc", "desc"):
            self._refuse(422, "dir is asc or desc", dir=order)
        if mode not in ("", "count"):
            self._refuse(422, "mode is count", mode=mode)
        kept = list(rows.values())
        ignored = []
        for name, text in asked.items():
            known = filters.get(name)
            if name == "title" and self.title_match == "exact":
                known = _Filter(str, lambda row, value: row.title == value)
            if known is None:
                ignored.append(name)
                continue
            try:
                value = known.read(text)
            except ValueError as wrong:
                self._refuse(422, str(wrong), **{name: text})
            kept = [row for row in kept if known.keeps(row, value)]
        if mode == "count":
            pages = -(-len(kept) // per_page)
            answer: object = {"record_count": len(kept), "page_count": pages}
            facts = [] if "per_page" in request.query_params else ["per-page"]
        else:
            kept.sort(
                key=lambda row: (getattr(row, by), row.id),
                reverse=order == "desc",
            )
            start = (page - 1) * per_page
            answer = [shown(row) for row in kept[start : start + per_page]]
            facts = ["order", *(_fact(row) for row in kept[:1])]
            if "per_page" not in request.query_params:
                facts.append("per-page")
        if "title" in asked:
            facts.append("title-match")
        facts += [_ignored(name) for name in ignored]
        response: Response = JSONResponse(answer)
        return inferred(response, ", ".join(facts)) if facts else response

    def _whole(self, asked: dict[str, str], name: str, otherwise: int) -> int:
        text = asked.pop(name, str(otherwise))
        if not re.fullmatch(r"[1-9]\d{0,8}", text):
            self._refuse(422, f"{name} is a number from 1", **{name: text})
        return int(text)

    def _create(self, request: Request) -> Response:
        if self.read_only:
            self._refuse(403, "the API is read-only for this company")
        try:
            body = read_json(request)
        except ValueError:
            self._refuse(400, "the body is not JSON")
        given = body.get("task") if isinstance(body, dict) else None
        if not isinstance(given, dict):
            self._refuse(422, 'the body is {"task": {...}}')
        wrong: dict[str, str] = {}
        case_id = _id(given, "casefile_id", wrong, required=True)
        calendar = _id(given, "calendar_id", wrong, required=True)
        subject = _id(given, "subject_id", wrong)
        service = _id(given, "case_service_id", wrong)
        due_on = _day(given, wrong)
        title = _text(given, "title", wrong, required=True)
        text = _text(given, "body", wrong)
        users = _users(given, wrong)
        address = _address(given, wrong)
        alert = _alert(given, wrong)
        case = self.cases.get(case_id) if case_id is not None else None
        if case_id is not None and case is None:
            wrong["casefile_id"] = f"there is no case {case_id}"
        if calendar is not None and calendar not in self.calendars:
            wrong["calendar_id"] = f"there is no calendar {calendar}"
        if case and subject is not None and subject not in case.subjects:
            wrong["subject_id"] = f"case {case_id} has no subject {subject}"
        if case and service is not None and service not in case.services:
            wrong["case_service_id"] = f"case {case_id} has no service {service}"
        if strangers := [str(user) for user in users if user not in self.staff]:
            wrong["users_list"] = f"no staff of id {', '.join(strangers)}"
        if wrong or calendar is None or due_on is None:
            self._refuse(422, "the task is not valid", **wrong)
        key = self.add_task(
            title,
            due_on,
            calendar=calendar,
            case=case_id,
            subject=subject,
            case_service=service,
            body=text,
            users=users,
            alert=alert,
            address=address,
        )
        self.send_alerts()
        facts = ["created-status", "task-shape"]
        facts += [_ignored(name) for name in given if name not in _CREATE]
        return inferred(
            JSONResponse(self._task(self.tasks[key]), 201), ", ".join(facts)
        )

    def _only(self, request: Request, *methods: str) -> None:
        if request.method not in methods and request.method != "HEAD":
            response = self.error(405, f"there is no {request.method} here")
            response.headers["Allow"] = ", ".join(methods)
            raise _Told(inferred(response, "no-such-call"))

    def _refuse(self, status: int, message: str, /, **fields: str) -> NoReturn:
        if not fields:
            raise _Told(self.error(status, message))
        body = {"error": {"message": message, "fields": fields}}
        raise _Told(inferred(JSONResponse(body, status), "error-body"))

    # -- how records look ------------------------------------------------------

    def _stamp(self, at: dt.datetime | None) -> str | None:
        if at is None:
            return None
        if self.timestamps == "iso":
            return at.strftime("%Y-%m-%dT%H:%M:%SZ")
        return at.strftime("%Y-%m-%d %H:%M:%S")

    def _task(self, row: Task) -> dict[str, object]:
        case = self.cases.get(row.case) if row.case is not None else None
        shown: dict[str, object] = {
            "id": row.id,
            "title": row.title,
            "body": row.body,
            "status": row.status,
            "due_on": row.due_on.isoformat(),
            "casefile_id": row.case,
            "calendar_id": row.calendar,
            "subject_id": row.subject,
            "case_service_id": row.case_service,
            "completed_at": self._stamp(row.complete),
            "alert_at": self._stamp(row.alert),
            "alert_sent_at": self._stamp(row.alert_sent),
            "created_at": self._stamp(row.created),
            "updated_at": self._stamp(row.updated),
        }
        if self.shape == "flat":
            return shown | {"address": row.address, "users_list": list(row.users)}
        people = [self.staff[user] for user in row.users if user in self.staff]
        return shown | {
            "Address": row.address,
            "Calendar": {"id": row.calendar, "name": self.calendars[row.calendar]},
            "Casefile": case and {"id": case.id, "case_number": case.number},
            "Subject": case and _named(case.subjects, row.subject),
            "CaseService": case and _named(case.services, row.case_service),
            "Users": [
                {"id": who.id, "name": f"{who.first_name} {who.last_name}"}
                for who in people
            ],
        }

    def _staff(self, row: Staff) -> dict[str, object]:
        return {
            "id": row.id,
            "first_name": row.first_name,
            "last_name": row.last_name,
            "email": row.email,
            "role": row.role,
            "is_vendor": row.is_vendor,
            "is_active": row.is_active,
            "created_at": self._stamp(row.created),
            "updated_at": self._stamp(row.updated),
        }

    def _case(self, row: Case) -> dict[str, object]:
        client = self.clients.get(row.client) if row.client is not None else None
        return {
            "id": row.id,
            "case_number": row.number,
            "name": row.name,
            "case_status": row.status,
            "case_region": row.region,
            "client_id": row.client,
            "created_on": row.created_on.isoformat(),
            "due_on": row.due_on.isoformat() if row.due_on else None,
            "is_request": row.is_request,
            "created_at": self._stamp(row.created),
            "updated_at": self._stamp(row.updated),
            "Client": client and {"id": client.id, "name": client.name},
            "Subjects": [{"id": k, "name": v} for k, v in row.subjects.items()],
            "CaseServices": [{"id": k, "name": v} for k, v in row.services.items()],
        }

    def _client(self, row: Client) -> dict[str, object]:
        return {
            "id": row.id,
            "name": row.name,
            "created_at": self._stamp(row.created),
            "updated_at": self._stamp(row.updated),
        }


def _fact(row: object) -> str:
    return f"{type(row).__name__.lower()}-shape"


def _ignored(name: str) -> str:
    return f"ignored: {quote(name[:40], errors='replace') or '(no name)'}"


def _named(names: Mapping[int, str], key: int | None) -> dict[str, object] | None:
    return None if key is None else {"id": key, "name": names.get(key, "")}


# -- reading a creation --------------------------------------------------------

_ADDRESS = ("address_1", "address_2", "address_3", "city", "state", "zip", "country")
_CREATE = frozenset(
    {"casefile_id", "calendar_id", "subject_id", "case_service_id", "due_on"}
    | {"title", "body", "address", "users_list", "alert_at"}
)


def _id(
    given: Mapping[str, object],
    name: str,
    wrong: dict[str, str],
    *,
    required: bool = False,
) -> int | None:
    value = given.get(name)
    if type(value) is int:
        return value
    if value is not None:
        wrong[name] = "an integer, please"
    elif required:
        wrong[name] = "required"
    return None


def _text(
    given: Mapping[str, object],
    name: str,
    wrong: dict[str, str],
    *,
    required: bool = False,
) -> str:
    value = given.get(name)
    if value is None:
        value = ""
    if not _is_text(value):
        wrong[name] = "a string, please"
        return ""
    if required and not value.strip():
        wrong[name] = "required"
    return value


def _is_text(value: object) -> TypeGuard[str]:
    """Tell text from everything else, half a surrogate pair among it."""
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def _day(given: Mapping[str, object], wrong: dict[str, str]) -> dt.date | None:
    value = given.get("due_on")
    if value is None:
        wrong["due_on"] = "required"
        return None
    try:
        return _date(value) if isinstance(value, str) else _date("")
    except ValueError as problem:
        wrong["due_on"] = str(problem)
        return None


def _users(given: Mapping[str, object], wrong: dict[str, str]) -> tuple[int, ...]:
    value = given.get("users_list")
    if value is None:
        return ()
    if not isinstance(value, list) or any(type(item) is not int for item in value):
        wrong["users_list"] = "a list of staff ids, please"
        return ()
    return tuple(dict.fromkeys(value))


def _alert(given: Mapping[str, object], wrong: dict[str, str]) -> dt.datetime | None:
    value = given.get("alert_at")
    if value is None:
        return None
    try:
        return _moment(value if isinstance(value, str) else "")
    except ValueError as problem:
        wrong["alert_at"] = str(problem)
        return None


def _address(
    given: Mapping[str, object], wrong: dict[str, str]
) -> dict[str, str] | None:
    value = given.get("address")
    if value is None:
        return None
    if not isinstance(value, dict):
        wrong["address"] = "an object, please"
        return None
    lines = dict.fromkeys(_ADDRESS, "")
    for name in _ADDRESS:
        part = value.get(name)
        if name == "zip" and type(part) is int:
            part = str(part)
        if part is not None and not _is_text(part):
            wrong[f"address.{name}"] = "a string, please"
        else:
            lines[name] = part or ""
    if lines["state"] and not 2 <= len(lines["state"]) <= 3:
        wrong["address.state"] = "a code of 2 or 3 characters, please"
    if lines["country"] and len(lines["country"]) != 2:
        wrong["address.country"] = "a code of 2 characters, please"
    return lines


# -- filters -------------------------------------------------------------------


def _date(text: str) -> dt.date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise ValueError("a date is YYYY-MM-DD")
    return dt.date.fromisoformat(text)


def _moment(text: str) -> dt.datetime:
    try:
        at = dt.datetime.fromisoformat(text)
        return at.replace(tzinfo=at.tzinfo or dt.UTC).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ValueError("a timestamp is YYYY-MM-DDTHH:MM:SSZ") from None


def _number(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text):
        raise ValueError("an id is a whole number")
    return int(text)


def _status(text: str) -> str:
    if text not in STATUSES:
        raise ValueError(f"a status is one of {', '.join(STATUSES)}")
    return text


def _boolean(text: str) -> bool:
    if text not in ("true", "false", "1", "0"):
        raise ValueError("true or false")
    return text in ("true", "1")


def _same(member: str, read: Callable[[str], object] = _number) -> _Filter:
    return _Filter(read, lambda row, value: getattr(row, member) == value)


def _part(member: str) -> _Filter:
    return _Filter(
        str,
        lambda row, value: str(value).lower() in str(getattr(row, member)).lower(),
    )


def _between(
    low: tuple[str, ...],
    high: tuple[str, ...],
    member: str,
    read: Callable[[str], object] = _moment,
) -> dict[str, _Filter]:
    def not_before(row: Any, value: Any) -> bool:
        own = getattr(row, member)
        return own is not None and bool(own >= value)

    def not_after(row: Any, value: Any) -> bool:
        own = getattr(row, member)
        return own is not None and bool(own <= value)

    return {name: _Filter(read, not_before) for name in low} | {
        name: _Filter(read, not_after) for name in high
    }


_FROM, _TO = ("from", "From"), ("to", "To")
_SYSTEM: dict[str, _Filter] = {
    **_between(("created_from",), ("created_to",), "created"),
    **_between(("updated_from",), ("updated_to",), "updated"),
}
_TASK_FILTERS: dict[str, _Filter] = {
    "id": _same("id"),
    "title": _part("title"),
    "calendar": _same("calendar"),
    "case": _same("case"),
    "subject": _same("subject"),
    "user": _Filter(_number, lambda row, value: value in row.users),
    "status": _same("status", _status),
    **_between(("due_from", *_FROM), ("due_to", *_TO), "due_on", _date),
    **_between(("complete_from",), ("complete_to",), "complete"),
    **_between(("alert_from",), ("alert_to",), "alert"),
    **_between(("alert_sent_from",), ("alert_sent_to",), "alert_sent"),
    **_SYSTEM,
}
_CASE_FILTERS: dict[str, _Filter] = {
    "id": _same("id"),
    "client": _same("client"),
    "case_region": _same("region", str),
    "case_status": _same("status", str),
    "is_request": _same("is_request", _boolean),
    **_between(("created_from", *_FROM), ("created_to", *_TO), "created_on", _date),
    **_between(("created_from_system",), ("created_to_system",), "created"),
    **_between(("due_from",), ("due_to",), "due_on", _date),
    **_between(("updated_from",), ("updated_to",), "updated"),
}
_STAFF_FILTERS: dict[str, _Filter] = {
    "id": _same("id"),
    "first_name": _part("first_name"),
    "last_name": _part("last_name"),
    "email": _same("email", str),
    "role": _same("role", str),
    "is_vendor": _same("is_vendor", _boolean),
    **_SYSTEM,
}
_CLIENT_FILTERS: dict[str, _Filter] = {"id": _same("id"), **_SYSTEM}
