"""Two memory accounts and a pair between them, as most engine tests want them."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType

import attrs

from rota.clock import StillClock
from rota.crosswalk import Crosswalk, Row
from rota.forms import Dates, MonthDays, Weekdays
from rota.gathering import Pair, gather, remember
from rota.ledger import Ledger
from rota.model import (
    Kind,
    Line,
    Once,
    Place,
    Point,
    Recurring,
    Ref,
    Schedule,
    Task,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.planning import Plan, decide, plan
from rota.recurrence import Recurrence, Rule, weekly
from rota.testing.memory import MONDAY, MemoryAccount
from rota.translation import Fidelity
from rota.vendor import (
    Capabilities,
    Completeness,
    Entry,
    Field,
    Generation,
    Holds,
    Points,
    Rate,
    Refs,
    Removal,
    Suffix,
    Text,
    Windows,
    ZoneOwner,
)


CHICAGO = "America/Chicago"

FLEET = Capabilities(
    timings=MappingProxyType(
        {
            Recurring: Holds(
                forms=(Weekdays(), MonthDays()),
                removal=Removal.DELETES,
                mark=Suffix("instructions"),
                window=Windows(longest_min=46080),
                zone=ZoneOwner.ACCOUNT,
            ),
            Once: Holds(
                forms=(Dates(),),
                removal=Removal.DELETES,
                mark=Field("external_id"),
                window=Windows(longest_min=46080),
                zone=ZoneOwner.ACCOUNT,
            ),
        }
    ),
    fields=MappingProxyType(
        {
            "title": Text(longest=200, shortest=1, lines=False),
            "instructions": Text(longest=1024),
            "assignee": Refs(kinds=(Kind.DEVICE,)),
            "place.point": Points(required=True),
            "place.address": Text(longest=255),
        }
    ),
    generation=Generation(),
    rate=Rate(calls=1000),
    completeness=Completeness.REREAD_BY_ID,
)


@attrs.define(kw_only=True)
class World:
    """Everything that a story needs."""

    clock: StillClock
    source: MemoryAccount
    target: MemoryAccount
    ledger: Ledger
    pair: Pair


def guards(clock: StillClock) -> MemoryAccount:
    """Return a source that holds anything, with one site and one post."""
    return MemoryAccount("guards", clock=clock, zone=CHICAGO)


def fleet(clock: StillClock, zone: str = CHICAGO) -> MemoryAccount:
    """Return a target that holds weekdays, days of the month and dates."""
    return MemoryAccount(
        "fleet",
        clock=clock,
        zone=zone,
        capabilities=FLEET,
        entries=[
            Entry(
                ref=Ref(account="fleet", kind=Kind.SITE, id="77"),
                name="Harbour",
                place=Place(point=Point(lat=41.9, lng=-87.6, radius_m=150)),
            ),
            Entry(ref=Ref(account="fleet", kind=Kind.DEVICE, id="9"), name="Car 9"),
        ],
    )


CROSSWALK = Crosswalk(
    rows=(
        Row(source="site:1", source_name="Harbour", target="site:77"),
        Row(source="post:5", source_name="Gate", target="device:9"),
    )
)


def world(*, zone: str = CHICAGO, at: dt.datetime = MONDAY, **terms: object) -> World:
    """Return two fresh accounts, a ledger in memory and the pair between them."""
    clock = StillClock(at)
    source, target = guards(clock), fleet(clock, zone)
    return World(
        clock=clock,
        source=source,
        target=target,
        ledger=Ledger.open(":memory:", clock=clock),
        pair=Pair(
            "patrols", source=source, target=target, crosswalk=CROSSWALK, **terms
        ),
    )


def patrol(
    title: str = "Harbour patrol",
    *,
    rule: Rule | None = None,
    window: Window | None = None,
    zone: str = CHICAGO,
) -> Schedule:
    """Return a source schedule: weekdays at night unless told otherwise."""
    return Schedule(
        task=Task(
            title=title,
            instructions="Walk the fence",
            place=Place(ref=Ref(account="guards", kind=Kind.SITE, id="1")),
            assignee=Ref(account="guards", kind=Kind.POST, id="5"),
        ),
        timing=Recurring(
            lines=(
                Line(
                    days=Recurrence(rules=(rule or weekly([1, 2, 3, 4, 5]),)),
                    window=window or Window(start=dt.time(22), end=dt.time(2), days=1),
                ),
            )
        ),
        zone=Zone(name=zone, origin=ZoneOrigin.SITE),
    )


def planned(pair: Pair, ledger: Ledger, clock: StillClock) -> Plan:
    """Return the plan of a full reading, and hold that of a quick one against it."""
    seen = gather(pair, ledger, clock=clock)
    made = plan(seen)
    # Reading takes its time where calls are paced.
    again = attrs.evolve(gather(pair, ledger, clock=clock, quick=True), now=seen.now)
    quick, settled = decide(again)
    told = dict(quick.fidelities)
    left = {key: each for key, each in made.fidelities.items() if key not in told}
    assert list(left.values()) == [Fidelity.EXACT] * quick.unread
    assert attrs.evolve(quick, fidelities=told | left, unread=0) == made
    assert quick.digest == made.digest
    remember(pair, ledger, again, settled)
    return made
