"""
TrackTik for rota: site-task schedules, their occurrences, and who did what.

    import rota_tracktik
    from rota_tracktik.collection import Between

    with rota_tracktik.connect(
        base_url="https://acme.staffr.us",
        client_id="...", client_secret="...", username="...", password="...",
    ) as guards:
        shifts = guards.collection("shifts").list(
            filters={"client.id": 12, "startDateTime": Between(first, last)},
            include=("employee", "position"),
        )
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rota.clock import Clock, system
from rota.hookspecs import hookimpl
from rota.secrets import Secret
from rota.vendor import Vendor

from .settings import Retire, SameTimes, Settings, WeekStart, capabilities


if TYPE_CHECKING:
    from .api import TrackTik

__all__ = [
    "Retire",
    "SameTimes",
    "Settings",
    "WeekStart",
    "capabilities",
    "connect",
    "rota_vendors",
]


def connect(
    *,
    base_url: str,
    client_id: str,
    client_secret: Secret | str,
    username: str,
    password: Secret | str,
    account: str = "tracktik",
    clock: Clock | None = None,
    **switches: Any,
) -> TrackTik:
    """
    Return an open account; nothing is sent before something is asked.

    Args:
        client_secret: The secret itself, or a reference to it as a ``Secret``.
        password: Likewise.
        account: The name that references bear.
        clock: The machine's own by default.
        switches: The other fields of :class:`Settings`, each with its default.
    """
    from .api import TrackTik

    settings = Settings(
        base_url=base_url,
        client_id=client_id,
        client_secret=_secret(client_secret),
        username=username,
        password=_secret(password),
        **switches,
    )
    return TrackTik(settings, account=account, clock=clock or system())


def _secret(value: Secret | str) -> Secret:
    return Secret.plain(value) if isinstance(value, str) else value


@hookimpl
def rota_vendors() -> tuple[Vendor, ...]:
    """Introduce TrackTik."""
    return (
        Vendor(
            name="tracktik",
            title="TrackTik",
            settings=Settings,
            capabilities=capabilities,
            connect="rota_tracktik.api:connect",
            account="rota_tracktik.api:TrackTik",
            sandbox="rota_tracktik.sandbox:TrackTikSandbox",
        ),
    )
