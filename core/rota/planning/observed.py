"""What an inferred schedule rests on; it is kept with the schedule."""

from __future__ import annotations

import datetime as dt
import json

import attrs

from rota import convert
from rota.model import Schedule
from rota.translation import Basis, Loss, Proof


INFERRED = "infer:"
"""What the name of a pair begins with whose schedules were inferred."""

_KEY = "inferred"


@attrs.frozen(kw_only=True)
class Observed:
    """
    The dated tasks behind an inferred schedule.

    Args:
        first: The first day of which it is known whether there was a task.
        last: The last one.
        days: Those on which there was one.
        begin: The day from which the schedule takes their place.
        target: The account that it was inferred for.
        losses: What the tasks did not hold, or held differently.
    """

    first: dt.date
    last: dt.date
    days: tuple[dt.date, ...]
    begin: dt.date
    target: str
    losses: tuple[Loss, ...] = ()

    def prove(self, proof: Proof) -> Proof:
        """Say in a proof that the rule itself was inferred, and from which span."""
        return attrs.evolve(
            proof, basis=Basis.INFERRED, observed=(self.first, self.last)
        )


def keep(schedule: Schedule, rests_on: Observed) -> Schedule:
    """Return the schedule with what it rests on."""
    extras = {**schedule.extras, _KEY: json.loads(convert.canonical_json(rests_on))}
    return attrs.evolve(schedule, extras=extras)


def observed(schedule: Schedule) -> Observed | None:
    """Return what a schedule rests on; None where it is no inferred one."""
    told = schedule.extras.get(_KEY)
    return convert.structure(told, Observed, "the ledger") if told else None
