"""TrackTik keeps the contract: with its sandbox, and from cassettes."""

from __future__ import annotations

from pathlib import Path

import rota_tracktik
from rota.clock import Clock
from rota.model import Period
from rota.testing import Keep, VendorContract
from rota.vendor import Account
from rota_tracktik.sandbox import TrackTikSandbox


class TestTrackTik(VendorContract):
    """Weekdays every week or every second, and what its settings switch on."""

    vendor = "tracktik"
    facts = "the help article 'Site Tasks' and the vendor's OpenAPI document"
    cassettes = Path(__file__).parents[2] / "cassettes"
    keep = Keep(
        names={
            *("grant_type", "token_type", "expires_in", "include", "includeInactive"),
            *("sort", "limit", "offset", "count", "itemCount", "occurrenceDate"),
            *("id", "client", "region", "taskType", "position", "checkpointTour"),
            *("reportTemplate", "taskSiteInstruction", "priceTier", "schedule"),
            *("session", "sessions", "account", "report", "templateField"),
            *("type", "status", "frequency", "dayOfWeekStart", "dayOfWeekEnd"),
            *("rangeStartTime", "rangeEndTime", "durationMinutes", "timeZone"),
            *("beginServiceDate", "endServiceDate", "periodicTotal"),
            *("periodicCompleted", "rangeStartedDateTime", "rangeEndedDateTime"),
            *("reportDateTime", "submittedOn", "submitTime", "startedOn", "endedOn"),
            *("effectiveDuration", "exception"),
        },
        secrets={"client_id", "username"},
    )
    writing = r"^(POST|PUT|PATCH|DELETE) /rest/"

    def sandbox(self, clock: Clock) -> TrackTikSandbox:
        return TrackTikSandbox(clock=clock)

    def connect(self, base_url: str, clock: Clock) -> Account:
        return rota_tracktik.connect(
            base_url=base_url,
            client_id="rota-client",
            client_secret="rota-client-secret",
            username="service@example.com",
            password="rota-password",
            biweekly_token="BI_WEEKLY",
            create_one_time=True,
            create_adhoc=True,
            create_periodic=True,
            quota_period=Period.MONTH,
            clock=clock,
        )
