"""
The only writer: per change an intent, a call and an outcome, committed one by one.

A write that may or may not have happened is looked for before anything else is done
about it. What can't be proved either way stays open in the ledger, is shown, and
stops nothing but itself.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
import threading
from collections.abc import Callable, Iterable

from rota import clock as clocks
from rota.clock import Clock
from rota.errors import (
    NotAccepted,
    OverCap,
    PersonNeeded,
    PlanStale,
    RotaError,
    SideEmptied,
)
from rota.gathering import Pair
from rota.ledger import Ledger
from rota.planning import Halt, HaltKind, Plan

from .cutting_over import is_end
from .fates import Applied, Fate, Result, Watcher
from .inbox import disputes, keep, news
from .work import Work


_LEASE = dt.timedelta(minutes=5)


def apply(
    plan: Plan,
    pair: Pair,
    ledger: Ledger,
    *,
    accept: Iterable[str] = (),
    clock: Clock | None = None,
    workers: int | None = None,
    watch: Watcher = lambda result: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Applied:
    """
    Do exactly what the plan says, each change once.

    What an earlier run left open is settled first. The image of each new record is
    read back before anything is retired, and before this returns.

    Args:
        accept: What a person accepts of this plan: ``retire:12@PLAN``.
        workers: Changes under way at once; None for what the target's rate needs.
        watch: Told of each result as it comes, one at a time.
        stopped: Asked before each call; once it says so, the calls under way are
            finished and recorded, and the rest is not tried.

    Raises:
        Unsafe: The plan may not be applied as it is; nothing was written.
        NotAuthorised: The target no longer lets us in; what was done is recorded.
        LeaseHeld: Another run works on the pair.
        LedgerError: The ledger can't be written, so the vendor isn't called.
    """
    clock = clock or clocks.system()
    accepted = _accepted(plan, accept)
    if plan.pair != pair.name or plan.target.account != pair.target.name:
        raise PlanStale(
            f"the plan is for pair {plan.pair!r} towards {plan.target.account!r}",
            hint="name the plan's own pair and configuration",
        )
    if plan.baseline != pair.baseline:
        raise PlanStale(
            "the configuration, an adapter or the zone data changed since plan "
            f"{plan.id} was made",
            hint=f"make it anew: {pair.remake}",
        )
    who = holder()
    with ledger.lease(_lease_name(pair), who, _LEASE) as lease:
        for what, many in accepted:
            ledger.accept(plan.digest, what, many, who)
        names = frozenset(what for what, _ in accepted)
        work = Work(pair, ledger, lease, clock, watch, stopped)
        return work.run(plan, workers, names)


def recover(
    pair: Pair,
    ledger: Ledger,
    *,
    clock: Clock | None = None,
    watch: Watcher = lambda result: None,
) -> tuple[Result, ...]:
    """
    Settle what earlier runs of a pair left open; ``apply`` does so by itself.

    Raises:
        LeaseHeld: Another run works on the pair.
    """
    clock = clock or clocks.system()
    if not ledger.open_intents(ledger.pair(pair.name)):
        return ()
    with ledger.lease(_lease_name(pair), holder(), _LEASE) as lease:
        return Work(pair, ledger, lease, clock, watch).recover()


def park(plan: Plan, pair: Pair, ledger: Ledger) -> None:
    """
    Bring the inbox up to date with a plan; ``apply`` does so by itself.

    Raises:
        LeaseHeld: Another run works on the pair.
    """
    state = ledger.pair(pair.name)
    if plan.undisputed or news(plan, ledger.conflicts(state)):
        with ledger.lease(_lease_name(pair), holder(), _LEASE) as lease:
            keep(ledger, state, plan, (), lease.holder)


def _accepted(plan: Plan, accept: Iterable[str]) -> tuple[tuple[str, int], ...]:
    given = set()
    for word in accept:
        what, at, which = word.partition("@")
        if not at or not which or not plan.digest.startswith(which):
            raise NotAccepted(
                f"{word!r} does not name this plan",
                hint=f"this is plan {plan.id}: write {what}@{plan.id}",
            )
        given.add(what)
    missing = [halt for halt in plan.halts if halt.accept not in given]
    if missing:
        raise _refusal(plan, missing)
    return tuple(
        (name, int(many) if many.isdigit() else 0)
        for name, _, many in (what.partition(":") for what in sorted(given))
    )


def _refusal(plan: Plan, halts: list[Halt]) -> RotaError:
    kinds = {
        HaltKind.OVER_CAP: OverCap,
        HaltKind.SIDE_EMPTIED: SideEmptied,
        HaltKind.NOT_ACCEPTED: NotAccepted,
        HaltKind.PERSON: PersonNeeded,
    }
    first = next((h for h in halts if h.kind is HaltKind.PERSON), halts[0])
    words = " ".join(f"--accept {halt.accept}@{plan.id}" for halt in halts)
    words = f"rota apply PLANFILE {words}"
    return kinds[first.kind](
        "; ".join(halt.message for halt in halts),
        hint=f"nothing was written. If this is what you want: {words}",
    )


def _lease_name(pair: Pair) -> str:
    return f"pair {pair.name}"


def holder() -> str:
    """Return who takes a lease, as others shall read it."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"


__all__ = [
    "Applied",
    "Fate",
    "Result",
    "Watcher",
    "apply",
    "disputes",
    "holder",
    "is_end",
    "park",
    "recover",
]
