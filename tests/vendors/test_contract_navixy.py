"""Navixy keeps the contract: with its sandbox, and from cassettes."""

from __future__ import annotations

from pathlib import Path

import rota_navixy
from rota.clock import Clock
from rota.testing import Keep, VendorContract
from rota.vendor import Account
from rota_navixy.sandbox import API_KEY, NavixySandbox


class TestNavixy(VendorContract):
    """Weekdays and days of the month, and single tasks, with rounds."""

    vendor = "navixy"
    facts = "Navixy Platform API 1.0.0, navixy-public-docs at 393278a6d273"
    cassettes = Path(__file__).parents[2] / "cassettes"
    keep = Keep(
        names={
            *("success", "code", "parameter", "count", "list", "offset", "limit"),
            *("sort", "types", "from", "to", "time_zone", "locale", "rights"),
            *("id", "parent_id", "user_id", "task_id", "schedule_id", "tracker_id"),
            *("form_template_id", "template_id", "checkpoint_ids", "order", "tags"),
            *("type", "weekdays", "month_days", "from_time", "duration", "max_delay"),
            *("min_stay_duration", "min_arrival_duration", "stay_duration", "radius"),
            *("status", "status_change_date", "arrival_date", "origin", "blocked"),
            *("creation_date", "created", "updated", "version", "create_form"),
        },
        coarse={"lat", "lng"},
    )
    writing = r"/(create|update|delete|assign|unassign)$"

    def sandbox(self, clock: Clock) -> NavixySandbox:
        return NavixySandbox(clock=clock, rate_on_clock=True)

    def connect(self, base_url: str, clock: Clock) -> Account:
        return rota_navixy.connect(base_url=base_url, api_key=API_KEY, clock=clock)
