"""Trackops keeps the contract: with its sandbox, and from cassettes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import rota_trackops
from rota.clock import Clock
from rota.testing import Keep, VendorContract
from rota.vendor import Account
from rota_trackops.sandbox import TOKEN, USERNAME, TrackopsSandbox


class TestTrackops(VendorContract):
    """Single whole days, made for good."""

    vendor = "trackops"
    facts = "the help article 'API Reference - Tasks' and the vendor's PHP client"
    cassettes = Path(__file__).parents[2] / "cassettes"
    keep = Keep(
        names={
            *("mode", "page", "per_page", "sort", "dir", "due_from", "due_to"),
            *("record_count", "page_count", "id", "casefile_id", "calendar_id"),
            *("subject_id", "case_service_id", "users_list", "client_id"),
            *("status", "case_status", "due_on", "created_on", "created_at"),
            *("updated_at", "completed_at", "alert_at", "country"),
        }
    )
    seeds: ClassVar = {"calendar_id": 2, "case_service_id": 1}

    def sandbox(self, clock: Clock) -> TrackopsSandbox:
        return TrackopsSandbox(clock=clock)

    def connect(self, base_url: str, clock: Clock) -> Account:
        return rota_trackops.connect(
            base_url=base_url,
            username=USERNAME,
            api_token=TOKEN,
            country="US",
            clock=clock,
        )
