"""
Keep a pair in step: read, decide, act, wait, for months.

One cycle is what ``rota plan`` and ``rota apply`` do, without anybody's acceptance: a
plan that refuses itself is told and not applied. A cycle that finds both sides as the
one before left them ends there. A cycle that fails is tried again later and later, and
silence for too long is an alarm of its own.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import random
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Self

import attrs

from . import clock as clocks
from .applying import Applied, Result, apply, holder, is_end, park, recover
from .clock import Clock
from .errors import LeaseHeld, LedgerError, RotaError
from .gathering import Pair, gather, look, pieces_due, put_right, remember
from .ledger import Lease, Ledger
from .planning import HaltKind, NoteKind, Plan, decide
from .rhythm import Rhythm
from .vendor import Entry


_LOG = logging.getLogger("rota")
_SLICE = 1.0
_LONGEST = dt.timedelta(hours=1)
_POST = dt.timedelta(minutes=15)


class Health(StrEnum):
    """How one cycle went."""

    QUIET = "nothing to do"
    CHANGED = "changed"
    WAITS = "waits for a person"
    STANDBY = "another mirror works on it"
    REFUSED = "refused as unsafe"
    FAILED = "failed"
    STOPPED = "stopped"


@attrs.frozen(kw_only=True)
class Cycle:
    """
    One cycle of a pair.

    Args:
        plan: What was decided; None where it could not be read.
        applied: What became of it; None where nothing was applied.
        why: What stood in the way, for people.
        hint: What to do about it.
        code: The exit code that a command of its own would have left with.
        repeated: Both sides were as before, so what was decided then stands.
    """

    pair: str
    began: dt.datetime
    ended: dt.datetime
    health: Health
    code: int
    plan: Plan | None = None
    applied: Applied | None = None
    recovered: tuple[Result, ...] = ()
    why: str = ""
    hint: str = ""
    repeated: bool = False

    @property
    def finished(self) -> bool:
        """Whether both sides were read and all that may be done was tried."""
        return self.health in (Health.QUIET, Health.CHANGED, Health.WAITS)

    @property
    def results(self) -> tuple[Result, ...]:
        """What became of each change, those of earlier runs first."""
        return (*self.recovered, *(self.applied.results if self.applied else ()))


@attrs.define(kw_only=True)
class Calm:
    """
    What the last cycle without changes rested on: the same is not decided twice.

    Args:
        audit_every: Every so many cycles everything is read and decided again, as
            a directory or the source's own calendar may have changed alone.
        entries: The target's directory as it was read last; None to read it.
    """

    audit_every: int = 12
    entries: Mapping[str, Entry] | None = attrs.field(default=None, init=False)
    _basis: str = attrs.field(default="", init=False)
    _kept: Cycle | None = attrs.field(default=None, init=False)
    _since: int = attrs.field(default=0, init=False)

    def audit(self) -> bool:
        """Tell, once for each cycle, whether it is to take nothing as known."""
        self._since += 1
        if self._since < self.audit_every:
            return False
        self._since, self.entries = 0, None
        return True

    def repeat(self, basis: str) -> Cycle | None:
        """Return the cycle that was decided on this basis, if there was one."""
        return self._kept if basis == self._basis else None

    def keep(self, basis: str, done: Cycle, entries: Mapping[str, Entry]) -> None:
        """Remember a cycle if it changed nothing; forget the one before."""
        calm = done.finished and done.applied is None
        self._basis, self._kept = basis, done if calm else None
        self.entries = entries


def cycle(
    pair: Pair,
    ledger: Ledger,
    *,
    clock: Clock | None = None,
    calm: Calm | None = None,
    today: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Cycle:
    """
    Bring the target up to date once; errors are told in the result.

    Args:
        calm: What the cycle before this one rested on.
        today: Put right, too, what the target's run has made of today.
        stopped: Asked before each write; those under way are finished.
    """
    clock = clock or clocks.system()
    calm = calm or Calm()
    began = clock.now()
    made: Plan | None = None
    try:
        recovered = recover(pair, ledger, clock=clock)
        audit = calm.audit()
        quick, entries = not (audit or today), calm.entries
        sides = look(pair, ledger, clock=clock, quick=quick, entries=entries)
        basis = sides.digest(pair, ledger, clock.now())
        if not (audit or recovered) and (kept := calm.repeat(basis)):
            return attrs.evolve(kept, began=began, ended=clock.now(), repeated=True)
        seen = gather(pair, ledger, clock=clock, quick=quick, sides=sides)
        made, settled = decide(seen)
        if today:
            made = put_right(pair, made, seen)
        remember(pair, ledger, seen, settled)
        if made.halts:
            person = any(halt.kind is HaltKind.PERSON for halt in made.halts)
            return Cycle(
                pair=pair.name,
                began=began,
                ended=clock.now(),
                health=Health.REFUSED,
                code=7 if person else 5,
                plan=made,
                recovered=recovered,
                why="; ".join(halt.message for halt in made.halts),
                hint=f"rota plan {pair.name} shows it, and the words that accept it",
            )
        applied = None
        seam = any(is_end(result.change) for result in recovered)
        if not stopped() and (made.changes or seam or _outlived(made, pair, ledger)):
            applied = apply(made, pair, ledger, clock=clock, stopped=stopped)
        else:
            park(made, pair, ledger)
    except RotaError as error:
        return Cycle(
            pair=pair.name,
            began=began,
            ended=clock.now(),
            health=Health.FAILED,
            code=error.exit_code,
            plan=made,
            why=error.message,
            hint=error.hint,
        )
    code = applied.code if applied else 0
    waits = any(note.kind is NoteKind.OVERDUE for note in made.notes)
    if code == 0:
        code = 7 if waits else 4 if made.conflicts else 0
    health = Health.CHANGED if applied and applied.results else Health.QUIET
    why, hint = "", ""
    if stopped() and len(applied.results if applied else ()) < len(made.changes):
        health, code = Health.STOPPED, code if code in (4, 7) else 0
        why = "what is left of the plan was not tried"
        hint = f"what was done is recorded; rota mirror {pair.name} goes on from there"
    elif code in (4, 7):
        health = Health.WAITS
        hint = f"rota conflicts {pair.name}"
    elif code:
        health = Health.FAILED
    done = Cycle(
        pair=pair.name,
        began=began,
        ended=clock.now(),
        health=health,
        code=code,
        plan=made,
        applied=applied,
        recovered=recovered,
        why=why,
        hint=hint,
    )
    calm.keep(basis, done, seen.entries)
    return done


def _outlived(made: Plan, pair: Pair, ledger: Ledger) -> bool:
    """Tell whether pieces wait for a day on which nobody wants them any more."""
    waits = pieces_due(ledger, ledger.pair(pair.name))
    return made.source.complete and (
        bool(made.withdrawn) or len(waits) > len(made.waiting)
    )


@attrs.define(kw_only=True)
class Vigil:
    """
    When a pair's cycles last finished, and whether that is too long ago.

    Args:
        since: When the watch began.
        finished: When a cycle last finished; None before the first.
        last: The last cycle, however it went.
    """

    pair: str
    rhythm: Rhythm
    since: dt.datetime
    finished: dt.datetime | None = None
    last: Cycle | None = None
    _stood_by: dt.datetime | None = None
    _rung: bool = False

    def note(self, done: Cycle) -> None:
        """Take a cycle into account."""
        self.last = done
        if done.health is Health.STANDBY:
            self._stood_by = done.ended
        elif done.finished:
            self.finished, self._rung = done.ended, False

    def silence(self, now: dt.datetime) -> dt.timedelta:
        """Return how long no cycle has finished, quiet hours left out."""
        good = max(filter(None, (self.since, self.finished, self._stood_by)))
        quiet = self.rhythm.quiet
        return now - good - (quiet.within(good, now) if quiet else dt.timedelta())

    def late(self, now: dt.datetime) -> bool:
        """Tell whether a cycle should have finished by now."""
        return self.silence(now) >= self.rhythm.every * self.rhythm.alarm_after

    def rings(self, now: dt.datetime) -> bool:
        """Tell whether to raise the alarm now: once, until a cycle finishes again."""
        rings = not self._rung and self.late(now)
        self._rung = self._rung or rings
        return rings


def mirror(
    pair: Pair,
    ledger: Ledger,
    rhythm: Rhythm,
    *,
    clock: Clock | None = None,
    vigil: Vigil | None = None,
    renew: Callable[[Pair], Pair] = lambda pair: pair,
    stopped: Callable[[], bool] = lambda: False,
    tell: Callable[[Cycle], None] = lambda cycle: None,
    alarm: Callable[[dt.timedelta], None] = lambda silence: None,
    chance: random.Random | None = None,
) -> Cycle | None:
    """
    Keep a pair in step until told to stop; return the last cycle.

    Of several mirrors of a pair one works; the others stand by, and one of them goes
    on once the first has ended or died.

    Args:
        vigil: Keeps watch over the cycles; for whoever else wants to look at it.
        renew: Gives the pair as it is to be at the beginning of a cycle.
        stopped: Asked between calls and during waits; calls under way are finished.
        tell: Told of each cycle.
        alarm: Told, once each time, how long no cycle has finished.
        chance: For the jitter.
    """
    clock = clock or clocks.system()
    chance = chance or random.Random()
    vigil = vigil or Vigil(pair=pair.name, rhythm=rhythm, since=clock.now())
    calm = Calm(audit_every=rhythm.audit_every)
    last: Cycle | None = None
    failures = 0

    def meanwhile() -> None:
        post.keep()
        if vigil.rings(now := clock.now()):
            alarm(vigil.silence(now))

    with contextlib.ExitStack() as stack:
        post = stack.enter_context(_Post(pair.name, ledger, clock))
        while not stopped():
            if rhythm.quiet is None or not rhythm.quiet.covers(clock.now()):
                last = _turn(post, renew, pair, rhythm, clock, calm, stopped)
                failures = failures + 1 if last.health in _BACK_OFF else 0
                vigil.note(last)
                tell(last)
            meanwhile()
            pause = rhythm.every * min(2**failures, 2**10)
            pause = max(rhythm.every, min(pause, _LONGEST))
            _wait(
                clock,
                pause.total_seconds() * chance.uniform(0.9, 1.1),
                stopped,
                meanwhile,
            )
    return last


_BACK_OFF = (Health.REFUSED, Health.FAILED)


def _turn(
    post: _Post,
    renew: Callable[[Pair], Pair],
    pair: Pair,
    rhythm: Rhythm,
    clock: Clock,
    calm: Calm,
    stopped: Callable[[], bool],
) -> Cycle:
    """Do one cycle, whatever happens: a mistake in a plugin ends no service."""
    began = clock.now()
    health, code, hint = Health.FAILED, 1, ""
    try:
        post.take()
        done = cycle(
            renew(pair),
            post.ledger,
            clock=clock,
            calm=calm,
            today=rhythm.today,
            stopped=stopped,
        )
    except LeaseHeld as error:
        health, why = Health.STANDBY, error.message
        hint = "this one goes on once that one has ended"
    except RotaError as error:
        code, why, hint = error.exit_code, error.message, error.hint
    except Exception as error:
        _LOG.exception("a mistake in rota or a plugin; the mirror goes on")
        why = f"unexpected: {type(error).__name__}: {error}"
        hint = "the log holds its details"
    else:
        return done
    return Cycle(
        pair=pair.name,
        began=began,
        ended=clock.now(),
        health=health,
        code=code,
        why=why,
        hint=hint,
    )


class _Post:
    """
    The place of the one mirror of a pair that works.

    It keeps two mirrors from doing one thing twice; what keeps their writes apart is
    the lease that each run takes. A cycle may outlast it.
    """

    def __init__(self, name: str, ledger: Ledger, clock: Clock) -> None:
        self._name = f"mirror {name}"
        self.ledger = ledger
        self._clock = clock
        self._lease: Lease | None = None

    def take(self) -> None:
        """Take the place, or keep it; LeaseHeld says who has it."""
        if self._lease is not None:
            try:
                self._lease.renew()
            except LeaseHeld:
                self._lease = None
        if self._lease is None:
            self._lease = self.ledger.lease(self._name, holder(), _POST)

    def keep(self) -> None:
        """Renew it in time; what fails here is told by the next cycle."""
        lease = self._lease
        if lease is not None and lease.until - self._clock.now() < _POST / 2:
            with contextlib.suppress(LedgerError):
                lease.renew()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._lease is not None:
            with contextlib.suppress(LedgerError):
                self._lease.release()


def _wait(
    clock: Clock,
    seconds: float,
    stopped: Callable[[], bool],
    meanwhile: Callable[[], None],
) -> None:
    end = clock.monotonic() + seconds
    while not stopped() and (left := end - clock.monotonic()) > 0:
        clock.sleep(min(max(left, 0.001), _SLICE))
        meanwhile()
