"""Trackops keeps the contract of every account, live against its sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

import rota_trackops
from rota.clock import Clock
from rota.model import Json
from rota.sandbox import Server, serve
from rota.testing.contract import AccountContract
from rota.vendor import Account
from rota_trackops.sandbox import TOKEN, TrackopsSandbox
from rota_trackops.sandbox_company import USERNAME


class TestTrackops(AccountContract):
    """The bundled adapter under its defaults."""

    seeds: ClassVar[dict[str, Json]] = {"calendar_id": 2, "case_service_id": 1}

    @pytest.fixture
    def server(self, clock: Clock) -> Iterator[Server]:
        with serve(TrackopsSandbox(clock=clock)) as server:
            yield server
        assert server.crashes == ()

    @pytest.fixture
    def account(self, clock: Clock, server: Server) -> Iterator[Account]:
        with rota_trackops.connect(
            base_url=server.base_url,
            username=USERNAME,
            api_token=TOKEN,
            country="US",
            clock=clock,
        ) as account:
            yield account
