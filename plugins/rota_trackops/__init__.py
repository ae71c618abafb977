"""
Trackops for rota: dated tasks on cases, read and created, never changed or removed.

    import rota_trackops

    with rota_trackops.connect(
        base_url="https://acme.viewcases.com", username="rota", api_token="..."
    ) as ops:
        print(ops.schedules(Scope()).items)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from rota.clock import Clock, system
from rota.errors import ValueRefused
from rota.forms import Dates
from rota.hookspecs import hookimpl
from rota.model import Kind, Once
from rota.secrets import Secret
from rota.vendor import (
    Capabilities,
    Completeness,
    Holds,
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
    from .api import Trackops

__all__ = ["Settings", "capabilities", "connect", "rota_vendors"]


def _at_least(least: float) -> Any:
    def check(_: object, field: attrs.Attribute[float], value: float) -> None:
        if value < least:
            raise ValueRefused(f"{field.name} is at least {least:g}")

    return check


def _country(_: object, field: attrs.Attribute[str], value: str) -> None:
    if len(value) not in (0, 2):
        raise ValueRefused(f'{field.name} is a code of two characters, e.g. "US"')


@attrs.frozen(kw_only=True)
class Settings:
    """
    One company's account.

    Args:
        base_url: ``https://SUBDOMAIN.viewcases.com``, without ``/api``.
        username: An active Full Access employee; the history shows this name.
        api_token: The company's token.
        calendar_id: Where tasks go if the pair's defaults name no calendar; no call
            lists the calendars.
        country: Two characters; sent with an address that is known as text only, and
            left out where addresses are shown. No source names a default.
        pace_seconds: The least time between two calls; the vendor's own client waits
            2 s and no limit is published.
        page_size: Rows asked for at once; 100 is the most that the vendor's own
            client asks for.
        title_longest: Characters in a title; no limit is published.
        body_longest: Characters in a body; no limit is published.
    """

    base_url: str
    username: str
    api_token: Secret
    calendar_id: int | None = None
    country: str = attrs.field(default="", validator=_country)
    pace_seconds: float = attrs.field(default=2.0, validator=_at_least(0))
    page_size: int = attrs.field(default=100, validator=_at_least(1))
    title_longest: int = attrs.field(default=255, validator=_at_least(1))
    body_longest: int = attrs.field(default=65_535, validator=_at_least(16))


def capabilities(settings: Settings | None = None) -> Capabilities:
    """Return what a Trackops account holds: single whole days, for good."""
    pace = settings.pace_seconds if settings else 2.0
    return Capabilities(
        timings={
            Once: Holds(
                forms=(Dates(),),
                removal=Removal.NEVER,
                updates=False,
                mark=Suffix("instructions", line=True),
                window=Windows(clock=False, all_day=True),
                zone=ZoneOwner.NOBODY,
            )
        },
        fields={
            "title": Text(
                longest=settings.title_longest if settings else 255,
                shortest=1,
                lines=False,
            ),
            "instructions": Text(longest=settings.body_longest if settings else 65_535),
            "place": Refs(kinds=(Kind.CASE,), required=True),
            "place.address": Text(longest=255, lines=False),
            "assignee": Refs(kinds=(Kind.PERSON,)),
            "helpers": Refs(kinds=(Kind.PERSON,), many=True),
        },
        seeds={
            "calendar_id": Seed(
                type=int,
                required=True,
                default=settings.calendar_id if settings else None,
                about="the number of the calendar that tasks go on",
            ),
            "case_service_id": Seed(
                type=int, about="the service that is performed, one of the case's own"
            ),
        },
        page_size=settings.page_size if settings else 100,
        rate=Rate(calls=1, seconds=max(pace, 0.001)),
        completeness=Completeness.COUNTED_TWICE,
    )


def connect(
    *,
    base_url: str,
    username: str,
    api_token: Secret | str,
    account: str = "trackops",
    clock: Clock | None = None,
    calendar_id: int | None = None,
    country: str = "",
    pace_seconds: float = 2.0,
    page_size: int = 100,
) -> Trackops:
    """
    Return an open account; the arguments are those of :class:`Settings`.

    Args:
        api_token: The token itself, or a reference to it as a ``Secret``.
        account: The name that references bear.
        clock: The machine's own by default.
    """
    from .api import Trackops

    settings = Settings(
        base_url=base_url,
        username=username,
        api_token=Secret.plain(api_token) if isinstance(api_token, str) else api_token,
        calendar_id=calendar_id,
        country=country,
        pace_seconds=pace_seconds,
        page_size=page_size,
    )
    return Trackops(settings, account=account, clock=clock or system())


@hookimpl
def rota_vendors() -> tuple[Vendor, ...]:
    """Introduce Trackops."""
    return (
        Vendor(
            name="trackops",
            title="Trackops",
            settings=Settings,
            capabilities=capabilities,
            connect="rota_trackops.api:connect",
            account="rota_trackops.api:Trackops",
            sandbox="rota_trackops.sandbox:TrackopsSandbox",
        ),
    )
