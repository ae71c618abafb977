"""
The Trackops account: read tasks, look up staff and cases, create.

No call changes, completes or deletes a task, so the class defines none of these
verbs, and what it creates is there for good.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import attrs

from rota.clock import Clock
from rota.errors import (
    BadAnswer,
    NotAuthorised,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RightMissing,
    ValueRefused,
    VendorError,
    VendorUnavailable,
)
from rota.http import (
    Auth,
    Client,
    Page,
    Rate,
    Request,
    counted_pages,
    listing,
    numbered_pages,
)
from rota.model import Json, Kind, Occurrence, Ref, Schedule
from rota.vendor import (
    Account,
    Asked,
    Budget,
    Completeness,
    Entry,
    Glance,
    Listing,
    Mark,
    Scope,
    Text,
    add_mark,
)

from . import Settings, capabilities, mapping


T = TypeVar("T")
_TASKS = "/api/v1/tasks"
_STAMPS = ("complete", "alert", "alert_sent", "created", "updated")
FILTERS = (
    *("id", "title", "calendar", "case", "subject", "user", "status"),
    *("due_from", "due_to"),
    *(f"{stamp}_{end}" for stamp in _STAMPS for end in ("from", "to")),
)
"""The filters that the vendor documents for its list of tasks."""
_ALL = Scope()
_CLOCKS_APART = dt.timedelta(hours=2)  # more than the vendor's and ours ever are
_READERS = 16  # whose last glances are kept
_SAID = 300  # characters of the vendor's own message that an error shows


class Trackops(Account):
    """
    One company at Trackops; close it, or use it in a ``with``.

    Args:
        settings: Where, who, and how fast.
        account: The name in the configuration.
        clock: For the pace between calls and the time of reading.
    """

    def __init__(self, settings: Settings, *, account: str, clock: Clock) -> None:
        self.name = account
        self.settings = settings
        self.capabilities = capabilities(settings)
        self._clock = clock
        self._asked = Asked(user=settings.username, rights=("full access",))
        self._glanced: dict[str, tuple[Glance, Listing[Schedule]]] = {}
        pace = settings.pace_seconds
        self._client = Client(
            account=account,
            base_url=settings.base_url,
            clock=clock,
            auth=_UserAndToken(settings),
            rate=Rate(calls=1, seconds=pace) if pace else None,
            classify=_classify,
        )

    def schedules(self, scope: Scope) -> Listing[Schedule]:
        """
        List tasks, those due within the scope's window.

        No filter finds a mark, so a scope with a mark reads the whole window. A glance
        like the one before reads no page where two counts say that nothing changed.
        """
        if not isinstance(scope, Glance):
            return self._tasks(scope, self._parse_task)
        if before := self._as_before(scope):
            return before
        found = self._tasks(scope, self._parse_task)
        if len(self._glanced) >= _READERS:
            self._glanced.clear()
        self._glanced[scope.under] = scope, found
        return found

    def tasks(self, **filters: int | str | dt.date) -> Listing[Schedule]:
        """
        List tasks by the vendor's own filters, all of :data:`FILTERS`; they narrow.

        Args:
            filters: Ids as numbers; ``status`` as the vendor's word; ``due_from`` and
                ``due_to`` as dates; the other spans as aware datetimes, sent in UTC
                in ISO format (no source shows a format).

        Raises:
            ValueRefused: A filter that is not documented, or a value of another type.
        """
        asked = {name: _told(name, value) for name, value in filters.items()}
        return self._list(_TASKS, self._parse_task, filters=asked)

    def occurrences(self, first: dt.date, last: dt.date) -> Listing[Occurrence]:
        """List the same tasks as what is to be done and was done on a day."""
        found = self._tasks(
            Scope(window=(first, last)),
            lambda row: mapping.parse_occurrence(
                row, self.name, country=self.settings.country
            ),
        )
        within = tuple(item for item in found.items if first <= item.day <= last)
        return attrs.evolve(found, items=within)

    def directory(self, kind: Kind) -> Listing[Entry]:
        """List staff as people, and cases; there is nothing else to point at."""
        match kind:
            case Kind.PERSON:
                return self._list(
                    "/api/v1/staff", lambda row: mapping.parse_staff(row, self.name)
                )
            case Kind.CASE:
                return self._list(
                    "/api/v1/cases", lambda row: mapping.parse_case(row, self.name)
                )
        return self._certify(
            [Page(rows=(), declared=0)],
            lambda row: mapping.parse_case(row, self.name),
            Completeness.WHOLE,
        )

    def create(self, schedule: Schedule, mark: Mark | None) -> Ref:
        """
        Make a task, for good.

        Raises:
            RightMissing: The plan or the user may read and not create.
            Refused: The vendor, or the form of its requests, has no such task.
            OutcomeUnknown: It may have been made: look first.
        """
        try:
            body = mapping.creation(
                schedule,
                mark,
                calendar_id=self.settings.calendar_id,
                country=self.settings.country,
            )
            self._check_text("title", schedule.task.title)
            self._check_text("instructions", add_mark(schedule.task.instructions, mark))
        except ValueRefused as error:
            raise Refused(error.message, hint=error.hint, account=self.name) from error
        try:
            answer = self._client.write("POST", _TASKS, json=body)
        except Refused as error:
            if isinstance(error, RightMissing) or error.code == 405:
                raise RightMissing(
                    "this account can read tasks but not create them",
                    hint="the API was read-only once and may be so for this company; "
                    "ask Trackops to allow POST, or use the account as a source only",
                    account=self.name,
                    code=error.code,
                ) from error
            raise
        try:
            key = mapping.key_of(answer.body)
        except (KeyError, TypeError) as error:
            raise OutcomeUnknown(
                "a task was made, and the answer does not say which",
                hint="look for it at the vendor's side before sending it again",
                account=self.name,
            ) from error
        return Ref(account=self.name, kind=Kind.SCHEDULE, id=key)

    @property
    def sent(self) -> int:
        """How many requests were sent so far."""
        return self._client.calls

    def share(self, budget: Budget) -> None:
        """Keep to a budget together with others."""
        self._client.share(budget)

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _check_text(self, name: str, text: str) -> None:
        can = self.capabilities.fields[name]
        assert isinstance(can, Text)
        if len(text) > can.longest:
            raise ValueRefused(
                f"its {name} has {len(text)} characters with its mark, and the account "
                f"is set to take {can.longest}",
                hint="shorten it, or raise title_longest or body_longest",
            )
        if not can.lines and len(text.splitlines()) > 1:
            raise ValueRefused(f"its {name} has line breaks, and takes none")

    # -- reading -------------------------------------------------------------------

    def _parse_task(self, row: Json) -> Schedule:
        return mapping.parse_task(row, self.name, country=self.settings.country)

    def _tasks(self, scope: Scope, parse: Callable[[Json], T]) -> Listing[T]:
        if scope.ids is not None:
            return self._certify(
                [Page(rows=self._by_id(key)) for key in scope.ids],
                parse,
                Completeness.REREAD_BY_ID,
                scope=scope,
            )
        return self._list(_TASKS, parse, scope=scope, filters=_due_within(scope))

    def _as_before(self, scope: Glance) -> Listing[Schedule] | None:
        """
        Return the last glance if it was the same, and its tasks are as they were.

        They are if they are as many as then and none was made or changed since, by the
        stamps that the vendor itself sets (``updated_from``, on its page of tasks).
        """
        asked, seen = self._glanced.get(scope.under, (None, None))
        if seen is None or asked != scope or not seen.certificate.complete:
            return None
        now, read_at = self._clock.now(), seen.certificate.read_at
        if now - read_at < _CLOCKS_APART:
            return None  # what was changed just before it was read would be told as new
        since = _told("updated_from", read_at - _CLOCKS_APART)
        filters = _due_within(scope)
        try:
            changed = self._count(_TASKS, {**filters, "updated_from": since})
            if changed or self._count(_TASKS, filters) != seen.certificate.rows:
                return None
        except (Refused, BadAnswer):
            return None
        certificate = attrs.evolve(seen.certificate, read_at=now)
        return attrs.evolve(seen, certificate=certificate)

    def _by_id(self, key: str) -> tuple[Json, ...]:
        """Read one task; it is gone only if its path and the list both say so."""
        if not (key.isascii() and key.isdigit()):
            return ()
        rows: tuple[Json, ...]
        try:
            rows = (self._client.read("GET", f"{_TASKS}/{key}").body,)
        except NotFound:
            rows = self._rows(_TASKS, {"id": key, "page": "1", "per_page": "1"})
        try:
            strangers = {mapping.key_of(row) for row in rows} - {str(int(key))}
        except (KeyError, TypeError):
            strangers = {"something without an id"}
        if strangers:
            raise BadAnswer(
                f"asked for task {key}, the vendor answered with {', '.join(strangers)}",
                account=self.name,
            )
        return rows

    def _list(
        self,
        path: str,
        parse: Callable[[Json], T],
        *,
        scope: Scope = _ALL,
        filters: Mapping[str, str] | None = None,
    ) -> Listing[T]:
        asked = dict(filters or {})
        size = self.settings.page_size

        def fetch(number: int) -> Page:
            query = {"page": str(number), "per_page": str(size), "dir": "asc"}
            return Page(rows=self._rows(path, asked | query))

        def count() -> int:
            return self._count(path, asked)

        return self._certify(
            counted_pages(count, numbered_pages(fetch, per_page=size)),
            parse,
            Completeness.COUNTED_TWICE,
            scope=scope,
            filters=asked,
        )

    def _rows(self, path: str, query: Mapping[str, str]) -> tuple[Json, ...]:
        body = self._client.read("GET", path, params=query).body
        if not isinstance(body, list | tuple):
            raise BadAnswer(
                f"GET {path}: expected a bare list of records", account=self.name
            )
        return tuple(body)

    def _count(self, path: str, filters: Mapping[str, str]) -> int:
        query = {**filters, "mode": "count"}
        body = self._client.read("GET", path, params=query).body
        count = body.get("record_count") if isinstance(body, Mapping) else None
        if isinstance(count, bool) or not isinstance(count, int):
            raise BadAnswer(
                f"GET {path} in mode=count: expected a record_count", account=self.name
            )
        return count

    def _certify(
        self,
        pages: Iterable[Page],
        parse: Callable[[Json], T],
        rests_on: Completeness,
        *,
        scope: Scope = _ALL,
        filters: Mapping[str, str] | None = None,
    ) -> Listing[T]:
        return listing(
            pages,
            account=self.name,
            scope=scope,
            asked=self._asked,
            rests_on=rests_on,
            parse=parse,
            key=mapping.key_of,
            read_at=self._clock.now,
            filters=tuple(f"{name}={value}" for name, value in (filters or {}).items()),
            under=[repr(self.settings)],
        )


def _due_within(scope: Scope) -> dict[str, str]:
    if scope.window is None:
        return {}
    first, last = scope.window
    return {"due_from": first.isoformat(), "due_to": last.isoformat()}


def _told(name: str, value: int | str | dt.date) -> str:
    """Return a filter's value as the query holds it."""
    if name not in FILTERS:
        raise ValueRefused(
            f"{name!r} is no filter of tasks", hint=f"there are {', '.join(FILTERS)}"
        )
    if name in ("due_from", "due_to"):
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            return value.isoformat()
        raise ValueRefused(f"{name} is a date")
    if name.endswith(("_from", "_to")):
        if isinstance(value, dt.datetime) and value.tzinfo is not None:
            return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        raise ValueRefused(f"{name} is an aware datetime")
    if isinstance(value, dt.date | bool):
        raise ValueRefused(f"{name} is a number or a text")
    return str(value)


class _UserAndToken(Auth):
    """Basic auth; the slash is part of the user name, so no URL carries it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def apply(self, request: Request) -> None:
        token = self._settings.api_token.reveal()
        pair = f"{self._settings.username}/token:{token}".encode()
        request.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"


def _classify(
    status: int, headers: Mapping[str, str], body: Json
) -> VendorError | None:
    """Read an answer by its HTTP status; no error body is published, none is needed."""
    if status < 400:
        return None
    said = _message(body)
    match status:
        case 401:
            return NotAuthorised(
                said or "the user name or the token is not accepted",
                hint="username is an active employee's name without '/token', api_token "
                "the company's token; API access must be switched on",
                code=status,
            )
        case 403:
            return RightMissing(
                said or "the user lacks a right",
                hint="the user must be an active Full Access employee; limited staff "
                "and client contacts are refused",
                code=status,
            )
        case 404:
            return NotFound(said or "there is no such record", code=status)
        case 429:
            return RateLimited(said or "too many calls", code=status)
    if status >= 500:
        return VendorUnavailable(said or "the server failed", code=status)
    return Refused(said or f"refused with status {status}", code=status)


def _message(body: Json) -> str:
    """Find the words for people in an error whose shape no source shows."""
    parts: list[str] = []

    def gather(value: Json, name: str) -> None:
        match value:
            case str() if value.strip():
                parts.append(f"{name}: {value}" if name else value)
            case list() | tuple():
                for item in value:
                    gather(item, name)
            case Mapping():
                for key, item in value.items():
                    plain = key in ("error", "errors", "message", "fields", "name")
                    gather(item, name if plain else str(key))

    gather(body, "")
    return "; ".join(parts)[:_SAID]


def connect(settings: Settings, *, account: str, clock: Clock) -> Trackops:
    """Return an open account, as the introduction of the vendor promises."""
    return Trackops(settings, account=account, clock=clock)
