"""Gather, plan, apply and verify between two accounts in memory."""

from __future__ import annotations

import datetime as dt

import attrs
import pytest
from pairs import World, patrol, world

from rota.applying import Applied, Fate, apply
from rota.errors import NotAccepted, OverCap, PlanStale, SideEmptied, VendorError
from rota.gathering import gather
from rota.model import Once, Recurring, ScheduleStatus, Window
from rota.planning import Act, By, NoteKind, Plan, plan
from rota.recurrence import Freq, Rule, Weekday, weekly
from rota.translation import Fidelity
from rota.vendor import Mark
from rota.verifying import Verdict, verify


def _plan(w: World) -> Plan:
    return plan(gather(w.pair, w.ledger, clock=w.clock))


def _apply(w: World, **more: object) -> Applied:
    return apply(_plan(w), w.pair, w.ledger, clock=w.clock, **more)  # type: ignore[arg-type]


def test_a_weekly_patrol_arrives_and_a_second_plan_is_empty() -> None:
    """What the target can say is written once, and then nothing is left to do."""
    w = world()
    w.source.put(patrol())
    made = _plan(w)

    assert [c.act for c in made.changes] == [Act.CREATE]
    assert made.changes[0].proof is not None
    assert made.changes[0].proof.last is None

    applied = apply(made, w.pair, w.ledger, clock=w.clock)

    assert applied.code == 0
    assert [s.task.title for s in w.target.held] == ["Harbour patrol"]
    assert w.target.held[0].mark == made.changes[0].mark
    again = _plan(w)
    assert again.changes == ()
    assert again.equal == 1


def test_applying_the_same_plan_twice_writes_once() -> None:
    """A plan that was applied already does nothing more."""
    w = world()
    w.source.put(patrol())
    made = _plan(w)
    apply(made, w.pair, w.ledger, clock=w.clock)
    again = apply(made, w.pair, w.ledger, clock=w.clock)

    assert [r.fate for r in again.results] == [Fate.ALREADY]
    assert len(w.target.held) == 1


def test_two_equal_records_arrive_as_two() -> None:
    """Two guards on one round are two records, each linked to its own."""
    w = world()
    w.source.put(patrol())
    w.source.put(patrol())

    assert _apply(w).count(Fate.DONE) == 2
    assert len(w.target.held) == 2
    assert _plan(w).changes == ()


def test_an_edit_changes_one_field_and_keeps_the_targets_own() -> None:
    """Only what the source edited is sent; what people edited there is kept."""
    w = world()
    ref = w.source.put(patrol())
    _apply(w)
    there = w.target.held[0]
    assert there.ref is not None
    w.target.edit(there.ref, instructions="By car")
    w.source.edit(ref, title="Harbour patrol north")
    made = _plan(w)

    assert [(c.act, [d.field for d in c.diff]) for c in made.changes] == [
        (Act.UPDATE, ["title"])
    ]
    assert any("kept" in note.text for note in made.notes)
    w.clock.advance(dt.timedelta(minutes=1))
    apply(made, w.pair, w.ledger, clock=w.clock)
    assert w.target.held[0].task.title == "Harbour patrol north"
    assert w.target.held[0].task.instructions == "By car"


def test_a_field_edited_on_both_sides_waits_and_the_rest_goes_on() -> None:
    """A conflict stops its own field only."""
    w = world()
    ref = w.source.put(patrol())
    _apply(w)
    there = w.target.held[0]
    assert there.ref is not None
    w.target.edit(there.ref, title="Theirs")
    w.source.edit(ref, title="Ours", instructions="Two rounds")
    made = _plan(w)

    assert [d.field for c in made.conflicts for d in c.diff] == ["title"]
    assert [d.field for c in made.changes for d in c.diff] == ["instructions"]
    apply(made, w.pair, w.ledger, clock=w.clock)
    assert w.target.held[0].task.title == "Theirs"
    assert [d.field for c in _plan(w).conflicts for d in c.diff] == ["title"]


def test_an_ended_source_retires_only_its_own_record() -> None:
    """A retire carries the reading of the ended source as its evidence."""
    w = world()
    ref = w.source.put(patrol())
    w.target.put(patrol("Somebody else's"))
    _apply(w)
    w.source.edit(ref, status=ScheduleStatus.INACTIVE)
    made = _plan(w)

    assert [c.act for c in made.changes] == [Act.RETIRE]
    assert isinstance(made.changes[0].takes_back, By)
    apply(made, w.pair, w.ledger, clock=w.clock)
    assert [s.task.title for s in w.target.held] == ["Somebody else's"]
    assert _plan(w).changes == ()


def test_absence_alone_deletes_nothing() -> None:
    """A source record that is merely gone leaves its copy in place."""
    w = world()
    ref = w.source.put(patrol())
    _apply(w)
    w.source.delete(ref)
    w.source.put(patrol("Another"))
    made = _plan(w)

    assert [c.act for c in made.changes] == [Act.CREATE]
    assert any("gone" in note.text for note in made.notes)


def test_an_emptied_source_is_refused() -> None:
    """A side that held records and shows none stops the plan."""
    w = world()
    for n in range(3):
        w.source.put(patrol(f"Patrol {n}"))
    _apply(w)
    w.source.hidden.update(s.ref.id for s in w.source.held if s.ref)

    with pytest.raises(SideEmptied, match="held 3"):
        _apply(w)
    assert len(w.target.held) == 3


def test_an_incomplete_listing_retires_nothing() -> None:
    """Half a listing proves nothing about what is missing from it."""
    w = world()
    refs = [w.source.put(patrol(f"Patrol {n}")) for n in range(20)]
    _apply(w)
    w.source.hidden.update(ref.id for ref in refs[15:])
    w.source.incomplete = "the second page was lost"

    with pytest.raises(VendorError, match="second page"):
        _plan(w)
    w.source.incomplete = ""
    w.target.incomplete = "the second page was lost"
    made = _plan(w)
    assert made.count(Act.RETIRE) == 0
    assert any("second page" in note.text for note in made.notes)


def test_retires_over_the_cap_are_refused_and_can_be_accepted_by_name() -> None:
    """The refusal names the count, the cap, and the words that accept this plan."""
    w = world()
    refs = [w.source.put(patrol(f"Patrol {n}")) for n in range(20)]
    _apply(w)
    for ref in refs[:8]:
        w.source.edit(ref, status=ScheduleStatus.ENDED)
    made = _plan(w)

    with pytest.raises(OverCap, match="8 changes of kind 'retire'") as caught:
        apply(made, w.pair, w.ledger, clock=w.clock)
    assert f"--accept retire:8@{made.id}" in caught.value.hint
    with pytest.raises(NotAccepted):
        apply(made, w.pair, w.ledger, clock=w.clock, accept=["retire:8@000000"])
    apply(made, w.pair, w.ledger, clock=w.clock, accept=[f"retire:8@{made.id}"])
    assert len(w.target.held) == 12


def test_every_second_week_is_refused_under_exact_and_told_as_dates() -> None:
    """What the target's recurrence can't say is refused or expanded, never bent."""
    rule = weekly([Weekday.MO], interval=2, start=dt.date(2027, 1, 4))
    exact = world()
    exact.source.put(patrol(rule=rule))
    made = _plan(exact)

    assert made.changes == ()
    assert made.refusals[0].wants is Fidelity.EXPAND

    wide = world(fidelity="expand", horizon_days=60)
    wide.source.put(patrol(rule=rule))
    made = _plan(wide)
    days = [
        c.after.timing.day
        for c in made.changes
        if c.after and isinstance(c.after.timing, Once)
    ]
    assert days == [dt.date(2027, 1, 18) + dt.timedelta(14 * n) for n in range(4)]
    apply(made, wide.pair, wide.ledger, clock=wide.clock)
    assert _plan(wide).changes == ()
    wide.clock.advance(dt.timedelta(days=14))
    rolled = _plan(wide)
    assert [c.act for c in rolled.changes] == [Act.CREATE]


def test_a_bounded_season_needs_somebody_to_attend() -> None:
    """A begin or an end that the record can't name is deferred and retired on time."""
    season = weekly([1, 3], start=dt.date(2027, 2, 1), until=dt.date(2027, 3, 31))
    exact = world()
    exact.source.put(patrol(rule=season))
    assert _plan(exact).refusals

    w = world(fidelity="attended")
    w.source.put(patrol(rule=season))
    made = _plan(w)
    assert [(c.act, c.first_day) for c in made.changes] == [
        (Act.DEFER, dt.date(2027, 2, 1))
    ]
    apply(made, w.pair, w.ledger, clock=w.clock)
    assert len(w.ledger.due(w.ledger.pair("patrols"))) == 1
    w.clock.set(dt.datetime(2027, 1, 31, 18, tzinfo=dt.UTC))
    made = _plan(w)
    assert [(c.act, c.first_day) for c in made.changes] == [
        (Act.CREATE, dt.date(2027, 2, 1))
    ]
    apply(made, w.pair, w.ledger, clock=w.clock)
    w.clock.set(dt.datetime(2027, 3, 31, 18, tzinfo=dt.UTC))
    made = _plan(w)
    assert [c.act for c in made.changes] == [Act.RETIRE]
    apply(made, w.pair, w.ledger, clock=w.clock)
    assert w.target.held == ()


def test_an_end_that_no_record_tells_is_agreed_on() -> None:
    """Where only the last day moves at the source, the link learns it without a write."""
    w = world(fidelity="attended")
    ref = w.source.put(patrol())
    _apply(w)
    for until in (dt.date(2027, 3, 5), None):
        days = weekly([1, 2, 3, 4, 5], until=until)
        w.source.edit(ref, timing=patrol(rule=days).timing)
        writes = len(w.target.writes)
        [change] = _plan(w).changes
        _apply(w)

        assert change.act is Act.ADOPT
        assert len(w.target.writes) == writes
        [link] = w.ledger.links(w.ledger.pair("patrols"))
        assert link.last == until
        assert verify(w.pair, w.ledger, clock=w.clock).agrees
        assert _plan(w).changes == ()


def test_a_zone_that_keeps_step_is_told_with_its_own_hours() -> None:
    """22:00 in Chicago is 23:00 in New York all year, so one record says it."""
    w = world(zone="America/New_York")
    w.source.put(patrol())
    made = _plan(w)
    [change] = made.changes

    assert change.after is not None
    assert isinstance(change.after.timing, Recurring)
    window = change.after.timing.lines[0].window
    assert isinstance(window, Window)
    assert (window.start, window.end, window.days) == (dt.time(23), dt.time(3), 1)
    assert change.proof is not None
    assert change.proof.last is not None


def test_a_lost_answer_is_looked_for_and_never_doubled() -> None:
    """The write landed though its answer was lost: it is found by its mark."""
    w = world()
    w.source.put(patrol())
    w.target.lose_answer()
    applied = _apply(w)

    assert [r.fate for r in applied.results] == [Fate.FOUND]
    assert len(w.target.held) == 1
    assert _plan(w).changes == ()


def test_a_write_that_lands_late_is_found_on_the_second_look() -> None:
    """A write that lands after the first look is adopted, not repeated."""
    w = world()
    w.source.put(patrol())
    w.target.late(30)
    applied = _apply(w)

    assert [r.fate for r in applied.results] == [Fate.FOUND]
    assert len(w.target.held) == 1


def test_a_refused_record_does_not_stop_the_others() -> None:
    """One bad item is reported with its reason; the rest arrives."""
    w = world()
    w.source.put(patrol("First"))
    w.source.put(patrol("Second"))
    w.target.refuse()
    applied = _apply(w, workers=1)

    assert sorted(r.fate for r in applied.results) == [Fate.DONE, Fate.REFUSED]
    assert applied.code == 1
    assert _apply(w).count(Fate.DONE) == 1
    assert len(w.target.held) == 2


def test_a_target_that_moved_since_the_plan_is_not_overwritten() -> None:
    """The precondition is read again just before the write."""
    w = world()
    ref = w.source.put(patrol())
    _apply(w)
    w.source.edit(ref, title="New")
    made = _plan(w)
    there = w.target.held[0]
    assert there.ref is not None
    w.target.edit(there.ref, instructions="Edited")
    applied = apply(made, w.pair, w.ledger, clock=w.clock)

    assert [r.fate for r in applied.results] == [Fate.SKIPPED]
    assert w.target.held[0].task.title == "Harbour patrol"


def test_a_stale_plan_is_refused_after_its_hours() -> None:
    """A change that would first act on another day than planned is not written."""
    w = world()
    w.source.put(patrol())
    made = _plan(w)
    w.clock.advance(dt.timedelta(days=1))
    applied = apply(made, w.pair, w.ledger, clock=w.clock)

    assert [r.fate for r in applied.results] == [Fate.SKIPPED]
    assert w.target.held == ()


def test_a_plan_for_other_terms_is_stale() -> None:
    """A changed configuration makes every older plan stale."""
    w = world()
    w.source.put(patrol())
    made = _plan(w)
    w.pair = type(w.pair)(
        "patrols",
        source=w.source,
        target=w.target,
        crosswalk=w.pair.crosswalk,
        fidelity="expand",
    )

    with pytest.raises(PlanStale):
        apply(made, w.pair, w.ledger, clock=w.clock)


def test_a_copy_of_a_mark_is_reported_and_left_alone() -> None:
    """A second record that bears a mark is neither adopted nor deleted."""
    w = world()
    w.source.put(patrol())
    _apply(w)
    there = w.target.held[0]
    assert there.mark is not None
    w.target.put(attrs.evolve(there, ref=None), mark=Mark(there.mark))

    assert _plan(w).changes == ()
    assert len(w.target.held) == 2


def test_a_lost_ledger_adopts_by_mark() -> None:
    """Without its ledger rota finds its own records by their marks and doubles none."""
    w = world()
    w.source.put(patrol())
    _apply(w)
    w.ledger = type(w.ledger).open(":memory:", clock=w.clock)
    made = _plan(w)

    assert [c.act for c in made.changes] == [Act.ADOPT]
    apply(made, w.pair, w.ledger, clock=w.clock)
    assert len(w.target.held) == 1
    assert _plan(w).changes == ()


def test_a_rule_that_fires_never_wants_nothing() -> None:
    """A rule without a day left is neither written nor refused."""
    w = world()
    w.source.put(
        patrol(
            rule=Rule(
                freq=Freq.DAILY, start=dt.date(2020, 1, 1), until=dt.date(2020, 1, 5)
            )
        )
    )

    made = _plan(w)
    assert (made.changes, made.refusals) == ((), ())


def test_verify_proves_agreement_and_shows_a_difference() -> None:
    """Both sides are compared day by day, and an edit there is found."""
    w = world(fidelity="expand")
    w.source.put(patrol())
    w.source.put(
        patrol(rule=weekly([Weekday.MO], interval=2, start=dt.date(2027, 1, 4)))
    )
    _apply(w)
    found = verify(w.pair, w.ledger, clock=w.clock)

    assert found.count(Verdict.AGREES) == 2
    assert found.code == 0
    assert sum(item.compared for item in found.checked) > 40
    there = next(s for s in w.target.held if isinstance(s.timing, Recurring))
    assert there.ref is not None
    line = there.timing.lines[0]
    w.target.edit(
        there.ref,
        timing=Recurring(
            lines=(
                attrs.evolve(line, window=Window(start=dt.time(21), end=dt.time(23))),
            )
        ),
    )
    found = verify(w.pair, w.ledger, clock=w.clock)
    assert found.code == 3
    assert found.count(Verdict.DIFFERS) == 1


def test_a_piece_that_nobody_made_on_its_day_is_an_alarm() -> None:
    """A due piece whose day has passed is told as overdue, and still made."""
    w = world(fidelity="attended")
    w.source.put(patrol(rule=weekly([1, 3], start=dt.date(2027, 2, 1))))
    _apply(w)
    w.clock.set(dt.datetime(2027, 2, 4, 18, tzinfo=dt.UTC))
    made = _plan(w)

    assert NoteKind.OVERDUE in {note.kind for note in made.notes}
    assert [c.act for c in made.changes] == [Act.CREATE]
    apply(made, w.pair, w.ledger, clock=w.clock)
    assert NoteKind.OVERDUE not in {note.kind for note in _plan(w).notes}


def test_an_announced_end_does_not_count_against_the_caps() -> None:
    """Safety does not stop what an accepted plan had announced."""
    w = world(fidelity="attended")
    for n in range(30):
        w.source.put(
            patrol(f"Patrol {n}", rule=weekly([1, 3], until=dt.date(2027, 1, 31)))
        )
    _apply(w)
    w.clock.set(dt.datetime(2027, 1, 31, 18, tzinfo=dt.UTC))
    made = _plan(w)

    assert made.count(Act.RETIRE) == 30
    assert all(change.announced for change in made.changes)
    assert made.halts == ()
    apply(made, w.pair, w.ledger, clock=w.clock)
    assert w.target.held == ()
