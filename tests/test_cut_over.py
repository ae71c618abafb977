"""The work is handed over on a day: twice is a nuisance, never is a breach."""

from __future__ import annotations

import datetime as dt

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs import CHICAGO, CROSSWALK, FLEET, World, patrol, world

from rota.applying import Applied, Fate, apply, recover
from rota.crosswalk import Crosswalk, Row
from rota.errors import UsageError
from rota.forms import Weekdays
from rota.gathering import gather, written
from rota.mirroring import Health, cycle
from rota.model import (
    Kind,
    Recurring,
    Ref,
    ScheduleStatus,
    Session,
    SessionStatus,
    Window,
)
from rota.planning import Act, At, CutOver, NoteKind, Plan, plan, undo
from rota.recurrence import Rule, weekly
from rota.testing.limits import everything
from rota.testing.memory import MemoryAccount
from rota.vendor import Entry, Refs, Removal
from rota.verifying import verify


DAY = dt.date(2027, 1, 11)
"""A Monday, a week after the clock begins."""
HOURS = dt.datetime(2027, 1, 10, 18, tzinfo=dt.UTC)  # Sunday noon in Chicago
LATE = dt.datetime(2027, 1, 11, 12, tzinfo=dt.UTC)
DAILY = weekly([1, 2, 3, 4, 5, 6, 7])


def stage(**terms: object) -> World:
    """Return a source that can be ended on a day, and a target that shows ahead."""
    w = world(**terms)
    can = everything()
    ends = {
        timing: attrs.evolve(holds, removal=Removal.ENDS)
        for timing, holds in can.timings.items()
    }
    w.source.capabilities = attrs.evolve(can, timings=ends)
    w.target.capabilities = attrs.evolve(FLEET, previews=366)
    return w


def planned(w: World, day: dt.date | None = DAY, *, shadow: bool = False) -> Plan:
    asked = CutOver(day=day, shadow=shadow) if day else None
    return plan(gather(w.pair, w.ledger, clock=w.clock, cut_over=day), asked)


def done(w: World, made: Plan) -> Applied:
    return apply(made, w.pair, w.ledger, clock=w.clock)


def accepted(w: World, *, shadow: bool = False) -> Plan:
    """Plan and apply a cut-over ahead of its hours."""
    made = planned(w, shadow=shadow)
    assert done(w, made).code == 0
    return made


def days(account: MemoryAccount, first: dt.date, last: dt.date) -> set[dt.date]:
    """Return the days on which an account shows a round."""
    return {item.day for item in account.occurrences(first, last).items}


class TestInItsHours:
    def test_it_is_announced_then_done_once_and_never_again(self) -> None:
        """Before its hours nothing is written; in them the target has it, then ends."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        made = accepted(w)

        assert {c.act for c in made.changes} == {Act.DEFER}
        assert w.target.writes == () == w.source.writes
        assert planned(w).changes == () == planned(w, None).changes
        w.clock.set(HOURS)
        now = planned(w, None)
        assert [(c.act, c.at) for c in now.changes] == [
            (Act.CREATE, At.TARGET),
            (Act.RETIRE, At.SOURCE),
        ]
        ran = done(w, now)
        assert (ran.code, ran.count(Fate.DONE)) == (0, 2)
        assert [seam.sound for seam in ran.seam] == [True]
        assert days(w.source, DAY - dt.timedelta(1), DAY + dt.timedelta(30)) == {
            DAY - dt.timedelta(1)
        }
        assert min(days(w.target, DAY, DAY + dt.timedelta(30))) == DAY
        assert planned(w, None).changes == () == planned(w).changes
        assert verify(w.pair, w.ledger, clock=w.clock).code == 0
        assert w.ledger.due(w.ledger.pair("patrols")) == ()

    def test_the_mirror_does_it_and_is_quiet_afterwards(self) -> None:
        """A mirror that runs in the hours hands over; the source's end ends nothing."""
        w = stage()
        ref = w.source.put(patrol(rule=DAILY))
        accepted(w)
        assert cycle(w.pair, w.ledger, clock=w.clock).health is Health.QUIET
        w.clock.set(HOURS)
        assert cycle(w.pair, w.ledger, clock=w.clock).code == 0
        w.clock.set(LATE)
        w.source.edit(ref, status=ScheduleStatus.ENDED)

        assert cycle(w.pair, w.ledger, clock=w.clock).health is Health.QUIET
        w.source.delete(ref)
        assert cycle(w.pair, w.ledger, clock=w.clock).health is Health.QUIET
        assert len(w.target.held) == 1

    def test_asked_for_in_its_hours_it_is_done_at_once(self) -> None:
        """A plan made between the two runs makes, confirms and ends in one go."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        w.clock.set(HOURS)

        assert done(w, planned(w)).code == 0
        assert len(w.target.held) == 1

    def test_what_runs_beside_already_needs_only_its_end(self) -> None:
        """A pair that was mirrored before hands over by ending the sources."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        done(w, planned(w, None))
        accepted(w)
        w.clock.set(HOURS)
        now = planned(w, None)

        assert [(c.act, c.at) for c in now.changes] == [(Act.RETIRE, At.SOURCE)]
        assert done(w, now).code == 0

    def test_the_hours_missed_change_nothing_and_are_an_alarm(self) -> None:
        """Who comes too late finds both sides as they were, and is told so."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        accepted(w)
        w.clock.set(LATE)
        done_ = cycle(w.pair, w.ledger, clock=w.clock)

        assert (done_.code, done_.applied) == (7, None)
        assert done_.plan is not None
        assert [n.kind for n in done_.plan.notes if "cut-over" in n.text] == [
            NoteKind.OVERDUE
        ]
        assert w.target.writes == () == w.source.writes
        with pytest.raises(UsageError, match="ended at"):
            planned(w)
        # Accepted anew, the old day is forgotten.
        again = planned(w, DAY + dt.timedelta(7))
        assert done(w, again).code == 0
        assert cycle(w.pair, w.ledger, clock=w.clock).code == 0

    def test_a_plan_applied_after_its_hours_writes_nothing(self) -> None:
        """Both the make and the end carry their hours."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        w.clock.set(HOURS)
        made = planned(w)
        w.clock.set(LATE)
        ran = done(w, made)

        assert {r.fate for r in ran.results} == {Fate.SKIPPED}
        assert w.target.writes == () == w.source.writes


class TestConfirmation:
    def _now(self) -> tuple[World, Plan]:
        w = stage()
        w.source.put(patrol(rule=DAILY))
        w.clock.set(HOURS)
        return w, planned(w)

    def _kept(self, w: World, ran: Applied) -> str:
        [end] = [r for r in ran.results if r.change.at is At.SOURCE]
        assert end.fate is Fate.SKIPPED
        assert w.source.writes == ()
        return end.why

    def test_a_target_that_refuses_keeps_the_source(self) -> None:
        """What could not be made at the target goes on at the source."""
        w, made = self._now()
        w.target.refuse("no")

        assert "could not be written" in self._kept(w, done(w, made))

    def test_an_entry_that_the_calendar_does_not_show_keeps_the_source(self) -> None:
        """Read back is not enough where the vendor shows its own proposals."""
        w, made = self._now()
        shown = w.target.occurrences
        w.target.occurrences = lambda first, last: attrs.evolve(  # type: ignore[method-assign]
            shown(first, last), items=()
        )
        why = self._kept(w, done(w, made))

        assert "calendar does not show" in why
        assert "2027-01-12 04:00" in why  # 22:00 of the 11th in Chicago
        w.target.occurrences = shown  # type: ignore[method-assign]
        assert done(w, planned(w)).code == 0

    def test_an_entry_changed_under_way_keeps_the_source(self) -> None:
        """A person who moves the hours at the target leaves the source running."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        done(w, planned(w, None))
        [held] = w.target.held
        assert held.ref is not None
        w.clock.set(HOURS)
        made = planned(w)
        w.target.edit(held.ref, timing=patrol(rule=weekly([1])).timing)

        assert "hours that were agreed" in self._kept(w, done(w, made))

    def test_a_calendar_that_can_not_be_read_keeps_the_source(self) -> None:
        """No answer confirms nothing."""
        w, made = self._now()
        w.target.refuse("closed", on="occurrences")

        assert "could not be read" in self._kept(w, done(w, made))

    def test_one_that_is_not_confirmed_keeps_only_its_own(self) -> None:
        """The others are handed over."""
        w = stage()
        w.source.put(patrol("North", rule=DAILY))
        w.source.put(patrol("South", rule=DAILY))
        w.clock.set(HOURS)
        made = planned(w)
        w.target.refuse("no", on="create", times=1)
        ran = done(w, made)

        assert ran.count(Fate.DONE) == 2
        assert sum(call.verb == "remove" for call in w.source.writes) == 1
        assert len(w.target.held) == 1

    def test_a_source_edited_since_is_kept(self) -> None:
        """The end of a source rests on the record that was reviewed."""
        w, made = self._now()
        [held] = w.source.held
        assert held.ref is not None
        w.source.edit(held.ref, title="Renamed")
        ran = done(w, made)

        assert "moved since" in self._kept(w, ran)
        assert len(w.target.held) == 1  # twice is a nuisance

    def test_an_edit_between_acceptance_and_the_day_asks_anew(self) -> None:
        """What was accepted was another schedule: its source is kept and told."""
        w = stage()
        ref = w.source.put(patrol(rule=DAILY))
        accepted(w)
        w.source.edit(ref, title="Renamed")
        w.clock.set(HOURS)
        now = planned(w, None)

        assert now.changes == ()
        assert [n.kind for n in now.notes if "edited since" in n.text] == [
            NoteKind.KEPT
        ]
        assert done(w, planned(w)).code == 0

    def test_another_crosswalk_since_asks_anew(self) -> None:
        """A record that is not the one that was accepted ends no source by itself."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        accepted(w)
        w.target.add_entry(
            Entry(ref=Ref(account="fleet", kind=Kind.DEVICE, id="10"), name="Car 10")
        )
        w.pair.crosswalk = Crosswalk(
            rows=(
                CROSSWALK.rows[0],
                Row(source="post:5", source_name="Gate", target="device:10"),
            )
        )
        w.clock.set(HOURS)

        assert [c.announced for c in planned(w, None).changes] == [False, False]

    @pytest.mark.parametrize("lost", ["lose_answer", "lose_request", "late"])
    def test_an_end_whose_answer_is_lost_is_looked_for(self, lost: str) -> None:
        """Whether a source has ended is read from the source, not guessed."""
        w, made = self._now()
        if lost == "late":
            w.source.late(20.0, on="remove")
        else:
            getattr(w.source, lost)(on="remove")
        ran = done(w, made)

        assert (ran.code, [seam.sound for seam in ran.seam]) == (0, [True])
        assert days(w.source, DAY, DAY) == set()
        assert planned(w, None).changes == ()


@settings(max_examples=20)
@given(
    on=st.sets(st.integers(1, 7), min_size=1),
    hour=st.integers(0, 23),
    half=st.booleans(),
    length=st.integers(1, 9),
    zone=st.sampled_from([CHICAGO, "America/New_York", "America/Denver"]),
    early=st.booleans(),
)
def test_no_round_of_the_seam_is_ever_missing(
    on: set[int], hour: int, half: bool, length: int, zone: str, early: bool
) -> None:
    """Whatever the days, hours and zones: each round is made by one side at least."""
    w = stage()
    start = dt.time(hour, 30 * half)
    window = Window.lasting(start, 60 * length)
    w.source.put(patrol(rule=weekly(sorted(on)), window=window, zone=zone))
    first, last = DAY - dt.timedelta(2), DAY + dt.timedelta(9)
    wanted = {item.start for item in w.source.occurrences(first, last).items}
    if early:
        accepted(w)
        w.clock.set(HOURS)
        made = planned(w, None)
    else:
        w.clock.set(HOURS)
        made = planned(w)
    if made.refusals:
        return
    assert done(w, made).code == 0

    made_there = {
        item.start for item in w.target.occurrences(DAY, last + dt.timedelta(2)).items
    }
    made_here = {item.start for item in w.source.occurrences(first, last).items}
    assert wanted <= made_here | made_there
    assert planned(w, None).changes == ()


class TestSeam:
    def test_an_end_that_is_one_day_short_is_taken_off_again(self) -> None:
        """A source that no longer shows its last day goes on, and somebody is told."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        w.clock.set(HOURS)
        made = planned(w)
        remove = w.source.remove
        w.source.remove = lambda ref, last: remove(  # type: ignore[method-assign]
            ref, last and last - dt.timedelta(1)
        )
        ran = done(w, made)

        assert ran.code == 7
        [seam] = ran.seam
        assert (seam.gaps, seam.restored) == ((DAY - dt.timedelta(1),), True)
        assert DAY in days(w.source, DAY, DAY)
        assert w.ledger.released(w.ledger.pair("patrols")) == {}

    def test_an_end_that_is_one_day_long_is_told(self) -> None:
        """A source that shows a day too many is named; both sides make it."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        w.clock.set(HOURS)
        made = planned(w)
        remove = w.source.remove
        w.source.remove = lambda ref, last: remove(  # type: ignore[method-assign]
            ref, last and last + dt.timedelta(1)
        )
        ran = done(w, made)

        # What reads back otherwise than it was written is given up.
        [end] = [r for r in ran.results if r.change.at is At.SOURCE]
        assert end.fate is Fate.REFUSED
        assert DAY in days(w.source, DAY, DAY)
        assert DAY in days(w.target, DAY, DAY)

    def test_where_the_day_changes_later_the_source_keeps_a_day_more(self) -> None:
        """A round that begins before the target's day stays with the source."""
        w = stage()
        early = Window(start=dt.time(0, 30), end=dt.time(1, 30))
        late = Window(start=dt.time(20), end=dt.time(21))
        for title, window in (("Early", early), ("Late", late)):
            w.source.put(
                patrol(title, rule=DAILY, window=window, zone="America/New_York")
            )
        w.clock.set(HOURS)
        made = planned(w)
        lasts = {c.title: c.last_day for c in made.changes if c.at is At.SOURCE}

        # 00:30 in New York is 23:30 of the day before in Chicago.
        assert lasts == {"Early": DAY, "Late": DAY - dt.timedelta(1)}
        assert done(w, made).code == 0
        found = {
            item.start
            for account in (w.source, w.target)
            for item in account.occurrences(DAY - dt.timedelta(1), DAY).items
            if item.title == "Early"
        }
        assert len(found) >= 2


class TestReview:
    def test_sessions_from_the_day_on_are_listed(self) -> None:
        """Who has a round of the day or later at the source is named before."""
        w = stage()
        ref = w.source.put(patrol(rule=DAILY))
        session = Session(
            status=SessionStatus.OPEN, who=Ref.parse("guards", "person:7")
        )
        for day in (DAY - dt.timedelta(1), DAY, DAY + dt.timedelta(3)):
            w.source.perform(ref, day, sessions=(session,))
        [note] = [n for n in planned(w).notes if n.kind is NoteKind.ASSIGNED]

        assert "2027-01-11, 2027-01-14" in note.text
        assert "2027-01-10" not in note.text

    def test_only_what_is_selected_is_cut_over(self) -> None:
        """A part of a pair goes first, the rest stays as it is."""
        w = stage()
        for title in ("North gate", "South gate"):
            w.source.put(patrol(title, rule=DAILY))
        w.clock.set(HOURS)
        seen = gather(w.pair, w.ledger, clock=w.clock, cut_over=DAY)
        made = plan(seen, CutOver(day=DAY), {"title": ("North*",)})

        assert [c.title for c in made.changes if c.at is At.SOURCE] == ["North gate"]

    @pytest.mark.parametrize(
        ("rule", "fidelity", "why"),
        [
            (weekly([1], interval=2, start=DAY), "expand", "later ones are made"),
            (weekly([1], start=dt.date(2027, 3, 1)), "attended", "must be made on"),
        ],
    )
    def test_what_the_target_can_not_say_alone_is_kept(
        self, rule: Rule, fidelity: str, why: str
    ) -> None:
        """Nobody would make its later tasks once its source has ended."""
        w = stage(fidelity=fidelity)
        w.source.put(patrol(rule=rule))
        made = planned(w)

        assert made.changes == ()
        assert [why in r.why[0] for r in made.refusals] == [True]

    def test_a_source_that_knows_no_end_is_ended_by_hand(self) -> None:
        """Nothing at the source is deleted to end it."""
        w = stage()
        w.source.capabilities = everything()
        w.source.put(patrol(rule=DAILY))

        assert ["by hand" in r.why[0] for r in planned(w).refusals] == [True]

    def test_what_names_its_first_day_is_made_at_once(self) -> None:
        """An entry with a begin of its own needs no midnight."""
        w = stage()
        holds = attrs.evolve(
            FLEET.timings[Recurring], forms=(Weekdays(begins=True, ends=True),)
        )
        w.target.capabilities = attrs.evolve(
            FLEET, timings={**FLEET.timings, Recurring: holds}, previews=366
        )
        w.source.put(patrol(rule=DAILY))
        made = accepted(w)

        assert [c.act for c in made.changes] == [Act.CREATE, Act.DEFER]
        assert min(days(w.target, w.target.today, DAY + dt.timedelta(9))) == DAY
        assert planned(w, None).changes == () == planned(w).changes
        w.clock.set(HOURS)
        now = planned(w, None)
        assert [(c.act, c.at) for c in now.changes] == [(Act.RETIRE, At.SOURCE)]
        assert done(w, now).code == 0


class TestShadow:
    def test_it_runs_unassigned_until_the_day(self) -> None:
        """Beside the source nobody is sent; on the day the target's own is."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        made = accepted(w, shadow=True)

        assert [c.act for c in made.changes] == [Act.CREATE, Act.DEFER]
        assert [held.task.assignee for held in w.target.held] == [None]
        assert planned(w, None).changes == () == planned(w, shadow=True).changes
        w.clock.set(HOURS)
        now = planned(w, None)
        assert [(c.act, c.at) for c in now.changes] == [
            (Act.UPDATE, At.TARGET),
            (Act.RETIRE, At.SOURCE),
        ]
        assert all(c.announced for c in now.changes)
        assert done(w, now).code == 0
        assert [
            held.task.assignee.key for held in w.target.held if held.task.assignee
        ] == ["device:9"]
        assert planned(w, None).changes == ()

    def test_a_target_that_needs_somebody_is_refused(self) -> None:
        """Where a record can't be without an assignee there is no shadow."""
        w = stage()
        fields = {
            **FLEET.fields,
            "assignee": Refs(kinds=FLEET.fields["assignee"].kinds, required=True),  # type: ignore[union-attr]
        }
        w.target.capabilities = attrs.evolve(FLEET, fields=fields, previews=366)
        w.source.put(patrol(rule=DAILY))

        assert ["unassigned" in r.why[0] for r in planned(w, shadow=True).refusals] == [
            True
        ]


class TestBack:
    def _undo(self, w: World, run: int) -> Plan:
        seen = gather(w.pair, w.ledger, clock=w.clock)
        return undo(seen, plan(seen), run, written(w.ledger, run))

    def test_it_is_taken_back_and_twice_is_harmless(self) -> None:
        """The source goes on first, then the target's entries go; again is nothing."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        w.clock.set(HOURS)
        run = done(w, planned(w)).run
        w.clock.set(HOURS + dt.timedelta(days=9))
        back = self._undo(w, run)

        assert [(c.act, c.at) for c in back.changes] == [
            (Act.UPDATE, At.SOURCE),
            (Act.RETIRE, At.TARGET),
        ]
        assert done(w, back).code == 0
        assert w.target.held == ()
        assert DAY in days(w.source, DAY, DAY + dt.timedelta(30))
        assert max(days(w.source, DAY, DAY + dt.timedelta(30))) > DAY
        assert self._undo(w, run).changes == ()
        assert done(w, back).count(Fate.ALREADY) == 2

    def test_the_target_stays_until_the_source_goes_on(self) -> None:
        """A source that can't be resumed keeps its target at work."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        w.clock.set(HOURS)
        run = done(w, planned(w)).run
        back = self._undo(w, run)
        w.source.refuse("no", on="update")
        done(w, back)

        assert len(w.target.held) == 1

    def test_a_shadow_is_not_taken_from_under_an_ended_source(self) -> None:
        """The run that ended the source is to be taken back first."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        shadow = done(w, planned(w, shadow=True)).run
        w.clock.set(HOURS)
        end = done(w, planned(w, None)).run

        assert self._undo(w, shadow).changes == ()
        assert done(w, self._undo(w, end)).code == 0
        assert [held.task.assignee for held in w.target.held] == [None]

    def test_an_announced_cut_over_can_be_withdrawn(self) -> None:
        """Taking back the run that announced it leaves nothing waiting."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        run = done(w, planned(w)).run
        back = self._undo(w, run)

        assert back.withdrawn == ("schedule:1",)
        done(w, back)
        assert w.ledger.due(w.ledger.pair("patrols")) == ()


class TestCrash:
    """The process dies at each boundary; the source is ended only when confirmed."""

    @pytest.mark.parametrize(
        "where",
        [
            "before the make",
            "after the make",
            "before the end's intent",
            "after the end's intent",
            "after the end",
            "before its outcome",
            "after its outcome",
        ],
    )
    def test_there_is_never_a_gap(self, where: str) -> None:
        """Whenever it dies, each day has its round; the next run ends it in order."""
        w = stage()
        w.source.put(patrol(rule=DAILY))
        w.clock.set(HOURS)
        made = planned(w)
        with pytest.raises(_Died):
            _die(w, where, made)
        w.clock.advance(dt.timedelta(minutes=10))
        self._covered(w)
        recover(w.pair, w.ledger, clock=w.clock)
        self._covered(w)
        done(w, planned(w))
        self._covered(w)
        assert len(w.target.held) == 1
        assert days(w.source, DAY, DAY + dt.timedelta(5)) == set()
        assert planned(w).changes == ()

    def _covered(self, w: World) -> None:
        wanted = {DAY + dt.timedelta(n) for n in range(-1, 6)}
        first, last = min(wanted), max(wanted)
        assert wanted <= days(w.source, first, last) | days(w.target, DAY, last)


class _Died(BaseException):
    """The process is gone."""


def _die(w: World, where: str, made: Plan) -> None:
    """Apply a plan and die at a boundary, as ``kill -9`` would."""

    def dies(*_: object, **__: object) -> None:
        raise _Died

    intend, outcome = w.ledger.intend, w.ledger.outcome

    def intends(run: object, seq: int, change: bytes, **more: object) -> None:
        end = b'"at":"source"' in change
        if end and where == "before the end's intent":
            dies()
        intend(run, seq, change, **more)  # type: ignore[arg-type]
        if end and where == "after the end's intent":
            dies()

    def outcomes(run: object, seq: int, *rest: object, **more: object) -> object:
        if more.get("release") and where == "before its outcome":
            dies()
        told = outcome(run, seq, *rest, **more)  # type: ignore[arg-type]
        if more.get("release") and where == "after its outcome":
            dies()
        return told

    def on_call(verb: str, _: object) -> None:
        if verb == "create" and where == "before the make":
            dies()

    def after_make(verb: str, _: object) -> None:
        if verb == "create" and where == "after the make":
            dies()

    def after_end(verb: str, _: object) -> None:
        if verb == "remove" and where == "after the end":
            dies()

    w.ledger.intend, w.ledger.outcome = intends, outcomes  # type: ignore[method-assign, assignment]
    w.target.on_call, w.target.on_done = on_call, after_make
    w.source.on_done = after_end
    try:
        done(w, made)
    finally:
        w.ledger.intend, w.ledger.outcome = intend, outcome  # type: ignore[method-assign]
        w.target.on_call = w.target.on_done = w.source.on_done = None
