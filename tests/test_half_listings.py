"""A listing that lost rows is no news of any record: every vendor, on either side."""

from __future__ import annotations

import contextlib
import datetime as dt
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from stages import CASE, POST, SITE, Stage, stage

import rota_navixy
import rota_navixy.sandbox
import rota_trackops
import rota_tracktik
from rota.applying import apply
from rota.crosswalk import Crosswalk, Row
from rota.errors import RotaError
from rota.gathering import Pair, gather
from rota.ledger import Ledger
from rota.model import (
    Kind,
    Line,
    Place,
    Recurring,
    Ref,
    Schedule,
    Task,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.planning import NoteKind, Plan, plan
from rota.recurrence import Recurrence, weekly
from rota.sandbox import Fault, FaultKind
from rota.testing.memory import MemoryAccount
from rota.vendor import Account


MANY = 6
PAGE = 4
CHICAGO = "America/Chicago"
ACCOUNTS = {"tracktik": "guards", "navixy": "fleet", "trackops": "office"}
LISTS = {"tracktik": "site-task-schedules", "navixy": "task/", "trackops": "/tasks"}
CROSSWALKS = {
    "navixy": {"site:1": "site:41", "post:5": "device:1041"},
    "tracktik": {
        "site:1": f"site:{SITE}", "post:5": f"post:{POST}", "category:1": "category:1",
    },
    "trackops": {"site:1": f"case:{CASE}"},
}  # fmt: skip
FAULTS = {
    "second page lost": (FaultKind.EMPTY_PAGE, 1),
    "half of each page": (FaultKind.CUT_PAGE, 0),
    "an empty list": (FaultKind.EMPTY_PAGE, 0),
    "a page of HTML": (FaultKind.HTML, 0),
    "a cut body": (FaultKind.CUT_BODY, 0),
    "a total that does not fit": (FaultKind.WRONG_TOTAL, 0),
}


@attrs.frozen(kw_only=True)
class Play:
    """A vendor between two accounts in memory, all three in step."""

    on: Stage
    vendor: str
    pairs: dict[str, Pair]
    ledger: Ledger

    def plan(self, role: str) -> Plan:
        return plan(gather(self.pairs[role], self.ledger, clock=self.on.clock))

    @contextlib.contextmanager
    def trouble(self, kind: FaultKind, skip: int) -> Iterator[None]:
        faults = self.on.servers[ACCOUNTS[self.vendor]].sandbox.faults
        faults.add(Fault(kind=kind, skip=skip, times=-1, path=LISTS[self.vendor]))
        try:
            yield
        finally:
            faults.clear()


def _connect(on: Stage, vendor: str) -> Account:
    url = on.servers[ACCOUNTS[vendor]].base_url
    match vendor:
        case "navixy":
            return rota_navixy.connect(
                base_url=f"{url}/v2", api_key=rota_navixy.sandbox.API_KEY,
                account="there", clock=on.clock, calls_per_second=10_000, page_size=PAGE,
            )  # fmt: skip
        case "tracktik":
            return rota_tracktik.connect(
                base_url=url, client_id="rota-client",
                client_secret=on.guards.client_secret, username=on.guards.username,
                password=on.guards.password, account="there", clock=on.clock,
                page_size=PAGE,
            )  # fmt: skip
    return rota_trackops.connect(
        base_url=url, username="integration", api_token=on.office.token,
        account="there", clock=on.clock, calendar_id=1, pace_seconds=0, page_size=PAGE,
    )  # fmt: skip


def _home(on: Stage) -> MemoryAccount:
    home = MemoryAccount("home", clock=on.clock, zone=CHICAGO)
    for number in range(MANY):
        home.put(
            Schedule(
                task=Task(
                    title=f"Round {number}",
                    category=Ref(account="home", kind=Kind.CATEGORY, id="1"),
                    place=Place(ref=Ref(account="home", kind=Kind.SITE, id="1")),
                    assignee=Ref(account="home", kind=Kind.POST, id="5"),
                ),
                timing=Recurring(
                    lines=(
                        Line(
                            days=Recurrence(rules=(weekly([1 + number % 5]),)),
                            window=Window(start=dt.time(9), end=dt.time(10)),
                        ),
                    )
                ),
                zone=Zone(name=CHICAGO, origin=ZoneOrigin.SITE),
            )
        )
    return home


@pytest.fixture(scope="module", params=sorted(ACCOUNTS))
def play(request: pytest.FixtureRequest) -> Iterator[Play]:
    """Half a dozen records that went to the vendor, and on to an account in memory."""
    vendor: str = request.param
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as on:
        rows = tuple(Row(source=a, target=b) for a, b in CROSSWALKS[vendor].items())
        there = _connect(on, vendor)
        there.capabilities = attrs.evolve(there.capabilities, previews=0)
        pairs = {
            "target": Pair(
                "there", source=_home(on), target=there, crosswalk=Crosswalk(rows=rows),
                fidelity="expand", open_ended="roll", unmapped_assignee="unassigned",
                defaults={"radius_m": 150} if vendor == "navixy" else {},
            ),
            "source": Pair(
                "back", source=there, target=MemoryAccount("copy", clock=on.clock),
                crosswalk=Crosswalk(
                    rows=tuple(Row(source=b, target=a) for a, b in
                               CROSSWALKS[vendor].items())
                ),
                relay=True, unmapped_assignee="unassigned", fidelity="closest",
            ),
        }  # fmt: skip
        with there, Ledger.open(":memory:", clock=on.clock) as ledger:
            play = Play(on=on, vendor=vendor, pairs=pairs, ledger=ledger)
            for role in ("target", "source"):
                made = play.plan(role)
                accept = [f"{halt.accept}@{made.id}" for halt in made.halts]
                done = apply(made, pairs[role], ledger, clock=on.clock, accept=accept)
                assert done.code == 0, [r for r in done.results if r.why]
                assert len(done.results) >= MANY, made.refusals
                assert play.plan(role).changes == ()
            yield play


@pytest.mark.parametrize("role", ["source", "target"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_listing_that_lost_rows_changes_nothing(
    play: Play, name: str, role: str
) -> None:
    """R2, partial pages: refused, doubted aloud, or read again by id; never believed."""
    kind, skip = FAULTS[name]
    made = None
    with play.trouble(kind, skip), contextlib.suppress(RotaError):
        made = play.plan(role)
    if made is not None:
        doubts = [note for note in made.notes if note.kind is NoteKind.DOUBT]
        assert made.changes == ()
        assert made.halts or doubts or made.refusals or made.equal >= MANY
    again = play.plan(role)
    assert (again.changes, again.halts) == ((), ())
