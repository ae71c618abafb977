"""The inbox: fields that wait for a person, kept in the ledger from plan to plan."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from rota.ledger import Conflict, Dispute, Ledger, PairState
from rota.merging import tell_field
from rota.planning import Act, At, Change, Plan

from .fates import Fate, Result


NO_LONGER = "no longer disputed"


def news(plan: Plan, rows: Iterable[Conflict]) -> tuple[Dispute, ...]:
    """Return what a plan found disputed and the inbox does not say yet."""
    known = {(r.dispute.source, r.dispute.n, r.dispute.field): r.dispute for r in rows}
    found = []
    for dispute in disputes(plan):
        old = known.get((dispute.source, dispute.n, dispute.field))
        if old is not None and old.tried and old.theirs == dispute.theirs:
            dispute = attrs.evolve(dispute, tried=True)
        if dispute != old:
            found.append(dispute)
    return tuple(found)


def disputes(plan: Plan) -> tuple[Dispute, ...]:
    """Return the fields that wait for a person, as the inbox keeps them."""
    return tuple(each for parked in plan.conflicts for each in _disputes(parked))


def keep(
    ledger: Ledger, pair: PairState, plan: Plan, results: Iterable[Result], who: str
) -> None:
    """Put down what is disputed after a run, and settle what no longer is."""
    rows = ledger.conflicts(pair)
    waiting = {row.id for row in rows}
    for result in results:
        if result.fate.good:
            for row in rows:
                if _answers(result.change, row.dispute):
                    ledger.settle_conflict(row.id, result.change.reason, who)
        elif result.change.at is At.SOURCE and result.fate is Fate.REFUSED:
            for dispute in _refused(result):
                ledger.put_conflict(pair, dispute)
    for number in plan.undisputed:
        if number in waiting:
            ledger.settle_conflict(number, NO_LONGER, who)
    for dispute in news(plan, rows):
        ledger.put_conflict(pair, dispute)


def _disputes(parked: Change) -> Iterable[Dispute]:
    assert parked.was is not None
    for diff in parked.diff:
        yield Dispute(
            source=parked.source.key,
            n=parked.n,
            field=diff.field,
            target=parked.target.key if parked.target else "",
            title=parked.title,
            base=tell_field(parked.was.wanted, diff.field),
            ours=diff.after,
            theirs=diff.before,
            why=parked.reason,
        )


def _refused(result: Result) -> Iterable[Dispute]:
    """Yield the edits that the source would not take; they are not sent again."""
    change = result.change
    if change.was is None or change.agreed is None or change.seen is None:
        return
    for diff in change.diff:
        if tell_field(change.was.wanted, diff.field) == tell_field(
            change.agreed.wanted, diff.field
        ):
            continue
        yield Dispute(
            source=change.source.key,
            n=change.n,
            field=diff.field,
            target=change.target.key if change.target else "",
            title=change.title,
            base=tell_field(change.was.wanted, diff.field),
            ours=tell_field(change.was.wanted, diff.field),
            theirs=tell_field(change.seen, diff.field),
            why=f"the source would not take it: {result.why}",
            tried=True,
        )


def _answers(change: Change, dispute: Dispute) -> bool:
    """Tell whether a change that was made is an answer to a dispute."""
    return (
        change.source.key == dispute.source
        and (change.n == dispute.n or change.at is At.SOURCE)
        and (
            change.act is Act.RETIRE
            or any(diff.field == dispute.field for diff in change.diff)
        )
    )
