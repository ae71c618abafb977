"""Dated tasks become recurring schedules elsewhere: laws, on accounts in memory."""

from __future__ import annotations

import datetime as dt
import random

import attrs
import pytest
from infer_run import draw
from pairs import CROSSWALK, World, patrol, world

from rota.applying import Applied, Fate, apply
from rota.errors import ValueRefused, VendorError
from rota.gathering import gather, written
from rota.inference import infer
from rota.inferring import InferredPair, Remembered, forget, read_dated
from rota.model import AllDay, Once, Recurring, Ref, When, Window
from rota.planning import (
    Act,
    Choices,
    Finding,
    Inference,
    NoteKind,
    Plan,
    infer_schedules,
    plan,
    undo,
)
from rota.planning.inferring import from_day
from rota.planning.observed import observed
from rota.recurrence import weekly
from rota.translation import Basis
from rota.vendor import Mark, Scope
from rota.verifying import verify


DAY = dt.timedelta(1)
FIRST, LAST = dt.date(2026, 7, 6), dt.date(2027, 4, 30)
TOMORROW = dt.date(2027, 1, 5)
_NIGHT = Window(start=dt.time(22), end=dt.time(2), days=1)


def _pair(w: World) -> InferredPair:
    return InferredPair(
        "patrols",
        source=Remembered(
            "guards",
            w.source.capabilities,
            pair="infer:patrols",
            ledger=w.ledger,
            clock=w.clock,
        ),
        target=w.target,
        crosswalk=CROSSWALK,
        terms=w.pair.terms,
    )


def _put(
    w: World, title: str, *days: dt.date, window: When = _NIGHT, mark: str = ""
) -> list[Ref]:
    bare = patrol(title)
    if isinstance(window, AllDay):
        bare = attrs.evolve(bare, zone=None)
    return [
        w.source.put(
            attrs.evolve(bare, timing=Once(day=day, window=window)),
            mark=Mark(mark) if mark else None,
        )
        for day in days
    ]


def _infer(
    w: World,
    begin: dt.date | None = TOMORROW,
    *,
    first: dt.date = FIRST,
    **more: object,
) -> Inference:
    dated = read_dated(
        w.pair,
        _pair(w),
        w.ledger,
        first=first,
        last=LAST,
        others=("patrols",),
        clock=w.clock,
    )
    return infer_schedules(dated, Choices(begin=begin, **more))  # type: ignore[arg-type]


def _planned(found: Inference) -> Plan:
    assert found.plan is not None
    return found.plan


def _one(found: Inference) -> Finding:
    [finding] = found.findings
    return finding


def _apply(w: World, made: Plan) -> Applied:
    return apply(made, _pair(w), w.ledger, clock=w.clock)


def _weekdays(first: dt.date, last: dt.date) -> tuple[dt.date, ...]:
    return weekly([1, 2, 3, 4, 5]).days(first, last)


WEEKDAYS = _weekdays(dt.date(2026, 9, 1), dt.date(2027, 2, 26))


class TestPlanning:
    def test_tasks_become_one_schedule_and_are_handed_over(self) -> None:
        """The rule arrives, the proof names its span, the open tasks are listed."""
        w = world()
        refs = _put(w, "Harbour patrol", *WEEKDAYS)
        made = _planned(_infer(w))
        [change] = made.changes

        assert change.act is Act.CREATE
        assert change.mark
        assert change.proof
        assert change.proof.basis is Basis.INFERRED
        assert change.proof.observed == (WEEKDAYS[0], WEEKDAYS[-1])
        ahead = [day for day in WEEKDAYS if day >= TOMORROW]
        assert [each.day for each in made.hand_over] == ahead
        assert {each.ref for each in made.hand_over} == set(refs[-len(ahead) :])
        applied = _apply(w, made)
        [held] = w.target.held
        assert isinstance(held.timing, Recurring)
        assert held.timing.lines[0].days.days(TOMORROW, LAST) == _weekdays(
            TOMORROW, LAST
        )
        assert applied.code == 7
        assert applied.handed_over == made.hand_over
        assert w.source.writes == ()
        assert verify(_pair(w), w.ledger, clock=w.clock).agrees

    def test_a_second_time_there_is_nothing_to_do(self) -> None:
        """What was inferred is known again, on whatever day and with fewer tasks."""
        w = world()
        _put(w, "Harbour patrol", *WEEKDAYS)
        _apply(w, _planned(_infer(w)))

        assert _planned(_infer(w)).changes == ()
        assert _planned(_infer(w, first=dt.date(2026, 12, 1))).changes == ()
        assert _one(_infer(w)).known
        w.clock.advance(dt.timedelta(40))
        assert _planned(_infer(w, dt.date(2027, 3, 1))).changes == ()

    def test_tasks_that_end_are_no_evidence(self) -> None:
        """Closed or no longer listed, they retire nothing; what is odd is told."""
        w = world()
        refs = _put(w, "Harbour patrol", *WEEKDAYS)
        _apply(w, _planned(_infer(w)))
        for ref, day in zip(refs, WEEKDAYS, strict=True):
            if day >= TOMORROW:
                w.source.delete(ref)
        closed = _planned(_infer(w))
        assert (closed.changes, closed.hand_over) == ((), ())
        assert not [n for n in closed.notes if n.kind is NoteKind.DOUBT]
        for ref, day in zip(refs, WEEKDAYS, strict=True):
            if day < TOMORROW:
                w.source.delete(ref)
        gone = _planned(_infer(w))
        [doubt] = [n for n in gone.notes if n.kind is NoteKind.DOUBT]

        assert gone.changes == ()
        assert "not listed any more" in doubt.text
        assert len(w.target.held) == 1
        w.clock.advance(dt.timedelta(400))
        assert plan(gather(_pair(w), w.ledger, clock=w.clock)).changes == ()

    def test_a_later_task_off_the_rule_is_told(self) -> None:
        """A task that the schedule does not make is neither handed over nor hidden."""
        w = world()
        _put(w, "Harbour patrol", *WEEKDAYS)
        _apply(w, _planned(_infer(w)))
        [extra] = _put(w, "Harbour patrol", dt.date(2027, 2, 6))
        made = _planned(_infer(w))

        assert extra not in {each.ref for each in made.hand_over}
        assert any("2027-02-06 too" in n.text for n in made.notes)
        ordinary = plan(gather(w.pair, w.ledger, clock=w.clock))
        assert extra in {c.source for c in ordinary.changes}
        assert len(ordinary.changes) == 2  # and tonight's, which comes before it

    def test_nothing_is_handed_over_to_a_schedule_that_is_gone(self) -> None:
        """Who closes a task must not find that its schedule was removed meanwhile."""
        w = world()
        _put(w, "Harbour patrol", *WEEKDAYS)
        _apply(w, _planned(_infer(w)))
        there = w.target.held[0].ref
        assert there is not None
        w.target.delete(there)
        made = _planned(_infer(w))

        assert (made.changes, made.hand_over) == ((), ())
        assert any(note.kind is NoteKind.GONE for note in made.notes)

    def test_an_ordinary_plan_neither_doubles_nor_retires(self) -> None:
        """Days that an inferred schedule makes are not carried one by one as well."""
        w = world()
        _put(w, "Harbour patrol", *WEEKDAYS)
        before = plan(gather(w.pair, w.ledger, clock=w.clock))
        _apply(w, _planned(_infer(w, dt.date(2027, 1, 5))))
        after = plan(gather(w.pair, w.ledger, clock=w.clock))

        assert len(before.changes) > 30
        assert {c.first_day for c in after.changes} <= {dt.date(2027, 1, 4)}
        assert any("not carried one by one" in n.text for n in after.notes)

    def test_tasks_carried_one_by_one_are_not_doubled(self) -> None:
        """Where a pair has written them there already, the group is refused till then."""
        w = world()
        _put(w, "Harbour patrol", *WEEKDAYS)
        apply(
            plan(gather(w.pair, w.ledger, clock=w.clock)),
            w.pair,
            w.ledger,
            clock=w.clock,
        )
        [refusal] = _planned(_infer(w)).refusals

        assert "would be there twice: begin after 2027-02-26" in refusal.why[0]
        [later] = _planned(_infer(w, dt.date(2027, 2, 27))).refusals
        assert later.wants == "attended"

    def test_days_that_neither_side_has_are_told(self) -> None:
        """Between the last task and the beginning nobody would come; that is said."""
        w = world(fidelity="attended")
        _put(w, "Harbour patrol", *WEEKDAYS)
        none = _planned(_infer(w, dt.date(2027, 3, 1)))
        assert not [n for n in none.notes if n.kind is NoteKind.WAITS]
        [gap] = [
            note
            for note in _planned(_infer(w, dt.date(2027, 3, 3))).notes
            if note.kind is NoteKind.WAITS
        ]
        assert gap.text.endswith("2027-03-01, 2027-03-02")

    def test_another_inferred_pair_is_not_doubled(self) -> None:
        """What one pair of two accounts has inferred, another does not infer again."""
        w = world()
        _put(w, "Harbour patrol", *WEEKDAYS)
        _apply(w, _planned(_infer(w)))
        other = InferredPair(
            "others",
            source=Remembered(
                "guards",
                w.source.capabilities,
                pair="infer:others",
                ledger=w.ledger,
                clock=w.clock,
            ),
            target=w.target,
            crosswalk=CROSSWALK,
            terms=w.pair.terms,
        )
        dated = read_dated(
            w.pair, other, w.ledger, first=FIRST, last=LAST, clock=w.clock
        )
        made = _planned(infer_schedules(dated, Choices(begin=TOMORROW)))

        assert made.changes == ()
        assert "by pair 'infer:patrols'" in made.refusals[0].why[0]

    def test_what_a_pair_wrote_is_no_source(self) -> None:
        """Tasks with rota's mark are left out, unless the pair relays."""
        w = world()
        _put(w, "Harbour patrol", *WEEKDAYS, mark="rota:abcdefghij")
        found = _infer(w)
        assert (found.findings, found.marked) == ((), len(WEEKDAYS))
        relays = world(relay=True)
        _put(relays, "Harbour patrol", *WEEKDAYS, mark="rota:abcdefghij")

        assert len(_planned(_infer(relays)).changes) == 1

    def test_a_selection_counts(self) -> None:
        """Only tasks that the pair selects are read, by id too."""
        w = world(select={"title": ("Harbour*",)})
        _put(w, "Harbour patrol", *WEEKDAYS)
        _put(w, "Lobby", *WEEKDAYS)

        assert _one(_infer(w)).task.title == "Harbour patrol"


class TestWhatIsSaid:
    def test_exceptions_are_listed_and_the_rule_is_plain(self) -> None:
        """Holidays without and a Saturday with a task are told, and don't go over."""
        w = world()
        days = set(WEEKDAYS) - {dt.date(2026, 11, 26), dt.date(2026, 12, 25)}
        _put(w, "Harbour patrol", *days, dt.date(2026, 11, 28))
        found = _infer(w)
        chosen = _one(found).chosen
        assert chosen is not None
        assert chosen.missing == (dt.date(2026, 11, 26), dt.date(2026, 12, 25))
        assert chosen.added == (dt.date(2026, 11, 28),)
        [change] = _planned(found).changes
        [loss] = [each for each in change.losses if "inferred" in each.why]

        assert "127 of 129 days" in loss.value
        assert change.after
        assert isinstance(change.after.timing, Recurring)
        text = change.after.timing.lines[0].days.text
        assert text.splitlines()[-1] == "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
        assert _infer(w, exceptions=0.0).findings[0].chosen is None

    def test_exceptions_ahead_are_kept(self) -> None:
        """A day that is known to be off after the beginning stays off there."""
        w = world(fidelity="attended")
        holiday = dt.date(2027, 2, 15)
        _put(w, "Harbour patrol", *(day for day in WEEKDAYS if day != holiday))
        made = _planned(_infer(w))
        _apply(w, made)
        said = [c for c in (*made.changes, *made.waiting) if c.after]

        assert {c.act for c in said} == {Act.CREATE, Act.DEFER}
        assert {c.last_day for c in said if c.act is Act.CREATE} == {
            dt.date(2027, 2, 12)
        }

    def test_two_points_are_never_a_rule(self) -> None:
        """One or two tasks stay where they are, and the plan does not speak of them."""
        w = world()
        _put(w, "Lobby", dt.date(2027, 1, 11), dt.date(2027, 1, 18))
        found = _infer(w)

        assert "too few" in _one(found).why
        assert _planned(found).changes == ()
        assert _planned(found).refusals == ()
        assert _planned(found).hand_over == ()

    def test_rules_that_fit_equally_are_for_a_person(self) -> None:
        """All are listed in order; nothing is guessed; a number takes one of them."""
        w = world(fidelity="expand")
        days = (dt.date(2027, 1, 28), dt.date(2027, 2, 25), dt.date(2027, 3, 25))
        _put(w, "Meters", *days)
        open_ = _infer(w)
        finding = _one(open_)
        assert finding.open_choice
        assert [each.rules.text for each in finding.readings] == [
            "RRULE:FREQ=MONTHLY;BYDAY=4TH",
            "RRULE:FREQ=MONTHLY;BYDAY=-1TH",
        ]
        assert _planned(open_).changes == ()
        assert "--choose" in _planned(open_).refusals[0].why[0]
        chosen = _infer(w, readings={finding.name[:4]: 2})
        source = _planned(chosen).changes[0].agreed
        assert source is not None
        assert isinstance(source.source.timing, Recurring)
        said = source.source.timing.lines[0].days
        assert said.days(TOMORROW, dt.date(2027, 4, 30))[-1] == dt.date(2027, 4, 29)
        with pytest.raises(ValueRefused, match="no number 3"):
            _infer(w, readings={finding.name: 3})
        with pytest.raises(ValueRefused, match="no group begins"):
            _infer(w, readings={"zz": 1})
        with pytest.raises(ValueRefused, match="have hours: 22:00-02:00"):
            _infer(w, windows={finding.name: _NIGHT})
        _apply(w, _planned(chosen))
        with pytest.raises(ValueRefused, match="was inferred before"):
            _infer(w, readings={finding.name: 1})

    def test_a_round_that_is_over_is_not_made(self) -> None:
        """A rule that has ended names no day ahead, and is told with the way out."""
        w = world()
        _put(w, "Lobby", *_weekdays(dt.date(2026, 8, 3), dt.date(2026, 11, 13)))
        [refusal] = _planned(_infer(w)).refusals

        assert "it is over" in refusal.why[0]

    def test_nothing_is_made_before_the_first_task(self) -> None:
        """A round that begins next month is not made this month."""
        w = world(fidelity="attended")
        _put(w, "Lobby", *weekly([3]).days(dt.date(2027, 2, 1), dt.date(2027, 4, 28)))
        [change] = _planned(_infer(w)).changes

        assert (change.act, change.first_day) == (Act.DEFER, dt.date(2027, 2, 3))

    def test_instructions_that_differ_are_a_loss(self) -> None:
        """The latest ones are taken, and the loss says that there were others."""
        w = world()
        refs = _put(w, "Harbour patrol", *WEEKDAYS)
        w.source.edit(refs[-1], instructions="By car")
        [change] = _planned(_infer(w)).changes

        assert change.after
        assert change.after.task.instructions == "By car"
        assert any(loss.what == "instructions" for loss in change.losses)

    def test_the_phase_is_kept(self) -> None:
        """From any day on, a reading says exactly the days that it said before."""
        for seed in range(150):
            chance = random.Random(seed)
            truth, repeat = draw(chance)
            first = max(r.start for r in truth.rules if r.start) + DAY * 400
            last = first + DAY * max(60, repeat * 8)
            begin = last + DAY * chance.randrange(-40, 400)
            end = begin + DAY * 1500
            for reading in infer(truth.days(first, last), first, last).readings:
                said = from_day(reading, begin)
                days = said.days(begin - DAY * 900, end) if said else ()
                assert days == reading.recurrence.days(begin, end)


class TestWhenAndHow:
    def test_the_day_must_be_one_that_can_be_met(self) -> None:
        """What is written now misses today's run; an earlier day is refused."""
        w = world()
        _put(w, "Harbour patrol", *WEEKDAYS)
        with pytest.raises(ValueRefused, match="too soon") as told:
            _infer(w, dt.date(2027, 1, 4))

        assert "--from 2027-01-05" in told.value.hint

    def test_a_later_day_is_attended(self) -> None:
        """A target without a first day gets the schedule on the eve, by rota due."""
        w = world()
        _put(w, "Harbour patrol", *WEEKDAYS)
        [refusal] = _planned(_infer(w, dt.date(2027, 2, 1))).refusals
        assert refusal.wants == "attended"
        assert "--from 2027-01-05 needs nobody" in refusal.why[-1]

        w = world(fidelity="attended")
        _put(w, "Harbour patrol", *WEEKDAYS)
        made = _planned(_infer(w, dt.date(2027, 2, 1)))
        assert [c.act for c in made.changes] == [Act.DEFER]
        applied = _apply(w, made)
        assert (applied.code, applied.handed_over) == (0, ())
        assert len(applied.hand_over) == 20
        again = _planned(_infer(w, dt.date(2027, 2, 1)))
        assert (again.changes, again.hand_over) == ((), ())
        assert any("20 more open tasks" in note.text for note in again.notes)
        w.clock.set(dt.datetime(2027, 1, 31, 15, tzinfo=dt.UTC))
        due = plan(gather(_pair(w), w.ledger, clock=w.clock))
        assert [c.act for c in due.changes] == [Act.CREATE]
        _apply(w, due)
        assert len(w.target.held) == 1
        assert len(_planned(_infer(w, dt.date(2027, 2, 1))).hand_over) == 20

    def test_whole_days_want_hours(self) -> None:
        """Hours are never invented: the person or the defaults give them."""
        w = world()
        _put(w, "Harbour patrol", *WEEKDAYS, window=AllDay())
        [refusal] = _planned(_infer(w)).refusals
        assert "--window 08:00-17:00" in refusal.why[0]
        hours = Window(start=dt.time(8), end=dt.time(17))
        [change] = _planned(_infer(w, windows={"": hours})).changes
        assert change.after
        assert isinstance(change.after.timing, Recurring)
        assert change.after.timing.lines[0].window == hours
        assert any("08:00-17:00 in America/Chicago" in x.why for x in change.losses)

        w = world(defaults={"window": "06:00-07:00"})
        _put(w, "Harbour patrol", *WEEKDAYS, window=AllDay())
        made = _planned(_infer(w))
        _apply(w, made)
        assert len(made.hand_over) == 39
        assert _planned(_infer(w)).changes == ()
        assert verify(_pair(w), w.ledger, clock=w.clock).agrees

    def test_an_ordinary_pair_gives_hours_too(self) -> None:
        """A whole day of the source gets the hours of the pair's defaults."""
        w = world(defaults={"window": "06:00-07:00"})
        _put(w, "Harbour patrol", dt.date(2027, 1, 8), window=AllDay())
        made = plan(gather(w.pair, w.ledger, clock=w.clock))
        [change] = made.changes
        assert change.after
        assert isinstance(change.after.timing, Once)
        assert str(change.after.timing.window) == "06:00-07:00"
        assert any("06:00-07:00" in loss.why for loss in change.losses)
        apply(made, w.pair, w.ledger, clock=w.clock)

        assert verify(w.pair, w.ledger, clock=w.clock).agrees

    def test_half_a_listing_infers_nothing(self) -> None:
        """A missing task would look like a day without one, so nothing is said."""
        w = world()
        _put(w, "Harbour patrol", *WEEKDAYS)
        w.source.incomplete = "a page was lost"
        with pytest.raises(VendorError, match="could not be read whole: a page"):
            _infer(w)

    def test_a_target_that_cannot_recur_is_refused(self) -> None:
        """Towards dated tasks there is nothing to infer for."""
        w = world()
        timings = {Once: w.target.capabilities.timings[Once]}
        w.target.capabilities = attrs.evolve(w.target.capabilities, timings=timings)
        with pytest.raises(ValueRefused, match="no recurring schedules"):
            _infer(w)

    def test_without_a_day_it_only_looks(self) -> None:
        """Rules are told, and nothing is planned."""
        w = world()
        _put(w, "Harbour patrol", *WEEKDAYS)
        found = _infer(w, None)

        assert found.plan is None
        assert _one(found).chosen


class TestTakingBack:
    def _undo(self, w: World, run: int) -> Plan:
        seen = gather(_pair(w), w.ledger, clock=w.clock)
        made = undo(seen, plan(seen), run, written(w.ledger, run))
        return forget(made, _pair(w), w.ledger, run)

    def test_what_was_inferred_can_be_undone(self) -> None:
        """The schedule goes, is forgotten, and can be inferred again."""
        w = world()
        _put(w, "Harbour patrol", *WEEKDAYS)
        run = _apply(w, _planned(_infer(w))).run
        back = self._undo(w, run)
        assert [c.act for c in back.changes] == [Act.RETIRE]
        assert {r.fate for r in _apply(w, back).results} == {Fate.DONE}
        assert w.target.held == ()
        assert plan(gather(_pair(w), w.ledger, clock=w.clock)).schedules == 0
        again = _planned(_infer(w))
        assert [c.act for c in again.changes] == [Act.CREATE]
        assert len(again.hand_over) == 39
        assert _apply(w, again).count(Fate.DONE) == 1

    def test_what_waits_for_its_day_can_be_undone(self) -> None:
        """Nobody else wants an inferred piece, so undoing its run drops it."""
        w = world(fidelity="attended")
        _put(w, "Harbour patrol", *WEEKDAYS)
        run = _apply(w, _planned(_infer(w, dt.date(2027, 2, 1)))).run
        back = self._undo(w, run)
        assert any("1 pieces that wait" in note.text for note in back.notes)
        _apply(w, back)

        assert w.ledger.due(w.ledger.pair("infer:patrols")) == ()
        assert plan(gather(_pair(w), w.ledger, clock=w.clock)).changes == ()


def test_what_it_rests_on_is_kept_with_the_schedule() -> None:
    """The ledger knows the days observed, so a later look can compare."""
    w = world()
    _put(w, "Harbour patrol", *WEEKDAYS)
    _apply(w, _planned(_infer(w)))
    [kept] = _pair(w).source.schedules(Scope()).items
    rests_on = observed(kept)

    assert rests_on is not None
    assert rests_on.days == WEEKDAYS
    assert rests_on.begin == TOMORROW
    assert observed(patrol()) is None
