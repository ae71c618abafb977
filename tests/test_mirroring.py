"""A pair that is kept in step."""

from __future__ import annotations

import datetime as dt
import random
from itertools import pairwise

from pairs import World, patrol, world

from rota.mirroring import Cycle, Health, cycle, mirror
from rota.model import ScheduleStatus
from rota.recurrence import weekly
from rota.rhythm import Quiet, Rhythm


def _mirror(
    w: World, cycles: int, *, quiet: Quiet | None = None, minutes: int = 5
) -> tuple[list[Cycle], list[dt.timedelta]]:
    seen: list[Cycle] = []
    alarms: list[dt.timedelta] = []
    mirror(
        w.pair,
        w.ledger,
        Rhythm(every=dt.timedelta(minutes=minutes), quiet=quiet),
        clock=w.clock,
        stopped=lambda: len(seen) >= cycles,
        tell=seen.append,
        alarm=alarms.append,
        chance=random.Random(1),
    )
    return seen, alarms


def test_a_cycle_brings_the_target_up_to_date_and_the_next_is_quiet() -> None:
    """What the source gains arrives in the next cycle, and then nothing is written."""
    w = world()
    w.source.put(patrol())
    first = cycle(w.pair, w.ledger, clock=w.clock)
    second = cycle(w.pair, w.ledger, clock=w.clock)

    assert (first.health, first.code) == (Health.CHANGED, 0)
    assert (second.health, second.applied) == (Health.QUIET, None)
    assert len(w.target.held) == 1


def test_cycles_keep_their_distance() -> None:
    """Cycles begin about as far apart as asked, give or take a tenth."""
    w = world()
    seen, alarms = _mirror(w, 6)
    gaps = [b.began - a.began for a, b in pairwise(seen)]

    assert all(dt.timedelta(minutes=4) < gap < dt.timedelta(minutes=6) for gap in gaps)
    assert alarms == []


def test_failures_back_off_and_raise_an_alarm_once() -> None:
    """An account that can't be read is asked ever less often, and somebody is told."""
    w = world()
    w.target.refuse("closed", on=("schedules",), times=6)
    seen, alarms = _mirror(w, 7)
    gaps = [b.began - a.began for a, b in pairwise(seen)]

    assert [c.health for c in seen] == [Health.FAILED] * 6 + [Health.QUIET]
    assert gaps[3] > gaps[0] * 3
    assert max(gaps) < dt.timedelta(hours=1.2)
    assert len(alarms) == 1


def test_a_plan_that_refuses_itself_is_told_and_not_applied() -> None:
    """Nobody accepts for the mirror: an emptied source changes nothing."""
    w = world()
    for n in range(12):
        w.source.put(patrol(f"Patrol {n}"))
    cycle(w.pair, w.ledger, clock=w.clock)
    for held in w.source.held:
        assert held.ref is not None
        w.source.edit(held.ref, status=ScheduleStatus.ENDED)
    refused = cycle(w.pair, w.ledger, clock=w.clock)

    assert (refused.health, refused.code) == (Health.REFUSED, 5)
    assert "cap" in refused.why
    assert len(w.target.held) == 12


def test_conflicts_wait_and_the_pair_goes_on() -> None:
    """A disputed field waits for a person; the cycle still counts as finished."""
    w = world()
    ref = w.source.put(patrol())
    cycle(w.pair, w.ledger, clock=w.clock)
    there = w.target.held[0].ref
    assert there is not None
    w.target.edit(there, title="Theirs")
    w.source.edit(ref, title="Ours")
    done = cycle(w.pair, w.ledger, clock=w.clock)

    assert (done.health, done.code, done.finished) == (Health.WAITS, 4, True)


def test_quiet_hours_cross_midnight() -> None:
    """No cycle begins in the quiet hours, on the wall clock of their zone."""
    quiet = Quiet(first=dt.time(22), last=dt.time(6), zone="America/Chicago")
    w = world(at=dt.datetime(2027, 1, 5, 3, 30, tzinfo=dt.UTC))  # 21:30 in Chicago
    seen, _ = _mirror(w, 12, quiet=quiet, minutes=10)
    hours = {c.began.astimezone(dt.UTC).hour for c in seen}

    assert hours <= {3, 12, 13, 14}
    assert 12 in hours


def test_a_season_is_made_and_removed_by_the_mirror_alone() -> None:
    """Pieces that wait for their day are made and retired in the right hours."""
    w = world(fidelity="attended")
    w.source.put(
        patrol(
            rule=weekly([1, 3], start=dt.date(2027, 1, 11), until=dt.date(2027, 1, 20))
        )
    )
    held = []
    for _ in range(20 * 4):
        cycle(w.pair, w.ledger, clock=w.clock)
        held.append((w.target.today, len(w.target.held)))
        w.clock.advance(dt.timedelta(hours=6))
    days = {day for day, count in held if count}

    # From after the run of Wednesday the 6th it says no day that is not wanted.
    assert min(days) == dt.date(2027, 1, 6)
    # The run just after midnight has made the tasks of Wednesday the 20th.
    assert max(days) == dt.date(2027, 1, 19)
