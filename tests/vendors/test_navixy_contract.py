"""Navixy keeps the contract: with its sandbox, and from cassettes."""

from __future__ import annotations

from pathlib import Path

import rota_navixy
from rota.clock import Clock
from rota.testing import Keep, VendorContract
from rota.vendor import Account
from rota_navixy.sandbox import API_KEY, NavixySandbox


class TestNavixy(VendorContract):
    """Recurring and single tasks, made, changed and removed."""

    vendor = "navixy"
    facts = "the vendor's OpenAPI document and help pages as of September 2026"
    cassettes = Path(__file__).parents[2] / "cassettes"
    keep = Keep(
        names={
            *("id", "success", "count", "code", "type", "types", "status", "origin"),
            *("schedule_id", "task_id", "route_id", "checkpoint_id", "parent_id"),
            *("checkpoint_ids", "tracker_id", "user_id", "tags", "tag_ids", "order"),
            *("form_template_id", "template_id", "tag_id", "ordinal", "group_id"),
            *("from", "to", "from_time", "duration", "time_zone", "radius"),
            *("weekdays", "month_days", "max_delay", "min_stay_duration"),
            *("min_arrival_duration", "stay_duration", "arrival_date", "offset"),
            *("creation_date", "status_change_date", "event_date", "operation"),
            *("limit", "sort", "parameter", "rights", "trackers", "submitted"),
        },
        coarse={"lat", "lng"},
    )
    writing = r"^POST .*/(create|update|delete|assign)$"

    def sandbox(self, clock: Clock) -> NavixySandbox:
        return NavixySandbox(clock=clock, rate=None)

    def connect(self, base_url: str, clock: Clock) -> Account:
        return rota_navixy.connect(base_url=base_url, api_key=API_KEY, clock=clock)
