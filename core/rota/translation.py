"""
A schedule told to a vendor: the pieces to write, what is lost, and the proof.

``translate`` is one best-first search. A state is (sentences so far, days left); a
move is a sentence from ``form.inside(left)`` over some lifetime; the goal is nothing
left. So pieces never overlap, and their union is exact by construction. Fidelity only
decides which moves are admitted.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import count

import attrs

from . import zones
from .days import DaySet
from .forms import Dates, Goal
from .model import (
    AdHoc,
    AllDay,
    Keeps,
    Line,
    Once,
    Opaque,
    Quota,
    Recurring,
    Timing,
    When,
    Window,
    Zone,
    ZoneOrigin,
)
from .recurrence import Recurrence
from .vendor import Capabilities, Holds, Removal, ZoneOwner


class Fidelity(StrEnum):
    """How faithful a translation must be; each admits more than the one before."""

    EXACT = "exact"
    ATTENDED = "attended"
    EXPAND = "expand"
    CLOSEST = "closest"

    def admits(self, other: Fidelity) -> bool:
        """Tell whether translations of the other fidelity are allowed under this."""
        order = list(Fidelity)
        return order.index(other) <= order.index(self)


class LossKind(StrEnum):
    """What a loss is: an assumption in a proof, a field left out, days that differ."""

    ASSUMPTION = "assumption"
    FIELD = "field"
    DAYS = "days"


@attrs.frozen(kw_only=True)
class Loss:
    """
    Something that does not arrive as it was.

    Args:
        what: The field, or ``days``.
        why: In words for people.
        fallback: What is done instead.
        value: The full value that is lost, where it is short enough to show.
        missing: Days that the target will not have, the first few.
        added: Days that only the target will have, the first few.
    """

    kind: LossKind
    what: str
    why: str
    fallback: str = ""
    value: str = ""
    missing: tuple[dt.date, ...] = ()
    added: tuple[dt.date, ...] = ()


class Basis(StrEnum):
    """What a proof rests on."""

    DERIVED = "derived"
    WITNESSED = "witnessed"


@attrs.frozen(kw_only=True)
class Proof:
    """
    What was shown to agree.

    Args:
        first: The first day compared.
        last: The last day compared; None where the proof holds for all time.
        tzdata: The zone data it was made with; empty where no zone matters.
        until: The last day that the vendor's own expansion was seen to agree.
    """

    basis: Basis = Basis.DERIVED
    first: dt.date
    last: dt.date | None
    tzdata: str = ""
    assumptions: tuple[str, ...] = ()
    until: dt.date | None = None

    def __str__(self) -> str:
        to = f"until {self.last}" if self.last else "for all time"
        seen = f", witnessed until {self.until}" if self.until else ""
        return f"{self.basis} from {self.first} {to}{seen}"


@attrs.frozen(kw_only=True)
class Piece:
    """
    One record to be written at the target, in its terms.

    Args:
        fidelity: What it takes: exact, attended, expand or closest.
        first: The first day on which it must act.
        last: The last day on which it may act; None for no end.
        make_on: It must begin on ``first`` and the record can't say so.
        retire_on: It must end on ``last`` and the record can't say so.
        hours: The window in words, where the record holds whole days only.
    """

    timing: Timing
    zone: Zone | None
    fidelity: Fidelity
    first: dt.date
    last: dt.date | None = None
    make_on: bool = False
    retire_on: bool = False
    hours: str = ""


@attrs.frozen(kw_only=True)
class Request:
    """
    What is to be translated, to whom, and on which terms.

    Args:
        zone: The source's zone; None for whole days.
        target_zone: The zone of the target record, where its vendor has one.
        now: Aware.
        first_day: The first day on which a new record of the target acts.
        horizon_days: How far dated records are made ahead.
        proof_years: How far a proof across zones reaches.
        native: False to make dated records although a rule fits.
        roll: Whether an open-ended schedule may become dated records that follow.
    """

    timing: Timing
    zone: Zone | None
    capabilities: Capabilities
    target_zone: str | None
    now: dt.datetime
    first_day: dt.date
    fidelity: Fidelity = Fidelity.EXACT
    horizon_days: int = 60
    proof_years: int = 10
    native: bool = True
    roll: bool = True


@attrs.frozen(kw_only=True)
class Translation:
    """
    The answer of ``translate``.

    Args:
        refused: Why it can't be told, empty where it can.
        wants: The least fidelity that would admit it, where one would.
    """

    pieces: tuple[Piece, ...] = ()
    losses: tuple[Loss, ...] = ()
    proof: Proof | None = None
    refused: str = ""
    wants: Fidelity | None = None


SHOWN = 12
_STATES = 400


def translate(asked: Request) -> Translation:
    """Return the pieces that say the timing at the target, the losses and the proof."""
    match asked.timing:
        case Opaque(why=why):
            return Translation(refused=why)
        case AdHoc() | Quota():
            return _as_it_is(asked)
        case Once():
            return _once(asked)
        case Recurring():
            return _recurring(asked)


# ------------------------------------------------------------------ one timing or none


def _as_it_is(asked: Request) -> Translation:
    holds = asked.capabilities.holds(asked.timing)
    if holds is None:
        what = (
            "an ad hoc schedule has no occurrence until somebody adds one"
            if isinstance(asked.timing, AdHoc)
            else "a quota leaves its days to the people"
        )
        return Translation(refused=f"{what}, and the target has nothing like it")
    return Translation(
        pieces=(
            Piece(
                timing=asked.timing,
                zone=_target_zone(asked, holds),
                fidelity=Fidelity.EXACT,
                first=asked.first_day,
            ),
        ),
        proof=Proof(first=asked.first_day, last=None),
    )


def _once(asked: Request) -> Translation:
    assert isinstance(asked.timing, Once)
    holds = asked.capabilities.timings.get(Once)
    if holds is None:
        return Translation(refused="the target holds no single dated task")
    if _over(asked, asked.timing.day, asked.timing.window):
        return Translation(
            proof=Proof(first=asked.timing.day, last=asked.timing.day),
        )
    told, refused = _tell(
        asked, holds, asked.timing.window, asked.timing.day, asked.timing.day
    )
    if refused:
        return Translation(refused=refused)
    [part] = told
    day = asked.timing.day + dt.timedelta(part.shift)
    return Translation(
        pieces=(
            Piece(
                timing=Once(day=day, window=part.window),
                zone=_target_zone(asked, holds),
                fidelity=Fidelity.EXACT,
                first=day,
                last=day,
                hours=_hours(asked.timing.window, part.window),
            ),
        ),
        losses=_window_losses(asked.timing.window, part.window),
        proof=Proof(first=day, last=day, tzdata=_tzdata(asked)),
    )


# -------------------------------------------------------------------------- recurring


@attrs.frozen(kw_only=True)
class _Part:
    """A line over a span of days in which one target window says it."""

    window: When
    shift: int
    first: dt.date
    last: dt.date | None


def _recurring(asked: Request) -> Translation:
    assert isinstance(asked.timing, Recurring)
    pieces: list[Piece] = []
    losses: list[Loss] = []
    last: dt.date | None = None
    for line in asked.timing.lines:
        found = _line(asked, line)
        if found.refused:
            return found
        pieces += found.pieces
        losses += [loss for loss in found.losses if loss not in losses]
        if found.proof and found.proof.last:
            last = min(last or found.proof.last, found.proof.last)
    return Translation(
        pieces=tuple(pieces),
        losses=tuple(losses),
        proof=Proof(
            first=asked.first_day,
            last=last,
            tzdata=_tzdata(asked),
            assumptions=tuple(
                loss.why for loss in losses if loss.kind is LossKind.ASSUMPTION
            ),
        ),
    )


def _line(asked: Request, line: Line) -> Translation:
    days = line.days.dayset()
    wanted = days & DaySet.span(asked.first_day - dt.timedelta(1), None)
    if not wanted:
        return Translation(proof=Proof(first=asked.first_day, last=None))
    rules = asked.capabilities.timings.get(Recurring) if asked.native else None
    dated = asked.capabilities.timings.get(Once)
    horizon = asked.first_day + dt.timedelta(asked.horizon_days)
    proof_end = _years(asked.first_day, asked.proof_years)
    why_not = "the target holds no recurring tasks"
    best: Translation | None = None
    if rules is not None:
        told, refused = _tell(asked, rules, line.window, asked.first_day, proof_end)
        if refused:
            return Translation(refused=refused)
        best, why_not = _by_rules(asked, rules, line, wanted, told)
    elif not asked.native:
        why_not = "the pair avoids the target's own recurrence"
    if best is not None:
        return best
    if dated is None or not asked.fidelity.admits(Fidelity.EXPAND):
        closest = _closest(asked, rules, line, wanted)
        if closest is not None:
            return closest
        return Translation(
            refused=why_not, wants=Fidelity.EXPAND if dated is not None else None
        )
    if wanted.infinite and dated.removal is Removal.NEVER and not asked.roll:
        return Translation(
            refused="it has no end, and what is written at the target can't be taken "
            'back; open_ended = "roll" makes the next days just in time',
        )
    return _by_dates(asked, dated, line, wanted, horizon, why_not)


def _by_rules(
    asked: Request, holds: Holds, line: Line, wanted: DaySet, told: tuple[_Part, ...]
) -> tuple[Translation | None, str]:
    """Say the line with the vendor's own recurrence, or tell why that fails."""
    groups: dict[tuple[When, int], list[_Part]] = {}
    for part in told:
        groups.setdefault((part.window, part.shift), []).append(part)
    spans = len(told) > 1
    pieces: list[Piece] = []
    losses: list[Loss] = []
    worst = Fidelity.EXACT
    for part in told:
        inside = wanted & DaySet.span(part.first, part.last if spans else None)
        left = inside.shift(part.shift) & DaySet.span(asked.first_day, None)
        if not left:
            continue
        said = line.days if not part.shift else Recurrence()
        found = _cover(asked, holds, left, said, bounded=spans)
        if found is None:
            return None, _cannot(holds, line, asked)
        for sentence, first, last, make_on, retire_on in found:
            fidelity = Fidelity.ATTENDED if make_on or retire_on else Fidelity.EXACT
            worst = max(worst, fidelity, key=list(Fidelity).index)
            pieces.append(
                Piece(
                    timing=Recurring(lines=(Line(days=sentence, window=part.window),)),
                    zone=_target_zone(asked, holds),
                    fidelity=fidelity,
                    first=first,
                    last=last,
                    make_on=make_on,
                    retire_on=retire_on,
                )
            )
        losses += _window_losses(line.window, part.window)
    if not asked.fidelity.admits(worst):
        return None, (
            "it begins or ends on a day that the target's record can't name, "
            "so somebody must make or remove it on that day"
            if not spans
            else "the two zones change their clocks on different days, so the record "
            "must be exchanged on those days"
        )
    losses += _nights(asked, holds, line, wanted, told)
    losses += _assumed(pieces)
    across = len(told) > 1 or (
        asked.zone is not None
        and asked.target_zone is not None
        and asked.target_zone != asked.zone.name
    )
    return (
        Translation(
            pieces=tuple(pieces),
            losses=tuple(dict.fromkeys(losses)),
            proof=Proof(
                first=asked.first_day,
                last=_years(asked.first_day, asked.proof_years) if across else None,
                tzdata=_tzdata(asked),
            ),
        ),
        "",
    )


_Said = tuple[Recurrence, dt.date, dt.date | None, bool, bool]


def _cover(
    asked: Request, holds: Holds, left: DaySet, said: Recurrence, *, bounded: bool
) -> tuple[_Said, ...] | None:
    """Search for the fewest sentences whose disjoint union is exactly the days."""
    order = count()
    heap: list[tuple[tuple[int, int, str], int, tuple[_Said, ...], DaySet]] = [
        ((0, 0, ""), next(order), (), left)
    ]
    for _ in range(_STATES):
        if not heap:
            return None
        _, _, so_far, rest = heapq.heappop(heap)
        if not rest:
            return so_far
        for move in _moves(asked, holds, rest, said):
            sentence, first, last, *_ = move
            after = rest - (sentence.dayset() & DaySet.span(first, last))
            path = (*so_far, move)
            attended = sum(m[3] + m[4] for m in path)
            text = " ".join(m[0].text for m in path)
            heapq.heappush(
                heap, ((len(path), attended, text), next(order), path, after)
            )
    return None


def _moves(
    asked: Request, holds: Holds, left: DaySet, said: Recurrence
) -> Iterator[_Said]:
    begin = left.first()
    assert begin is not None
    end = None if left.infinite else left.last()
    starts_now = begin - asked.first_day < dt.timedelta(7)
    for form in holds.forms:
        if isinstance(form, Dates):
            continue
        lifetimes: list[tuple[dt.date, dt.date | None]] = [
            (begin if form.begins else asked.first_day, end if form.ends else None)
        ]
        if not form.begins or not form.ends:
            lifetimes.append((begin, end))
        for first, last in dict.fromkeys(lifetimes):
            goal = Goal(days=left, first=first, last=last, said=said)
            for sentence in form.inside(goal):
                make_on = not form.begins and first > asked.first_day
                if (
                    make_on
                    and starts_now
                    and _same_from(sentence, left, asked.first_day, first)
                ):
                    make_on = False
                retire_on = not form.ends and last is not None
                yield sentence, first, last, make_on, retire_on


def _same_from(
    sentence: Recurrence, left: DaySet, first: dt.date, begin: dt.date
) -> bool:
    """Tell whether beginning earlier would add no day."""
    return not (sentence.dayset() & DaySet.span(first, begin - dt.timedelta(1)))


def _closest(
    asked: Request, holds: Holds | None, line: Line, wanted: DaySet
) -> Translation | None:
    if holds is None or not asked.fidelity.admits(Fidelity.CLOSEST):
        return None
    told, refused = _tell(asked, holds, line.window, asked.first_day, asked.first_day)
    if refused or len(told) != 1:
        return None
    [part] = told
    days = wanted.shift(part.shift) & DaySet.span(asked.first_day, None)
    last = None if days.infinite else days.last()
    best: tuple[tuple[int, int, str], Recurrence, Loss] | None = None
    year = asked.first_day + dt.timedelta(365)
    for form in holds.forms:
        goal = Goal(days=days, first=asked.first_day, last=last, said=line.days)
        sentence = form.nearest(goal)
        if sentence is None:
            continue
        got = sentence.dayset() & DaySet.span(asked.first_day, None)
        missing, added = days - got, got - days
        score = (
            missing.count(asked.first_day, year),
            added.count(asked.first_day, year),
            sentence.text,
        )
        loss = Loss(
            kind=LossKind.DAYS,
            what="days",
            why=f"{score[0]} days missed and {score[1]} added within a year",
            fallback=sentence.describe(),
            missing=missing.dates(asked.first_day, year)[:SHOWN],
            added=added.dates(asked.first_day, year)[:SHOWN],
        )
        if best is None or score < best[0]:
            best = (score, sentence, loss)
    if best is None:
        return None
    _, sentence, loss = best
    return Translation(
        pieces=(
            Piece(
                timing=Recurring(lines=(Line(days=sentence, window=part.window),)),
                zone=_target_zone(asked, holds),
                fidelity=Fidelity.CLOSEST,
                first=asked.first_day,
            ),
        ),
        losses=(loss, *_window_losses(line.window, part.window)),
        proof=Proof(first=asked.first_day, last=None, tzdata=_tzdata(asked)),
    )


def _by_dates(
    asked: Request,
    holds: Holds,
    line: Line,
    wanted: DaySet,
    horizon: dt.date,
    why_not: str,
) -> Translation:
    pieces: list[Piece] = []
    losses: list[Loss] = []
    told, refused = _tell(asked, holds, line.window, asked.first_day, horizon)
    if refused:
        return Translation(refused=refused)
    for part in told:
        end = min(horizon, part.last or horizon)
        for day in wanted.dates(max(part.first, asked.first_day), end):
            on = day + dt.timedelta(part.shift)
            if _over(asked, day, line.window):
                continue
            pieces.append(
                Piece(
                    timing=Once(day=on, window=part.window),
                    zone=_target_zone(asked, holds),
                    fidelity=Fidelity.EXPAND,
                    first=on,
                    last=on,
                    hours=_hours(line.window, part.window),
                )
            )
        losses += _window_losses(line.window, part.window)
    last = None if wanted.infinite else wanted.last()
    goes_on = last is None or last > horizon
    losses.append(
        Loss(
            kind=LossKind.ASSUMPTION,
            what="days",
            why=f"told as single dates: {why_not}",
            fallback=f"{len(pieces)} dated tasks until {horizon}, later ones by later runs"
            if goes_on
            else f"{len(pieces)} dated tasks, all there are",
        )
    )
    return Translation(
        pieces=tuple(pieces),
        losses=tuple(dict.fromkeys(losses)),
        proof=Proof(
            first=asked.first_day,
            last=horizon if goes_on else None,
            tzdata=_tzdata(asked),
        ),
    )


# ------------------------------------------------------------------- windows and zones


def _tell(
    asked: Request, holds: Holds, window: When, first: dt.date, last: dt.date
) -> tuple[tuple[_Part, ...], str]:
    """Return the window in the target's terms, a part for each span of days."""
    can = holds.window
    if isinstance(window, AllDay):
        if can.all_day:
            return (_Part(window=window, shift=0, first=first, last=None),), ""
        return (), (
            "it is for a whole day, and the target wants hours; "
            'give the pair defaults = { window = "08:00-17:00" }'
        )
    if not can.clock:
        return (_Part(window=AllDay(), shift=0, first=first, last=None),), ""
    if not can.shortest_min <= window.minutes <= can.longest_min:
        return (), (
            f"its window lasts {window.minutes} minutes, and the target holds "
            f"{can.shortest_min} to {can.longest_min}"
        )
    there = attrs.evolve(window, keeps=can.keeps)
    if (
        holds.zone is ZoneOwner.NOBODY
        or asked.zone is None
        or asked.target_zone is None
        or asked.target_zone == asked.zone.name
    ):
        return (_Part(window=there, shift=0, first=first, last=None),), ""
    parts = []
    for span in zones.told(
        zones.load(asked.zone.name),
        window.start,
        zones.load(asked.target_zone),
        first - dt.timedelta(1),
        last,
    ):
        parts.append(
            _Part(
                window=Window.lasting(span.at, window.minutes, keeps=can.keeps),
                shift=span.shift,
                first=span.first,
                last=span.last,
            )
        )
    return tuple(parts), ""


def _window_losses(was: When, now: When) -> tuple[Loss, ...]:
    if isinstance(was, Window) and isinstance(now, AllDay):
        return (
            Loss(
                kind=LossKind.FIELD,
                what="window",
                why="the target knows whole days only",
                fallback="the hours go into the title",
                value=str(was),
            ),
        )
    return ()


def _hours(was: When, now: When) -> str:
    return str(was) if isinstance(was, Window) and isinstance(now, AllDay) else ""


def _nights(
    asked: Request, holds: Holds, line: Line, wanted: DaySet, told: tuple[_Part, ...]
) -> tuple[Loss, ...]:
    """List the nights on which the two ends are different instants."""
    if (
        isinstance(line.window, AllDay)
        or asked.zone is None
        or not holds.window.clock
        or holds.zone is ZoneOwner.NOBODY
    ):
        return ()
    target = asked.target_zone or asked.zone.name
    if target == asked.zone.name and line.window.keeps is holds.window.keeps:
        return ()
    year = asked.first_day + dt.timedelta(400)
    nights = []
    for part in told:
        assert isinstance(part.window, Window)
        last = min(part.last or year, year)
        for day in wanted.dates(max(part.first, asked.first_day), last):
            there = day + dt.timedelta(part.shift)
            if instants(line.window, asked.zone.name, day) != instants(
                part.window, target, there
            ):
                nights.append(day)
    if not nights:
        return ()
    return (
        Loss(
            kind=LossKind.DAYS,
            what="window",
            why="the clock changes inside the window, and the two sides then keep "
            "different ends",
            fallback="the target's own hours on these nights",
            missing=tuple(nights[:SHOWN]),
        ),
    )


def instants(
    window: Window, zone: str, day: dt.date
) -> tuple[dt.datetime, dt.datetime]:
    """Return the window's start and end on a day as instants in UTC."""
    where = zones.load(zone)
    start = zones.instant(where, day, window.start)
    if window.keeps is Keeps.LENGTH:
        return start, start + window.length
    return start, zones.instant(where, day + dt.timedelta(window.days), window.end)


def _target_zone(asked: Request, holds: Holds) -> Zone | None:
    if holds.zone is ZoneOwner.NOBODY or (
        not holds.window.clock and holds.window.all_day
    ):
        return None
    if holds.zone is ZoneOwner.ACCOUNT:
        name = asked.target_zone or (asked.zone.name if asked.zone else None)
        return Zone(name=name, origin=ZoneOrigin.ACCOUNT) if name else None
    name = asked.target_zone or (asked.zone.name if asked.zone else None)
    return Zone(name=name, origin=ZoneOrigin.SITE) if name else None


def _over(asked: Request, day: dt.date, window: When) -> bool:
    if isinstance(window, AllDay) or asked.zone is None:
        return day < asked.first_day
    return instants(window, asked.zone.name, day)[0] <= asked.now


def _tzdata(asked: Request) -> str:
    return zones.tzdata_version() if asked.zone is not None else ""


def _cannot(holds: Holds, line: Line, asked: Request) -> str:
    can = "; ".join(form.about for form in holds.forms)
    if not line.days.rules:
        return f"the target can't say these days (it says: {can})"
    return f"the target can't say '{line.days.describe()}' (it says: {can})"


def _assumed(pieces: Iterable[Piece]) -> tuple[Loss, ...]:
    short = any(
        day > 28
        for piece in pieces
        if isinstance(piece.timing, Recurring)
        for line in piece.timing.lines
        for rule in line.days.rules
        for day in rule.by_month_day
    )
    if not short:
        return ()
    return (
        Loss(
            kind=LossKind.ASSUMPTION,
            what="days",
            why="days 29 to 31 are assumed to be skipped in shorter months",
        ),
    )


def _years(day: dt.date, years: int) -> dt.date:
    return day + dt.timedelta(round(365.2425 * years))


def fidelities(pieces: Iterable[Piece]) -> Fidelity:
    """Return the least fidelity that admits all these pieces."""
    return max(
        (piece.fidelity for piece in pieces),
        key=list(Fidelity).index,
        default=Fidelity.EXACT,
    )


def expand(
    timing: Timing, zone: str | None, first: dt.date, last: dt.date
) -> tuple[tuple[dt.datetime, dt.datetime] | dt.date, ...]:
    """
    Return what a timing makes between two days, both included, sorted.

    A window is a pair of instants in UTC, a whole day is its date.
    """
    found: list[tuple[dt.datetime, dt.datetime] | dt.date] = []
    match timing:
        case Recurring(lines=lines):
            for line in lines:
                for day in line.days.days(first, last):
                    found.append(_moment(line.window, zone, day))
        case Once(day=day, window=window) if first <= day <= last:
            found.append(_moment(window, zone, day))
    return tuple(sorted(found, key=str))


def _moment(
    window: When, zone: str | None, day: dt.date
) -> tuple[dt.datetime, dt.datetime] | dt.date:
    if isinstance(window, AllDay) or zone is None:
        return day
    return instants(window, zone, day)
