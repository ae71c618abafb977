"""One run over one plan."""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from rota import convert, zones
from rota.errors import (
    LedgerError,
    NotAuthorised,
    NotSent,
    RateLimited,
    Refused,
    RotaError,
    UsageError,
    VendorError,
)
from rota.ledger import Run, State, digest
from rota.merging import put
from rota.model import Once, Ref
from rota.planning import Act, At, Change, CutOver, Plan, Undo, content_key
from rota.planning.cutting_over import WHOLE
from rota.vendor import Account, Mark, Removal

from . import looking
from .agreeing import Written
from .crew import Crew, Waiting, alone
from .cutting_over import CuttingOver, is_end
from .fates import Applied, Fate, Result, Seam
from .inbox import keep
from .looking import Doubtful, NotThere, There, Verdict


TRIES = 6
"""How often a write is sent whose outcome nobody knows and that left no trace."""
REFUSALS = 8
"""How often one is sent that surely was not carried out."""
MOST_HANDS = 32
LONGEST_WAIT = dt.timedelta(hours=1)
"""How long before its hours a change is waited for."""
LONGEST_PAUSE = dt.timedelta(minutes=5)
"""The longest pause a vendor may ask for before the run is given up."""

_BUSY = 0.3  # seconds with a call, until it is known how long one takes here
_ENOUGH = 20  # so many calls tell
_PROBES = 4  # so often a vendor that is down is waited for
_LONGEST_BACK_OFF = dt.timedelta(minutes=1)


def _stages(changes: Iterable[Change]) -> list[list[Change]]:
    """
    Return what is written back, makes, sources that go on, changes, retires, ends.

    What people edited at the target is at the source before the rest is written.
    """
    stages: list[list[Change]] = [[], [], [], [], [], []]
    for change in changes:
        if is_end(change):
            stage = 5
        elif change.at is At.SOURCE and change.n != WHOLE:
            stage = 0
        elif change.act in (Act.RETIRE, Act.HAND_OVER):
            stage = 4
        elif change.act is Act.UPDATE:
            stage = 2 if change.at is At.SOURCE else 3
        else:
            stage = 1
        stages[stage].append(change)
    return stages


class Work(CuttingOver):
    """Does the changes of a plan, side by side where they do not touch."""

    def run(
        self, plan: Plan, workers: int | None, accepted: frozenset[str] = frozenset()
    ) -> Applied:
        """
        Do what the plan says: the source first, then makes, changes, retires.

        Args:
            accepted: The kinds of changes that a person accepted by name.
        """
        self._accepted = accepted
        recovered = self.recover()
        run = self.ledger.begin(self.state, "apply", plan.digest, self.lease)
        self.ledger.rebaseline(self.state, plan.baseline)
        interrupted = False
        try:
            for stage in _stages(plan.changes):
                self.confirm([change for change in stage if is_end(change)])
                chains = _chains(stage)
                self._side_by_side(run, chains, workers)
                self.read_back(self.take_written())
        except KeyboardInterrupt:
            interrupted = True
            self.read_back(self.take_written())
        self._settle_fatal(run)
        interrupted = interrupted or len(self._results) < len(plan.changes)
        seam = () if interrupted else self._look_at_seam(run)
        applied = Applied(
            run=run.id,
            plan=plan.id,
            results=tuple(
                self._results[id(change)]
                for change in plan.changes
                if id(change) in self._results
            ),
            seam=seam,
            recovered=recovered,
            interrupted=interrupted,
            hand_over=plan.hand_over,
        )
        keep(self.ledger, self.state, plan, applied.results, self.lease.holder)
        if not interrupted:
            self._settle_due(plan)
            self._remember_sides(plan)
        self.ledger.finish(run, applied.code)
        return applied

    def _look_at_seam(self, run: Run) -> tuple[Seam, ...]:
        try:
            return self.look_at_seam(
                run.id, lambda c: alone(self._change(run, c), self.sleep)
            )
        except (NotAuthorised, LedgerError) as error:
            self.end(error)
            self._settle_fatal(run)
            raise

    def _settle_fatal(self, run: Run) -> None:
        if self._fatal is None:
            return
        try:
            self.ledger.finish(run, self._fatal.exit_code)
        except LedgerError:
            raise self._fatal from None
        raise self._fatal

    def _hands(
        self, side: Account, worked: float, since: tuple[int, float, float]
    ) -> int:
        """
        Return how many changes are under way at once, to fill the rate of a side.

        By Little's law that is the rate times how long a hand is busy with a call,
        which is asked again and again as the run goes on; and a quarter and a half
        more, so that a slow account has a second hand.

        Args:
            worked: How many seconds hands were busy so far, waits for a turn included.
            since: What was noted of its calls before.
        """
        budget = self.ledger.budget(side.name)
        rate = side.capabilities.rate
        a_second = rate.calls / rate.seconds * (1 - budget.reserve)
        calls, took, waited = map(operator.sub, budget.noted, since)
        busy = _BUSY
        if calls >= _ENOUGH:
            busy = max(took, worked - waited) / calls
        return min(MOST_HANDS, math.ceil(a_second * busy * 1.25 + 0.5))

    def _side_by_side(
        self, run: Run, chains: list[list[Change]], workers: int | None
    ) -> None:
        """Do chains of changes side by side; those within a chain one by one."""
        if not chains:
            return
        side = self.account(chains[0][0])
        since = self.ledger.budget(side.name).noted
        crew = Crew(
            self.clock,
            sleep=self._rest,
            hands=lambda crew: workers or self._hands(side, crew.worked, since),
            stopping=lambda: self.stopping,
            stop=self._stop.set,
        )
        crew.run(self._chain(run, chain) for chain in chains)

    def _rest(self, span: dt.timedelta) -> bool:
        try:
            return self.sleep(span)
        except LedgerError as error:
            self.end(error)
            return False

    def _chain(self, run: Run, chain: list[Change]) -> Waiting[None]:
        for change in chain:
            if self.stopping:
                return
            try:
                result = yield from self._change(run, change)
            except (LedgerError, NotAuthorised) as error:
                # Without ledger or login nothing may be sent any more.
                self.end(error)
                return
            except VendorError as error:
                result = Result(change=change, fate=Fate.FAILED, why=error.message)
            self.tell(result)

    def _change(self, run: Run, change: Change) -> Waiting[Result]:
        key = change.source.key, change.n
        if self._is_agreed(change):
            return Result(change=change, fate=Fate.ALREADY, ref=change.target)
        if key in self._unsettled:
            why = "its last write has no known outcome, so it is not repeated"
            return Result(change=change, fate=Fate.UNKNOWN, why=why)
        if self._give_up:
            why = f"not tried: {self._give_up}"
            return Result(change=change, fate=Fate.FAILED, why=why)
        if is_end(change) and change.source.key in self._kept:
            why = f"its source is kept: {self._kept[change.source.key]}"
            return Result(change=change, fate=Fate.SKIPPED, why=why)
        if change.at is At.TARGET and change.source.key in self._behind:
            why = "not tried: the source does not say yet what people edited here"
            return Result(change=change, fate=Fate.FAILED, why=why)
        gives_up = change.act is Act.RETIRE or isinstance(change.evidence, Undo)
        if gives_up and change.at is At.TARGET and change.source.key in self._lost:
            why = "not tried: what takes its place is not there yet"
            return Result(change=change, fate=Fate.FAILED, why=why)
        self.renew()
        match change.act:
            case Act.DEFER:
                return self._defer(run, change)
            case Act.ADOPT:
                return self._adopt(run, change)
            case Act.HAND_OVER:
                return self._hand_over(run, change)
            case Act.CREATE:
                return (yield from self._create(run, change))
            case Act.UPDATE | Act.RETIRE:
                return (yield from self._alter(run, change))

    def _is_agreed(self, change: Change) -> bool:
        """Tell whether the ledger says that the change was made already."""
        if change.n == WHOLE:
            released = change.source.key in self.ledger.released(self.state)
            return change.act is not Act.DEFER and released is is_end(change)
        link = self.ledger.link(self.state, change.source.key, change.n)
        if change.act is Act.RETIRE and change.at is At.TARGET:
            if link is None:
                return change.was is not None  # else it never had one
            return change.target is not None and link.target != change.target.key
        if change.act is Act.RETIRE or _puts_back(change):
            return False
        if link is None or change.agreed is None:
            return False
        if change.act is Act.ADOPT and (
            link.target != (change.target and change.target.key)
            or link.seen != digest(convert.canonical_json(change.seen or change.before))
        ):
            return False
        return (
            link.generation == change.generation
            and link.handed_over == (change.act is Act.HAND_OVER)
            and link.agreed == digest(convert.canonical_json(change.agreed))
        )

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
        assert change.before is not None
        seq = self.intend(run, change)
        item = Written(
            run=run.id, seq=seq, change=change, ref=change.target, state=State.DONE
        )
        self.link(item, change.seen or change.before, handed=True)
        return Result(
            change=change, fate=Fate.HANDED_OVER, why=change.reason, ref=change.target
        )

    def _adopt(self, run: Run, change: Change) -> Result:
        assert change.target is not None
        now = looking.read(self.target, change.target)
        why = looking.moved(self.pair, change, now)
        other = self.ledger.linked(self.state, change.target.key)
        if other is not None and (other.source, other.n) != (
            change.source.key,
            change.n,
        ):
            why = f"{change.target.key} is {other.source}'s, piece {other.n}"
        if why or now is None:
            return Result(change=change, fate=Fate.SKIPPED, why=why)
        seq = self.intend(run, change)
        item = Written(
            run=run.id, seq=seq, change=change, ref=change.target, state=State.DONE
        )
        self.link(item, change.seen or now)
        return Result(change=change, fate=Fate.DONE, ref=change.target)

    def _create(self, run: Run, change: Change) -> Waiting[Result]:
        record = change.after
        assert record is not None
        mark = Mark(change.mark) if change.mark else None
        lookalikes = () if mark else looking.find_lookalikes(self.target, change)
        return (
            yield from self._write(
                run,
                change,
                lambda: self.target.create(record, mark),
                check=lambda: "",
                lookalikes=lookalikes,
            )
        )

    def _alter(self, run: Run, change: Change) -> Waiting[Result]:
        account, ref = self.account(change), change.record
        assert ref is not None
        before = looking.read(account, ref)
        if before is None and change.act is Act.RETIRE and change.at is At.TARGET:
            seq = self.intend(run, change)
            self.unlink(run.id, seq, change, State.FOUND)
            return Result(change=change, fate=Fate.ALREADY, why="it is gone already")

        def check() -> str:
            return looking.moved(self.pair, change, looking.read(account, ref))

        why = looking.moved(self.pair, change, before)
        lifts = change.at is At.SOURCE and change.n != WHOLE
        if why and (lifts or _puts_back(change)) and looking.is_done(change, before):
            return Result(change=change, fate=Fate.ALREADY, ref=ref)
        if why or before is None:
            return Result(change=change, fate=Fate.SKIPPED, why=why)

        def send() -> Ref:
            if change.act is Act.UPDATE:
                assert change.after is not None
                after = change.after
                if change.n == WHOLE:
                    after = put(put(before, "timing", after), "status", after)
                account.update(ref, after, before)
            else:
                ends = self.removal(change, before) is Removal.ENDS
                last = change.first_day - dt.timedelta(1) if ends else None
                account.remove(ref, last)
            return ref

        return (yield from self._write(run, change, send, check=check))

    def _write(
        self,
        run: Run,
        change: Change,
        send: Callable[[], Ref],
        *,
        check: Callable[[], str],
        lookalikes: tuple[str, ...] = (),
    ) -> Waiting[Result]:
        """
        Send a write until something is known of it.

        Each attempt has an intent of its own, so that each is within its hours, on
        its precondition, and under the lease.

        Args:
            check: Why an attempt after the first may not be made, empty if it may.
        """
        why = ""
        refused = lost = 0
        while refused < REFUSALS and lost < TRIES and not (why and self._give_up):
            late = yield from self._wait_for_hours(change)
            if not late and refused + lost:
                late = check()
            if late:
                return Result(change=change, fate=Fate.SKIPPED, why=late)
            seq = self.intend(run, change, lookalikes)
            try:
                ref = send()
            except (RateLimited, NotSent) as error:
                why = error.message
                self.ledger.outcome(
                    run.id, seq, State.REFUSED, answer=f"not carried out: {why}"
                )
                refused += 1
                if not self._pause(change, error, refused):
                    break
            except (Refused, UsageError, NotAuthorised) as error:
                self.ledger.outcome(run.id, seq, State.REFUSED, answer=error.message)
                if isinstance(error, NotAuthorised):
                    raise
                return Result(change=change, fate=Fate.REFUSED, why=error.message)
            except Exception as error:
                # Whatever else a plugin raises says nothing about what happened.
                why = error.message if isinstance(error, RotaError) else repr(error)
                self.ledger.outcome(run.id, seq, State.UNKNOWN, answer=why)
                verdict = yield from self._look_twice(change, lookalikes)
                if isinstance(verdict, There):
                    ref = verdict.ref
                    self.happened(run.id, seq, change, ref, State.FOUND)
                    return Result(change=change, fate=Fate.FOUND, ref=ref)
                if isinstance(verdict, Doubtful):
                    self._unsettled.add((change.source.key, change.n))
                    return Result(change=change, fate=Fate.UNKNOWN, why=verdict.why)
                self.ledger.outcome(
                    run.id, seq, State.GIVEN_UP, answer="looked twice: no trace of it"
                )
                lost += 1
            else:
                self.happened(run.id, seq, change, ref, State.DONE)
                return Result(change=change, fate=Fate.DONE, ref=ref)
        return Result(change=change, fate=Fate.FAILED, why=why)

    def _look_twice(
        self, change: Change, lookalikes: tuple[str, ...]
    ) -> Waiting[Verdict]:
        """
        Look now, and where that shows nothing once more when all has landed.

        Where the target could not be looked at, that is tried again.
        """
        landed = False
        for _ in range(TRIES):
            verdict = self.look(change, lookalikes)
            blind = isinstance(verdict, Doubtful) and verdict.blind
            if not blind and (landed or not isinstance(verdict, NotThere)):
                break
            if not (yield self.account(change).capabilities.settle):
                return Doubtful("stopped before it could be looked for again")
            landed = True
        return verdict

    def _wait_for_hours(self, change: Change) -> Waiting[str]:
        """Wait until a change may be written; return why it may not be."""
        now = self.clock.now()
        if change.not_after is not None and now > change.not_after:
            return (
                f"it was to be written before {change.not_after:%Y-%m-%d %H:%M} UTC, "
                f"so that it first acts on {change.first_day}; make the plan anew"
            )
        if change.not_before is not None and now < change.not_before:
            early = change.not_before - now
            if early > LONGEST_WAIT or not (yield early):
                return f"it may not be written before {change.not_before:%Y-%m-%d %H:%M} UTC"
        record = change.after
        if change.act is Act.CREATE and record and isinstance(record.timing, Once):
            zone = zones.load(record.zone_name) if record.zone_name else dt.UTC
            if record.timing.day < now.astimezone(zone).date():
                return f"its day, {record.timing.day}, is over; make the plan anew"
        return ""

    def _pause(
        self, change: Change, error: RateLimited | NotSent, refused: int
    ) -> bool:
        """
        Wait as the vendor asks, or as long as it is to be left alone, with this hand:
        what was refused for now would be refused to others too.

        Returns:
            False where that is too long, did not help, or a person stops.
        """
        name = self.account(change).name
        if error.retry_after is not None:
            pause = dt.timedelta(seconds=error.retry_after)
        else:
            pause = min(dt.timedelta(seconds=2.0 ** (refused - 1)), _LONGEST_BACK_OFF)
        if pause > LONGEST_PAUSE:
            until = self.clock.now() + pause
            self._give_up = (
                f"{name} asks to be left alone until {until:%Y-%m-%d %H:%M:%S} UTC"
            )
            return False
        down = isinstance(error, NotSent) and error.retry_after is not None
        if down and refused >= _PROBES:
            self._give_up = f"{name} is down: {error.message}"
            return False
        return self.sleep(pause)

    def _settle_due(self, plan: Plan) -> None:
        """Drop pieces that waited for their day and were made, or are wanted no more."""
        deferred = {
            (*_piece(change), change.first_day)
            for change in (*plan.waiting, *plan.changes)
            if change.act is Act.DEFER
        }
        creates = [c for c in plan.changes if c.act in (Act.CREATE, Act.ADOPT)]
        made = {_piece(c): self._results[id(c)].fate.good for c in creates}
        cut_over = self._settled_cut_overs(plan)
        for due in self.ledger.due(self.state):
            change = convert.structure_json(due.change, Change, "the ledger")
            piece = _piece(change)
            if isinstance(change.evidence, CutOver):
                how = cut_over.get(due.source)
                if how and (*piece, due.day) not in deferred:
                    self.ledger.settle_due(self.state, due.source, due.n, due.day, how)
                continue
            if (*piece, due.day) in deferred:
                continue
            if not made.get(piece, True):
                continue
            how = "made" if made.get(piece) else "no longer wanted"
            self.ledger.settle_due(self.state, due.source, due.n, due.day, how)

    def _settled_cut_overs(self, plan: Plan) -> dict[str, str]:
        """Return what became of cut-overs that waited, by source."""
        found = dict.fromkeys(plan.withdrawn, "withdrawn")
        for change in plan.changes:
            if change.act is Act.DEFER and isinstance(change.evidence, CutOver):
                found[change.source.key] = "announced anew"
            elif is_end(change) and self._results[id(change)].fate.good:
                found[change.source.key] = "made"
        return found

    def _remember_sides(self, plan: Plan) -> None:
        gone = Counter(
            result.change.at
            for result in self._results.values()
            if result.fate is Fate.DONE and result.change.act is Act.RETIRE
        )
        for side, seen in ((At.SOURCE, plan.source), (At.TARGET, plan.target)):
            self.ledger.put_identity(
                self.state, side, convert.canonical_json(seen.asked)
            )
            if seen.complete:
                # What this run took away itself is not missed by the next one.
                left = max(seen.rows - gone[side], 0)
                self.ledger.put_records(self.state, side, left)


def _piece(change: Change) -> tuple[str, str]:
    return change.source.key, convert.digest(change.after)


def _puts_back(change: Change) -> bool:
    """Tell whether it writes what is agreed on already, so the ledger can't tell."""
    return (
        change.act is Act.UPDATE
        and change.agreed is not None
        and change.agreed == change.was
    )


def _chains(changes: Iterable[Change]) -> list[list[Change]]:
    """Group what must not run side by side: creates of equal content without a mark."""
    chains: dict[object, list[Change]] = defaultdict(list)
    for number, change in enumerate(changes):
        bare = change.mark is None and change.act is Act.CREATE
        key = content_key(change.after) if bare and change.after else number
        chains[key].append(change)
    return list(chains.values())
