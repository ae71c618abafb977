"""Translation of many schedules: time, memory and growth; and schedules to plan."""

from __future__ import annotations

import datetime as dt
from array import array
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import process_time

import attrs
from pairs import CHICAGO, patrol

from rota.model import Kind, Line, Recurring, Ref, Schedule, Window, Zone, ZoneOrigin
from rota.plugins import survey
from rota.recurrence import ByDay, Freq, Recurrence, Rule, monthly, weekly
from rota.translation import Fidelity, Request, translate
from rota.vendor import Capabilities


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
    made = array("d")
    for one in requests(can, many):
        began = process_time()
        found = translate(one)
        made.append(process_time() - began)
        pieces += len(found.pieces)
        refused += bool(found.refused)
    return {
        "us": sum(made) / many * 1e6,
        "median": median(made) * 1e6,
        "mb": peak() - before,
        "pieces": pieces / many,
        "refused": refused,
    }


# ----------------------------------------------------------------------------- planning


def source(n: int) -> Schedule:
    """Return one of many patrols that are for ever; about 2,500 tell the time apart."""
    return attrs.evolve(
        patrol(
            f"Round {n}",
            rule=weekly([day for day in range(1, 8) if (n % 127 + 1) >> day - 1 & 1]),
            window=Window(
                start=dt.time(n // 127 % 20, n % 60),
                end=dt.time(n // 127 % 20 + 2, n % 60),
            ),
        ),
        ref=Ref(account="guards", kind=Kind.SCHEDULE, id=str(n + 1)),
    )
