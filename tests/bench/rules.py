"""Rules: compiled, compared and expanded, beside dateutil, zoneinfo and rrule."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import combinations
from typing import Any

from dateutil.rrule import rrulestr
from rounds import Figure, Way, compare

from rota import zones
from rota.days import DaySet
from rota.recurrence import Rule


FIRST, LAST = dt.date(2025, 1, 1), dt.date(2034, 12, 31)
OPEN = dt.datetime(2025, 1, 1)
SHUT = dt.datetime(2034, 12, 31, 23, 59)
ZONE = "America/Chicago"
_NAMES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WEEKS = [",".join(c) for n in range(1, 8) for c in combinations(_NAMES, n)]
_ENDS = [
    f"{dt.date(2035, 1, 1) + dt.timedelta(days):%Y%m%d}" for days in range(40_000)
]


def _weekly(rng: random.Random) -> str:
    return f"FREQ=WEEKLY;BYDAY={rng.choice(_WEEKS)}"


def _spaced(rng: random.Random) -> str:
    return f"FREQ=WEEKLY;INTERVAL={rng.randint(2, 12)};BYDAY={rng.choice(_WEEKS)}"


def _dated(rng: random.Random) -> str:
    days = sorted(rng.sample(range(1, 32), rng.randint(1, 4)))
    return f"FREQ=MONTHLY;BYMONTHDAY={','.join(map(str, days))}"


def _counted(rng: random.Random) -> str:
    nth = rng.choice((1, 2, 3, 4, -1))
    return f"FREQ=MONTHLY;BYDAY={nth}{rng.choice(_NAMES)}"


def _daily(rng: random.Random) -> str:
    return f"FREQ=DAILY;INTERVAL={rng.randint(1, 60)}"


KINDS = (_weekly, _spaced, _dated, _counted, _daily)
MONTHLY = (_dated, _counted)
Kind = Callable[[random.Random], str]


def texts(kind: Kind, many: int) -> Callable[[int], list[str]]:
    """Return what gives each round rules that no round had; the last day makes them so."""
    place = KINDS.index(kind)

    def given(number: int) -> list[str]:
        rng = random.Random(f"{place} {number}")
        ends = _ENDS[number * many + place :: 97][:many]
        return [f"{kind(rng)};UNTIL={end}" for end in ends]

    return given


def parsed(items: Sequence[object]) -> list[Rule]:
    """Return rules of texts."""
    return [Rule.parse(str(text), FIRST) for text in items]


# ------------------------------------------------------------------------------ compile


def compiling(rounds: int) -> tuple[Figure, ...]:
    """Compile rules for ten years, beside what dateutil makes of the text."""
    ways = (
        Way(
            name="dateutil `rrulestr(text)`",
            run=lambda items: [rrulestr(text, dtstart=OPEN) for text in items],
        ),
        Way(
            name="rota, from text",
            run=lambda items: [
                Rule.parse(text, FIRST).window(FIRST, LAST) for text in items
            ],
            least=3,
        ),
        Way(
            name="rota, from the parsed form",
            ready=parsed,
            run=lambda items: [rule.window(FIRST, LAST) for rule in items],
            least=5,
        ),
        Way(
            name="rota, parsing alone",
            run=lambda items: [Rule.parse(text, FIRST) for text in items],
        ),
    )
    return compare(ways, [texts(kind, 300) for kind in KINDS], rounds)


# ----------------------------------------------------------------------------- equality


def _twice(items: Sequence[object]) -> list[tuple[Rule, Rule]]:
    return list(zip(parsed(items), parsed(items), strict=True))


def _masks(items: Sequence[object]) -> list[tuple[int, int]]:
    return [
        (one.window(FIRST, LAST), two.window(FIRST, LAST)) for one, two in _twice(items)
    ]


def _sets(items: Sequence[object]) -> list[tuple[DaySet, DaySet]]:
    return [(one.dayset(), two.dayset()) for one, two in _twice(items)]


def _expand(text: object) -> list[dt.datetime]:
    return list(rrulestr(str(text), dtstart=OPEN).between(OPEN, SHUT, inc=True))


def equality(rounds: int) -> tuple[Figure, ...]:
    """Decide whether two rules mean the same for ten years; they do."""
    ways = (
        Way(
            name="dateutil: expand both, compare",
            run=lambda items: [_expand(text) == _expand(text) for text in items],
        ),
        Way(
            name="rota, both to be compiled from text",
            run=lambda items: [
                Rule.parse(text, FIRST).window(FIRST, LAST)
                == Rule.parse(text, FIRST).window(FIRST, LAST)
                for text in items
            ],
        ),
        Way(
            name="rota, both to be compiled",
            ready=_twice,
            run=lambda items: [
                one.window(FIRST, LAST) == two.window(FIRST, LAST) for one, two in items
            ],
            least=1_000,
        ),
        Way(
            name="rota, both compiled",
            ready=_masks,
            run=lambda items: [one == two for one, two in items],
            least=10_000,
        ),
    )
    return compare(ways, [texts(kind, 12) for kind in KINDS], rounds)


def for_ever(rounds: int) -> tuple[Figure, ...]:
    """Decide it for all time, for monthly rules without an end."""
    endless = [
        lambda number, kind=kind: [
            text.partition(";UNTIL")[0] for text in texts(kind, 60)(number)
        ]
        for kind in MONTHLY
    ]
    ways = (
        Way(
            name="rota, both to be compiled for all time",
            ready=_twice,
            run=lambda items: [one.dayset() == two.dayset() for one, two in items],
        ),
        Way(
            name="rota, one compiled for all time",
            ready=parsed,
            run=lambda items: [rule.dayset() for rule in items],
        ),
        Way(
            name="rota, both compiled",
            ready=_sets,
            run=lambda items: [one == two for one, two in items],
        ),
    )
    return compare(ways, endless, rounds)


# ---------------------------------------------------------------------------- expansion


def expansion(rounds: int) -> tuple[Figure, ...]:
    """Expand ten years to dates."""
    ways = (
        Way(
            name="dateutil `between`",
            ready=lambda items: [rrulestr(text, dtstart=OPEN) for text in items],
            run=lambda items: [list(r.between(OPEN, SHUT, inc=True)) for r in items],
        ),
        Way(
            name="rota `Rule.days`",
            ready=parsed,
            run=lambda items: [rule.days(FIRST, LAST) for rule in items],
            least=20,
        ),
    )
    return compare(ways, [texts(kind, 12) for kind in KINDS], rounds)


def moments(rounds: int, *, rust: bool) -> tuple[Figure, ...]:
    """Expand ten years to aware datetimes; no time of day comes back in another round."""
    zone = zones.load(ZONE)
    opening = (OPEN + dt.timedelta(minutes=17 * n) for n in range(10_000))

    def peer(items: Sequence[object]) -> list[Any]:
        begin = next(opening).replace(year=2025, month=1, day=1, tzinfo=zone)
        return [
            rrulestr(text.partition(";UNTIL")[0], dtstart=begin)
            for text in map(str, items)
        ]

    def oxidized(items: Sequence[object]) -> list[Any]:
        made = import_module("rrule")
        clock = next(opening).strftime("%H%M00")
        return [
            made.RRuleSet.parse(
                f"DTSTART;TZID={ZONE}:20250101T{clock}\n"
                f"RRULE:{text.partition(';UNTIL')[0]};UNTIL=20350101T055900Z"
            )
            for text in map(str, items)
        ]

    def shared(items: Sequence[object]) -> list[tuple[DaySet, dt.time]]:
        at = next(opening).time()
        return [(rule.dayset(), at) for rule in parsed(items)]

    def single(items: Sequence[object]) -> list[tuple[DaySet, dt.time]]:
        return [(rule.dayset(), next(opening).time()) for rule in parsed(items)]

    def run(items: Sequence[object]) -> object:
        return [zones.expand(zone, days, FIRST, LAST, at) for days, at in items]

    begin, end = OPEN.replace(tzinfo=zone), SHUT.replace(tzinfo=zone)
    ways = [
        Way(
            name="dateutil `between`, aware",
            ready=peer,
            run=lambda items: [list(r.between(begin, end, inc=True)) for r in items],
        ),
        Way(name="rota, 40 rules to a time of day", ready=shared, run=run, least=10),
        Way(name="rota, every rule its own time of day", ready=single, run=run),
    ]
    if rust:
        ways.append(
            Way(
                name="rrule (Rust), aware",
                ready=oxidized,
                run=lambda items: [r.all(10_000) for r in items],
            )
        )
    return compare(ways, [texts(kind, 40) for kind in KINDS], rounds)


def conversion(rounds: int) -> tuple[Figure, ...]:
    """Turn 3,652 local dates and times into UTC, each round at times of its own."""
    zone = zones.load(ZONE)
    days = tuple(FIRST + dt.timedelta(n) for n in range(3_652))
    whole = DaySet.span(FIRST, days[-1])
    minutes = iter(range(1_440))

    def times(items: Sequence[object]) -> list[dt.time]:
        minute = next(minutes)
        return [dt.time(minute // 60, minute % 60)] * len(items)

    def fresh(items: Sequence[object]) -> list[dt.time]:
        taken = [next(minutes) for _ in items]
        return [dt.time(minute // 60, minute % 60) for minute in taken]

    ways = (
        Way(
            name="zoneinfo, `datetime(...).timestamp()` one by one",
            ready=fresh,
            run=lambda items: [
                dt.datetime(
                    d.year, d.month, d.day, at.hour, at.minute, tzinfo=zone
                ).timestamp()
                for at in items
                for d in days
            ],
        ),
        Way(
            name="zoneinfo, `combine(...).astimezone(UTC)` one by one",
            ready=fresh,
            run=lambda items: [
                dt.datetime.combine(d, at, zone).astimezone(dt.UTC)
                for at in items
                for d in days
            ],
        ),
        Way(
            name="rota `zones.expand`, 8 sets to a time of day",
            ready=times,
            run=lambda items: [
                zones.expand(zone, whole, FIRST, LAST, at) for at in items
            ],
            least=50,
        ),
        Way(
            name="rota `zones.expand`, every set its own time of day",
            ready=fresh,
            run=lambda items: [
                zones.expand(zone, whole, FIRST, LAST, at) for at in items
            ],
        ),
        Way(
            name="rota `zones.instants`, 8 lists to a time of day",
            ready=times,
            run=lambda items: [zones.instants(zone, days, at) for at in items],
        ),
    )
    return compare(ways, [lambda _: list(range(8))], rounds)
