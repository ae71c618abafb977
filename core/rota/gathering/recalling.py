"""What the ledger remembers of a pair, as the values that are decided on."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache

import attrs

from rota import convert
from rota.ledger import Digest, Ledger, Link, PairState, State
from rota.model import Schedule
from rota.planning import (
    Agreement,
    Announced,
    Before,
    Change,
    CutOver,
    LinkState,
    Parked,
    Shares,
    Written,
)
from rota.planning.cutting_over import WHOLE
from rota.vendor import (
    Asked,
)


_COUNTED = dt.timedelta(days=1)  # caps count what was done in this time


def written(ledger: Ledger, run: int) -> tuple[Written, ...]:
    """
    Return what a run did to the target, in order, for ``planning.undo``.

    Raises:
        UsageError: There is no such run.
    """
    found = []
    for intent in ledger.run(run).intents:
        last = intent.outcomes[-1] if intent.outcomes else None
        if last is None or last.state not in (State.DONE, State.FOUND):
            continue
        change = convert.structure_json(intent.change, Change, "the ledger")
        found.append(Written(change=change, target=last.ref or intent.target or ""))
    return tuple(found)


def load_links(ledger: Ledger, state: PairState) -> tuple[LinkState, ...]:
    """Return all links of a pair with the images that they name."""
    return states(ledger, ledger.links(state), Shares())


def states(
    ledger: Ledger, links: Iterable[Link], shares: Shares
) -> tuple[LinkState, ...]:
    @cache
    def agreement(digest: bytes) -> Agreement:
        body = _value(ledger, digest)
        read = convert.structure_json(body, Agreement, "the ledger")
        return Agreement(
            source=shares.schedule(read.source), wanted=shares.schedule(read.wanted)
        )

    @cache
    def image(digest: bytes) -> Schedule:
        body = _value(ledger, digest)
        return shares.schedule(convert.structure_json(body, Schedule, "the ledger"))

    return tuple(
        LinkState(
            source=link.source,
            n=link.n,
            target=link.target,
            agreed=agreement(link.agreed),
            seen=image(link.seen),
            generation=link.generation,
            handed_over=link.handed_over,
            since=link.since,
            last=link.last,
        )
        for link in links
    )


def recall(ledger: Ledger, state: PairState) -> tuple[Schedule, ...]:
    """Return what a pair's records and waiting pieces were made from, each once."""
    agreed = [link.agreed for link in load_links(ledger, state)]
    for due in ledger.due(state):
        change = convert.structure_json(due.change, Change, "the ledger")
        agreed += [change.agreed] if change.agreed else []
    found = {each.source.ref: each.source for each in agreed}
    return tuple(found.values())


def _value(ledger: Ledger, digest: bytes) -> bytes:
    found = ledger.value(Digest(digest))
    assert found is not None, "a link names a value that the ledger lost"
    return found


def waiting(ledger: Ledger, state: PairState) -> frozenset[tuple[str, dt.date, str]]:
    return frozenset(
        (change.source.key, change.first_day, convert.digest(change.after))
        for change in pieces_due(ledger, state)
    )


def pieces_due(ledger: Ledger, state: PairState) -> list[Change]:
    """Return the pieces that wait for their day; cut-overs are not among them."""
    found = [
        convert.structure_json(due.change, Change, "the ledger")
        for due in ledger.due(state)
    ]
    return [each for each in found if not isinstance(each.evidence, CutOver)]


def announced(ledger: Ledger, state: PairState) -> Mapping[str, Announced]:
    """Return the cut-overs that wait for their day."""
    ends: dict[str, Announced] = {}
    pieces: dict[str, set[str]] = defaultdict(set)
    for due in ledger.due(state):
        change = convert.structure_json(due.change, Change, "the ledger")
        if not isinstance(change.evidence, CutOver):
            continue
        if change.n != WHOLE:
            pieces[due.source].add(convert.digest(change.after))
            continue
        assert change.precondition is not None
        ends[due.source] = Announced(
            day=due.day,
            shadow=change.evidence.shadow,
            source=change.precondition,
            run=int(due.plan.removeprefix("run ")),
        )
    return {
        source: attrs.evolve(told, pieces=frozenset(pieces[source]))
        for source, told in ends.items()
    }


def unsettled(ledger: Ledger, state: PairState) -> frozenset[tuple[str, int]]:
    found = set()
    for intent in ledger.open_intents(state):
        change = convert.structure_json(intent.change, Change, "the ledger")
        found.add((change.source.key, change.n))
    return frozenset(found)


def parked(ledger: Ledger, state: PairState) -> tuple[Parked, ...]:
    return tuple(
        Parked(
            number=row.id,
            source=row.dispute.source,
            n=row.dispute.n,
            field=row.dispute.field,
            theirs=row.dispute.theirs,
            why=row.dispute.why,
            tried=row.dispute.tried,
        )
        for row in ledger.conflicts(state)
    )


def before(ledger: Ledger, state: PairState, now: dt.datetime) -> Before:
    done, updated = ledger.counted(state, now - _COUNTED)

    def asked(side: str) -> Asked | None:
        body = ledger.identity(state, side)
        return convert.structure_json(body, Asked, "the ledger") if body else None

    return Before(
        source_rows=ledger.records(state, "source"),
        target_rows=ledger.records(state, "target"),
        source_asked=asked("source"),
        target_asked=asked("target"),
        baseline=state.baseline,
        done=done,
        updated=updated,
    )
