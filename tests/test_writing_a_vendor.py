"""The vendor in docs/writing-a-vendor.md is taken from the page, installed and run."""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from rota import plugins
from rota.clock import Clock, StillClock
from rota.errors import NotAuthorised
from rota.model import Recurring, Window
from rota.sandbox import Fault, FaultKind, Sandbox, serve
from rota.secrets import Secret
from rota.testing.contract import AccountContract
from rota.vendor import Account, Scope, Vendor


PAGE = Path(__file__).parents[1] / "docs" / "writing-a-vendor.md"
KEY = "acme-key-for-tests"
NOW = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)


class AcmeSandbox(Sandbox):
    """What the page says of Acme Rounds."""

    def __init__(self, *, clock: StillClock) -> None:
        super().__init__(clock=clock)
        self.rounds: list[dict[str, Any]] = []
        self.reset()

    def reset(self) -> None:
        self.rounds = [
            {
                "id": number,
                "name": f"Yard {number}",
                "weekdays": [1, 5],
                "starts": "22:00",
                "minutes": 240,
                "zone": "America/Chicago",
            }
            for number in range(1, 231)
        ]

    def state(self) -> Mapping[str, object]:
        return {"rounds": self.rounds}

    def routes(self) -> list[BaseRoute]:
        def rounds(request: Request) -> Response:
            if request.headers.get("X-Api-Key") != KEY:
                return self.error(401, "no")
            offset, limit = (
                int(request.query_params[name]) for name in ("offset", "limit")
            )
            return JSONResponse(
                {
                    "total": len(self.rounds),
                    "rounds": self.rounds[offset : offset + limit],
                }
            )

        return [Route("/rounds", rounds)]


def blocks(language: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """Install the page's module as its own distribution, found by its entry point."""
    module = blocks("python")[0]
    [points] = blocks("toml")
    name, target = re.findall(r'(?m)^(\w+) = "(\w+)"$', points)[0]
    (tmp_path / f"{target}.py").write_text(module, encoding="utf-8")
    about = tmp_path / f"{target}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Name: {target}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[rota]\n{name} = {target}\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield plugins.load().vendor(name)
    sys.modules.pop(target, None)


def connect(vendor: Vendor, url: str, clock: StillClock, key: str = KEY) -> Account:
    module, _, name = vendor.connect.partition(":")
    settings = vendor.settings(base_url=url, api_key=Secret.plain(key))
    account: Account = getattr(import_module(module), name)(
        settings, account="yard", clock=clock
    )
    return account


def test_the_vendor_of_the_page_reads_an_account(installed: Vendor) -> None:
    """What the page prints is a whole vendor: it pages, parses and certifies."""
    sandbox = AcmeSandbox(clock=StillClock(NOW))
    with (
        serve(sandbox) as server,
        connect(installed, server.base_url, StillClock(NOW)) as account,
    ):
        found = account.schedules(Scope())

    assert found.certificate.complete
    assert (len(found.items), found.certificate.pages) == (230, 3)
    first = found.items[0]
    assert (str(first.ref), first.task.title) == ("yard/schedule:1", "Yard 1")
    assert isinstance(first.timing, Recurring)
    [line] = first.timing.lines
    assert line.window == Window(start=dt.time(22), end=dt.time(2), days=1)
    assert line.days.days(dt.date(2026, 11, 23), dt.date(2026, 11, 29)) == (
        dt.date(2026, 11, 23),
        dt.date(2026, 11, 27),
    )


def test_the_vendor_of_the_page_can_only_read(installed: Vendor) -> None:
    """It defines one verb, and its declaration offers nothing to write."""
    module, _, name = installed.account.partition(":")
    assert getattr(import_module(module), name).verbs() == frozenset()
    assert installed.capabilities(None).timings == {}


def test_the_vendor_of_the_page_survives_the_usual(installed: Vendor) -> None:
    """Retries, broken rows and a wrong key are taken care of around it."""
    sandbox = AcmeSandbox(clock=StillClock(NOW))
    sandbox.rounds[4]["starts"] = "late"
    with serve(sandbox) as server:
        with connect(installed, server.base_url, StillClock(NOW)) as account:
            sandbox.faults.add(
                Fault(kind=FaultKind.SERVER_ERROR), Fault(kind=FaultKind.DROP_AFTER)
            )
            found = account.schedules(Scope())
        with (
            connect(installed, server.base_url, StillClock(NOW), "other-key") as denied,
            pytest.raises(NotAuthorised, match="the key is not accepted"),
        ):
            denied.schedules(Scope())

    assert len(found.items) == 229
    assert [one.id for one in found.broken] == ["5"]
    assert not found.certificate.complete


def test_the_vendor_of_the_page_is_short() -> None:
    """A read-only vendor fits on a screen and a half."""
    module = blocks("python")[0]
    code = [line for line in module.splitlines() if line.strip()]
    assert len(code) <= 66


class TestContract(AccountContract):
    """The vendor of the page passes the contract that it is told to pass."""

    @pytest.fixture
    def account(self, installed: Vendor, clock: Clock) -> Iterator[Account]:
        assert isinstance(clock, StillClock)
        with (
            serve(AcmeSandbox(clock=clock)) as server,
            connect(installed, server.base_url, clock) as account,
        ):
            yield account
