"""One line of a recurring timing, told with the vendor's own rules, dates, or both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from itertools import pairwise

import attrs

from rota.days import DaySet
from rota.model import AllDay, Line, Once, Recurring, When, Window
from rota.recurrence import Recurrence
from rota.vendor import Holds, Removal

from .covering import Cover, Question, Sentence, cover
from .values import (
    Fidelity,
    Loss,
    LossKind,
    Piece,
    Proof,
    Request,
    Translation,
    least,
)
from .wallclocks import (
    Dated,
    Run,
    across,
    begun,
    nights,
    on_day,
    runs,
    tzdata,
    unheld,
    zone_there,
)


_DAY = dt.timedelta(1)
_SHOWN = 12
_NOTHING = Recurrence()


def line(asked: Request, said: Line, but: DaySet) -> Translation:
    """
    Return how the target says one line, or why it can't.

    Args:
        but: Days on which another line has this window already.
    """
    found = _line(asked, said, but, asked.fidelity)
    if not found.refused:
        return found
    for wants in Fidelity:
        if asked.fidelity.admits(wants) or _line(asked, said, but, wants).refused:
            continue
        why = found.refused
        if wants is Fidelity.ATTENDED and why is not _EXCHANGED:
            why = _PAUSES
        return Translation(refused=why, wants=wants)
    return found


def _line(asked: Request, said: Line, but: DaySet, fidelity: Fidelity) -> Translation:
    days = said.days.dayset()
    if but:
        days = days - but
    rules = asked.capabilities.timings.get(Recurring) if asked.native else None
    dated = asked.capabilities.timings.get(Once)
    ahead = days & DaySet.span(asked.first_day - 2 * _DAY)
    if not ahead:
        return Translation(proof=_proof(asked, None))
    refused = ""
    if rules is not None:
        refused = unheld(rules, said.window)
    if dated is not None and (rules is None or refused):
        refused, rules = unheld(dated, said.window), None
    if refused:
        return Translation(refused=refused)
    stuck = (
        dated is not None
        and ahead.infinite
        and dated.removal is Removal.NEVER
        and not asked.roll
    )
    if rules is None:
        if dated is None:
            return Translation(refused="the target holds no recurring tasks")
        if stuck:
            return Translation(refused=_STUCK)
        if not fidelity.admits(Fidelity.EXPAND):
            return Translation(refused=_no_rules(asked))
        return _told(asked, said, fidelity, ahead, _Way(dated=dated))
    return _told(
        asked,
        said,
        fidelity,
        ahead,
        _Way(rules=rules, dated=None if stuck else dated),
    )


_STUCK = (
    "it has no end, and what is written at the target can't be taken back; "
    'open_ended = "roll" makes the next days just in time'
)


def _no_rules(asked: Request) -> str:
    if not asked.native:
        return "the pair avoids the target's own recurrence"
    return "the target holds no recurring tasks"


@attrs.frozen(kw_only=True)
class _Way:
    """What may be used at the target."""

    rules: Holds | None = None
    dated: Holds | None = None


@attrs.frozen(kw_only=True)
class _Part:
    """A run of the source's days, and how it is said."""

    run: Run
    wanted: DaySet
    cover: Cover


def _told(
    asked: Request, said: Line, fidelity: Fidelity, ahead: DaySet, way: _Way
) -> Translation:
    planned = asked.first_day + dt.timedelta(asked.planning_days)
    far = _far(asked)
    end = None if ahead.infinite else ahead.last()
    abroad = way.rules is not None and across(asked, way.rules, said.window)
    if way.rules is None:
        whole = Run(window=AllDay(), first=asked.first_day - 2 * _DAY)
        part = _Part(run=whole, wanted=ahead, cover=Cover(dated=ahead))
        return _answer(asked, said, fidelity, way, [part])
    found = runs(asked, way.rules, said.window, ahead, min(far, end) if end else far)
    near = found if len(found) == 1 else [r for r in found if r.first <= planned]
    parts: list[_Part] = []
    assert way.rules is not None
    for run in near:
        wanted = ahead & DaySet.span(run.first, run.last if len(found) > 1 else None)
        there = wanted.shift(run.shift) & DaySet.span(asked.first_day)
        question = Question(
            days=there,
            said=_NOTHING if run.shift or len(found) > 1 else said.days,
            rules=way.rules,
            dated=way.dated,
            first=asked.first_day,
            planned=planned,
        )
        covered = cover(question, fidelity)
        if covered is None:
            why = _EXCHANGED if len(found) > 1 else _unsaid(way.rules, said)
            return Translation(refused=why)
        parts.append(_Part(run=run, wanted=wanted, cover=covered))
    unfinished = len(near) < len(found)
    if unfinished and not fidelity.admits(Fidelity.ATTENDED):
        return Translation(refused=_EXCHANGED)
    moved = tuple(day for run in near for day in run.moved)
    return _answer(
        asked,
        said,
        fidelity,
        way,
        parts,
        unfinished=unfinished,
        abroad=abroad,
        moved=moved,
    )


def _answer(
    asked: Request,
    said: Line,
    fidelity: Fidelity,
    way: _Way,
    parts: Sequence[_Part],
    *,
    unfinished: bool = False,
    abroad: bool = False,
    moved: tuple[dt.date, ...] = (),
) -> Translation:
    pieces: list[Piece] = []
    losses: list[Loss] = []
    dated: list[Dated] = []
    differing: list[dt.date] = []
    ends: list[dt.date] = []
    planned = asked.first_day + dt.timedelta(asked.planning_days)
    made = asked.first_day + dt.timedelta(asked.horizon_days)
    swapped = _swapped([part.cover.sentences for part in parts])
    for part, sentences in zip(parts, swapped, strict=True):
        run, covered = part.run, part.cover
        begin = covered.rest.first()
        if begin is not None:
            ends.append(begin - _DAY)
        if sentences and way.rules is not None:
            takes = Fidelity.EXACT
            if unfinished or begin is not None:
                takes = Fidelity.ATTENDED
            if covered.missed or covered.added or run.moved:
                takes = Fidelity.CLOSEST
            pieces += [
                _piece(asked, said, way.rules, run, sentence, takes)
                for sentence in sentences
            ]
            losses += _assumed(sentences)
            losses += hours_lost(said.window, run.window)
            native = part.wanted - covered.dated.shift(-run.shift)
            differing += nights(asked, way.rules, said.window, run, native, planned)
        losses += _differences(asked, covered, planned)
        if covered.missed or covered.added:
            ends.append(planned)
        if covered.dated and way.dated is not None:
            days = covered.dated.shift(-run.shift)
            dated += _dated(asked, said.window, way.dated, days, made)
            last = None if days.infinite else days.last()
            if last is None or last + _DAY > made:
                ends.append(made)
    if way.dated is not None and any(part.cover.dated for part in parts):
        pieces += [_single(asked, said.window, way.dated, item) for item in dated]
        losses += hours_lost(said.window, dated[0].window) if dated else ()
        losses.append(_as_dates(asked, said, way, len(dated), made in ends, made))
        differing += [item.of for item in dated if item.night]
        moved = (*moved, *(item.of for item in dated if item.moved))
    if moved and not fidelity.admits(Fidelity.CLOSEST):
        return Translation(refused=_repeated(moved))
    if unfinished:
        run = parts[-1].run
        ends.append((run.last or _far(asked)) + dt.timedelta(run.shift))
    elif abroad:
        ends.append(_far(asked))
    losses += _night_loss(differing, planned)
    losses += _hour_loss(moved)
    return Translation(
        pieces=tuple(pieces),
        losses=tuple(dict.fromkeys(losses)),
        proof=_proof(asked, min(ends) if ends else None),
        fidelity=least(
            (
                *(piece.fidelity for piece in pieces),
                *(part.cover.fidelity for part in parts),
                Fidelity.ATTENDED if unfinished else Fidelity.EXACT,
            )
        ),
    )


def single(asked: Request, window: When, holds: Holds, day: dt.date) -> Translation:
    """Return one day of the source as a dated record."""
    item = on_day(asked, holds, window, day)
    if item.moved and not asked.fidelity.admits(Fidelity.CLOSEST):
        return Translation(refused=_repeated((day,)), wants=Fidelity.CLOSEST)
    piece = _single(asked, window, holds, item)
    if not item.moved:
        piece = attrs.evolve(piece, fidelity=Fidelity.EXACT)
    return Translation(
        pieces=(piece,),
        fidelity=piece.fidelity,
        losses=(
            *hours_lost(window, item.window),
            *_night_loss((day,) if item.night else (), day),
            *_hour_loss((day,) if item.moved else ()),
        ),
        proof=Proof(first=item.day, last=item.day, tzdata=tzdata(asked)),
    )


def _piece(
    asked: Request,
    said: Line,
    holds: Holds,
    run: Run,
    sentence: Sentence,
    takes: Fidelity,
) -> Piece:
    return Piece(
        timing=Recurring(lines=(Line(days=sentence.days, window=run.window),)),
        zone=zone_there(asked, holds, run.window),
        fidelity=least((takes, sentence.fidelity)),
        first=sentence.first,
        last=sentence.last,
        make_on=sentence.make_on,
        retire_on=sentence.retire_on,
        hours=hours(said.window, run.window),
    )


def _single(asked: Request, window: When, holds: Holds, item: Dated) -> Piece:
    return Piece(
        timing=Once(day=item.day, window=item.window),
        zone=zone_there(asked, holds, item.window),
        fidelity=Fidelity.CLOSEST if item.moved else Fidelity.EXPAND,
        first=item.day,
        last=item.day,
        hours=hours(window, item.window),
    )


def _dated(
    asked: Request, window: When, holds: Holds, days: DaySet, made: dt.date
) -> list[Dated]:
    """Return the source's days that become single dates now."""
    found = []
    for day in days.dates(asked.first_day - 2 * _DAY, made + 2 * _DAY):
        item = on_day(asked, holds, window, day)
        if asked.first_day <= item.day <= made and not begun(asked, day, window):
            found.append(item)
    return found


def _swapped(
    runs_of: Sequence[Sequence[Sentence]],
) -> list[tuple[Sentence, ...]]:
    """Let what ends with one run and begins with the next be exchanged on one day."""
    found = [list(sentences) for sentences in runs_of]
    for old, new in pairwise(found):
        ending = [s for s in old if s.retire_on and s.last and s.latest]
        beginning = [s for s in new if s.make_on]
        if not ending or not beginning:
            continue
        day = min(
            *(s.first for s in beginning),
            *(s.latest + _DAY for s in ending if s.latest),
        )
        if all(s.last < day for s in ending if s.last) and all(
            s.earliest <= day for s in beginning
        ):
            for at, sentence in enumerate(old):
                if sentence in ending:
                    old[at] = attrs.evolve(sentence, last=day - _DAY)
            for at, sentence in enumerate(new):
                if sentence in beginning:
                    new[at] = attrs.evolve(sentence, first=day)
    return [tuple(sentences) for sentences in found]


# ------------------------------------------------------------------------------ losses


def hours(was: When, now: When) -> str:
    """Return the hours as text, where the record holds whole days only."""
    return str(was) if isinstance(was, Window) and isinstance(now, AllDay) else ""


def hours_lost(was: When, now: When) -> tuple[Loss, ...]:
    """List hours that the record can't hold."""
    if not hours(was, now):
        return ()
    return (
        Loss(
            kind=LossKind.FIELD,
            what="window",
            why="the target knows whole days only",
            fallback="the hours go into the title",
            value=str(was),
        ),
    )


def _assumed(sentences: Iterable[Sentence]) -> Iterable[Loss]:
    for sentence in sentences:
        if sentence.assumes:
            yield Loss(kind=LossKind.ASSUMPTION, what="days", why=sentence.assumes)


def _differences(asked: Request, covered: Cover, planned: dt.date) -> tuple[Loss, ...]:
    missed, added = covered.missed, covered.added
    if not missed and not added:
        return ()
    year = asked.first_day + dt.timedelta(364)
    goes_on = missed.next(planned) or added.next(planned)
    return (
        Loss(
            kind=LossKind.DAYS,
            what="days",
            why=f"{missed.count(asked.first_day, year)} days missed and "
            f"{added.count(asked.first_day, year)} added within a year",
            fallback="; ".join(s.days.describe() for s in covered.sentences),
            missing=missed.dates(asked.first_day, planned),
            added=added.dates(asked.first_day, planned),
            until=planned if goes_on else None,
        ),
    )


def _as_dates(
    asked: Request, said: Line, way: _Way, made: int, goes_on: bool, until: dt.date
) -> Loss:
    why = _no_rules(asked) if way.rules is None else _unsaid(way.rules, said)
    return Loss(
        kind=LossKind.ASSUMPTION,
        what="days",
        why=f"told as single dates: {why}",
        fallback=f"{made} dated tasks until {until}, later ones by later runs"
        if goes_on
        else f"{made} dated tasks, all there are",
    )


def _night_loss(nights: Iterable[dt.date], planned: dt.date) -> tuple[Loss, ...]:
    found = tuple(sorted(set(nights)))
    if not found:
        return ()
    return (
        Loss(
            kind=LossKind.DAYS,
            what="window",
            why="the clock changes inside the window, and the two sides then keep "
            "different ends",
            fallback="the target's own hours on these nights",
            missing=found,
            until=planned,
        ),
    )


def _hour_loss(moved: Iterable[dt.date]) -> tuple[Loss, ...]:
    found = tuple(sorted(set(moved)))
    if not found:
        return ()
    return (
        Loss(
            kind=LossKind.DAYS,
            what="days",
            why="the target's clock says the hour twice, and the first is taken",
            fallback="an hour early on these days",
            missing=found,
        ),
    )


# ---------------------------------------------------------------------------- refusals


def _unsaid(holds: Holds, said: Line) -> str:
    can = "; ".join(form.about for form in holds.forms)
    if not said.days.rules:
        return f"the target can't say these days (it says: {can})"
    return f"the target can't say '{said.days.describe()}' (it says: {can})"


_PAUSES = (
    "it begins, ends or pauses on days that the target's record can't name, so "
    "somebody must make or remove records on those days"
)
_EXCHANGED = (
    "the two zones change their clocks on different days, so the record must be "
    "exchanged on those days"
)


def _repeated(moved: Sequence[dt.date]) -> str:
    shown = ", ".join(map(str, moved[:_SHOWN]))
    more = f" and {len(moved) - _SHOWN} more days" if len(moved) > _SHOWN else ""
    return (
        f"on {shown}{more} the target's clock says the hour twice, and the second of "
        "the two can't be named"
    )


def _proof(asked: Request, last: dt.date | None) -> Proof:
    return Proof(first=asked.first_day, last=last, tzdata=tzdata(asked))


def _far(asked: Request) -> dt.date:
    return asked.first_day + dt.timedelta(round(365.2425 * asked.proof_years))
