"""
Read both sides of a pair, and what the ledger remembers, into one value.

All reading for a plan happens here; what comes out holds certificates, links and the
time of reading, and ``planning`` decides on it without another look.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import attrs

from rota import clock as clocks
from rota.clock import Clock
from rota.ledger import Ledger
from rota.model import Occurrence, Once, Schedule
from rota.planning import (
    Plan,
    Shares,
    Snapshot,
    taken,
    with_hours,
)
from rota.planning import today as todays
from rota.planning.observed import INFERRED
from rota.vendor import (
    Scope,
)

from .glancing import Sides, look, remember
from .pairs import Pair
from .reading import (
    again,
    directory,
    doubtful,
    missing,
    read_calendar,
    sessions,
    witness,
)
from .recalling import (
    announced,
    before,
    load_links,
    parked,
    pieces_due,
    recall,
    states,
    unsettled,
    waiting,
    written,
)


def gather(
    pair: Pair,
    ledger: Ledger,
    *,
    clock: Clock | None = None,
    quick: bool = False,
    sides: Sides | None = None,
    cut_over: dt.date | None = None,
) -> Snapshot:
    """
    Read both accounts and the ledger.

    Args:
        quick: As in ``look``. Such a snapshot is for ``planning.decide`` alone.
        sides: What ``look`` has just read, as quickly; read again where the directory
            is no longer what they were read with.
        cut_over: The day of a cut-over that is asked for: what somebody has at the
            source from then on is read too.

    Raises:
        VendorError: A side can't be read; nothing is decided on half a reading.
    """
    clock = clock or clocks.system()
    for account in (pair.source, pair.target):
        account.share(ledger.budget(account.name))
    state = ledger.pair(pair.name)
    today = clock.now().date()
    entries = sides.entries if sides and sides.fresh else directory(pair.target)
    if sides is None or sides.entries != entries:
        sides = look(pair, ledger, clock=clock, quick=quick, entries=entries)
    shares = Shares()
    source, target = shares.listing(sides.source), shares.listing(sides.target)
    touched = ledger.links(state) if sides.touched is None else sides.touched
    links = states(ledger, touched, shares)
    if pair.transforms:
        source = attrs.evolve(source, items=pair.transformed(source.items))
    # What is as it was has been witnessed; what is not can't do without.
    shown = witness(pair.source, today) if source.items or not quick else None
    seen = Snapshot(
        pair=pair.name,
        terms=pair.terms,
        now=clock.now(),
        source=source,
        target=target,
        source_capabilities=pair.source.capabilities,
        target_capabilities=pair.target.capabilities,
        source_verbs=pair.source.verbs(),
        target_verbs=pair.target.verbs(),
        crosswalk=pair.crosswalk,
        entries=entries,
        links=links,
        unread=sides.unread,
        reread_source=again(pair.source, doubtful(links, source.items)),
        reread_target=again(pair.target, missing(links, target.items, today)),
        waiting=waiting(ledger, state),
        unsettled=unsettled(ledger, state),
        parked=parked(ledger, state),
        witness=shown,
        released=ledger.released(state),
        announced=announced(ledger, state),
        sessions=sessions(pair.source, cut_over) if cut_over else (),
        before=before(ledger, state, clock.now()),
        baseline=pair.baseline,
        covered=_covered(pair, ledger, source.items),
    )
    return with_hours(seen)


def put_right(pair: Pair, made: Plan, seen: Snapshot) -> Plan:
    """
    Return a plan that lets today, too, say what the source says, as far as is safe.

    What the target's run has made of today is read, if the plan changes an entry that
    it may have been made of.

    Args:
        seen: The snapshot that the plan was made of; no quick one.
    """
    span = todays.days(seen)
    if span is None or not made.changes:
        return made
    occurrences: tuple[Occurrence, ...] = ()
    records: dict[str, Schedule] = {}
    if todays.candidates(made, seen) and "occurrences" in pair.target.verbs():
        occurrences = pair.target.occurrences(*span).items
        ids = todays.alike(made, seen, occurrences)
        if ids:
            found = pair.target.schedules(Scope(ids=ids)).items
            records = {item.ref.key: item for item in found if item.ref}
    shown = todays.Shown(occurrences=occurrences, records=records)
    return todays.put_right(made, seen, shown)


def _covered(
    pair: Pair, ledger: Ledger, items: tuple[Schedule, ...]
) -> Mapping[str, str]:
    """Return the dated tasks of the source whose place an inferred schedule takes."""
    if not any(isinstance(item.timing, Once) for item in items):
        return {}
    there = [
        schedule
        for state in ledger.pairs(INFERRED)
        if state.name != pair.name
        for schedule in recall(ledger, state)
    ]
    return (
        taken(items, there, pair.target.name, relay=pair.terms.relay) if there else {}
    )


__all__ = [
    "Pair",
    "Sides",
    "directory",
    "gather",
    "load_links",
    "look",
    "pieces_due",
    "put_right",
    "read_calendar",
    "recall",
    "remember",
    "witness",
    "written",
]
