"""What both sides agree on once a write was read back, and who hears of it."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

import attrs

from rota import convert
from rota.clock import Clock
from rota.errors import LedgerError, NotAuthorised, RotaError, VendorError
from rota.gathering import Pair
from rota.ledger import Lease, Ledger, Link, Run, State, digest
from rota.merging import FIELDS, put_all, remember, same
from rota.model import Once, Ref, Schedule, ScheduleStatus
from rota.planning import Act, At, Change, acts, counts_as
from rota.planning.cutting_over import WHOLE
from rota.vendor import Account, Removal, Scope

from . import looking
from .fates import Fate, Result, Watcher


IN_A_ROW = 10
"""So many changes that fail one after another end a run."""

_MAKES = (Act.CREATE, Act.ADOPT, Act.UPDATE)
_FEW = 4  # so many records are read back one by one
_SLICE = 1.0  # seconds between two looks whether somebody asked to stop


@attrs.frozen(kw_only=True)
class Written:
    """A write that happened, and whose record is still to be read back."""

    run: int
    seq: int
    change: Change
    ref: Ref
    state: State


class Agreeing:
    """What a run has written, what it told, and why it stops."""

    def __init__(
        self,
        pair: Pair,
        ledger: Ledger,
        lease: Lease,
        clock: Clock,
        watch: Watcher,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.pair = pair
        self.target = pair.target
        self.ledger = ledger
        self.state = ledger.pair(pair.name)
        self.lease = lease
        self.clock = clock
        self._watch = watch
        self._stopped = stopped
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._fatal: RotaError | None = None
        self._give_up = ""
        self._failures = 0
        self._results: dict[int, Result] = {}
        self._written: list[Written] = []
        self._unsettled: set[tuple[str, int]] = set()
        self._lost: set[str] = set()
        self._behind: set[str] = set()
        self._kept: dict[str, str] = {}
        self._ended: list[Written] = []
        self._accepted: frozenset[str] = frozenset()
        self._renewed = clock.now()
        self._seq = 0
        self._mark_seen: bool | None = None

    @property
    def stopping(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._stop.is_set() or self._stopped()

    def end(self, error: RotaError) -> None:
        with self._lock:
            self._fatal = self._fatal or error
        self._stop.set()

    def tell(self, result: Result, *, again: bool = False) -> None:
        with self._lock:
            self._results[id(result.change)] = result
            if result.fate in (Fate.FAILED, Fate.UNKNOWN):
                self._failures += 1
                if self._failures >= IN_A_ROW and not self._give_up:
                    self._give_up = (
                        f"{IN_A_ROW} changes in a row failed, the last one because: "
                        f"{result.why}"
                    )
            elif result.fate.good:
                self._failures = 0
            if not result.fate.good and result.change.act in _MAKES:
                self._lost.add(result.change.source.key)
            if not result.fate.good and _writes_back(result.change):
                self._behind.add(result.change.source.key)
            if not again:
                self._watch(result)

    def sleep(self, span: dt.timedelta) -> bool:
        """Sleep by the clock, keep the lease; False once somebody asked to stop."""
        left = span.total_seconds()
        while left > 0 and not self.stopping:
            self.clock.sleep(min(left, _SLICE))
            left -= _SLICE
            self.renew()
        return not self.stopping

    def renew(self) -> None:
        """Hold the lease as long as this process lives; LeaseHeld if it is lost."""
        with self._lock:
            if self.clock.now() - self._renewed > self.lease.ttl / 4:
                self.lease.renew()
                self._renewed = self.clock.now()

    def kind(self, change: Change) -> str:
        """Return what caps count a change as; what a person accepted counts no more."""
        kind = counts_as(change)
        if kind == "irreversible" and kind in self._accepted:
            kind = "create"
        return "" if kind in self._accepted else kind

    def account(self, change: Change) -> Account:
        """Return the side that a change writes."""
        return self.pair.source if change.at is At.SOURCE else self.pair.target

    def removal(self, change: Change, record: Schedule) -> Removal:
        holds = self.account(change).capabilities.holds(record.timing)
        return holds.removal if holds else Removal.NEVER

    def intend(self, run: Run, change: Change, lookalikes: tuple[str, ...] = ()) -> int:
        with self._lock:
            seq, self._seq = self._seq, self._seq + 1
        before = convert.canonical_json(change.before) if change.before else None
        after = convert.canonical_json(change.after) if change.after else None
        self.ledger.intend(
            run,
            seq,
            convert.canonical_json(change),
            kind=self.kind(change),
            mark=change.mark,
            before=digest(before) if before else None,
            after=digest(after) if after else None,
            lookalikes=lookalikes,
            source=change.source.key,
            target=change.target.key if change.target else None,
            values=[body for body in (before, after) if body],
        )
        return seq

    def happened(
        self, run: int, seq: int, change: Change, ref: Ref, state: State
    ) -> None:
        """
        Note that a write happened.

        The record is known from here on; the intent stays open until it was read
        back, since only then both sides are known to agree.
        """
        if (
            change.act is Act.RETIRE
            and change.at is At.TARGET
            and change.before is not None
            and self.removal(change, change.before) is Removal.DELETES
        ):
            self.unlink(run, seq, change, state)
            return
        self.ledger.outcome(
            run, seq, State.UNKNOWN, ref.key, answer="written, to be read back"
        )
        item = Written(run=run, seq=seq, change=change, ref=ref, state=state)
        with self._lock:
            self._written.append(item)

    def take_written(self) -> list[Written]:
        with self._lock:
            written, self._written = self._written, []
        return written

    def read_back(self, written: list[Written]) -> list[Result]:
        """Read what was written, in one listing where it is much, and agree on it."""
        results: list[Result] = []
        try:
            shown = self._listed(written)
            unseen = []
            for item in written:
                result = self._agree(item, shown.get(item.ref))
                if result is None:
                    unseen.append(item)
                else:
                    results.append(result)
            if unseen:
                self.sleep(
                    max(self.account(i.change).capabilities.settle for i in unseen)
                )
            for item in unseen:
                results.append(self._agree(item, None) or self._vanished(item))
        except (NotAuthorised, LedgerError) as error:
            self.end(error)
        return results

    def _listed(self, written: list[Written]) -> dict[Ref, Schedule]:
        # What is written at the source is read by id: there is never much of it.
        written = [item for item in written if item.change.at is At.TARGET]
        if len(written) <= _FEW:
            return {}
        window = looking.window_of(item.change for item in written)
        try:
            listing = self.target.schedules(Scope(window=window))
        except NotAuthorised:
            raise
        except VendorError:
            return {}
        return {item.ref: item for item in listing.items if item.ref}

    def _agree(self, item: Written, seen: Schedule | None) -> Result | None:
        """Make or end the link of a write; None where its record is not to be seen."""
        change = item.change
        try:
            if seen is None:
                seen = self._read(item)
        except NotAuthorised:
            raise
        except VendorError as error:
            return self._unread(item, error.message)
        if change.at is At.SOURCE:
            return self._agree_at_source(item, seen)
        if change.act is Act.RETIRE and (
            seen is None or not acts(seen, change.first_day)
        ):
            self._retired(item, seen)
        elif seen is None:
            return None
        else:
            self.link(item, self._remembered(change, _as_written(item, seen)))
            self._mark_seen = self._mark_seen or seen.mark is not None
        return self._agreed(item)

    def _agree_at_source(self, item: Written, seen: Schedule | None) -> Result:
        """
        Agree on what the target says, once the source says it too.

        Where the source reads back something else, nothing is agreed: the target's
        edit stays an edit, and is not overwritten by the next plan.
        """
        change = item.change
        if looking.is_done(change, seen):
            if change.seen is None:
                self.unlink(item.run, item.seq, change, item.state)
            else:
                self.link(item, change.seen)
            return self._agreed(item)
        why = "written, and the source reads back something else"
        self.ledger.outcome(
            item.run, item.seq, State.GIVEN_UP, item.ref.key, answer=why
        )
        result = Result(change=change, fate=Fate.REFUSED, ref=item.ref, why=why)
        self.tell(result, again=True)
        return result

    def _read(self, item: Written) -> Schedule | None:
        if self._give_up:
            raise VendorError(self._give_up)
        return looking.read(self.account(item.change), item.ref)

    def _agreed(self, item: Written) -> Result:
        fate = Fate.DONE if item.state is State.DONE else Fate.FOUND
        return Result(change=item.change, fate=fate, ref=item.ref)

    def _vanished(self, item: Written) -> Result:
        """Keep the link of what somebody took away at once: the next plan says so."""
        wanted = item.change.after
        assert wanted is not None
        self.link(item, attrs.evolve(wanted, ref=item.ref, mark=item.change.mark))
        return self._agreed(item)

    def _retired(self, item: Written, seen: Schedule | None) -> None:
        """Drop the link; that of a record which goes on to show its past is kept."""
        if seen is None or seen.status is not ScheduleStatus.ACTIVE:
            self.unlink(item.run, item.seq, item.change, item.state)
        else:
            self.link(item, self._remembered(item.change, seen))

    def _unread(self, item: Written, why: str) -> Result:
        """Leave it to the next run, which finds the record by its id."""
        result = Result(
            change=item.change,
            fate=Fate.FAILED,
            ref=item.ref,
            why=f"written as {item.ref.key} and not read back yet ({why}); "
            "the next run does that first",
        )
        self._unsettled.add((item.change.source.key, item.change.n))
        self.tell(result, again=True)
        return result

    def _remembered(self, change: Change, after: Schedule) -> Schedule:
        if change.before is None:
            return after
        if change.seen is not None:
            return remember(change.seen, change.before, after, change.first_day)
        link = self.ledger.link(self.state, change.source.key, change.n)
        body = self.ledger.value(link.seen) if link else None
        if body is None:
            return after
        seen = convert.structure_json(body, Schedule, "the ledger")
        return remember(seen, change.before, after, change.first_day)

    def link(self, item: Written, seen: Schedule, *, handed: bool = False) -> None:
        change = item.change
        assert change.agreed is not None
        agreed = convert.canonical_json(change.agreed)
        image = convert.canonical_json(seen)
        timing = change.agreed.wanted.timing
        link = Link(
            source=change.source.key,
            n=change.n,
            target=change.target.key
            if change.at is At.SOURCE and change.target
            else item.ref.key,
            agreed=digest(agreed),
            seen=digest(image),
            generation=change.generation,
            form=type(timing).__name__.lower(),
            first=timing.day if isinstance(timing, Once) else None,
            last=change.last_day,
            handed_over=handed,
        )
        self.ledger.outcome(
            item.run,
            item.seq,
            item.state,
            item.ref.key,
            link=link,
            values=(agreed, image),
            since=change.first_day,
        )

    def unlink(self, run: int, seq: int, change: Change, state: State) -> None:
        assert change.target is not None
        self.ledger.outcome(
            run,
            seq,
            state,
            change.target.key,
            unlink=(change.source.key, change.n),
            since=change.first_day,
        )

    def is_claimed(self, key: str) -> bool:
        with self._lock:
            if any(item.ref.key == key for item in self._written):
                return True
        return self.ledger.linked(self.state, key) is not None


def _as_written(item: Written, seen: Schedule) -> Schedule:
    """
    Return what a write that had to be looked for left at the target.

    Meanwhile people may have edited the record, so what it says otherwise than it was
    written is their edit, and no part of the image.
    """
    change, wrote = item.change, item.change.after
    if item.state is not State.FOUND or wrote is None:
        return seen
    first = change.first_day
    edited = [name for name in FIELDS if not same(name, seen, wrote, first)]
    return put_all(seen, edited, wrote)


def _writes_back(change: Change) -> bool:
    """Tell whether a change puts at the source what people did at the target."""
    return change.at is At.SOURCE and change.n != WHOLE
