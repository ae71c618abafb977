"""What is asked of a translation, and what it answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from enum import StrEnum

import attrs

from rota.model import Timing, Zone
from rota.vendor import Capabilities


class Fidelity(StrEnum):
    """
    How faithful a translation must be; each admits more than the one before.

    ``exact``: the same instants with nobody attending. ``attended``: exact as long as
    rota runs on the days that the pieces name. ``expand``: dated records too, made
    some days ahead. ``closest``: differences, each of them listed.
    """

    EXACT = "exact"
    ATTENDED = "attended"
    EXPAND = "expand"
    CLOSEST = "closest"

    def admits(self, other: Fidelity) -> bool:
        """Tell whether translations of the other fidelity are allowed under this."""
        return _ORDER[other] <= _ORDER[self]


_ORDER = {fidelity: place for place, fidelity in enumerate(Fidelity)}


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
        missing: Days that the target will not have; for ``window``, the days on which
            it keeps another end.
        added: Days that only the target will have.
        until: The last day up to which the days are listed; None where all are.
    """

    kind: LossKind
    what: str
    why: str
    fallback: str = ""
    value: str = ""
    missing: tuple[dt.date, ...] = ()
    added: tuple[dt.date, ...] = ()
    until: dt.date | None = None


class Basis(StrEnum):
    """What a proof rests on."""

    DERIVED = "derived"
    WITNESSED = "witnessed"
    INFERRED = "inferred"


@attrs.frozen(kw_only=True)
class Proof:
    """
    What was shown to agree.

    Args:
        first: The first day compared, at the target.
        last: The last day compared; None where the proof holds for all time.
        tzdata: The zone data it was made with; empty where no zone matters.
        until: The last day that the vendor's own expansion was seen to agree.
        observed: The first and the last day of the dated tasks from which the rule was
            inferred; None for a rule that the source states.
    """

    basis: Basis = Basis.DERIVED
    first: dt.date
    last: dt.date | None
    tzdata: str = ""
    assumptions: tuple[str, ...] = ()
    until: dt.date | None = None
    observed: tuple[dt.date, dt.date] | None = None

    def __str__(self) -> str:
        to = f"until {self.last}" if self.last else "for all time"
        seen = f", witnessed until {self.until}" if self.until else ""
        if self.observed:
            seen = " from the days of {} to {}".format(*self.observed)
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
        planning_days: How far records that must be made or removed on a day are
            planned ahead.
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
    planning_days: int = 400
    proof_years: int = 10
    native: bool = True
    roll: bool = True


@attrs.frozen(kw_only=True)
class Translation:
    """
    The answer of ``translate``.

    Args:
        fidelity: The least that admits it, with what later runs have to make.
        refused: Why it can't be told, empty where it can.
        wants: The least fidelity that would admit it, where one would.
    """

    pieces: tuple[Piece, ...] = ()
    losses: tuple[Loss, ...] = ()
    proof: Proof | None = None
    fidelity: Fidelity = Fidelity.EXACT
    refused: str = ""
    wants: Fidelity | None = None


def least(found: Iterable[Fidelity]) -> Fidelity:
    """Return the least fidelity that admits all of these."""
    return max(found, key=_ORDER.__getitem__, default=Fidelity.EXACT)
