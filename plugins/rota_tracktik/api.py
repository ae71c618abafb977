"""One TrackTik portal as an account: OAuth, listings with certificates, three writes."""

from __future__ import annotations

import datetime as dt
import threading
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
from rota.http import Auth, Client, Page, Request, Send, listing
from rota.model import Json, Kind, Occurrence, Ref, Schedule, Session
from rota.vendor import (
    Account,
    Asked,
    Budget,
    Completeness,
    Entry,
    Listing,
    Mark,
    Rate,
    Scope,
)

from . import mapping, visits
from .collection import ROOT, Between, Filters, Query, Reading, envelope
from .records import Record, midnight
from .settings import Retire, Settings, capabilities


T = TypeVar("T")
TOKEN = "/rest/oauth2/access_token"
SCHEDULES = "site-task-schedules"
OCCURRENCES = "site-task-occurrences"
LOGS = "site-task-occurrence-session-logs"
SITES_LIVE = 600.0
"""Seconds for which the sites' zones are remembered between full readings."""

_DIRECTORY: Mapping[Kind, str] = {
    Kind.PERSON: "employees",
    Kind.SITE: "clients",
    Kind.POST: "positions",
    Kind.CATEGORY: "task-types",
    Kind.FORM: "report-templates",
    Kind.TOUR: "checkpoint-tours",
}


def connect(settings: Settings, *, account: str, clock: Clock) -> TrackTik:
    """Return the account; nothing is sent before something is asked."""
    return TrackTik(settings, account=account, clock=clock)


class OAuth(Auth):
    """
    The password grant, renewed by refresh tokens that work once.

    Forty failed logins within two minutes block an address for two hours, so a refused
    login is final: ``rota.http`` remembers it and sends nothing more.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._access = ""
        self._refresh: str | None = None
        self._renew_at: dt.datetime | None = None

    def apply(self, request: Request) -> None:
        request.headers["Authorization"] = f"Bearer {self._access}"

    def login(self, send: Send) -> None:
        self._keep(
            send,
            grant_type="password",
            username=self._settings.username,
            password=self._settings.password.reveal(),
        )

    def refresh(self, send: Send) -> None:
        # taken first: once sent it is used up, whether or not the answer arrives
        token, self._refresh = self._refresh, None
        if token is None:
            self.login(send)
        else:
            self._keep(send, once=True, grant_type="refresh_token", refresh_token=token)

    def stale(self, now: dt.datetime) -> bool:
        return self._renew_at is not None and now >= self._renew_at

    def _keep(self, send: Send, *, once: bool = False, **grant: str) -> None:
        form = {
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret.reveal(),
            **grant,
        }
        asked = self._clock.now()
        body = send("POST", TOKEN, form=form, once=once).body
        access = body.get("access_token") if isinstance(body, Mapping) else None
        if not isinstance(body, Mapping) or not isinstance(access, str) or not access:
            raise BadAnswer("the token endpoint gave no access token")
        refresh, life = body.get("refresh_token"), body.get("expires_in")
        self._access = access
        self._refresh = refresh if isinstance(refresh, str) and refresh else None
        seconds = life if isinstance(life, int) and life > 0 else 3600
        self._renew_at = asked + dt.timedelta(seconds=seconds - min(60, seconds / 10))


def classify(status: int, headers: Mapping[str, str], body: Json) -> VendorError | None:
    """Read an answer of the portal; None for a good one."""
    if status < 400:
        return None
    said = (
        body.get("error") or body.get("message") if isinstance(body, Mapping) else None
    )
    text = said if isinstance(said, str) else f"status {status}"
    match status:
        case 401:
            return NotAuthorised(text, code=status)
        case 403 if headers.get("server") == "awselb/2.0":
            return Refused(
                "the firewall in front of the portal refused the request",
                code=status,
                hint="ask TrackTik to admit this machine's address",
            )
        case 403:
            return RightMissing(
                text,
                code=status,
                hint="the OAuth client's scope or the service account's role lacks it",
            )
        case 404:
            return NotFound(text, code=status)
        case 429:
            return RateLimited(text, code=status)
        case 504:
            return VendorUnavailable(
                f"{text}: the call ran over the portal's 30 seconds", code=status
            )
        case _ if status >= 500:
            return VendorUnavailable(text, code=status)
        case _:
            return Refused(text, code=status)


@attrs.frozen(kw_only=True)
class _Sites:
    """The sites as they were read: whose zones the schedules take."""

    read_at: float
    zones: Mapping[str, str | None]
    asked: Asked


class TrackTik(Account):
    """One portal, for one API service account."""

    def __init__(self, settings: Settings, *, account: str, clock: Clock) -> None:
        self.name = account
        self.capabilities = capabilities(settings)
        self._settings = settings
        self._clock = clock
        headers = {"Accept": "application/json"}
        if settings.regions:
            headers["TTC-Region-Filter"] = ",".join(map(str, settings.regions))
        self._client = Client(
            account=account,
            base_url=settings.base_url,
            clock=clock,
            classify=classify,
            auth=OAuth(settings, clock),
            rate=Rate(calls=settings.calls_per_minute, seconds=60.0),
            headers=headers,
        )
        self._lock = threading.Lock()
        self._sites: _Sites | None = None

    @property
    def sent(self) -> int:
        """How many requests were sent so far."""
        return self._client.calls

    def share(self, budget: Budget) -> None:
        """Keep to a budget together with others."""
        self._client.share(budget)

    def close(self) -> None:
        self._client.close()

    # ---------------------------------------------------------------------- listings

    def schedules(self, scope: Scope) -> Listing[Schedule]:
        if scope.ids is not None:
            sites = self._known_sites()
            pages: Iterable[Page] = [self._by_id(SCHEDULES, scope.ids)]
            rests_on = Completeness.REREAD_BY_ID
            filters: tuple[str, ...] = ()
        else:
            sites = self._known_sites(fresh=scope.mark is None)
            conditions: Filters = {} if scope.mark is None else {"customId": scope.mark}
            query = Query.of(SCHEDULES, conditions, inactive=True)
            pages = self._reading(query)
            rests_on = Completeness.DECLARED_TOTAL
            filters = tuple(f"{k}={v}" for k, v in conditions.items())

        def parse(row: Json) -> Schedule:
            record = _object(row)
            site = record.get("client")
            key = str(site.get("id") if isinstance(site, Mapping) else site)
            return mapping.parse_schedule(
                record,
                account=self.name,
                zone=sites.zones.get(key),
                settings=self._settings,
            )

        under = [repr(self._settings), sorted(sites.zones.items())]
        return self._listing(pages, parse, scope, rests_on, sites.asked, filters, under)

    def occurrences(self, first: dt.date, last: dt.date) -> Listing[Occurrence]:
        sites = self._known_sites()
        query = Query.of(
            OCCURRENCES,
            {"occurrenceDate": Between(first, last)},
            include=self._session_includes(),
        )
        scope = Scope(window=(first, last))
        steps = self._logs(first, last) if self._settings.session_logs else {}

        def parse(row: Json) -> Occurrence:
            read = visits.parse_occurrence(_object(row), account=self.name)
            if not steps:
                return read
            logged = tuple(_with_log(one, steps) for one in read.sessions)
            return attrs.evolve(read, sessions=logged)

        found = self._listing(
            self._reading(query),
            parse,
            scope,
            Completeness.DECLARED_TOTAL,
            sites.asked,
            (f"occurrenceDate from {first} to {last}",),
        )
        wanted = tuple(one for one in found.items if first <= one.day <= last)
        return attrs.evolve(found, items=wanted)

    def directory(self, kind: Kind) -> Listing[Entry]:
        tag = _DIRECTORY.get(kind)
        if tag is None:
            return self._listing(
                [Page(rows=(), declared=0)],
                lambda row: mapping.parse_entry(_object(row), kind, account=self.name),
                Scope(),
                Completeness.DECLARED_TOTAL,
                Asked(user=self._settings.username),
            )
        return self._entries(kind, tag, self._known_sites().asked)

    def collection(self, tag: str) -> Collection:
        """
        Return any collection of the portal, for reading in the vendor's own terms.

        Args:
            tag: As in the vendor's URLs: ``shifts``, ``work-sessions``, ``reports``.
        """
        return Collection(account=self, tag=tag)

    def _entries(self, kind: Kind, tag: str, asked: Asked) -> Listing[Entry]:
        include = ["timeZone"] if kind is Kind.SITE else []
        if kind is Kind.SITE and self._settings.site_addresses:
            include.append("address")
        return self._listing(
            self._reading(Query.of(tag, {}, include=include, inactive=True)),
            lambda row: mapping.parse_entry(_object(row), kind, account=self.name),
            Scope(),
            Completeness.DECLARED_TOTAL,
            asked,
        )

    def _known_sites(self, *, fresh: bool = False) -> _Sites:
        """Return the sites; read anew if asked, or after ten minutes."""
        with self._lock:
            now = self._clock.monotonic()
            known = self._sites
            if known is not None and not fresh and now - known.read_at < SITES_LIVE:
                return known
            rights: list[str] = []

            def note(meta: Record) -> None:
                security = meta.get("security")
                if isinstance(security, Mapping) and not rights:
                    rights.extend(
                        str(security[name])
                        for name in ("grantedBy", "scope")
                        if security.get(name) is not None
                    )

            query = Query.of("clients", {}, include=("timeZone",), inactive=True)
            asked = Asked(user=self._settings.username)
            read = self._listing(
                self._reading(query, note),
                lambda row: mapping.parse_entry(
                    _object(row), Kind.SITE, account=self.name
                ),
                Scope(),
                Completeness.DECLARED_TOTAL,
                asked,
            )
            self._sites = _Sites(
                read_at=now,
                zones={entry.ref.id: entry.zone for entry in read.items},
                asked=attrs.evolve(
                    asked,
                    rights=tuple(rights),
                    visible={"sites": read.certificate.rows},
                ),
            )
            return self._sites

    def _session_includes(self) -> list[str]:
        include = ["sessions"]
        if self._settings.session_reports:
            include.append("sessions.report.reportFields")
        if self._settings.visit_ids:
            include += ["sessions.first_visit_id", "sessions.previous_visit_id"]
        return include

    def _logs(
        self, first: dt.date, last: dt.date
    ) -> Mapping[str, list[visits.LogLine]]:
        """Return the log lines of the days, by session, in order of id."""
        window: Filters = {"occurrence.occurrenceDate": Between(first, last)}
        rows = self.collection(LOGS).list(filters=window, include=("createdOn",))
        steps: dict[str, list[visits.LogLine]] = {}
        for row in rows.items:
            line = visits.parse_log(row, account=self.name)
            of = line.session.ref if isinstance(line.session, Session) else line.session
            if of is not None:
                steps.setdefault(of.id, []).append(line)
        return steps

    def _by_id(self, tag: str, ids: Iterable[str]) -> Page:
        rows = []
        for identifier in dict.fromkeys(ids):
            row = self._get(tag, identifier)
            if row is not None:
                rows.append(row)
        return Page(rows=tuple(rows))

    def _get(
        self, tag: str, identifier: str, include: Iterable[str] = ()
    ) -> Record | None:
        if not identifier.isdigit():
            return None
        asked = ",".join(include)
        try:
            answer = self._client.read(
                "GET",
                f"{ROOT}{tag}/{identifier}",
                params={"include": asked} if asked else None,
            )
        except NotFound:
            return None
        return _object(envelope(answer.body, f"{tag} {identifier}")[1])

    def _reading(
        self, query: Query, seen: Callable[[Record], None] = lambda meta: None
    ) -> Reading:
        return Reading(
            client=self._client,
            query=query,
            page_size=self._settings.page_size,
            seen=seen,
        )

    def _listing(
        self,
        pages: Iterable[Page],
        parse: Callable[[Json], T],
        scope: Scope,
        rests_on: Completeness,
        asked: Asked,
        filters: tuple[str, ...] = (),
        under: object = None,
    ) -> Listing[T]:
        return listing(
            pages,
            account=self.name,
            scope=scope,
            asked=asked,
            rests_on=rests_on,
            parse=parse,
            key=lambda row: str(_object(row)["id"]),
            read_at=self._clock.now,
            filters=filters,
            under=under,
        )

    # ------------------------------------------------------------------------ writes

    def create(self, schedule: Schedule, mark: Mark | None) -> Ref:
        self._check_zone(schedule)
        if not schedule.extras.get("customId"):
            schedule = attrs.evolve(schedule, mark=mark)
        body = mapping.new_record(
            attrs.evolve(schedule, ref=None), settings=self._settings
        )
        answer = self._client.write("POST", ROOT + SCHEDULES, json=body)
        data = answer.body.get("data") if isinstance(answer.body, Mapping) else None
        identifier = data.get("id") if isinstance(data, Mapping) else None
        if not isinstance(identifier, int) or isinstance(identifier, bool):
            raise OutcomeUnknown(
                "the schedule was sent, and the answer does not name it",
                account=self.name,
                hint="look at the portal before sending it again",
            )
        return Ref(account=self.name, kind=Kind.SCHEDULE, id=str(identifier))

    def update(self, ref: Ref, schedule: Schedule, was: Schedule) -> None:
        body = mapping.changed_record(schedule, was, settings=self._settings)
        if "client" in body or schedule.zone != was.zone:
            self._check_zone(schedule)
        if body:
            self._patch(ref, body)

    def remove(self, ref: Ref, last_day: dt.date | None) -> None:
        record = self._get(SCHEDULES, ref.id)
        if record is None:
            return
        begin = record.get("beginServiceDate")
        never_begun = (
            last_day is not None
            and isinstance(begin, str)
            and str(last_day) < begin[:10]
        )
        if last_day is None or never_begun or self._settings.retire is Retire.INACTIVE:
            if record.get("status") != self._settings.inactive_status:
                self._patch(ref, {"status": self._settings.inactive_status})
            return
        inclusive = self._settings.end_inclusive
        end = midnight(last_day if inclusive else last_day + dt.timedelta(1))
        if record.get("endServiceDate") != end:
            self._patch(ref, {"endServiceDate": end})

    def _check_zone(self, schedule: Schedule) -> None:
        """Refuse hours told in another zone than the site's, which decides."""
        place = schedule.task.place
        if schedule.zone is None or place is None or place.ref is None:
            return
        zone = self._known_sites().zones.get(place.ref.id)
        if zone is not None and zone != schedule.zone.name:
            raise ValueRefused(
                f"its hours are told in {schedule.zone.name}, and {place.ref.key} "
                f"lives by {zone}",
                hint="the site decides the zone: tell the hours in its own",
            )

    def _patch(self, ref: Ref, body: Mapping[str, Json]) -> None:
        self._client.write("PATCH", f"{ROOT}{SCHEDULES}/{ref.id}", json=body)


@attrs.frozen(kw_only=True)
class Collection:
    """One collection of the portal; rows are the vendor's own records."""

    account: TrackTik = attrs.field(repr=False)
    tag: str

    def list(
        self,
        *,
        filters: Filters | None = None,
        include: Iterable[str] = (),
        sort: str = "id",
        inactive: bool = False,
    ) -> Listing[Record]:
        """
        Return all rows that meet the filters, each checked again here.

        Args:
            filters: From a field, dotted for relations, to what it must be: a value
                for equality, or a condition of :mod:`rota_tracktik.collection`.
            include: Relations to show as objects, and fields shown on demand.
            sort: Comma list of fields; ``-`` before one turns it round.
            inactive: Whether to list what the portal hides by default.

        Raises:
            ValueRefused: A condition that the vendor would ignore in silence.
            Refused: The portal knows no such field, or wants a filter.
        """
        query = Query.of(
            self.tag, filters or {}, include=include, sort=sort, inactive=inactive
        )
        found = self.account._listing(
            self.account._reading(query),
            _object,
            Scope(),
            Completeness.DECLARED_TOTAL,
            Asked(user=self.account._settings.username),
            tuple(f"{name}: {value}" for name, value in query.conditions.items()),
        )
        return attrs.evolve(
            found, items=tuple(row for row in found.items if query.holds(row))
        )

    def get(
        self, identifier: int | str, *, include: Iterable[str] = ()
    ) -> Record | None:
        """Return one record by its id, None where there is none."""
        return self.account._get(self.tag, str(identifier), include)


def _object(row: Json) -> Record:
    if not isinstance(row, Mapping):
        raise BadAnswer("a record was expected, and something else came")
    return row


def _with_log(session: Session, steps: Mapping[str, list[visits.LogLine]]) -> Session:
    lines = steps.get(session.ref.id, []) if session.ref else []
    done = [line.step for line in lines]
    who = next((step.who for step in reversed(done) if step.who), session.who)
    return attrs.evolve(session, steps=tuple(done), who=session.who or who)
