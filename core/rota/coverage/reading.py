"""Read what both sides of a pair show, and count it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from rota import clock as clocks
from rota import convert
from rota.clock import Clock
from rota.errors import UsageError
from rota.gathering import Pair, load_links
from rota.ledger import Ledger, PairState
from rota.model import Schedule
from rota.planning import selected
from rota.vendor import Account, Scope

from .counting import AROUND, Reading, cover
from .figures import Coverage
from .known import InForce


def measure(
    pair: Pair,
    ledger: Ledger,
    first: dt.date,
    last: dt.date,
    *,
    clock: Clock | None = None,
) -> Coverage:
    """
    Read what both sides show of these days, and count it.

    Raises:
        VendorError: A side can't be read at all.
        UsageError: The last day is before the first.
    """
    if last < first:
        raise UsageError(f"the last day, {last}, is before the first, {first}")
    clock = clock or clocks.system()
    state = ledger.pair(pair.name)
    plans = pair.source.schedules(Scope(window=(first, last)))
    mine = []
    for schedule in plans.items:
        for transform in pair.transforms:
            schedule = transform.apply(schedule)
        if selected(schedule, pair.terms):
            mine.append(schedule)
    there = pair.target.schedules(Scope(window=(first - AROUND, last + AROUND)))
    return cover(
        _read(pair.source, first, last, plans.certificate.errors),
        _read(pair.target, first - AROUND, last + AROUND),
        pair=pair.name,
        images=load_images(ledger, state),
        links=load_links(ledger, state),
        schedules=(*mine, *there.items),
        first=first,
        last=last,
        now=clock.now(),
        names={
            row.source: row.source_name
            for row in pair.crosswalk.rows
            if row.source_name
        },
    )


def load_images(ledger: Ledger, state: PairState) -> tuple[InForce, ...]:
    """Return everything that records of the pair ever said, and on which days."""
    known: dict[bytes, Schedule] = {}
    found = []
    for image in ledger.images(state):
        if image.seen not in known:
            body = ledger.value(image.seen)
            assert body is not None, "an image names a value that the ledger lost"
            known[image.seen] = convert.structure_json(body, Schedule, "the ledger")
        found.append(
            InForce(
                source=image.source,
                n=image.n,
                target=image.target,
                seen=known[image.seen],
                since=image.since,
                until=image.until,
            )
        )
    return tuple(found)


def _read(
    account: Account, first: dt.date, last: dt.date, errors: Sequence[str] = ()
) -> Reading:
    if "occurrences" not in account.verbs():
        why = f"{account.name} shows no occurrences"
        return Reading(account=account.name, withheld=why)
    listing = account.occurrences(first, last)
    return Reading(
        account=account.name,
        occurrences=listing.items,
        withheld="; ".join((*errors, *listing.certificate.errors)),
    )
