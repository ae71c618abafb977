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
    facts = "the vendor's API documentation and its OpenAPI files"
    cassettes = Path(__file__).parents[2] / "cassettes"
    keep = Keep(names={"id"})
    writing = r"/(create|update|delete|assign|unassign)$"

    def sandbox(self, clock: Clock) -> NavixySandbox:
        return NavixySandbox(clock=clock, rate_on_clock=True)

    def connect(self, base_url: str, clock: Clock) -> Account:
        return rota_navixy.connect(base_url=base_url, api_key=API_KEY, clock=clock)
