"""
Keep a pair in step: read, decide, act, wait, for months.

One cycle is what ``rota plan`` and ``rota apply`` do, without anybody's acceptance: a
plan that refuses itself is told and not applied. A cycle that fails is tried again
later and later, and silence for too long is an alarm of its own.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from enum import StrEnum

import attrs

from . import clock as clocks
from . import zones
from .applying import Applied, Result, apply, recover
from .clock import Clock
from .errors import RotaError
from .gathering import Pair, gather, remember
from .ledger import Ledger
from .planning import HaltKind, NoteKind, Plan, decide


_SLICE = 1.0
_LONGEST = dt.timedelta(hours=1)


class Health(StrEnum):
    """How one cycle went."""

    QUIET = "nothing to do"
    CHANGED = "changed"
    WAITS = "waits for a person"
    REFUSED = "refused as unsafe"
    FAILED = "failed"


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

    @property
    def finished(self) -> bool:
        """Whether both sides were read and all that may be done was tried."""
        return self.health in (Health.QUIET, Health.CHANGED, Health.WAITS)


def cycle(pair: Pair, ledger: Ledger, *, clock: Clock | None = None) -> Cycle:
    """Bring the target up to date once; errors are told in the result."""
    clock = clock or clocks.system()
    began = clock.now()
    made: Plan | None = None
    try:
        recovered = recover(pair, ledger, clock=clock)
        made, settled = decide(gather(pair, ledger, clock=clock, quick=True))
        remember(pair, ledger, settled)
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
        applied = apply(made, pair, ledger, clock=clock) if made.changes else None
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
    health = Health.CHANGED if applied else Health.QUIET
    if code in (4, 7):
        health = Health.WAITS
    elif code:
        health = Health.FAILED
    return Cycle(
        pair=pair.name,
        began=began,
        ended=clock.now(),
        health=health,
        code=code,
        plan=made,
        applied=applied,
        recovered=recovered,
        hint=f"rota conflicts {pair.name}" if health is Health.WAITS else "",
    )


@attrs.frozen(kw_only=True)
class Quiet:
    """Hours of the wall clock in which no cycle begins; may cross midnight."""

    first: dt.time
    last: dt.time
    zone: str

    def covers(self, now: dt.datetime) -> bool:
        """Tell whether an instant falls into these hours."""
        at = now.astimezone(zones.load(self.zone)).time()
        if self.first <= self.last:
            return self.first <= at < self.last
        return at >= self.first or at < self.last


@attrs.frozen(kw_only=True)
class Rhythm:
    """
    How often a pair is looked at.

    Args:
        every: From the beginning of one cycle to the next, give or take a tenth.
        quiet: When no cycle begins.
        alarm_after: So many intervals without a finished cycle are an alarm.
    """

    every: dt.timedelta
    quiet: Quiet | None = None
    alarm_after: int = 3


def mirror(
    pair: Pair,
    ledger: Ledger,
    rhythm: Rhythm,
    *,
    clock: Clock | None = None,
    stopped: Callable[[], bool] = lambda: False,
    tell: Callable[[Cycle], None] = lambda cycle: None,
    alarm: Callable[[dt.timedelta], None] = lambda silence: None,
    chance: random.Random | None = None,
) -> Cycle | None:
    """
    Keep a pair in step until told to stop; return the last cycle.

    Args:
        stopped: Asked between and during waits; a cycle under way is finished.
        tell: Told of each cycle.
        alarm: Told, once each time, how long no cycle has finished.
        chance: For the jitter.
    """
    clock = clock or clocks.system()
    chance = chance or random.Random()
    last: Cycle | None = None
    good = clock.now()
    failures, alarmed = 0, False
    while not stopped():
        if rhythm.quiet is None or not rhythm.quiet.covers(clock.now()):
            last = cycle(pair, ledger, clock=clock)
            tell(last)
            if last.finished:
                good, failures, alarmed = last.ended, 0, False
            else:
                failures += 1
        silence = clock.now() - good
        if not alarmed and silence >= rhythm.every * rhythm.alarm_after:
            alarmed = True
            alarm(silence)
        pause = rhythm.every * min(2**failures, 2**10) if failures else rhythm.every
        pause = max(rhythm.every, min(pause, _LONGEST))
        _wait(clock, pause.total_seconds() * chance.uniform(0.9, 1.1), stopped)
    return last


def _wait(clock: Clock, seconds: float, stopped: Callable[[], bool]) -> None:
    end = clock.monotonic() + seconds
    while not stopped() and (left := end - clock.monotonic()) > 0:
        clock.sleep(min(max(left, 0.001), _SLICE))
