"""Translation and planning of many schedules: time, memory and growth."""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import attrs
from pairs import CHICAGO, patrol, world

from rota.gathering import gather
from rota.model import Kind, Line, Recurring, Ref, Schedule, Window, Zone, ZoneOrigin
from rota.planning import LinkState, Snapshot, plan
from rota.plugins import survey
from rota.recurrence import ByDay, Freq, Recurrence, Rule, monthly, weekly
from rota.translation import Fidelity, Request, translate
from rota.vendor import Capabilities, Listing


ZONES = (CHICAGO, "America/Phoenix", "America/New_York", "America/Los_Angeles")
FIRST = dt.date(2027, 1, 5)
NOW = dt.datetime(2027, 1, 3, 12, tzinfo=dt.UTC)


def vendors() -> dict[str, Capabilities]:
    """Return what each vendor that comes with rota holds by default."""
    ours = (each for each in survey() if each.distribution.startswith("rota "))
    return {v.name: v.capabilities(None) for each in ours for v in each.vendors}


def peak() -> float:
    """Return the most memory that the process ever held, in MB; 0 but on Linux."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


# -------------------------------------------------------------------------- translation


def _rule(n: int) -> Rule:
    """Return one of a mix: six in ten weekly, two every nth week, two monthly."""
    part, more = n % 10, n // 10
    start = FIRST - dt.timedelta(more % 1_400)
    if part < 6:
        week = [day for day in range(1, 8) if (more % 127 + 1) >> day - 1 & 1]
        return weekly(week, start=start)
    if part < 8:
        return weekly([more % 7 + 1], interval=2 + more // 7 % 2, start=start)
    if part == 8:
        return monthly([more % 28 + 1, 28 - more // 28 % 14], start=start)
    nth = ByDay(more % 7 + 1, more // 7 % 4 + 1)
    return Rule(freq=Freq.MONTHLY, by_day=(nth,), start=start)


def requests(can: Capabilities, many: int) -> Iterator[Request]:
    """Yield distinct schedules; one in five goes to an account in another zone."""
    for n in range(many):
        at = n % 96 * 15
        begin = dt.time(at // 60, at % 60)
        ends = at + 60 + n % 9 * 45
        yield Request(
            timing=Recurring(
                lines=(
                    Line(
                        days=Recurrence(rules=(_rule(n),)),
                        window=Window(
                            start=begin,
                            end=dt.time(ends // 60 % 24, ends % 60),
                            days=ends // 1_440,
                        ),
                    ),
                )
            ),
            zone=Zone(name=ZONES[n // 5 % 4], origin=ZoneOrigin.SITE),
            capabilities=can,
            target_zone=ZONES[(n // 5 + (n % 5 == 0)) % 4],
            now=NOW,
            first_day=FIRST,
            fidelity=Fidelity.EXPAND,
        )


def translating(vendor: str, many: int) -> dict[str, float]:
    """Translate so many, keep no answer, and return what it took."""
    can = vendors()[vendor]
    before = peak()
    pieces = refused = 0
    made = 0.0
    for one in requests(can, many):
        began = perf_counter()
        found = translate(one)
        made += perf_counter() - began
        pieces += len(found.pieces)
        refused += bool(found.refused)
    return {
        "us": made / many * 1e6,
        "mb": peak() - before,
        "pieces": pieces / many,
        "refused": refused,
    }


# ----------------------------------------------------------------------------- planning


def _sources(many: int) -> tuple[Schedule, ...]:
    return tuple(
        attrs.evolve(
            patrol(
                f"Round {n}",
                rule=weekly(
                    [day for day in range(1, 8) if (n % 127 + 1) >> day - 1 & 1]
                ),
                window=Window(
                    start=dt.time(n // 127 % 20, n % 60),
                    end=dt.time(n // 127 % 20 + 2, n % 60),
                ),
            ),
            ref=Ref(account="guards", kind=Kind.SCHEDULE, id=str(n)),
        )
        for n in range(many)
    )


def _apart(schedule: Schedule) -> Schedule:
    """Return a copy that shares nothing, as one read on another day."""
    return pickle.loads(pickle.dumps(schedule))


def settled(many: int) -> Snapshot:
    """Return a snapshot in which every source has its equal and linked record."""
    stage = world()
    bare = attrs.evolve(
        gather(stage.pair, stage.ledger, clock=stage.clock), witness=None
    )
    seen = attrs.evolve(bare, source=_listing(bare.source, _sources(many)))
    items, links = [], []
    for change in plan(seen).changes:
        assert change.after
        assert change.agreed
        ref = Ref(account="fleet", kind=Kind.SCHEDULE, id=str(len(items)))
        record = attrs.evolve(_apart(change.after), ref=ref, mark=change.mark)
        items.append(record)
        links.append(
            LinkState(
                source=change.source.key,
                n=change.n,
                target=ref.key,
                agreed=change.agreed,
                seen=_apart(record),
                last=change.last_day,
            )
        )
    return attrs.evolve(
        bare,
        source=_listing(bare.source, _sources(many)),
        target=_listing(bare.target, tuple(items)),
        links=tuple(links),
    )


def _listing(
    listing: Listing[Schedule], items: tuple[Schedule, ...]
) -> Listing[Schedule]:
    rows = attrs.evolve(listing.certificate, rows=len(items))
    return attrs.evolve(listing, items=items, certificate=rows)


def planning(many: int) -> dict[str, float]:
    """Plan so many equal schedules once, and return what it took."""
    floor = peak()
    seen = settled(many)
    held = peak()
    began = perf_counter()
    made = plan(seen)
    took = perf_counter() - began
    if made.changes or made.refusals or made.equal != many:
        raise SystemExit(
            f"{len(made.changes)} changes, {len(made.refusals)} refusals, "
            f"{made.equal} equal: these were to be equal"
        )
    return {
        "rate": many / took,
        "held": (held - floor) / many * 1_000,
        "more": (peak() - held) / many * 1_000,
    }
