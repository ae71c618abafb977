"""Rules: compiled, compared and expanded, beside dateutil, zoneinfo and rrule."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import attrs
from dateutil.rrule import rrulestr
from rounds import Figure, Way, compare

from rota import grammar, zones
from rota.days import DaySet
from rota.recurrence import Rule


FIRST, LAST = dt.date(2025, 1, 1), dt.date(2034, 12, 31)
OPEN = dt.datetime.combine(FIRST, dt.time())
SHUT = dt.datetime.combine(LAST, dt.time(23, 59))
ZONE = "America/Chicago"
_NAMES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def _weekly(rng: random.Random) -> str:
    days = sorted(rng.sample(range(7), 3))
    return f"FREQ=WEEKLY;BYDAY={','.join(_NAMES[day] for day in days)}"


def _spaced(rng: random.Random) -> str:
    return f"FREQ=WEEKLY;INTERVAL={rng.randint(2, 4)};BYDAY={rng.choice(_NAMES)}"


def _dated(rng: random.Random) -> str:
    days = sorted(rng.sample(range(1, 32), 3))
    return f"FREQ=MONTHLY;BYMONTHDAY={','.join(map(str, days))}"


def _counted(rng: random.Random) -> str:
    return f"FREQ=MONTHLY;BYDAY={rng.choice((1, 2, 3, 4, -1))}{rng.choice(_NAMES)}"


def _daily(rng: random.Random) -> str:
    return f"FREQ=DAILY;INTERVAL={rng.choice((1, 1, 1, 2))}"


KINDS = (_weekly, _spaced, _dated, _counted, _daily)
MONTHLY = (_dated, _counted)
Kind = Callable[[random.Random], str]


@attrs.frozen
class Source:
    """A rule as written, and the day that anchors it."""

    text: str
    start: dt.date

    @property
    def begin(self) -> dt.datetime:
        """The start as dateutil wants it."""
        return dt.datetime.combine(self.start, dt.time())

    def rule(self) -> Rule:
        """Return rota's rule."""
        return Rule.parse(self.text, self.start)


def sources(kind: Kind, many: int) -> Callable[[int], list[Source]]:
    """Return what gives each round rules of its own."""
    place = KINDS.index(kind)

    def given(number: int) -> list[Source]:
        rng = random.Random(f"{place} {number}")
        start = FIRST - dt.timedelta(number % 28)
        return [Source(kind(rng), start) for _ in range(many)]

    return given


def unread(items: Sequence[Source]) -> Sequence[Source]:
    """Forget every part of a rule that was read before."""
    grammar.part_of.cache_clear()
    return items


def parsed(items: Sequence[Source]) -> list[Rule]:
    """Return the rules of texts."""
    return [item.rule() for item in items]


# ------------------------------------------------------------------------------ compile


def compiling(rounds: int) -> tuple[Figure, ...]:
    """Compile rules for ten years, beside what dateutil makes of the text."""
    ways = (
        Way(
            name="dateutil `rrulestr(text)`",
            run=lambda items: [rrulestr(i.text, dtstart=i.begin) for i in items],
        ),
        Way(
            name="rota, from text",
            ready=unread,
            run=lambda items: [i.rule().window(FIRST, LAST) for i in items],
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
            ready=unread,
            run=parsed,
        ),
    )
    return compare(ways, [sources(kind, 300) for kind in KINDS], rounds)


# ----------------------------------------------------------------------------- equality


def _twice(items: Sequence[Any]) -> list[tuple[Rule, Rule]]:
    return list(zip(parsed(items), parsed(items), strict=True))


def _masks(items: Sequence[Any]) -> list[tuple[int, int]]:
    return [
        (one.window(FIRST, LAST), two.window(FIRST, LAST)) for one, two in _twice(items)
    ]


def _sets(items: Sequence[Any]) -> list[tuple[DaySet, DaySet]]:
    return [(one.dayset(), two.dayset()) for one, two in _twice(items)]


def _expand(item: Source) -> list[dt.datetime]:
    return rrulestr(item.text, dtstart=item.begin).between(OPEN, SHUT, inc=True)


def equality(rounds: int) -> tuple[Figure, ...]:
    """Decide whether two rules mean the same for ten years; they do."""
    ways = (
        Way(
            name="dateutil: expand both, compare",
            run=lambda items: [_expand(i) == _expand(i) for i in items],
        ),
        Way(
            name="rota, both to be compiled from text",
            more=10,
            ready=unread,
            run=lambda items: [
                i.rule().window(FIRST, LAST) == i.rule().window(FIRST, LAST)
                for i in items
            ],
        ),
        Way(
            name="rota, both to be compiled",
            more=10,
            ready=_twice,
            run=lambda items: [
                one.window(FIRST, LAST) == two.window(FIRST, LAST) for one, two in items
            ],
            least=1_000,
        ),
        Way(
            name="rota, both compiled",
            more=10,
            ready=_masks,
            run=lambda items: [one == two for one, two in items],
            least=10_000,
        ),
    )
    return compare(ways, [sources(kind, 24) for kind in KINDS], rounds)


def for_ever(rounds: int) -> tuple[Figure, ...]:
    """Decide it for all time, for monthly rules."""
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
            more=10,
            ready=_sets,
            run=lambda items: [one == two for one, two in items],
        ),
    )
    return compare(ways, [sources(kind, 60) for kind in MONTHLY], rounds)


# ---------------------------------------------------------------------------- expansion


def expansion(rounds: int) -> tuple[Figure, ...]:
    """Expand ten years to dates."""
    ways = (
        Way(
            name="dateutil `between`",
            ready=lambda items: [rrulestr(i.text, dtstart=i.begin) for i in items],
            run=lambda items: [r.between(OPEN, SHUT, inc=True) for r in items],
        ),
        Way(
            name="rota `Rule.days`",
            more=10,
            ready=parsed,
            run=lambda items: [rule.days(FIRST, LAST) for rule in items],
            least=20,
        ),
    )
    return compare(ways, [sources(kind, 24) for kind in KINDS], rounds)


def moments(rounds: int, *, rust: bool) -> tuple[Figure, ...]:
    """Expand ten years to aware datetimes; no time of day comes back."""
    zone = zones.load(ZONE)
    opening = (OPEN + dt.timedelta(minutes=17 * n) for n in range(10_000))

    def peer(items: Sequence[Source]) -> list[Any]:
        at = next(opening).time().replace(tzinfo=zone)
        return [
            rrulestr(i.text, dtstart=dt.datetime.combine(i.start, at)) for i in items
        ]

    def oxidized(items: Sequence[Source]) -> list[Any]:
        made, at = import_module("rrule"), next(opening).time().replace(tzinfo=zone)
        return [
            made.build_rruleset(dt.datetime.combine(i.start, at), [f"RRULE:{i.text}"])
            for i in items
        ]

    def timed(items: Sequence[Any]) -> list[tuple[Rule, dt.time]]:
        return [(rule, next(opening).time()) for rule in parsed(items)]

    begin, end = OPEN.replace(tzinfo=zone), SHUT.replace(tzinfo=zone)
    ways = [
        Way(
            name="dateutil `between`, aware",
            ready=peer,
            run=lambda items: [r.between(begin, end, inc=True) for r in items],
        ),
        Way(
            name="rota `zones.expand`, every rule its own time of day",
            ready=timed,
            run=lambda items: [
                zones.expand(zone, rule, FIRST, LAST, at) for rule, at in items
            ],
            least=10,
        ),
    ]
    if rust:
        ways.append(
            Way(
                name="rrule (Rust), aware",
                ready=oxidized,
                run=lambda items: [r.between(begin, end, 10_000) for r in items],
            )
        )
    return compare(ways, [sources(kind, 24) for kind in KINDS], rounds)


def conversion(rounds: int, days: DaySet) -> tuple[Figure, ...]:
    """Turn the local dates of a set into UTC, each set at a time of day of its own."""
    zone = zones.load(ZONE)
    dates = days.dates(FIRST, LAST)
    minutes = iter(range(1_440))

    def times(items: Sequence[Any]) -> list[dt.time]:
        return [dt.time(*divmod(next(minutes), 60)) for _ in items]

    ways = (
        Way(
            name="zoneinfo, `datetime(...).timestamp()` one by one",
            ready=times,
            run=lambda items: [
                dt.datetime(
                    d.year, d.month, d.day, at.hour, at.minute, tzinfo=zone
                ).timestamp()
                for at in items
                for d in dates
            ],
        ),
        Way(
            name="zoneinfo, `combine(...).timestamp()` one by one",
            ready=times,
            run=lambda items: [
                dt.datetime.combine(d, at, zone).timestamp()
                for at in items
                for d in dates
            ],
        ),
        Way(
            name="rota `zones.timestamps`",
            ready=times,
            run=lambda items: [
                zones.timestamps(zone, days, FIRST, LAST, at) for at in items
            ],
            least=50 if len(dates) > 3_000 else None,
        ),
        Way(
            name="zoneinfo, `combine(...).astimezone(UTC)` one by one",
            ready=times,
            run=lambda items: [
                dt.datetime.combine(d, at, zone).astimezone(dt.UTC)
                for at in items
                for d in dates
            ],
        ),
        Way(
            name="rota `zones.expand`",
            ready=times,
            run=lambda items: [
                zones.expand(zone, days, FIRST, LAST, at) for at in items
            ],
        ),
    )
    return compare(ways, [lambda _: list(range(8))], rounds)
