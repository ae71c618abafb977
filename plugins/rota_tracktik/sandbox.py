"""
TrackTik's protocol on loopback: OAuth, the real envelope, the query language, site tasks.

Written from what the vendor's help centre and its own OpenAPI document say. Where
they are silent, the answer carries ``X-Rota-Inferred`` with the name of the guess;
``strict=True`` refuses guessed tokens instead.
"""

from __future__ import annotations

import collections
import datetime as dt
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from rota.clock import Clock
from rota.sandbox import Sandbox, inferred, read_form, read_json

from . import sandbox_query as query
from .sandbox_query import QueryRefused, Resource, Row, Type
from .sandbox_records import DAYS, RESOURCES, Records
from .sandbox_seeds import Seeds, fill


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
LOCK_OUT_FAILURES = 40
LOCK_OUT_SPAN = dt.timedelta(minutes=2)
LOCK_OUT = dt.timedelta(hours=2)
SCHEDULES = "site-task-schedules"
OCCURRENCES = "site-task-occurrences"
REQUIRED = [
    "client",
    "taskType",
    "type",
    "frequency",
    "rangeStartTime",
    "rangeEndTime",
    "durationMinutes",
    "beginServiceDate",
]
PERIODIC = [
    "isPeriodic",
    "isPeriodicOptional",
    "isPeriodicMultipleExecution",
    "periodicTotal",
]
_DEFAULTS: Row = {
    "customId": "",
    "description": "",
    "instructions": "",
    "status": "ACTIVE",
    **dict.fromkeys(
        [
            "priceTier",
            "position",
            "checkpointTour",
            "reportTemplate",
            "endServiceDate",
            "dayOfWeekStart",
            "dayOfWeekEnd",
            "taskSiteInstruction",
            "periodicTotal",
        ]
    ),
    **dict.fromkeys(PERIODIC[:3], False),
}
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")


class TrackTikSandbox(Seeds, Sandbox):
    """
    One portal.

    Args:
        seeded: Begin with a small account that looks like life.
        expires_in: Life of an access token, in seconds.
        strict: Refuse the tokens and fields that no document shows.
        rate: Calls a minute; above it 429. None for no limit.
        retry_after: Whether a 429 says how long to wait.
        permissive_same_day: Whether equal times, or an end before the start, on one
            weekday are taken, as a window until the next day; else 400.
        regions: The regions that the user may see; None for all.
    """

    name = "tracktik"

    def __init__(
        self,
        *,
        clock: Clock,
        seeded: bool = True,
        client_id: str = "rota-client",
        client_secret: str = "rota-client-secret",
        username: str = "service@example.com",
        password: str = "rota-password",
        expires_in: int = 3600,
        strict: bool = False,
        rate: int | None = None,
        retry_after: bool = True,
        permissive_same_day: bool = True,
        regions: Iterable[int] | None = None,
        biweekly_token: str = "BI_WEEKLY",
        one_time_token: str = "ONE_TIME",
        adhoc_token: str = "ADHOC",
        end_inclusive: bool = True,
        week_starts: int = 0,
    ) -> None:
        Sandbox.__init__(self, clock=clock)
        Records.__init__(
            self,
            clock=clock,
            lock=self.lock,
            biweekly_token=biweekly_token,
            one_time_token=one_time_token,
            adhoc_token=adhoc_token,
            end_inclusive=end_inclusive,
            week_starts=week_starts,
        )
        self.seeded = seeded
        self.client_id, self.client_secret = client_id, client_secret
        self.username, self.password = username, password
        self.expires_in = expires_in
        self.strict = strict
        self.rate, self.retry_after = rate, retry_after
        self.permissive_same_day = permissive_same_day
        self.regions = None if regions is None else frozenset(regions)
        self.reset()

    def credentials(self) -> Mapping[str, str | int]:
        """Return what a client logs in with."""
        return {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "username": self.username,
            "password": self.password,
            "biweekly_token": self.biweekly_token,
        }

    # ------------------------------------------------------------------- lifecycle

    def reset(self) -> None:
        with self.lock:
            self.clear()
            self._tokens: dict[str, dt.datetime] = {}
            self._refresh: set[str] = set()
            self._serial = itertools.count(1)
            self._failures: collections.deque[dt.datetime] = collections.deque()
            self._blocked_until: dt.datetime | None = None
            self._calls: collections.deque[float] = collections.deque()
            self._selected: collections.OrderedDict[object, list[Row]] = (
                collections.OrderedDict()
            )
            self.grants: list[str] = []
            if self.seeded:
                fill(self)

    def state(self) -> Mapping[str, object]:
        with self.lock:
            return {
                "tables": {
                    tag: [dict(row) for row in table.values()]
                    for tag, table in self.tables.items()
                    if tag != OCCURRENCES
                },
                "misread": {str(k): v for k, v in self.misread.items()},
                "grants": list(self.grants),
            }

    def error(self, status: int, message: str) -> Response:
        return JSONResponse({"status": status, "error": message}, status_code=status)

    def authenticate_expired(self) -> None:
        with self.lock:
            self._tokens.clear()

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/rest/oauth2/access_token", self._token, methods=["POST"]),
            Route("/rest/v1/{tag}", self._guarded(self._collection), methods=METHODS),
            Route("/rest/v1/{tag}/{id}", self._guarded(self._single), methods=METHODS),
        ]

    # ------------------------------------------------------------------------ OAuth

    def _token(self, request: Request) -> Response:
        with self.lock:
            now = self.clock.now()
            if self._blocked_until is not None and now < self._blocked_until:
                return inferred(
                    self.error(403, "Too many failed authentications"),
                    "lock-out-answer",
                )
            try:
                body = _credentials(request)
            except ValueError:
                return self.error(400, "The request body is not valid")
            grant = body.get("grant_type")
            if grant not in ("password", "refresh_token"):
                return inferred(
                    self.error(400, "unsupported_grant_type"), "oauth-errors"
                )
            good = (body.get("client_id"), body.get("client_secret")) == (
                self.client_id,
                self.client_secret,
            )
            if grant == "password":
                good = good and (body.get("username"), body.get("password")) == (
                    self.username,
                    self.password,
                )
            else:
                good = good and body.get("refresh_token") in self._refresh
            if not good:
                self._count_failure(now)
                return inferred(self.error(401, "invalid_credentials"), "oauth-errors")
            self.grants.append(str(grant))
            self._refresh.discard(str(body.get("refresh_token")))
            n = next(self._serial)
            access, refresh = f"access-{n:08d}", f"refresh-{n:08d}"
            self._tokens[access] = now + dt.timedelta(seconds=self.expires_in)
            self._refresh.add(refresh)
            return JSONResponse(
                {
                    "token_type": "Bearer",
                    "expires_in": self.expires_in,
                    "access_token": access,
                    "refresh_token": refresh,
                }
            )

    def _count_failure(self, now: dt.datetime) -> None:
        self._failures.append(now)
        while self._failures and now - self._failures[0] >= LOCK_OUT_SPAN:
            self._failures.popleft()
        if len(self._failures) >= LOCK_OUT_FAILURES:
            self._blocked_until = now + LOCK_OUT
            self._failures.clear()

    def revoke_refresh_tokens(self) -> None:
        """Forget refresh tokens, as when another process has used them."""
        with self.lock:
            self._refresh.clear()

    def _guarded(
        self, endpoint: Callable[[Request, Resource], Response]
    ) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            with self.lock:
                scheme, _, token = request.headers.get("Authorization", "").partition(
                    " "
                )
                until = self._tokens.get(token.strip())
                if (
                    scheme.lower() != "bearer"
                    or until is None
                    or until <= self.clock.now()
                ):
                    return self.error(401, "The access token is missing or invalid")
                if (wait := self._over_rate()) is not None:
                    answer = self.error(429, "Too many requests")
                    if self.retry_after:
                        answer.headers["Retry-After"] = str(int(wait) + 1)
                    return answer
                resource = RESOURCES.get(request.path_params["tag"])
                if resource is None:
                    return self.error(404, "Resource not found")
                try:
                    return endpoint(request, resource)
                except QueryRefused as refused:
                    answer = self.error(refused.status, refused.message)
                    return inferred(answer, refused.fact) if refused.fact else answer

        return handle

    def _over_rate(self) -> float | None:
        if self.rate is None:
            return None
        now = self.clock.monotonic()
        while self._calls and now - self._calls[0] >= 60:
            self._calls.popleft()
        if len(self._calls) >= self.rate:
            return 60 - (now - self._calls[0])
        self._calls.append(now)
        return None

    # ---------------------------------------------------------------------- reading

    def _collection(self, request: Request, resource: Resource) -> Response:
        if request.method == "POST":
            return self._create(request, resource)
        if request.method != "GET":
            return self.error(405, "Method not allowed")
        now = self.clock.now()
        asked = query.parse(self, resource, request.query_params.multi_items(), now=now)
        seen = self._visible(request)
        key = (
            resource.tag,
            asked.key,
            seen,
            self.revision,
            now.replace(second=0, microsecond=0),
        )
        rows = self._selected.get(key)
        if rows is None:
            days = (
                query.bounds(asked, "occurrenceDate", now)
                if resource.tag == OCCURRENCES
                else None
            )
            rows = query.select(
                self, resource, self._rows(resource, asked, days), asked, now=now
            )
            if seen is not None:
                rows = [
                    row
                    for row in rows
                    if (region := self.region(resource.tag, row)) is None
                    or region in seen
                ]
            self._selected[key] = rows
            while len(self._selected) > 8:
                self._selected.popitem(last=False)
        page = rows[asked.offset : asked.offset + asked.limit]
        answer = JSONResponse(
            {
                "meta": {
                    "count": len(rows),
                    "request": [resource.tag],
                    "itemCount": len(page),
                    **_security(resource),
                    "limit": asked.limit,
                    "offset": asked.offset,
                },
                "data": [query.render(self, resource, row, asked) for row in page],
            }
        )
        return _marked(answer, resource, page, asked, self)

    def _rows(
        self,
        resource: Resource,
        asked: query.Query,
        days: tuple[dt.date, dt.date] | None,
    ) -> Iterable[Row]:
        if resource.tag == OCCURRENCES and days is None:
            named = [f for f in asked.filters if f.path == ("id",)]
            return [
                row
                for f in named
                for each in f.value.split(",")
                if (row := self.find(OCCURRENCES, each)) is not None
            ]
        return self.rows(resource.tag, days)

    def _single(self, request: Request, resource: Resource) -> Response:
        identifier = request.path_params["id"]
        row = self.find(resource.tag, identifier) if identifier.isdigit() else None
        seen = self._visible(request)
        if row is not None and seen is not None:
            region = self.region(resource.tag, row)
            row = row if region is None or region in seen else None
        if row is None:
            return inferred(
                self.error(404, f"{resource.tag} {identifier} not found"), "not-found"
            )
        if request.method in ("PUT", "PATCH"):
            return self._change(request, resource, row)
        if request.method != "GET":
            return self.error(405, "Method not allowed")
        unbounded = Resource(tag=resource.tag, columns=resource.columns)
        asked = query.parse(
            self, unbounded, request.query_params.multi_items(), now=self.clock.now()
        )
        return self._answer(resource, row, asked, request.path_params["id"])

    def _answer(
        self,
        resource: Resource,
        row: Row,
        asked: query.Query | None,
        identifier: str | None,
    ) -> Response:
        asked = asked or query.Query(
            filters=(), sort=(), limit=1, offset=0, fields=(), include=(),
            inactive=True, search="",
        )  # fmt: skip
        path = [resource.tag] if identifier is None else [resource.tag, identifier]
        answer = JSONResponse(
            {
                "meta": {"request": path, **_security(resource)},
                "data": query.render(self, resource, row, asked),
            }
        )
        return _marked(answer, resource, [row], asked, self)

    def _visible(self, request: Request) -> frozenset[int] | None:
        """Return the regions asked for and allowed; invalid ids are dropped."""
        words = request.headers.get("TTC-Region-Filter", "").replace(" ", "").split(",")
        known = set(self.tables["regions"])
        asked = {int(word) for word in words if word.isdigit()} & known
        if self.regions is not None:
            asked &= self.regions
        return frozenset(asked) or self.regions

    # ---------------------------------------------------------------------- writing

    def _create(self, request: Request, resource: Resource) -> Response:
        body = self._body(request, resource)
        row = self._checked(resource, {**_DEFAULTS, **body})
        identifier = self.put(resource.tag, row)
        return self._answer(resource, self.tables[resource.tag][identifier], None, None)

    def _change(self, request: Request, resource: Resource, row: Row) -> Response:
        body = self._body(request, resource)
        kept = row if request.method == "PATCH" else _DEFAULTS
        merged = {**kept, **body}
        if "taskSiteInstruction" not in body and request.method == "PATCH":
            fresh = self._checked(resource, merged, pick=False)
        else:
            fresh = self._checked(resource, merged)
        self.put(resource.tag, fresh, row["id"])
        answer = self._answer(
            resource, self.tables[resource.tag][row["id"]], None, str(row["id"])
        )
        return inferred(answer, "schedule-update")

    def _body(self, request: Request, resource: Resource) -> Row:
        if resource.tag != SCHEDULES:
            raise QueryRefused("Method not allowed", 405, "read-only-here")
        try:
            body = read_json(request)
        except ValueError:
            raise QueryRefused("The request body is not valid JSON") from None
        if not isinstance(body, dict):
            raise QueryRefused("The request body must be an object")
        for name in body:
            column = resource.columns.get(name)
            if column is None:
                raise QueryRefused(f"{name} is not a field in {resource.tag}")
            if name in ("id", "createdOn", "updatedOn"):
                raise QueryRefused(f"{name} is read only", fact="read-only-fields")
        return body

    def _checked(self, resource: Resource, row: Row, *, pick: bool = True) -> Row:
        row = {
            k: v for k, v in row.items() if k not in ("id", "createdOn", "updatedOn")
        }
        for name in REQUIRED:
            if row.get(name) is None:
                raise QueryRefused(f"{name} is required", fact="required-fields")
        for name, value in row.items():
            if value is not None:
                row[name] = self._value(resource, name, value)
        if self.tables["task-types"][row["taskType"]]["schedulable"] is not True:
            raise QueryRefused("taskType is not schedulable", fact="error-wording")
        if row["endServiceDate"] and row["endServiceDate"] < row["beginServiceDate"]:
            raise QueryRefused(
                "endServiceDate is before beginServiceDate", fact="error-wording"
            )
        types = (
            ["RECURRING"]
            if self.strict
            else ["RECURRING", self.one_time_token, self.adhoc_token]
        )
        if row["type"] not in types:
            raise QueryRefused(
                f"type must be one of {', '.join(types)}", fact="schedule-types"
            )
        words = ["WEEKLY"] if self.strict else ["WEEKLY", self.biweekly_token]
        if row["frequency"] not in words:
            raise QueryRefused(
                f"frequency must be one of {', '.join(words)}", fact="frequency"
            )
        if row["status"] not in ("ACTIVE", "INACTIVE"):
            raise QueryRefused(
                "status must be one of ACTIVE, INACTIVE", fact="schedule-status"
            )
        periodic = any(row.get(name) for name in PERIODIC)
        if self.strict and periodic:
            raise QueryRefused("isPeriodic is read only", fact="periodic-fields")
        self._check_days(
            row, wanted=row["type"] == "RECURRING" and not row["isPeriodic"]
        )
        if row["taskSiteInstruction"] is None and pick:
            row["taskSiteInstruction"] = min(
                (
                    each["id"]
                    for each in self.tables["task-site-instructions"].values()
                    if each["site"] == row["client"]
                ),
                default=None,
            )
        return row

    def _check_days(self, row: Row, *, wanted: bool) -> None:
        starts, ends = row["dayOfWeekStart"], row["dayOfWeekEnd"]
        if wanted and not (starts and ends):
            raise QueryRefused("dayOfWeekStart is required", fact="required-fields")
        if starts is None and ends is None:
            return
        if len(starts or ()) != len(ends or ()):
            raise QueryRefused(
                "dayOfWeekStart and dayOfWeekEnd must have the same length",
                fact="day-pairs",
            )
        if len(set(starts)) != len(starts):
            raise QueryRefused("dayOfWeekStart names a day twice", fact="day-pairs")
        if (
            not self.permissive_same_day
            and row["rangeEndTime"] <= row["rangeStartTime"]
            and any(a == b for a, b in zip(starts, ends, strict=True))
        ):
            raise QueryRefused(
                "rangeEndTime must be after rangeStartTime", fact="same-day-window"
            )

    def _value(self, resource: Resource, name: str, value: Any) -> Any:
        column = resource.columns[name]
        wrong = QueryRefused(f"{name} is not valid", fact="error-wording")
        match column.type:
            case Type.NUMBER:
                if type(value) is not int or not 0 <= value < 2**31:
                    raise wrong
                if column.to and value not in self.tables[column.to]:
                    raise QueryRefused(
                        f"{name} {value} does not exist", fact="error-wording"
                    )
            case Type.FLAG:
                if type(value) is not bool:
                    raise wrong
            case Type.SET:
                if (
                    not isinstance(value, list)
                    or not value
                    or any(day not in DAYS for day in value)
                ):
                    raise wrong
            case Type.DATE:
                return _civil_date(value, wrong)
            case Type.CLOCK:
                if not isinstance(value, str) or not _CLOCK.fullmatch(value):
                    raise wrong
                return value if len(value) == 8 else f"{value}:00"
            case _:
                longest = 65535 if name in ("instructions",) else 255
                if not isinstance(value, str) or len(value) > longest:
                    raise wrong
        return value


def _credentials(request: Request) -> Mapping[str, Any]:
    if "json" in request.headers.get("Content-Type", ""):
        body = read_json(request)
        if not isinstance(body, dict):
            raise ValueError("not an object")
        return body
    return read_form(request)


def _civil_date(value: Any, wrong: QueryRefused) -> str:
    try:
        day = dt.date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        raise wrong from None
    if not re.fullmatch(r"|[T ]\d{2}:\d{2}:\d{2}([+-]\d{2}:\d{2}|Z)?", value[10:]):
        raise wrong
    return f"{day.isoformat()}T00:00:00+00:00"


def _security(resource: Resource) -> Row:
    return {
        "security": {
            "granted": True,
            "requested": f"admin:{resource.tag}:view",
            "grantedBy": "admin:*",
            "scope": None,
        },
        "debug": None,
        "resource": resource.tag,
    }


def _marked(
    answer: Response,
    resource: Resource,
    rows: Iterable[Row],
    asked: query.Query,
    records: Records,
) -> Response:
    """Name the inferences that these rows, so asked for, rest on."""
    facts = []
    if resource.tag in (SCHEDULES, OCCURRENCES):
        rows = list(rows)
        if any(row.get("type") not in ("RECURRING", None) for row in rows):
            facts.append("schedule-types")
        if any(row.get("frequency") not in ("WEEKLY", None) for row in rows):
            facts.append("frequency")
        if any(row.get("isPeriodic") for row in rows):
            facts.append(
                "periodic-fields" if resource.tag == SCHEDULES else "periodic-days"
            )
        if resource.tag == SCHEDULES and any(row["status"] != "ACTIVE" for row in rows):
            facts.append("schedule-status")
        if resource.tag == OCCURRENCES and any(
            row["status"] != "COMPLETED" for row in rows
        ):
            facts.append("occurrence-status")
        if any(row.get("exception") for row in rows):
            facts.append("exception")
    if any("visit_id" in word for word in asked.include + asked.fields):
        facts.append("visit-id-names")
    if resource.tag == "shifts" and any(row["status"] == "APPROVED" for row in rows):
        facts.append("shift-approval")
    if any("." in word and ":" not in word for word in asked.fields):
        facts.append("fields-nesting")
    if any(f.column.type is Type.MOMENT for f in asked.filters):
        facts.append("date-time-filter-is-civil")
    for fact in facts:
        inferred(answer, fact)
    return answer
