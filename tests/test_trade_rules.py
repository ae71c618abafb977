"""The rules of the trade that speak of writing, each as a test of its own."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import attrs
import pytest
from pairs import CHICAGO, CROSSWALK, FLEET, World, patrol, world
from stages import patrols, stage

from rota.applying import Applied, Fate, apply
from rota.crosswalk import Crosswalk, Row
from rota.errors import PersonNeeded
from rota.gathering import Pair, gather
from rota.mirroring import cycle
from rota.model import (
    AdHoc,
    Kind,
    Once,
    Point,
    Recurring,
    Ref,
    ScheduleStatus,
    Window,
)
from rota.planning import (
    Act,
    At,
    Cap,
    Caps,
    CutOver,
    Ended,
    HaltKind,
    Never,
    NoteKind,
    Plan,
    plan,
)
from rota.recurrence import Rule, weekly
from rota.testing.limits import everything
from rota.vendor import Removal, take_mark


BIWEEKLY = weekly([1], interval=2, start=dt.date(2027, 1, 4))


def _plan(w: World, cut_over: CutOver | None = None) -> Plan:
    return plan(gather(w.pair, w.ledger, clock=w.clock), cut_over)


def _apply(w: World, made: Plan | None = None, **more: object) -> Applied:
    chosen = made or _plan(w)
    accept = [f"{halt.accept}@{chosen.id}" for halt in chosen.halts]
    return apply(chosen, w.pair, w.ledger, clock=w.clock, accept=accept)


def _why(made: Plan) -> str:
    return "; ".join(why for refusal in made.refusals for why in refusal.why)


def _irreversible(**terms: object) -> World:
    w = world(**terms)
    once = attrs.evolve(FLEET.timings[Once], removal=Removal.NEVER, updates=False)
    w.target.capabilities = attrs.evolve(FLEET, timings={Once: once}, generation=None)
    return w


def test_rule_2_the_midnight_run() -> None:
    """Rule 2: a change has a first day and hours; too near a run it waits, late it is stale."""
    w = world(at=dt.datetime(2027, 1, 5, 5, 45, tzinfo=dt.UTC))  # 23:45 in Chicago
    w.source.put(patrol())
    [change] = _plan(w).changes
    run = dt.datetime(2027, 1, 5, 6, tzinfo=dt.UTC)
    assert change.first_day == dt.date(2027, 1, 6)
    assert change.not_before == run + dt.timedelta(minutes=30)
    assert change.not_after == run + dt.timedelta(days=1, minutes=-30)
    made = _plan(w)
    assert _apply(w, made).code == 0
    assert w.clock.now() >= change.not_before
    w = world()
    w.source.put(patrol())
    made = _plan(w)
    w.clock.advance(dt.timedelta(days=1))
    assert [r.fate for r in _apply(w, made).results] == [Fate.SKIPPED]


def test_rule_4_exact_with_nobody_there() -> None:
    """Rule 4: an end that the target can't say needs somebody; a late piece is exit 7."""
    season = weekly([1, 3], start=dt.date(2027, 1, 11), until=dt.date(2027, 2, 10))
    w = world()
    w.source.put(patrol(rule=season))
    assert [r.wants for r in _plan(w).refusals] == ["attended"]
    w = world(fidelity="attended")
    w.source.put(patrol(rule=season))
    made = _plan(w)
    assert {c.act for c in made.changes} == {Act.DEFER}
    _apply(w, made)
    w.clock.set(dt.datetime(2027, 1, 14, 12, tzinfo=dt.UTC))
    assert cycle(w.pair, w.ledger, clock=w.clock).code == 7


def test_rule_5_safety_stops_nothing_that_was_agreed() -> None:
    """Rule 5: what was announced passes the caps; a delete rests on a source read by id."""
    w = world(caps=Caps(retire=Cap(count=0)), fidelity="attended")
    ref = w.source.put(patrol(rule=weekly([1], until=dt.date(2027, 1, 12))))
    _apply(w)
    w.clock.set(dt.datetime(2027, 1, 14, 12, tzinfo=dt.UTC))
    assert _plan(w).halts == ()
    w = world()
    ref = w.source.put(patrol())
    _apply(w)
    w.source.edit(ref, status=ScheduleStatus.ENDED)
    [change] = _plan(w).changes
    assert isinstance(change.evidence, Ended)
    assert change.before is not None
    w.source.delete(ref)
    assert _plan(w).changes == ()


def test_rule_6_look_first_at_the_right_record() -> None:
    """Rule 6: equal rounds stay two; what can't be taken back is not sent twice blindly."""
    w = world(mark="none")
    for _ in range(2):
        w.source.put(patrol())
    w.target.lose_answer(on="create", times=1)
    _apply(w)
    assert len(w.target.held) == 2
    w = _irreversible(fidelity="expand", open_ended="roll", mark="none")
    w.source.put(patrol(rule=BIWEEKLY))
    w.target.lose_request(on="create", times=1)
    assert Fate.UNKNOWN in {r.fate for r in _apply(w).results}


def test_rule_7_the_mark() -> None:
    """Rule 7: stripped on reading, no source for others, and a copy is left alone."""
    w = world()
    w.source.put(patrol())
    _apply(w)
    [held] = w.target.held
    assert held.mark is not None
    assert take_mark(held.task.instructions) == ("Walk the fence", None)
    back = Pair("back", source=w.target, target=w.source)
    made = plan(gather(back, w.ledger, clock=w.clock))
    assert made.changes == ()
    assert any("relay" in note.text for note in made.notes)
    copy = w.target.put(attrs.evolve(held, ref=None), mark=held.mark)  # type: ignore[arg-type]
    assert _plan(w).changes == ()
    assert copy.key in {h.ref.key for h in w.target.held if h.ref}


def test_rule_8_translation_damage_is_no_edit() -> None:
    """Rule 8: each side is compared with its own image, so a loss is never a change."""
    w = world()
    ref = w.source.put(patrol())
    w.source.edit(ref, effort_min=15)  # the target has no such field
    _apply(w)
    assert _plan(w).changes == ()
    w.source.edit(ref, effort_min=20)
    assert _plan(w).changes == ()


def test_rule_9_a_dated_piece_is_written_once() -> None:
    """Rule 9: gone or moved at the target is told, never made again, never lifted."""
    w = world(fidelity="expand")
    w.source.put(patrol(rule=BIWEEKLY))
    _apply(w)
    first, second, *_ = (held.ref for held in w.target.held)
    assert first is not None
    assert second is not None
    w.target.delete(first)
    held = next(h for h in w.target.held if h.ref == second)
    assert isinstance(held.timing, Once)
    w.target.edit(
        second, timing=attrs.evolve(held.timing, day=held.timing.day + dt.timedelta(1))
    )
    made = _plan(w)
    assert made.changes == ()
    assert {note.kind for note in made.notes} >= {NoteKind.GONE, NoteKind.DRIFT}


def test_rule_10_irreversible_copies() -> None:
    """Rule 10: a week ahead, two hundred a run, and edits become a hand-over list."""
    w = _irreversible(fidelity="expand")
    w.source.put(patrol())
    assert "roll" in _why(_plan(w))
    w = _irreversible(fidelity="expand", open_ended="roll")
    ref = w.source.put(patrol())
    made = _plan(w)
    days = [c.first_day for c in made.changes]
    assert max(days) - min(days) <= dt.timedelta(7)
    assert all(isinstance(c.takes_back, Never) for c in made.changes)
    _apply(w, made)
    w.source.edit(ref, title="Renamed")
    assert {c.act for c in _plan(w).changes} == {Act.HAND_OVER}
    assert Caps().irreversible.count == 200


def test_rule_11_twice_is_a_nuisance_never_is_a_breach() -> None:
    """Rule 11: a source is ended only once its target is confirmed, in its hours."""
    w = world(at=dt.datetime(2027, 1, 10, 18, tzinfo=dt.UTC))
    can = everything()
    w.source.capabilities = attrs.evolve(
        can,
        timings={
            k: attrs.evolve(h, removal=Removal.ENDS) for k, h in can.timings.items()
        },
    )
    w.source.put(patrol())
    made = _plan(w, CutOver(day=dt.date(2027, 1, 11)))
    assert [c.at for c in made.changes] == [At.TARGET, At.SOURCE]
    w.target.refuse("no", on="create")
    ran = _apply(w, made)
    assert [r.fate for r in ran.results] == [Fate.REFUSED, Fate.SKIPPED]
    assert w.source.writes == ()


def test_rule_12_ad_hoc_is_not_unassigned() -> None:
    """Rule 12: without an occurrence of its own it is refused with the reason."""
    w = world()
    w.source.put(
        attrs.evolve(
            patrol(), timing=AdHoc(window=Window(start=dt.time(9), end=dt.time(10)))
        )
    )
    assert "until somebody adds one" in _why(_plan(w))


def test_rule_14_where() -> None:
    """Rule 14: the crosswalk says the place, and an unmapped site is a refusal."""
    w = world()
    w.source.put(patrol())
    _apply(w)
    place = w.target.held[0].task.place
    assert place is not None
    assert place.point == Point(lat=41.9, lng=-87.6, radius_m=150)
    w = world()
    w.source.put(patrol())
    w.pair.crosswalk = Crosswalk(rows=CROSSWALK.rows[1:])
    assert "site:1" in _why(_plan(w))
    w.pair.crosswalk = Crosswalk(
        rows=(
            Row(source="site:1", source_name="Harbour", target="41.5,-87.5,200,Quay"),
            CROSSWALK.rows[1],
        )
    )
    _apply(w)
    there = w.target.held[0].task.place
    assert there is not None
    assert there.point == Point(lat=41.5, lng=-87.5, radius_m=200)


def test_rule_15_who() -> None:
    """Rule 15: an unmapped post is a refusal or, if the pair says so, nobody and listed."""
    w = world()
    w.source.put(patrol())
    w.pair.crosswalk = Crosswalk(rows=CROSSWALK.rows[:1])
    assert "post:5" in _why(_plan(w))
    w = world(unmapped_assignee="unassigned")
    w.source.put(patrol())
    w.pair.crosswalk = Crosswalk(rows=CROSSWALK.rows[:1])
    [change] = _plan(w).changes
    assert change.after is not None
    assert change.after.task.assignee is None
    assert "assignee" in {loss.what for loss in change.losses}


def test_rule_16_four_hundred_years_are_an_odd_number_of_weeks() -> None:
    """Rule 16: every second Monday is out of phase after one turn of the calendar."""
    rule = Rule.parse("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", start=dt.date(2027, 1, 4))
    later = dt.date(2427, 1, 4)
    assert later.isoweekday() == 1
    assert rule.days(later, later) == ()
    w = world(fidelity="expand")
    w.source.put(patrol(rule=BIWEEKLY))
    assert {type(c.after.timing) for c in _plan(w).changes if c.after} == {Once}


def test_rule_17_lost_rights_look_like_mass_deletes() -> None:
    """Rule 17: another user, fewer rights: nothing is written until a person has looked."""
    w = world()
    for n in range(4):
        w.source.put(patrol(f"Patrol {n}"))
    _apply(w)
    w.source.user = "somebody else"
    w.source.hidden |= {"1", "2"}
    made = _plan(w)
    assert [(h.kind, h.accept) for h in made.halts] == [(HaltKind.PERSON, "rebaseline")]
    with pytest.raises(PersonNeeded, match="the user was"):
        apply(made, w.pair, w.ledger, clock=w.clock)
    assert cycle(w.pair, w.ledger, clock=w.clock).code == 7


def test_rule_18_completeness_per_vendor() -> None:
    """Rule 18: what a list of the target lacks is read by id before it counts as gone."""
    w = world()
    w.source.put(patrol())
    _apply(w)
    there = w.target.held[0].ref
    assert there is not None
    shown = w.target.schedules
    w.target.schedules = lambda scope: (  # type: ignore[method-assign]
        shown(scope) if scope.ids is not None
        else attrs.evolve(shown(scope), items=())
    )  # fmt: skip
    made = _plan(w)
    assert made.changes == ()
    assert NoteKind.GONE not in {note.kind for note in made.notes}


def test_rule_20_the_portals_real_query_language(tmp_path: Path) -> None:
    """Rule 20: no page is ever asked for by number, and dates only between two days."""
    with stage(tmp_path, page_size=3) as on:
        patrols(on.guards, 7)
        with on.session() as session:
            made = on.plan(session, "patrols")
            assert len(made.changes) == 7
        asked = [one.path for one in on.servers["guards"].requests]
        assert not [path for path in asked if "page=" in path]
        assert not [path for path in asked if "Date:gte" in path or "Date:lte" in path]


def test_rule_21_texts() -> None:
    """Rule 21: too long is refused, or cut with the whole text in the loss."""
    w = world()
    w.source.put(patrol("x" * 300))
    assert "does not fit" in _why(_plan(w))
    w = world(texts="cut")
    w.source.put(patrol("x" * 300))
    [change] = _plan(w).changes
    assert change.after is not None
    assert len(change.after.task.title) == 200
    assert any("x" * 300 in loss.value for loss in change.losses)


def test_rule_22_the_guards_phone() -> None:
    """Rule 22: with native = "avoid" dated tasks are made although a rule fits."""
    w = world(native="avoid", fidelity="expand")
    w.source.put(patrol())
    assert {type(c.after.timing) for c in _plan(w).changes if c.after} == {Once}
    w = world()
    w.source.put(patrol())
    assert {type(c.after.timing) for c in _plan(w).changes if c.after} == {Recurring}


def test_rule_25_tours() -> None:
    """Rule 25: a tour that the crosswalk does not know is a plain task, and a loss."""
    w = world()
    ref = w.source.put(patrol(zone=CHICAGO))
    w.source.edit(ref, tour=Ref(account="guards", kind=Kind.TOUR, id="131"))
    [change] = _plan(w).changes
    assert change.after is not None
    assert change.after.task.tour is None
    assert "tour" in {loss.what for loss in change.losses}
