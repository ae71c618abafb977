"""How requests are signed, and what an answer of this API means."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping

from rota.clock import Clock
from rota.errors import (
    BadAnswer,
    NotAuthorised,
    NotFound,
    RateLimited,
    Refused,
    RightMissing,
    ValueRefused,
    VendorError,
    VendorUnavailable,
)
from rota.http import Auth, Request, Send
from rota.model import Json
from rota.secrets import Secret

from . import Settings
from .reading import Body, Row


_ENDED = (3, 4)
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")
_SAID = 300  # characters of the vendor's own message that an error shows

# -------------------------------------------------------------------------------- auth


class _Key(Auth):
    """An API key: never expires, and a counter of its own."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def apply(self, request: Request) -> None:
        request.headers["Authorization"] = f"NVX {self._key.reveal()}"

    def expired(self, error: VendorError) -> bool:
        return error.code in _ENDED


class _Session(Auth):
    """
    A session: it ends on a day set when it was begun, however much it is used.

    It is renewed from the middle of its life on, and begun again once if it has ended.
    """

    renews_refused = False

    def __init__(self, settings: Settings, password: Secret, clock: Clock) -> None:
        self._settings = settings
        self._password = password
        self._clock = clock
        self._life = dt.timedelta(days=settings.session_days)
        self._hash = ""
        self._renew_at = clock.now()

    def apply(self, request: Request) -> None:
        request.headers.update(self._header())

    def login(self, send: Send) -> None:
        body: Body = {
            "login": self._settings.login,
            "password": self._password.reveal(),
        }
        if self._settings.dealer_id is not None:
            body["dealer_id"] = self._settings.dealer_id
        answer = send("POST", "user/auth", json=body).body
        whole = answer if isinstance(answer, Mapping) else {}
        if whole.get("type", "authenticated") != "authenticated":
            raise NotAuthorised(
                "the login asks for a second factor, which only a person can give",
                hint="make an API key in the web interface and set api_key",
            )
        made = whole.get("hash")
        if not isinstance(made, str) or not made:
            raise BadAnswer("the login's answer holds no hash")
        self._hash = made
        self._count()

    def refresh(self, send: Send) -> None:
        send("POST", "user/session/renew", json={}, headers=self._header())
        self._count()

    def stale(self, now: dt.datetime) -> bool:
        return now >= self._renew_at

    def expired(self, error: VendorError) -> bool:
        return error.code in _ENDED

    def _header(self) -> Mapping[str, str]:
        return {"Authorization": f"NVX {self._hash}"}

    def _count(self) -> None:
        self._renew_at = self._clock.now() + self._life / 2


def make_auth(settings: Settings, clock: Clock) -> Auth:
    """Return how this account signs: with its key, or a session."""
    if settings.api_key is not None:
        return _Key(settings.api_key)
    assert settings.password is not None
    return _Session(settings, settings.password, clock)


# ----------------------------------------------------------------------------- answers

_HINTS = {
    3: "the key or session is not one; check api_key",
    4: "the key was deleted or the session has ended; check the account's secrets",
    11: "the vendor denies access to this account; ask who runs the platform",
    13: "writing needs the right task_update; give it to the sub-user",
    101: "a demo account changes nothing; use one of your own",
    102: "check login and password",
    103: "activate the user first",
    104: "too many sessions are open; use an API key, or log out elsewhere",
    105: "wait before the next login, and check the password",
    208: "the tracker is blocked; assign another, or settle its plan",
    236: "the tracker's plan has no tasks; assign another, or change the plan",
    255: "it has begun or is over, so it can't be changed any more",
    275: "the user is blocked; ask who runs the platform",
}


def classify(status: int, headers: Mapping[str, str], body: Json) -> VendorError | None:
    """Read an answer by its code; the HTTP status counts only where there is none."""
    if not isinstance(body, Mapping) or body.get("success") is True:
        if status < 400 and isinstance(body, Mapping):
            return None
        if status == 429:
            return RateLimited("too many requests")
        if status >= 500:
            return VendorUnavailable(f"the server failed with status {status}")
        return BadAnswer(f"status {status}, and no answer of this API")
    told = body.get("status")
    code = told.get("code") if isinstance(told, Mapping) else None
    if not isinstance(told, Mapping) or not isinstance(code, int):
        return BadAnswer(f"status {status}, neither a success nor an error")
    text = f"{str(told.get('description') or 'refused')[:_SAID]} (code {code})"
    hint = _HINTS.get(code, "")
    match code:
        case 15:
            return RateLimited(text, code=code)
        case 264:
            return RateLimited(text, code=code, retry_after=_seconds(body))
        case 1 | 6 | 8 | 14:
            return VendorUnavailable(text, code=code)
        case 3 | 4 | 102 | 103 | 104 | 105 | 282:
            return NotAuthorised(text, code=code, hint=hint)
        case 2 | 11 | 13 | 101 | 275 | 276:
            return RightMissing(text, code=code, hint=hint)
        case 201 | 204:
            return NotFound(text, code=code)
    return Refused(f"{text}{_faults(body)}", code=code, hint=hint or _dates(body))


def _dates(body: Row) -> str:
    """Return the way out where the vendor does not take a date."""
    named = {fault.get("parameter") for fault in as_rows(body.get("errors") or [])}
    if not named & {"task.from", "task.to", "from", "to", "interval"}:
        return ""
    return (
        "look at the dates, which may not be past; an installation without ISO dates "
        "wants iso_datetime = false"
    )


def _faults(body: Row) -> str:
    told = [
        f"{fault.get('parameter') or fault.get('field_id')}: {fault.get('error')}"
        for fault in as_rows(body.get("errors") or [])
    ]
    return f": {'; '.join(told)[:_SAID]}" if told else ""


def _seconds(body: Row) -> float | None:
    found = _DURATION.fullmatch(str(body.get("remainder") or ""))
    if found is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def envelope(body: Json, call: str, account: str) -> Row:
    """Return an answer that is an object; BadAnswer for anything else."""
    if not isinstance(body, Mapping):
        raise BadAnswer(f"{call} gave no object", account=account)
    return body


def as_rows(value: Json) -> tuple[Row, ...]:
    """Return a list of objects; BadAnswer for anything else."""
    if not isinstance(value, list | tuple) or any(
        not isinstance(row, Mapping) for row in value
    ):
        raise BadAnswer("the answer holds no list of records")
    return tuple(row for row in value if isinstance(row, Mapping))


def as_row(row: Json) -> Row:
    """Return a row that is known to be an object."""
    assert isinstance(row, Mapping)
    return row


def row_key(row: Json) -> str:
    """Return the id of a row; ValueRefused if it has none."""
    if not isinstance(row, Mapping) or not isinstance(row.get("id"), int):
        raise ValueRefused("a row has no id")
    return str(row["id"])


def part(row: Row, key: str) -> Row:
    """Return a member that is an object, empty if it is not there."""
    value = row.get(key)
    return value if isinstance(value, Mapping) else {}


def numbers(value: Json) -> list[int]:
    """Return the whole numbers of a list."""
    if not isinstance(value, list | tuple):
        return []
    return [number for number in value if isinstance(number, int)]
