"""TrackTik keeps the contract, with its defaults and with every switch on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

import rota_tracktik
from rota.clock import Clock
from rota.model import Period
from rota.sandbox import serve
from rota.testing.contract import AccountContract
from rota.vendor import Account
from rota_tracktik import Retire, SameTimes, WeekStart
from rota_tracktik.sandbox import TrackTikSandbox


class TestDefaults(AccountContract):
    switches: ClassVar[dict[str, Any]] = {}
    options: ClassVar[dict[str, Any]] = {"strict": True}

    @pytest.fixture
    def account(self, clock: Clock) -> Iterator[Account]:
        box = TrackTikSandbox(clock=clock, seeded=False, **self.options)
        site = box.add_client("Harbour Mill", "America/Chicago")
        box.add_position(site, "Gate")
        box.add_task_type("Patrol")
        box.add_report_template("Patrol report")
        box.add_checkpoint_tour(site, "Fence walk")
        box.add_employee("Noor", "Haddad")
        with (
            serve(box) as server,
            rota_tracktik.connect(
                base_url=server.base_url,
                client_id=box.client_id,
                client_secret=box.client_secret,
                username=box.username,
                password=box.password,
                account="guards",
                clock=clock,
                calls_per_minute=100_000,
                **self.switches,
            ) as account,
        ):
            self.server = server
            yield account
            assert server.crashes == ()

    def writes(self, account: Account) -> int | None:
        return sum(
            one.method in ("POST", "PATCH", "PUT") and "oauth2" not in one.path
            for one in self.server.requests
        )


class TestEverySwitch(TestDefaults):
    switches: ClassVar[dict[str, Any]] = {
        "biweekly_token": "BI_WEEKLY",
        "week_starts": WeekStart.SUNDAY,
        "create_one_time": True,
        "create_adhoc": True,
        "create_periodic": True,
        "end_inclusive": False,
        "same_times": SameTimes.NEXT_DAY,
        "quota_period": Period.MONTH,
        "retire": Retire.INACTIVE,
        "visit_ids": True,
        "session_logs": True,
        "page_size": 7,
    }
    options: ClassVar[dict[str, Any]] = {"end_inclusive": False, "week_starts": 6}
