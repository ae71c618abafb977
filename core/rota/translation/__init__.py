"""
A schedule told to a vendor: the pieces to write, what is lost, and the proof.

``translate`` searches for the sentences of the vendor that say a line's days, one
line at a time, and one run of days at a time where two zones change their clocks on
different days. Within the proof every start is the source's instant; nights on which
the clock changes inside a window and the two sides keep different ends are listed.
"""

from __future__ import annotations

import datetime as dt

import attrs

from rota.days import DaySet
from rota.model import AdHoc, Line, Once, Opaque, Quota, Recurring, When
from rota.recurrence import Recurrence

from .lines import hours, hours_lost, line, single
from .values import (
    Basis,
    Fidelity,
    Loss,
    LossKind,
    Piece,
    Proof,
    Request,
    Translation,
    least,
)
from .wallclocks import begun, expand, instants, runs, tzdata, unheld, zone_there


__all__ = [
    "Basis",
    "Fidelity",
    "Loss",
    "LossKind",
    "Piece",
    "Proof",
    "Request",
    "Translation",
    "expand",
    "instants",
    "translate",
]


def translate(asked: Request) -> Translation:
    """
    Return the pieces that say the timing at the target, the losses and the proof.

    Under ``exact`` the starts are the same instants for as long as the proof says;
    ends may differ on nights when the clock changes inside the window, where the two
    sides keep different ends: these nights are listed as a loss of the window. A
    refusal says why, and names the least fidelity that would do.
    """
    match asked.timing:
        case Opaque(why=why):
            return Translation(refused=why)
        case AdHoc() | Quota():
            return _as_it_is(asked, asked.timing)
        case Once():
            return _once(asked, asked.timing)
        case Recurring():
            return _recurring(asked, asked.timing)


def _as_it_is(asked: Request, timing: AdHoc | Quota) -> Translation:
    holds = asked.capabilities.holds(timing)
    if holds is None:
        what = (
            "an ad hoc schedule has no occurrence until somebody adds one"
            if isinstance(timing, AdHoc)
            else "a quota leaves its days to the people"
        )
        return Translation(refused=f"{what}, and the target has nothing like it")
    if isinstance(timing, Quota) and timing.period is None:
        return Translation(
            refused="the period of its quota is not known; the account's settings say it"
        )
    refused = unheld(holds, timing.window)
    if refused:
        return Translation(refused=refused)
    far = asked.first_day + dt.timedelta(asked.planning_days)
    found = runs(asked, holds, timing.window, DaySet.span(asked.first_day), far)
    if len(found) > 1 or found[0].moved:
        return Translation(
            refused="its days are left to people, and its hours are others in "
            f"{asked.target_zone} in winter than in summer"
        )
    [run] = found
    window, shift = run.window, dt.timedelta(run.shift)
    kept = attrs.evolve(
        timing,
        window=window,
        first=timing.first and timing.first + shift,
        last=timing.last and timing.last + shift,
    )
    return Translation(
        pieces=(
            Piece(
                timing=kept,
                zone=zone_there(asked, holds, window),
                fidelity=Fidelity.EXACT,
                first=asked.first_day,
                hours=hours(timing.window, window),
            ),
        ),
        losses=hours_lost(timing.window, window),
        proof=Proof(first=asked.first_day, last=None, tzdata=tzdata(asked)),
    )


def _once(asked: Request, timing: Once) -> Translation:
    holds = asked.capabilities.timings.get(Once)
    day = timing.day
    if holds is None:
        return Translation(refused="the target holds no single dated task")
    if begun(asked, day, timing.window):
        return Translation(proof=Proof(first=day, last=day))
    refused = unheld(holds, timing.window)
    if refused:
        return Translation(refused=refused)
    return single(asked, timing.window, holds, day)


def _recurring(asked: Request, timing: Recurring) -> Translation:
    found = []
    taken: dict[When, DaySet] = {}
    for said in _joined(timing.lines):
        told = line(asked, said, taken.get(said.window, DaySet.none()))
        if told.refused:
            return told
        found.append(told)
        if len(timing.lines) > 1:
            before = taken.get(said.window, DaySet.none())
            taken[said.window] = before | said.days.dayset()
    losses = tuple(dict.fromkeys(loss for told in found for loss in told.losses))
    ends = [told.proof.last for told in found if told.proof and told.proof.last]
    return Translation(
        pieces=tuple(piece for told in found for piece in told.pieces),
        losses=losses,
        fidelity=least(told.fidelity for told in found),
        proof=Proof(
            first=asked.first_day,
            last=min(ends, default=None),
            tzdata=tzdata(asked),
            assumptions=tuple(
                loss.why for loss in losses if loss.kind is LossKind.ASSUMPTION
            ),
        ),
    )


def _joined(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """Put lines of one window together, unless exceptions belong to one of them."""
    if len(lines) == 1:
        return lines
    found: dict[When, list[Line]] = {}
    for said in lines:
        found.setdefault(said.window, []).append(said)
    joined: list[Line] = []
    for window, same in found.items():
        if any(said.days.exdates for said in same):
            joined += same
            continue
        days = Recurrence(
            rules=[rule for said in same for rule in said.days.rules],
            rdates=[day for said in same for day in said.days.rdates],
        )
        joined.append(Line(days=days, window=window))
    return tuple(joined)
