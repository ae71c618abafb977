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
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from enum import StrEnum
from typing import TypeAlias

import attrs

from . import clock as clocks
from . import convert
from .clock import Clock
from .errors import (
    LedgerError,
    NotAccepted,
    NotAuthorised,
    NotSent,
    OutcomeUnknown,
    OverCap,
    PersonNeeded,
    PlanStale,
    RateLimited,
    RotaError,
    SideEmptied,
    VendorError,
)
from .gathering import Pair
from .ledger import Intent, Lease, Ledger, Link, PairState, Run, State, digest
from .merging import remember
from .model import Once, Ref, Schedule, ScheduleStatus
from .planning import Act, Change, Halt, HaltKind, Never, Plan
from .vendor import Account, Mark, Removal, Scope


_TRIES = 4
_LEASE = dt.timedelta(minutes=5)
_LONGEST_WAIT = dt.timedelta(hours=1)


class Fate(StrEnum):
    """What became of a change in this run."""

    DONE = "done"
    ALREADY = "already done"
    FOUND = "found"
    LATER = "deferred"
    HANDED_OVER = "handed over"
    SKIPPED = "skipped"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class Result:
    """What became of one change, and why where it isn't plain."""

    change: Change
    fate: Fate
    why: str = ""
    ref: Ref | None = None


@attrs.frozen(kw_only=True)
class Applied:
    """
    What became of a plan.

    Args:
        run: The run's number in the ledger.
        recovered: What became of writes that an earlier run left open.
        interrupted: A person stopped it; the rest was not tried.
    """

    run: int
    plan: str
    results: tuple[Result, ...]
    recovered: tuple[Result, ...] = ()
    interrupted: bool = False

    def count(self, *fates: Fate) -> int:
        """Return how many changes ended so."""
        return sum(result.fate in fates for result in self.results)

    @property
    def code(self) -> int:
        """The exit code: 7 a person is needed, 5 the world moved, 1 try again, 0."""
        fates = {result.fate for result in (*self.results, *self.recovered)}
        if Fate.UNKNOWN in fates or Fate.HANDED_OVER in fates:
            return 7
        if Fate.SKIPPED in fates:
            return 5
        if fates & {Fate.REFUSED, Fate.FAILED} or self.interrupted:
            return 1
        return 0


Watcher: TypeAlias = Callable[[Result], None]


def apply(
    plan: Plan,
    pair: Pair,
    ledger: Ledger,
    *,
    accept: Iterable[str] = (),
    clock: Clock | None = None,
    workers: int | None = None,
    watch: Watcher = lambda result: None,
) -> Applied:
    """
    Do exactly what the plan says, each change once.

    Args:
        accept: What a person accepts of this plan: ``retire:12@PLAN``.
        workers: Changes under way at once; None for what the target's rate needs.
        watch: Told of each result as it comes.

    Raises:
        Unsafe: The plan may not be applied as it is; nothing was written.
        LeaseHeld: Another run works on the pair.
        LedgerError: The ledger can't be written, so the vendor isn't called.
    """
    clock = clock or clocks.system()
    accepted = _accepted(plan, accept)
    state = ledger.pair(pair.name)
    if plan.pair != pair.name or plan.target.account != pair.target.name:
        raise PlanStale(
            f"the plan is for pair {plan.pair!r} towards {plan.target.account!r}",
            hint="name the plan's own pair and configuration",
        )
    if plan.baseline != pair.baseline:
        raise PlanStale(
            "the configuration, an adapter or the zone data changed since plan "
            f"{plan.id} was made",
            hint=f"make it anew: rota plan {pair.name}",
        )
    with ledger.lease(f"pair {pair.name}", _holder(), _LEASE) as lease:
        for what, many in accepted:
            ledger.accept(plan.digest, what, many, _holder())
        work = _Work(pair, ledger, state, lease, clock, watch)
        return work.run(plan, workers)


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
    return kinds[first.kind](
        "; ".join(halt.message for halt in halts),
        hint=f"nothing was written. If this is what you want: {words}",
    )


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"


class _Work:
    """One run."""

    def __init__(
        self,
        pair: Pair,
        ledger: Ledger,
        state: PairState,
        lease: Lease,
        clock: Clock,
        watch: Watcher,
    ) -> None:
        self.pair = pair
        self.target: Account = pair.target
        self.ledger = ledger
        self.state = state
        self.lease = lease
        self.clock = clock
        self.watch = watch
        self.stop = threading.Event()
        self.fatal: RotaError | None = None
        self.numbers = threading.Lock()
        self.next_seq = 0
        self.renewed = clock.now()

    def run(self, plan: Plan, workers: int | None) -> Applied:
        recovered = self._recover()
        run = self.ledger.begin(self.state, "apply", plan.digest, self.lease)
        self.ledger.rebaseline(self.state, plan.baseline)
        results: list[Result] = []
        interrupted = False
        try:
            for acts in (
                (Act.CREATE, Act.ADOPT, Act.DEFER),
                (Act.UPDATE,),
                (Act.RETIRE, Act.HAND_OVER),
            ):
                chains = _chains([c for c in plan.changes if c.act in acts])
                results += self._side_by_side(run, chains, workers or self._workers())
        except KeyboardInterrupt:
            interrupted = True
        if self.fatal is not None:
            self._finish(run, self.fatal.exit_code)
            raise self.fatal
        applied = Applied(
            run=run.id,
            plan=plan.id,
            results=tuple(results),
            recovered=recovered,
            interrupted=interrupted,
        )
        if not interrupted:
            self._settle_due(plan)
            for side, seen in (("source", plan.source), ("target", plan.target)):
                self.ledger.put_identity(
                    self.state, side, convert.canonical_json(seen.asked)
                )
                self.ledger.put_records(self.state, side, seen.rows)
        self._finish(run, applied.code)
        return applied

    def _settle_due(self, plan: Plan) -> None:
        """Drop pieces that waited for their day and were made, or are wanted no more."""
        kept = {
            (change.source.key, change.n, change.first_day)
            for change in (*plan.waiting, *plan.changes)
            if change.act is Act.DEFER
        }
        for due in self.ledger.due(self.state):
            if (due.source, due.n, due.day) not in kept:
                made = due.day <= plan.day + dt.timedelta(1)
                self.ledger.settle_due(
                    self.state,
                    due.source,
                    due.n,
                    due.day,
                    "made" if made else "no longer wanted",
                )

    def _finish(self, run: Run, code: int) -> None:
        try:
            self.ledger.finish(run, code)
        except LedgerError:
            if self.fatal is None:
                raise

    def _workers(self) -> int:
        rate = self.target.capabilities.rate
        per_second = rate.calls / rate.seconds
        return 1 if per_second < 2 else min(8, int(per_second * 0.1) + 1)

    def _side_by_side(
        self, run: Run, chains: list[list[Change]], workers: int
    ) -> list[Result]:
        """Do chains of changes side by side; those within a chain one by one."""
        results: list[Result] = []
        pool = ThreadPoolExecutor(workers, thread_name_prefix="rota-apply")
        waiting: set[Future[list[Result]]] = {
            pool.submit(self._chain, run, chain) for chain in chains
        }
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    results += future.result()
        except KeyboardInterrupt:
            self.stop.set()
            for future in waiting:
                future.cancel()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return results

    def _chain(self, run: Run, chain: list[Change]) -> list[Result]:
        results = []
        for change in chain:
            if self.stop.is_set():
                break
            try:
                result = self._change(run, change)
            except LedgerError as error:
                # Without the ledger nothing may be sent any more.
                self.fatal = self.fatal or error
                self.stop.set()
                break
            except (NotAuthorised, PersonNeeded) as error:
                self.fatal = self.fatal or error
                self.stop.set()
                break
            results.append(result)
            self.watch(result)
        return results

    def _change(self, run: Run, change: Change) -> Result:
        with self.numbers:
            if self.clock.now() - self.renewed > _LEASE / 4:
                self.lease.renew()
                self.renewed = self.clock.now()
        if self._is_done(change):
            return Result(change=change, fate=Fate.ALREADY, ref=change.target)
        late = self._in_hours(change)
        if late:
            return Result(change=change, fate=Fate.SKIPPED, why=late)
        match change.act:
            case Act.DEFER:
                return self._defer(run, change)
            case Act.ADOPT:
                return self._adopt(run, change)
            case Act.HAND_OVER:
                return self._hand_over(run, change)
            case Act.CREATE:
                return self._create(run, change)
            case Act.UPDATE | Act.RETIRE:
                return self._alter(run, change)

    # ------------------------------------------------------------------- before a write

    def _is_done(self, change: Change) -> bool:
        link = self.ledger.link(self.state, change.source.key, change.n)
        if change.act is Act.RETIRE:
            return link is None or (
                change.target is not None and link.target != change.target.key
            )
        if link is None or change.agreed is None:
            return False
        return (
            link.generation == change.generation
            and link.handed_over == (change.act is Act.HAND_OVER)
            and link.agreed == digest(convert.canonical_json(change.agreed))
        )

    def _in_hours(self, change: Change) -> str:
        now = self.clock.now()
        if change.not_after is not None and now > change.not_after:
            return (
                f"it was to be written before {change.not_after:%Y-%m-%d %H:%M} UTC, "
                f"so that it first acts on {change.first_day}; make the plan anew"
            )
        if change.not_before is not None and now < change.not_before:
            early = change.not_before - now
            if early > _LONGEST_WAIT:
                return f"it may not be written before {change.not_before:%Y-%m-%d %H:%M} UTC"
            self.clock.sleep(early.total_seconds())
        return ""

    def _read(self, ref: Ref) -> Schedule | None:
        """Read a record by id; None where it is proved gone."""
        listing = self.target.schedules(Scope(ids=(ref.id,)))
        for item in listing.items:
            if item.ref == ref:
                return item
        if not listing.certificate.complete:
            raise VendorError(
                f"{ref} could not be read: {'; '.join(listing.certificate.errors)}"
            )
        return None

    def _intend(
        self, run: Run, change: Change, lookalikes: tuple[str, ...] = ()
    ) -> int:
        with self.numbers:
            seq, self.next_seq = self.next_seq, self.next_seq + 1
        before = convert.canonical_json(change.before) if change.before else None
        after = convert.canonical_json(change.after) if change.after else None
        self.ledger.intend(
            run,
            seq,
            convert.canonical_json(change),
            mark=change.mark,
            before=digest(before) if before else None,
            after=digest(after) if after else None,
            lookalikes=lookalikes,
            source=change.source.key,
            target=change.target.key if change.target else None,
            values=[body for body in (before, after) if body],
        )
        return seq

    # --------------------------------------------------------------------------- writes

    def _defer(self, run: Run, change: Change) -> Result:
        self.ledger.put_due(
            self.state,
            change.source.key,
            change.n,
            change.first_day,
            convert.canonical_json(change),
            plan=f"run {run.id}",
        )
        return Result(change=change, fate=Fate.LATER, why=f"due on {change.first_day}")

    def _hand_over(self, run: Run, change: Change) -> Result:
        assert change.target is not None
        assert change.agreed is not None
        assert change.before is not None
        seq = self._intend(run, change)
        self._link(
            run.id, seq, change, change.target, change.before, State.DONE, handed=True
        )
        return Result(
            change=change, fate=Fate.HANDED_OVER, why=change.reason, ref=change.target
        )

    def _adopt(self, run: Run, change: Change) -> Result:
        assert change.target is not None
        now = self._read(change.target)
        if now is None or convert.digest(now) != change.precondition:
            return Result(change=change, fate=Fate.SKIPPED, why="the record moved")
        seq = self._intend(run, change)
        self._link(run.id, seq, change, change.target, now, State.DONE)
        return Result(change=change, fate=Fate.DONE, ref=change.target)

    def _create(self, run: Run, change: Change) -> Result:
        assert change.after is not None
        lookalikes = () if change.mark else self._lookalikes(change.after)
        seq = self._intend(run, change, lookalikes)
        since = self.clock.now()
        for turn in range(_TRIES):
            try:
                ref = self.target.create(
                    change.after, Mark(change.mark) if change.mark else None
                )
            except (RateLimited, NotSent) as error:
                if turn + 1 == _TRIES:
                    self._failed(run.id, seq, error)
                    return Result(change=change, fate=Fate.FAILED, why=error.message)
                self._pause(error, turn)
                continue
            except OutcomeUnknown as error:
                self.ledger.outcome(run.id, seq, State.UNKNOWN, answer=error.message)
                found = self._look(change, lookalikes, since)
                if isinstance(found, Ref):
                    return self._settle_found(run.id, seq, change, found)
                if isinstance(found, str):
                    return Result(change=change, fate=Fate.UNKNOWN, why=found)
                self.ledger.outcome(
                    run.id, seq, State.GIVEN_UP, answer="looked twice: not there"
                )
                if turn + 1 == _TRIES:
                    return Result(change=change, fate=Fate.FAILED, why=error.message)
                seq = self._intend(run, change, lookalikes)
                since = self.clock.now()
                continue
            except NotAuthorised as error:
                self._failed(run.id, seq, error)
                raise
            except RotaError as error:
                self._failed(run.id, seq, error)
                return Result(change=change, fate=Fate.REFUSED, why=error.message)
            return self._made(run.id, seq, change, ref)
        raise AssertionError("the last turn returns")

    def _made(self, run: int, seq: int, change: Change, ref: Ref) -> Result:
        try:
            seen = self._read(ref)
        except VendorError as error:
            # The record is there; what it reads back as is learnt by the next run.
            seen, why = None, f"made, and not yet read back: {error.message}"
        else:
            why = "" if seen else "made, and not yet visible"
        self._link(run, seq, change, ref, seen, State.DONE)
        return Result(change=change, fate=Fate.DONE, ref=ref, why=why)

    def _settle_found(self, run: int, seq: int, change: Change, ref: Ref) -> Result:
        self._link(run, seq, change, ref, self._read(ref), State.FOUND)
        return Result(change=change, fate=Fate.FOUND, ref=ref)

    def _alter(self, run: Run, change: Change) -> Result:
        assert change.target is not None
        assert change.before is not None
        now = self._read(change.target)
        if now is None and change.act is Act.RETIRE:
            seq = self._intend(run, change)
            self._unlink(run.id, seq, change, State.FOUND)
            return Result(change=change, fate=Fate.ALREADY, why="it is gone already")
        if now is None or convert.digest(now) != change.precondition:
            return Result(
                change=change,
                fate=Fate.SKIPPED,
                why="the record at the target moved since the plan was made",
            )
        seq = self._intend(run, change)
        for turn in range(_TRIES):
            try:
                self._write(change, now)
            except (RateLimited, NotSent) as error:
                if turn + 1 == _TRIES:
                    self._failed(run.id, seq, error)
                    return Result(change=change, fate=Fate.FAILED, why=error.message)
                self._pause(error, turn)
                continue
            except OutcomeUnknown as error:
                self.ledger.outcome(run.id, seq, State.UNKNOWN, answer=error.message)
                happened = self._happened(change, now)
                if happened is None:
                    return Result(change=change, fate=Fate.UNKNOWN, why=error.message)
                if happened:
                    return self._altered(run.id, seq, change, State.FOUND)
                self.ledger.outcome(
                    run.id, seq, State.GIVEN_UP, answer="read twice: as before"
                )
                if turn + 1 == _TRIES:
                    return Result(change=change, fate=Fate.FAILED, why=error.message)
                seq = self._intend(run, change)
                continue
            except NotAuthorised as error:
                self._failed(run.id, seq, error)
                raise
            except RotaError as error:
                self._failed(run.id, seq, error)
                return Result(change=change, fate=Fate.REFUSED, why=error.message)
            return self._altered(run.id, seq, change, State.DONE)
        raise AssertionError("the last turn returns")

    def _write(self, change: Change, now: Schedule) -> None:
        assert change.target is not None
        if change.act is Act.UPDATE:
            assert change.after is not None
            self.target.update(change.target, change.after, now)
            return
        holds = self.target.capabilities.holds(now.timing)
        ends = holds is not None and holds.removal is Removal.ENDS
        last = change.first_day - dt.timedelta(1) if ends else None
        self.target.remove(change.target, last)

    def _altered(self, run: int, seq: int, change: Change, state: State) -> Result:
        assert change.target is not None
        seen = self._read(change.target)
        if change.act is Act.RETIRE and (
            seen is None or seen.status is not ScheduleStatus.ACTIVE
        ):
            self._unlink(run, seq, change, state)
        else:
            kept = seen and self._remembered(change, seen)
            self._link(run, seq, change, change.target, kept, state)
        return Result(change=change, fate=Fate.DONE, ref=change.target)

    def _remembered(self, change: Change, after: Schedule) -> Schedule:
        link = self.ledger.link(self.state, change.source.key, change.n)
        body = self.ledger.value(link.seen) if link else None
        if body is None or change.before is None:
            return after
        seen = convert.structure_json(body, Schedule, "the ledger")
        return remember(seen, change.before, after, change.first_day)

    def _failed(self, run: int, seq: int, error: RotaError) -> None:
        self.ledger.outcome(run, seq, State.REFUSED, answer=error.message)

    def _pause(self, error: VendorError, turn: int) -> None:
        wanted = error.retry_after if isinstance(error, RateLimited) else None
        self.clock.sleep(wanted if wanted is not None else 2.0**turn)

    def _link(
        self,
        run: int,
        seq: int,
        change: Change,
        ref: Ref,
        seen: Schedule | None,
        state: State,
        *,
        handed: bool = False,
    ) -> None:
        assert change.agreed is not None
        agreed = convert.canonical_json(change.agreed)
        image = convert.canonical_json(
            seen or attrs.evolve(change.agreed.wanted, ref=ref, mark=change.mark)
        )
        timing = change.agreed.wanted.timing
        link = Link(
            source=change.source.key,
            n=change.n,
            target=ref.key,
            agreed=digest(agreed),
            seen=digest(image),
            generation=change.generation,
            form=type(timing).__name__.lower(),
            first=timing.day if isinstance(timing, Once) else None,
            last=change.last_day,
            handed_over=handed,
        )
        self.ledger.outcome(
            run,
            seq,
            state,
            ref.key,
            link=link,
            values=(agreed, image),
            since=change.first_day,
        )

    def _unlink(self, run: int, seq: int, change: Change, state: State) -> None:
        assert change.target is not None
        self.ledger.outcome(
            run,
            seq,
            state,
            change.target.key,
            unlink=(change.source.key, change.n),
            since=change.first_day,
        )

    # -------------------------------------------------------------------------- looking

    def _lookalikes(self, wanted: Schedule) -> tuple[str, ...]:
        listing = self.target.schedules(Scope(window=_window(wanted)))
        return tuple(
            item.ref.key for item in listing.items if item.ref and _alike(item, wanted)
        )

    def _look(
        self, change: Change, lookalikes: tuple[str, ...], since: dt.datetime
    ) -> Ref | str | None:
        """
        Look for a record whose creation has no known outcome.

        Returns the record, None where two looks prove that it is not there, or why
        nothing can be said.
        """
        assert change.after is not None
        try:
            found = self._search(change, lookalikes)
            if not found:
                settled = since + self.target.capabilities.settle
                self.clock.sleep((settled - self.clock.now()).total_seconds())
                found = self._search(change, lookalikes)
        except VendorError as error:
            return f"it could not be looked for: {error.message}"
        if len(found) == 1:
            return found[0]
        if found:
            return f"{len(found)} records at the target could be it"
        if change.mark is None and isinstance(change.takes_back, Never):
            return "it can't be taken back and bears no mark, so it is not tried again"
        return None

    def _search(self, change: Change, lookalikes: tuple[str, ...]) -> list[Ref]:
        assert change.after is not None
        window = _window(change.after)
        mark = Mark(change.mark) if change.mark else None
        listing = self.target.schedules(Scope(window=window, mark=mark))
        if listing.certificate.errors:
            raise VendorError("; ".join(listing.certificate.errors))
        return [
            item.ref
            for item in listing.items
            if item.ref is not None
            and (
                item.mark == mark
                if mark
                else item.ref.key not in lookalikes
                and _alike(item, change.after)
                and self.ledger.linked(self.state, item.ref.key) is None
            )
        ]

    def _happened(self, change: Change, was: Schedule) -> bool | None:
        """Tell whether a change of a record took effect; None where nobody can say."""
        assert change.target is not None
        since = self.clock.now()
        for last in (False, True):
            try:
                now = self._read(change.target)
            except VendorError:
                return None
            if now is None:
                return True if change.act is Act.RETIRE else None
            if convert.digest(now) != convert.digest(was):
                return True
            if not last:
                settled = since + self.target.capabilities.settle
                self.clock.sleep((settled - self.clock.now()).total_seconds())
        return False

    # ------------------------------------------------------------------------- recovery

    def _recover(self) -> tuple[Result, ...]:
        """Settle what earlier runs left open."""
        results = []
        for intent in self.ledger.open_intents(self.state):
            result = self._settle(intent)
            results.append(result)
            self.watch(result)
        return tuple(results)

    def _settle(self, intent: Intent) -> Result:
        change = convert.structure_json(intent.change, Change, "the ledger")
        if change.act is Act.CREATE:
            found = self._look(change, intent.lookalikes, intent.at)
            if isinstance(found, Ref):
                return self._settle_found(intent.run, intent.seq, change, found)
            if isinstance(found, str):
                if not intent.outcomes:
                    self.ledger.outcome(
                        intent.run, intent.seq, State.UNKNOWN, answer=found
                    )
                return Result(change=change, fate=Fate.UNKNOWN, why=found)
        elif change.act in (Act.UPDATE, Act.RETIRE):
            assert change.before is not None
            happened = self._happened(change, change.before)
            if happened:
                return self._altered(intent.run, intent.seq, change, State.FOUND)
            if happened is None:
                return Result(
                    change=change, fate=Fate.UNKNOWN, why="it can't be read now"
                )
        self.ledger.outcome(
            intent.run, intent.seq, State.GIVEN_UP, answer="it never happened"
        )
        return Result(
            change=change, fate=Fate.ALREADY, why="an earlier run never wrote it"
        )


def _chains(changes: list[Change]) -> list[list[Change]]:
    """Group what must not run side by side: creates of equal content without a mark."""
    chains: dict[str, list[Change]] = defaultdict(list)
    for number, change in enumerate(changes):
        if change.mark is None and change.act is Act.CREATE:
            chains[convert.digest(change.after)].append(change)
        else:
            chains[str(number)].append(change)
    return list(chains.values())


def _window(schedule: Schedule) -> tuple[dt.date, dt.date] | None:
    timing = schedule.timing
    return (timing.day, timing.day) if isinstance(timing, Once) else None


def _alike(one: Schedule, other: Schedule) -> bool:
    """Tell whether two records say the same, leaving out what a vendor adds."""
    return (
        one.task.title == other.task.title
        and one.task.assignee == other.task.assignee
        and one.timing == other.timing
        and one.zone_name == other.zone_name
    )


__all__ = ["Applied", "Fate", "Result", "apply"]
