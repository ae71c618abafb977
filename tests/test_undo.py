"""Taking a run back."""

from __future__ import annotations

import datetime as dt

import attrs
from pairs import World, patrol, world

from rota.applying import Applied, Fate, apply
from rota.gathering import gather, written
from rota.model import Once, Schedule, ScheduleStatus
from rota.planning import Act, Plan, plan, undo
from rota.recurrence import Weekday, weekly


def _apply(w: World, made: Plan | None = None, **more: object) -> Applied:
    chosen = made or plan(gather(w.pair, w.ledger, clock=w.clock))
    accept = [f"{halt.accept}@{chosen.id}" for halt in chosen.halts]
    return apply(chosen, w.pair, w.ledger, clock=w.clock, accept=accept)


def _undo(w: World, run: int) -> Plan:
    seen = gather(w.pair, w.ledger, clock=w.clock)
    return undo(seen, plan(seen), run, written(w.ledger, run))


def _content(w: World) -> list[Schedule]:
    return sorted(
        (attrs.evolve(s, ref=None, mark=None) for s in w.target.held), key=repr
    )


def test_what_a_run_made_is_removed_again() -> None:
    """Undoing a first run leaves the target as it was, and what others made there."""
    w = world(fidelity="expand")
    w.target.put(patrol("Somebody else's"))
    before = _content(w)
    w.source.put(patrol())
    w.source.put(
        patrol(rule=weekly([Weekday.MO], interval=2, start=dt.date(2027, 1, 4)))
    )
    run = _apply(w).run
    assert len(w.target.held) > 3

    back = _undo(w, run)

    assert {change.act for change in back.changes} == {Act.RETIRE}
    _apply(w, back)
    assert _content(w) == before


def test_what_a_run_changed_is_written_as_it_was() -> None:
    """Undoing an edit restores the before-image, and the next plan sends it again."""
    w = world()
    ref = w.source.put(patrol())
    _apply(w)
    before = _content(w)
    w.source.edit(ref, title="Renamed", instructions="Twice")
    run = _apply(w).run
    back = _undo(w, run)

    assert [d.field for c in back.changes for d in c.diff] == ["title", "instructions"]
    _apply(w, back)
    assert _content(w) == before
    again = plan(gather(w.pair, w.ledger, clock=w.clock))
    assert [c.act for c in again.changes] == [Act.UPDATE]


def test_what_a_run_removed_is_made_anew_with_its_own_fields() -> None:
    """Undoing a retire writes the before-image, people's edits in it included."""
    w = world()
    ref = w.source.put(patrol())
    _apply(w)
    there = w.target.held[0].ref
    assert there is not None
    w.target.edit(there, instructions="By car")
    before = _content(w)
    w.source.edit(ref, status=ScheduleStatus.INACTIVE)
    run = _apply(w).run
    assert w.target.held == ()
    _apply(w, _undo(w, run))
    assert _content(w) == before


def test_undoing_twice_is_harmless() -> None:
    """A second undo of the same run finds nothing to do."""
    w = world()
    w.source.put(patrol())
    run = _apply(w).run
    back = _undo(w, run)
    _apply(w, back)

    assert _undo(w, run).changes == ()
    assert {r.fate for r in _apply(w, back).results} <= {Fate.ALREADY}


def test_a_record_edited_since_is_left_alone_and_named() -> None:
    """What people did at the target after the run is never undone with it."""
    w = world()
    w.source.put(patrol())
    run = _apply(w).run
    there = w.target.held[0].ref
    assert there is not None
    w.target.edit(there, title="Theirs now")
    back = _undo(w, run)

    assert back.changes == ()
    assert any("edited at the target" in note.text for note in back.notes)


def test_a_days_work_that_is_over_stays() -> None:
    """Dated tasks whose day has passed are history, not something to take back."""
    w = world(fidelity="expand")
    w.source.put(
        patrol(rule=weekly([Weekday.MO], interval=2, start=dt.date(2027, 1, 4)))
    )
    run = _apply(w).run
    w.clock.advance(dt.timedelta(days=30))
    back = _undo(w, run)
    days = [
        c.before.timing.day
        for c in back.changes
        if c.before and isinstance(c.before.timing, Once)
    ]

    assert days
    assert min(days) >= dt.date(2027, 2, 3)


def test_what_waits_for_its_day_goes_on_waiting() -> None:
    """Undoing one run leaves the pieces that other schedules wait for alone."""
    w = world(fidelity="attended")
    w.source.put(patrol(rule=weekly([1, 3], start=dt.date(2027, 2, 1))))
    _apply(w)
    w.source.put(patrol("Another"))
    run = _apply(w).run
    _apply(w, _undo(w, run))

    assert len(w.ledger.due(w.ledger.pair("patrols"))) == 1


def test_a_run_of_five_hundred_changes_is_taken_back_whole() -> None:
    """Both sides hold what they held before, and the same again is harmless."""
    w = world()
    w.source.capabilities = attrs.evolve(w.source.capabilities, previews=0)
    refs = [w.source.put(patrol(f"Patrol {n:03}")) for n in range(300)]
    _apply(w)
    before = _content(w)
    for number, ref in enumerate(refs):
        if number < 200:
            w.source.edit(ref, instructions=f"Round {number}")
        else:
            w.source.edit(ref, status=ScheduleStatus.ENDED)
    for number in range(200):
        w.source.put(patrol(f"New {number:03}"))
    source = [attrs.evolve(s, ref=None) for s in w.source.held]
    ran = _apply(w)
    assert (len(ran.results), ran.count(Fate.DONE)) == (500, 500)
    assert _content(w) != before

    back = _undo(w, ran.run)
    assert _apply(w, back).code == 0

    assert _content(w) == before
    assert [attrs.evolve(s, ref=None) for s in w.source.held] == source
    assert _undo(w, ran.run).changes == ()
    again = _apply(w, back)
    assert again.count(Fate.DONE) == 0
    assert _content(w) == before
