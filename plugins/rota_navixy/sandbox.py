"""
The vendor's protocol on loopback, for rehearsals, tests and other people's clients.

Every call is a POST with JSON or a form, most reads and id-only writes also a GET; any
path may stand before the call's name. Written from the vendor's documentation; what
no document settles is answered with the header ``X-Rota-Inferred``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import zoneinfo
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from rota import clock as clocks
from rota.clock import Clock
from rota.sandbox import Sandbox, inferred, read_body, read_form

from .simulation import directories, forms, schedules, tasks  # noqa: F401
from .simulation import sample as first_fleet
from .simulation.calls import CALLS
from .simulation.checks import Ask, Record, Refusal, invalid
from .simulation.world import Simulation, shown


API_KEY = "5a" * 16
LOGIN = "office@acme.example"
PASSWORD = "patrols"
RIGHTS = ("admin", "task_update", "form_template_update", "tag_update")

# Codes whose HTTP status is not 400.
_HTTP = {
    **dict.fromkeys((1, 6, 254), 500),
    **dict.fromkeys((2, 11, 13, 101, 208, 219, 221, 225, 238, 240, 249, 250), 403),
    **dict.fromkeys((251, 257, 261, 264, 265, 266, 275, 276), 403),
    **dict.fromkeys((204, 229, 239, 258), 404),
    **dict.fromkeys((231, 247, 277, 278), 409),
    **dict.fromkeys((8, 14), 503),
    **dict.fromkeys((236, 268), 402),
    9: 412,
    15: 429,
    271: 413,
}
_SAID = {
    2: "Service authorisation failed",
    3: "Wrong hash",
    4: "User or API key not found or session ended",
    5: "Wrong request format",
    6: "Unexpected error",
    7: "Invalid parameters",
    11: "Access denied",
    13: "Operation not permitted",
    14: "Database unavailable",
    15: "Too many requests",
    102: "Wrong login or password",
    103: "User not activated",
    104: "Logins limit exceeded, please reuse existing sessions",
    105: "Login attempts limit exceeded, try again later",
    111: "Wrong handler",
    112: "Wrong method",
    201: "Not found in the database",
    204: "Entity not found",
    208: "Device blocked",
    210: "Route is too long",
    217: "List contains nonexistent entities",
    236: "Feature unavailable due to tariff restrictions",
    247: "Entity already exists",
    255: "Invalid task state",
    276: "Forbidden for this session type",
    282: "Wrong authentication code",
}
_BY_STATUS = {401: 4, 403: 11, 404: 111, 405: 112, 412: 9, 429: 15, 502: 6, 503: 14}
_KEPT = (
    *("trackers", "employees", "tags", "places", "templates"),
    *("forms", "entries", "tasks"),
)
_SESSION_LIFE = dt.timedelta(days=30)
_FAILED_LOGINS = 10
_OPEN_SESSIONS = 100
_WINDOW_S = 1.0


@attrs.define(kw_only=True)
class User:
    """
    A person who may sign in.

    Args:
        sees: The trackers that a sub-user sees; None for all.
        mfa: The code that a second factor asks for; empty for none.
    """

    login: str
    password: str
    rights: tuple[str, ...] = RIGHTS
    sees: frozenset[int] | None = None
    mfa: str = ""
    activated: bool = True
    blocked: bool = False
    failures: int = 0


@attrs.define(kw_only=True)
class _Session:
    user: User
    ends: dt.datetime | None
    kind: Literal["key", "session", "mfa"]


_Answer: TypeAlias = Callable[["NavixySandbox", Ask, _Session], Record]


@attrs.frozen(kw_only=True)
class _Open:
    """A call that is not about tasks; ``auth`` names the credentials that it takes."""

    run: _Answer
    auth: tuple[str, ...] = ("key", "session")


class NavixySandbox(Sandbox):
    """
    One account of the vendor on loopback.

    Args:
        clock: The account's time; the daily run follows it.
        sample: Whether it begins with a few trackers, places and schedules.
        zone: The account's time zone.
        rate: Calls a second for each credential; None for no limit.
        rate_on_clock: Whether a second of the limit is one of ``clock`` or real.
        keeps: What a clock change inside a window leaves alone.
        run_at: When the daily run turns entries into tasks, on the account's clock.
        copies: Whether generated tasks carry the tags and fields of their entry.
        emoji: Whether texts may hold characters of four UTF-8 bytes.
        line_breaks: Whether descriptions may hold line breaks.
        iso_offset: Whether ISO times are answered with the zone's offset or with Z.
        iso: Whether this installation has ISO times at all.
    """

    name = "navixy"

    def __init__(
        self,
        *,
        clock: Clock,
        sample: bool = True,
        zone: str = "America/Los_Angeles",
        rate: int | None = 50,
        rate_on_clock: bool = False,
        keeps: Literal["length", "end"] = "length",
        run_at: dt.time = dt.time(0, 1),
        copies: bool = True,
        emoji: bool = False,
        line_breaks: bool = True,
        iso_offset: bool = True,
        iso: bool = True,
    ) -> None:
        super().__init__(clock=clock)

        def make() -> Simulation:
            return Simulation(
                now=clock.now, zone=zone, keeps=keeps, run_at=run_at, copies=copies
            )

        self._make = make
        self._sample = sample
        self._pace = clock if rate_on_clock else clocks.system()
        self._rate = rate
        self._emoji = emoji
        self._line_breaks = line_breaks
        self._iso_offset = iso_offset
        self._iso = iso
        self._issued = 0
        self.reset()

    def reset(self) -> None:
        """Be as just made; sessions end, the clock stays."""
        with self.lock:
            self.world = self._make()
            self._calls: dict[str, deque[float]] = defaultdict(deque)
            self.users: dict[str, User] = {}
            self._sessions: dict[str, _Session] = {}
            office = self.add_user(LOGIN, PASSWORD)
            self.add_key(API_KEY, office)
            if self._sample:
                first_fleet.fill(self.world, self.call)

    def credentials(self) -> Mapping[str, str | int]:
        """Return the key of the one user that there is from the start."""
        return {"api_key": API_KEY}

    def state(self) -> Mapping[str, object]:
        """Return all records, times in UTC."""
        with self.lock:
            self.world.tick()
            kept = {name: list(getattr(self.world, name).values()) for name in _KEPT}
            state: Record = shown(kept, lambda at: at.isoformat())
            return state | {"zone": self.world.zone.key, "sessions": self._live()}

    def authenticate_expired(self) -> None:
        """End every session; API keys never expire."""
        with self.lock:
            self._sessions = {
                name: s for name, s in self._sessions.items() if s.kind == "key"
            }

    def error(self, status: int, message: str) -> Response:
        """Return the vendor's error for an HTTP status."""
        code = _BY_STATUS.get(status, 6)
        body = {"success": False, "status": {"code": code, "description": message}}
        return JSONResponse(body, status_code=status)

    def routes(self) -> list[BaseRoute]:
        """Return the one route: the call's name is the end of the path."""
        return [Route("/{path:path}", self.answer, methods=["GET", "POST"])]

    # The wire

    def answer(self, request: Request) -> Response:
        """Answer one call."""
        facts: list[str] = []
        try:
            with self.lock:
                self.world.tick()
                body, facts, iso = self._serve(request)
                json_body = shown(body, lambda at: self._moment(at, iso=iso))
            response = JSONResponse({"success": True} | _public(json_body))
        except Refusal as refusal:
            response = _refused(refusal)
            facts = [*facts, *refusal.inferred]
        for fact in facts:
            inferred(response, fact)
        return response

    def _serve(self, request: Request) -> tuple[Record, list[str], bool]:
        name = _called(request.path_params["path"])
        raw, textual = _parameters(request)
        header = request.headers.get("authorization", "")
        credential = header.removeprefix("NVX ") if header.startswith("NVX ") else None
        if header and credential is None:
            raise Refusal(3)
        if credential is None and isinstance(raw.get("hash"), str):
            credential = raw["hash"]
        host = request.client.host if request.client else ""
        self._meter(credential or host)
        if name is None:
            raise Refusal(111, inferred=["unknown-call-is-111"])
        ask = Ask(
            raw,
            textual=textual,
            iso=self._iso and _iso(request, raw),
            zone=self.world.zone,
            emoji=self._emoji,
            line_breaks=self._line_breaks,
        )
        if ask.iso and not self._iso_offset:
            ask.infer("iso-answers-in-utc")
        elif ask.iso:
            ask.infer("iso-answers-with-offset")
        if name in _OPEN:
            call = _OPEN[name]
            if "none" in call.auth:
                return call.run(self, ask, _NOBODY), ask.inferred, ask.iso
            session = self._who(credential, call.auth)
            ask.sees = session.user.sees
            return call.run(self, ask, session), ask.inferred, ask.iso
        work = CALLS[name]
        session = self._who(credential, ("key", "session"))
        if request.method == "GET" and not work.get:
            raise Refusal(112, inferred=["get-of-a-post-only-call-is-112"])
        if work.right and work.right not in session.user.rights:
            raise Refusal(13)
        ask.sees = session.user.sees
        return work.run(self.world, ask), ask.inferred, ask.iso

    def _meter(self, who: str) -> None:
        if self._rate is None:
            return
        now = self._pace.monotonic()
        calls = self._calls[who]
        while calls and calls[0] <= now - _WINDOW_S:
            calls.popleft()
        if len(calls) >= self._rate:
            raise Refusal(15)
        calls.append(now)

    def _who(self, credential: str | None, auth: tuple[str, ...]) -> _Session:
        if credential is None:
            raise Refusal(3, inferred=["no-hash-is-3"])
        if len(credential) != 32 or not credential.isalnum():
            raise Refusal(3)
        session = self._sessions.get(credential)
        if session is None or (session.ends and session.ends <= self.clock.now()):
            raise Refusal(4)
        if session.kind not in auth:
            raise Refusal(4)
        if session.user.blocked:
            raise Refusal(275)
        return session

    def _moment(self, at: dt.datetime, *, iso: bool) -> str:
        local = at.astimezone(self.world.zone)
        if not iso:
            return local.strftime("%Y-%m-%d %H:%M:%S")
        if self._iso_offset:
            return local.isoformat(timespec="seconds")
        return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    # Credentials

    def add_user(
        self,
        login: str,
        password: str,
        *,
        rights: tuple[str, ...] = RIGHTS,
        sees: frozenset[int] | None = None,
        mfa: str = "",
        activated: bool = True,
        blocked: bool = False,
    ) -> User:
        """Let somebody sign in; a sub-user has fewer rights or sees less."""
        user = User(
            login=login,
            password=password,
            rights=rights,
            sees=sees,
            mfa=mfa,
            activated=activated,
            blocked=blocked,
        )
        self.users[login] = user
        return user

    def add_key(self, key: str, user: User) -> None:
        """Give a user an API key: 32 letters and digits."""
        self._sessions[key] = _Session(user=user, ends=None, kind="key")

    def _live(self) -> int:
        now = self.clock.now()
        return sum(s.ends is not None and s.ends > now for s in self._sessions.values())

    def _begin(self, user: User, kind: Literal["session", "mfa"]) -> str:
        self._issued += 1
        text = f"{user.login}/{self._issued}/{kind}"
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        ends = self.clock.now() + _SESSION_LIFE
        self._sessions[name] = _Session(user=user, ends=ends, kind=kind)
        return name

    def _auth(self, ask: Ask, _: _Session) -> Record:
        login = ask.text("login", 255, least=1)
        password = ask.text("password", 40, least=1)
        if login is None or password is None:
            missing = "login" if login is None else "password"
            raise invalid(missing, "may not be null")
        user = self.users.get(login)
        if user is not None and user.failures >= _FAILED_LOGINS:
            raise Refusal(105)
        if user is None or user.password != password:
            if user is not None:
                user.failures += 1
            raise Refusal(102)
        if not user.activated:
            raise Refusal(103)
        if user.blocked:
            raise Refusal(275)
        if self._live() >= _OPEN_SESSIONS:
            raise Refusal(104)
        user.failures = 0
        if user.mfa:
            return {
                "type": "second_factor_required",
                "factor_type": "email",
                "hash": self._begin(user, "mfa"),
            }
        return {"type": "authenticated", "hash": self._begin(user, "session")}

    def _verify(self, ask: Ask, session: _Session) -> Record:
        if ask.text("code", 32) != session.user.mfa:
            raise Refusal(282)
        self._forget(session)
        return {"type": "authenticated", "hash": self._begin(session.user, "session")}

    def _renew(self, ask: Ask, session: _Session) -> Record:
        session.ends = self.clock.now() + _SESSION_LIFE
        return {}

    def _logout(self, ask: Ask, session: _Session) -> Record:
        self._forget(session)
        return {}

    def _forget(self, session: _Session) -> None:
        self._sessions = {n: s for n, s in self._sessions.items() if s is not session}

    # The account and its directories

    def _nothing(self, ask: Ask, session: _Session) -> Record:
        return {}

    def _user_info(self, ask: Ask, session: _Session) -> Record:
        master = next(iter(self.users.values()))
        info = {
            "id": self.world.user_id + list(self.users).index(session.user.login),
            "login": session.user.login,
            "title": "Acme Guards",
            "time_zone": self.world.zone.key,
            "locale": "en_US",
            "demo": False,
            "verified": True,
        }
        answer: Record = {
            "user_info": info,
            "privileges": {"rights": list(session.user.rights)},
            "features": ["tasks"],
        }
        if session.user is not master:
            answer["master"] = {"id": self.world.user_id}
        return answer

    def _settings(self, ask: Ask, session: _Session) -> Record:
        settings = {
            "time_zone": self.world.zone.key,
            "locale": "en_US",
            "measurement_system": "us",
            "geocoder": "osm",
            "translit": False,
        }
        if not self.settings_have_zone:
            del settings["time_zone"]
        answer: Record = {"settings": settings}
        if "admin" in session.user.rights:
            answer["file_storage_settings"] = {"auto_overwrite": True}
            answer["balance_alert_settings"] = {"emails": []}
        return answer

    settings_have_zone = True
    """Whether the settings show the zone; some installations filter it out."""

    def _zones(self, ask: Ask, session: _Session) -> Record:
        rows = []
        for name in _ZONES:
            zone = zoneinfo.ZoneInfo(name)
            january = dt.datetime(2026, 1, 1, tzinfo=zone)
            july = dt.datetime(2026, 7, 1, tzinfo=zone)
            hours = sorted(
                (at.utcoffset() or dt.timedelta()) / dt.timedelta(hours=1)
                for at in (january, july)
            )
            rows.append(
                {
                    "zone_id": name,
                    "description": name.rpartition("/")[2].replace("_", " "),
                    "base_offset": hours[0],
                    "dst_offset": round(hours[1] - hours[0]),
                    "alt_ids": [],
                }
            )
        return {"list": rows}

    # Life, for tests and the demo; records are seeded on ``world``

    def call(self, name: str, **parameters: object) -> dict[str, Any]:
        """
        Carry out a call as the owner, without HTTP or a limit.

        Raises:
            Refusal: As the vendor would.
        """
        with self.lock:
            self.world.tick()
            ask = Ask(
                dict(parameters),
                textual=False,
                iso=False,
                zone=self.world.zone,
                emoji=self._emoji,
                line_breaks=self._line_breaks,
            )
            answer = CALLS[name].run(self.world, ask)
            told: Record = shown(answer, lambda at: self._moment(at, iso=False))
            return told

    def complete(
        self,
        task: int,
        at: dt.datetime | None = None,
        *,
        stay_seconds: int = 600,
        status: str | None = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        """
        Let a task be done at a moment, now or later, its form submitted if it has one.

        Args:
            status: Instead of done or delayed, e.g. ``faulty``.
        """
        said = {"1": {"type": "text", "value": "All quiet"}}
        with self.lock:
            self.world.tick()
            self.world.finish(
                task, at, stay=stay_seconds, status=status, values=dict(values or said)
            )

    def arrive(self, task: int, at: dt.datetime | None = None) -> None:
        """Let the performer of a task reach its place at a moment."""
        with self.lock:
            self.world.tick()
            self.world.arrive(task, at)

    def set_zone(self, name: str) -> None:
        """Move the account to another time zone, as its owner could."""
        with self.lock:
            self.world.tick()
            self.world.zone = zoneinfo.ZoneInfo(name)


_NOBODY = _Session(user=User(login="", password=""), ends=None, kind="session")
_ZONES = (
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/New_York",
    "America/Phoenix",
    "Australia/Sydney",
    "Europe/Amsterdam",
    "Europe/London",
    "UTC",
)
_SIGNED_IN = ("session",)
_OPEN: Mapping[str, _Open] = {
    "user/auth": _Open(run=NavixySandbox._auth, auth=("none",)),
    "user/auth/code/verify": _Open(run=NavixySandbox._verify, auth=("mfa",)),
    "user/session/renew": _Open(run=NavixySandbox._renew, auth=_SIGNED_IN),
    "user/logout": _Open(run=NavixySandbox._logout, auth=_SIGNED_IN),
    "user/get_info": _Open(run=NavixySandbox._user_info),
    "user/settings/read": _Open(run=NavixySandbox._settings),
    "timezone/list": _Open(run=NavixySandbox._zones, auth=("none",)),
    "base/nothing": _Open(run=NavixySandbox._nothing),
}


def _called(path: str) -> str | None:
    """Return the call that a path ends in, whatever stands before it."""
    parts = [part for part in path.split("/") if part]
    for start in range(len(parts)):
        name = "/".join(parts[start:])
        if name in _OPEN or name in CALLS:
            return name
    return None


def _parameters(request: Request) -> tuple[Record, bool]:
    """Return parameters and whether they are text; the body goes before the query."""
    query: Record = dict(request.query_params)
    if request.method == "GET":
        return query, True
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind == "application/x-www-form-urlencoded":
        return query | read_form(request), True
    body = read_body(request)
    if not body.strip():
        return query, True
    try:
        sent = json.loads(body)
    except ValueError:
        raise Refusal(5) from None
    if not isinstance(sent, dict):
        raise Refusal(5)
    return query | sent, False


def _iso(request: Request, raw: Record) -> bool:
    header = request.headers.get("nvx-iso-datetime", "")
    return raw.get("iso_datetime") in (True, "true") or header.lower() == "true"


def _refused(refusal: Refusal) -> JSONResponse:
    said = refusal.description or _SAID.get(refusal.code, "Refused")
    body: Record = {
        "success": False,
        "status": {"code": refusal.code, "description": said},
    }
    if refusal.errors:
        body["errors"] = [{"parameter": p, "error": e} for p, e in refusal.errors]
    return JSONResponse(body, status_code=_HTTP.get(refusal.code, 400))


def _public(value: Any) -> Any:
    """Return a record without what the simulation keeps for itself."""
    if isinstance(value, dict):
        return {k: _public(v) for k, v in value.items() if not k.startswith("_")}
    if isinstance(value, list):
        return [_public(each) for each in value]
    return value
