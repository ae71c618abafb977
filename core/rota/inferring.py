"""
Read dated tasks, and remember what was inferred from them.

A pair whose schedules were inferred is a pair like any other, except that its source is
the ledger: what was inferred stays, whatever becomes of the tasks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import attrs

from . import clock as clocks
from .clock import Clock
from .crosswalk import Crosswalk
from .errors import VendorError
from .gathering import Pair, gather, load_links, recall
from .ledger import Ledger
from .model import Schedule
from .planning import Dated, Note, Plan, Terms, taken
from .planning.observed import INFERRED
from .vendor import (
    Account,
    Asked,
    Capabilities,
    Certificate,
    Completeness,
    Listing,
    Scope,
)


class Remembered(Account):
    """
    What was inferred from an account's dated tasks, as the ledger knows it.

    Args:
        name: The account's.
        capabilities: The account's.
        pair: The name of the pair whose schedules were inferred.
    """

    def __init__(
        self,
        name: str,
        capabilities: Capabilities,
        *,
        pair: str,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self.name = name
        self.capabilities = attrs.evolve(capabilities, previews=0)
        self._pair = pair
        self._ledger = ledger
        self._clock = clock

    def schedules(self, scope: Scope) -> Listing[Schedule]:
        """List what was inferred and is or will be at the target."""
        items = tuple(
            item
            for item in recall(self._ledger, self._ledger.pair(self._pair))
            if item.ref and (scope.ids is None or item.ref.id in scope.ids)
        )
        certificate = Certificate(
            account=self.name,
            scope=scope,
            pages=1,
            rows=len(items),
            rests_on=Completeness.REMEMBERED,
            read_at=self._clock.now(),
            asked=Asked(user="rota"),
        )
        return Listing(items=items, certificate=certificate)


class InferredPair(Pair):
    """
    A pair whose schedules were inferred from dated tasks.

    Args:
        of: The name of the pair whose terms and crosswalk it has.
        source: What is remembered of the account that held the tasks.
    """

    def __init__(
        self,
        of: str,
        *,
        source: Remembered,
        target: Account,
        crosswalk: Crosswalk,
        terms: Terms,
    ) -> None:
        super().__init__(
            f"{INFERRED}{of}",
            source=source,
            target=target,
            crosswalk=crosswalk,
            # A selection says which tasks are read, not what becomes of a schedule.
            terms=attrs.evolve(terms, select={}),
        )

    @property
    def remake(self) -> str:
        """The command that makes a plan of this pair anew."""
        return f"rota infer {self.source.name} {self.target.name}"


def read_dated(
    pair: Pair,
    inferred: InferredPair,
    ledger: Ledger,
    *,
    first: dt.date,
    last: dt.date,
    others: Iterable[str] = (),
    clock: Clock | None = None,
) -> Dated:
    """
    Read the dated tasks of a pair's source, and the target.

    Args:
        pair: Its source is read, its transforms are applied, its selection counts.
        inferred: Where what was inferred before is remembered.
        first: The first day of which tasks are read.
        last: The last one.
        others: The pairs that may carry the same tasks one by one.

    Raises:
        VendorError: A side can't be read, or not whole: a task that is not listed
            would look like a day without one.
    """
    clock = clock or clocks.system()
    tasks = pair.source.schedules(Scope(window=(first, last)))
    if not tasks.certificate.complete or tasks.broken:
        told = (
            *tasks.certificate.errors,
            *(f"{each.id}: {each.why}" for each in tasks.broken),
        )
        raise VendorError(
            f"the tasks of {pair.source.name} could not be read whole: "
            + "; ".join(told),
            hint="nothing is inferred from half of them: what is missing would look "
            "like a day without a task. Mend these, or read other days (--since, "
            "--until)",
            account=pair.source.name,
        )
    items = pair.transformed(tasks.items)
    carried = {
        link.source: name
        for name in others
        for link in load_links(ledger, ledger.pair(name))
    }
    for state in ledger.pairs(INFERRED):
        if state.name != inferred.name:
            there = recall(ledger, state)
            found = taken(items, there, pair.target.name, relay=pair.terms.relay)
            carried |= dict.fromkeys(found, state.name)
    return Dated(
        seen=gather(inferred, ledger, clock=clock),
        tasks=attrs.evolve(tasks, items=items),
        terms=pair.terms,
        first=first,
        last=last,
        carried=carried,
    )


def forget(made: Plan, pair: Pair, ledger: Ledger, run: int) -> Plan:
    """
    Let the pieces that a run put down for a later day wait no longer.

    Of other pairs they go on waiting, since the source goes on wanting them; what was
    inferred is wanted by nobody else.

    Args:
        made: The plan that takes the run back.
    """
    if not isinstance(pair, InferredPair):
        return made
    notes = [
        Note(
            about=pair.source.name,
            text="tasks that were handed over stay as people left them; rota makes none "
            "of them again",
        )
    ]
    dropped = {
        (due.source, due.n, due.day)
        for due in ledger.due(ledger.pair(pair.name))
        if due.plan == f"run {run}"
    }
    kept = tuple(
        change
        for change in made.waiting
        if (change.source.key, change.n, change.first_day) not in dropped
    )
    if len(kept) < len(made.waiting):
        notes.append(
            Note(
                about=pair.name,
                text=f"{len(made.waiting) - len(kept)} pieces that wait for their day "
                "are dropped, once this is applied",
            )
        )
    return attrs.evolve(made, waiting=kept, notes=(*made.notes, *notes))
