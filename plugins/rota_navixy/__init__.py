"""
Navixy for rota: recurring tasks and routes, one-off ones, and what became of them.

    import rota_navixy

    with rota_navixy.connect(api_key="...") as fleet:
        print(fleet.schedules(Scope()).items)
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs

from rota.clock import Clock, system
from rota.errors import ConfigError, ValueRefused
from rota.forms import Dates, MonthDays, Weekdays
from rota.hookspecs import hookimpl
from rota.model import Keeps, Kind, Once, Recurring
from rota.secrets import Secret
from rota.vendor import (
    Capabilities,
    Completeness,
    Field,
    Generation,
    Holds,
    Number,
    Points,
    Rate,
    Refs,
    Removal,
    Seed,
    Suffix,
    Text,
    Vendor,
    Windows,
    ZoneOwner,
)


if TYPE_CHECKING:
    from .api import Navixy

__all__ = ["Settings", "capabilities", "connect", "rota_vendors"]

LONGEST_MIN = 46_080
"""The longest window of an entry: 32 days."""

_LATEST_MIN = 512_000
_EUROPE = "https://api.eu.navixy.com/v2"


def _between(least: float, most: float) -> Any:
    def check(_: object, field: attrs.Attribute[float], value: float) -> None:
        if not least <= value <= most:
            raise ValueRefused(f"{field.name} is {least:g} to {most:g}, not {value:g}")

    return check


@attrs.frozen(kw_only=True)
class Settings:
    """
    One Navixy account.

    Args:
        base_url: With or without a path: ``https://api.us.navixy.com/v2``, or a
            white-label host.
        api_key: Made in the web interface; never expires. Or else:
        login: With ``password``: a session is begun, renewed and, once, begun again.
        password: Of the login, 1 to 40 characters.
        dealer_id: Checked by the vendor against the login, if given.
        session_days: How long this installation keeps a session.
        keeps: What the vendor keeps of an entry's window when the clock changes
            inside: its ``length`` in minutes (assumed), or its ``end``.
        run_at: When the daily run turns entries into tasks, on the account's clock.
        line_breaks: Whether descriptions may hold line breaks.
        emoji: Whether texts may hold characters of four UTF-8 bytes.
        iso_datetime: Whether dates of tasks travel with an offset; without it, an
            hour that the clock repeats is read as the first of the two.
        history: Whether the history of each task that somebody came to is read, for
            the steps of its session: a call for each.
        calls_per_second: The vendor admits 50 for each credential.
        page_size: Rows asked for at once, at most 100000.
    """

    base_url: str = _EUROPE
    api_key: Secret | None = None
    login: str = ""
    password: Secret | None = None
    dealer_id: int | None = None
    session_days: float = attrs.field(default=30.0, validator=_between(0.01, 3650))
    keeps: Keeps = attrs.field(default=Keeps.LENGTH, converter=Keeps)
    run_at: dt.time = dt.time(0, 0)
    line_breaks: bool = True
    emoji: bool = False
    iso_datetime: bool = True
    history: bool = True
    calls_per_second: int = attrs.field(default=50, validator=_between(1, 10_000))
    page_size: int = attrs.field(default=1000, validator=_between(1, 100_000))

    def __attrs_post_init__(self) -> None:
        both = self.login and self.password is not None
        if (self.api_key is None) == (not both) or bool(self.login) != bool(both):
            raise ConfigError(
                "an account needs an api_key, or a login and its password",
                hint='api_key = "env:NAVIXY_API_KEY" is the simplest',
            )


def capabilities(settings: Settings | None = None) -> Capabilities:
    """Return what a Navixy account holds."""
    run_at = settings.run_at if settings else dt.time(0, 0)
    emoji = settings.emoji if settings else False
    return Capabilities(
        timings={
            Recurring: Holds(
                forms=(Weekdays(), MonthDays()),
                removal=Removal.DELETES,
                mark=Suffix("instructions"),
                window=Windows(
                    longest_min=LONGEST_MIN,
                    keeps=settings.keeps if settings else Keeps.LENGTH,
                ),
                zone=ZoneOwner.ACCOUNT,
            ),
            Once: Holds(
                forms=(Dates(),),
                removal=Removal.DELETES,
                mark=Field("external_id"),
                window=Windows(longest_min=LONGEST_MIN),
                zone=ZoneOwner.ACCOUNT,
            ),
        },
        fields={
            "title": Text(longest=200, shortest=1, lines=False, wide=emoji),
            "instructions": Text(
                longest=1024,
                lines=settings.line_breaks if settings else True,
                wide=emoji,
            ),
            "place.point": Points(required=True),
            "place.address": Text(longest=255, lines=False, wide=emoji),
            "assignee": Refs(kinds=(Kind.DEVICE,)),
            "form": Refs(kinds=(Kind.FORM,)),
            "tags": Refs(kinds=(Kind.TAG,), many=True),
            "grace_min": Number(least=1, most=_LATEST_MIN),
            "stops": Number(least=2, most=500),
        },
        seeds={
            "min_stay_duration": Seed(
                type=int, about="minutes within the zone before a task can be done"
            ),
            "min_arrival_duration": Seed(
                type=int, about="minutes: shorter visits are no arrival"
            ),
        },
        page_size=settings.page_size if settings else 1000,
        rate=Rate(calls=settings.calls_per_second if settings else 50),
        generation=Generation(at=run_at, dated=True),
        previews=366,
        completeness=Completeness.REREAD_BY_ID,
    )


def connect(
    *,
    api_key: Secret | str | None = None,
    base_url: str = _EUROPE,
    login: str = "",
    password: Secret | str | None = None,
    account: str = "navixy",
    clock: Clock | None = None,
    dealer_id: int | None = None,
    keeps: Keeps = Keeps.LENGTH,
    iso_datetime: bool = True,
    history: bool = True,
    calls_per_second: int = 50,
    page_size: int = 1000,
) -> Navixy:
    """
    Return an open account; the arguments are those of :class:`Settings`.

    Args:
        api_key: The key itself, or a reference to it as a ``Secret``.
        account: The name that references bear.
        clock: The machine's own by default.
    """
    from .api import Navixy

    settings = Settings(
        base_url=base_url,
        api_key=_secret(api_key),
        login=login,
        password=_secret(password),
        dealer_id=dealer_id,
        keeps=keeps,
        iso_datetime=iso_datetime,
        history=history,
        calls_per_second=calls_per_second,
        page_size=page_size,
    )
    return Navixy(settings, account=account, clock=clock or system())


@hookimpl
def rota_vendors() -> tuple[Vendor, ...]:
    """Introduce Navixy."""
    return (
        Vendor(
            name="navixy",
            title="Navixy",
            settings=Settings,
            capabilities=capabilities,
            connect="rota_navixy.api:connect",
            account="rota_navixy.api:Navixy",
            sandbox="rota_navixy.sandbox:NavixySandbox",
        ),
    )


def _secret(given: Secret | str | None) -> Secret | None:
    return Secret.plain(given) if isinstance(given, str) else given
