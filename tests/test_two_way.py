"""Edits at the target go back to the source, field by field, or wait for a person."""

from __future__ import annotations

import datetime as dt

import attrs
import pytest
from pairs import CROSSWALK, World, patrol, world

from rota import convert
from rota.applying import Applied, Fate, apply, park
from rota.crosswalk import Crosswalk, Row
from rota.errors import ConfigError
from rota.gathering import Pair, gather, written
from rota.merging import same_timing
from rota.mirroring import cycle
from rota.model import (
    Kind,
    Line,
    Place,
    Recurring,
    Ref,
    Schedule,
    ScheduleStatus,
    Window,
)
from rota.planning import Act, At, Deleted, NoteKind, Plan, Take, plan, settle, undo
from rota.recurrence import Recurrence, Weekday, weekly
from rota.vendor import Entry, Mark, Transform


def both(**terms: object) -> World:
    """Return a two-way world with one patrol on both sides."""
    w = world(direction="two-way", **terms)
    w.source.put(patrol())
    run(w)
    return w


def decide(w: World) -> Plan:
    return plan(gather(w.pair, w.ledger, clock=w.clock))


def run(w: World, made: Plan | None = None) -> Applied:
    made = made or decide(w)
    if not made.changes:
        park(made, w.pair, w.ledger)
    return apply(made, w.pair, w.ledger, clock=w.clock)


def answer(w: World, take: Take, *fields: str) -> Applied:
    seen = gather(w.pair, w.ledger, clock=w.clock)
    return run(w, settle(seen, plan(seen), "schedule:1", take, fields))


def edit(w: World, **changes: object) -> None:
    for record in w.target.held:
        assert record.ref is not None
        w.target.edit(record.ref, **changes)


def source(w: World) -> Schedule:
    return w.source.held[0]


def inbox(w: World) -> list[tuple[str, str]]:
    return [
        (c.dispute.field, c.dispute.why)
        for c in w.ledger.conflicts(w.ledger.pair("patrols"))
    ]


def timing(*days: Weekday, hour: int = 22) -> Recurring:
    return Recurring(
        lines=(
            Line(
                days=Recurrence(rules=(weekly(days),)),
                window=Window(start=dt.time(hour), end=dt.time(2), days=1),
            ),
        )
    )


def is_quiet(w: World) -> bool:
    made = decide(w)
    return (made.changes, made.conflicts, made.notes) == ((), (), ())


class TestLifting:
    def test_texts_edited_at_the_target_reach_the_source(self) -> None:
        """What people type at the target is written at the source, and then is quiet."""
        w = both()
        edit(w, title="Gate", instructions="By car")
        made = decide(w)

        assert [(c.act, c.at, [d.field for d in c.diff]) for c in made.changes] == [
            (Act.UPDATE, At.SOURCE, ["title", "instructions"])
        ]
        applied = run(w, made)
        assert applied.code == 0
        assert (source(w).task.title, source(w).task.instructions) == ("Gate", "By car")
        assert len(w.target.writes) == 1
        assert is_quiet(w)

    def test_days_and_hours_reach_the_source(self) -> None:
        """A rule edited at the target becomes the source's rule, in the source's words."""
        w = both()
        edit(w, timing=timing(Weekday.MO, Weekday.SA, hour=21))
        run(w)

        assert same_timing(
            source(w).timing,
            timing(Weekday.MO, Weekday.SA, hour=21),
            w.clock.now().date(),
        )
        assert is_quiet(w)

    def test_the_day_on_which_a_rule_began_stays(self) -> None:
        """A source that says since when a rule holds goes on to say so."""
        w = world(direction="two-way")
        since = dt.date(2026, 6, 1)
        w.source.put(patrol(rule=weekly([Weekday.MO], start=since)))
        run(w)
        edit(w, timing=timing(Weekday.MO, Weekday.TU))
        run(w)
        match source(w).timing:
            case Recurring(lines=(Line(days=Recurrence(rules=(rule,))),)):
                assert (rule.start, len(rule.by_day)) == (since, 2)
            case _:
                pytest.fail("it is no rule any more")
        assert is_quiet(w)

    def test_who_and_where_go_back_by_the_crosswalk(self) -> None:
        """A car and a place of the target become the post and the site of their rows."""
        w = both()
        w.target.add_entry(
            Entry(ref=Ref(account="fleet", kind=Kind.DEVICE, id="10"), name="Car 10")
        )
        pier = Entry(
            ref=Ref(account="fleet", kind=Kind.SITE, id="78"),
            name="Pier",
            place=Place(
                point=attrs.evolve(
                    w.target.held[0].task.place.point,  # type: ignore[union-attr, arg-type]
                    lat=42.0,
                ),
                address="Pier 1",
            ),
        )
        w.target.add_entry(pier)
        rows = (
            Row(source="post:6", target="device:10"),
            Row(source="site:2", target="site:78"),
        )
        w.pair.crosswalk = Crosswalk(rows=(*CROSSWALK.rows, *rows))
        edit(w, assignee=Ref(account="fleet", kind=Kind.DEVICE, id="10"),
             place=pier.place)  # fmt: skip
        run(w)

        task = source(w).task
        assert task.assignee == Ref(account="guards", kind=Kind.POST, id="6")
        assert task.place is not None
        assert task.place.ref == Ref(account="guards", kind=Kind.SITE, id="2")
        assert is_quiet(w)

    def test_what_has_no_row_waits_in_the_inbox(self) -> None:
        """A car without a row stops its own field; the rest goes back."""
        w = both()
        edit(w, title="Gate", assignee=Ref(account="fleet", kind=Kind.DEVICE, id="10"))
        run(w)

        assert source(w).task.title == "Gate"
        assert inbox(w) == [("assignee", "device:10 has no row in the crosswalk")]
        assert decide(w).changes == ()
        rows = (*CROSSWALK.rows, Row(source="post:6", target="device:10"))
        w.target.add_entry(
            Entry(ref=Ref(account="fleet", kind=Kind.DEVICE, id="10"), name="Car 10")
        )
        w.pair.crosswalk = Crosswalk(rows=rows)
        run(w)
        assert source(w).task.assignee == Ref(account="guards", kind=Kind.POST, id="6")
        assert inbox(w) == []

    def test_a_point_near_a_known_place_is_no_known_place(self) -> None:
        """A place goes back by its row, never because it is close to one."""
        w = both()
        place = w.target.held[0].task.place
        assert place is not None
        assert place.point is not None
        moved = attrs.evolve(place.point, lat=place.point.lat + 0.00001)
        edit(w, place=attrs.evolve(place, point=moved))
        run(w)

        assert source(w).task.place == patrol().task.place
        assert inbox(w) == [("place", "the place has no row in the crosswalk")]

    def test_an_edit_that_would_come_back_otherwise_waits(self) -> None:
        """What the source can't hold as it was typed waits with its reason."""
        w = both()
        can = dict(w.source.capabilities.fields)
        can["title"] = attrs.evolve(can["title"], longest=10)
        w.source.capabilities = attrs.evolve(w.source.capabilities, fields=can)
        edit(w, title="A title of more than ten")
        run(w)

        assert source(w).task.title == "Harbour patrol"
        assert inbox(w) == [("title", "the source holds 0 to 10 characters of title")]

    def test_both_sides_edit_other_fields(self) -> None:
        """Two edits of one record cross in one run, and both arrive."""
        w = both()
        edit(w, instructions="By car")
        assert source(w).ref is not None
        w.source.edit(source(w).ref, title="Renamed")  # type: ignore[arg-type]
        made = decide(w)
        assert [c.at for c in made.changes] == [At.SOURCE, At.TARGET]
        assert run(w, made).code == 0

        for record in (*w.source.held, *w.target.held):
            assert (record.task.title, record.task.instructions) == (
                "Renamed",
                "By car",
            )
        assert is_quiet(w)

    def test_both_sides_say_the_same(self) -> None:
        """The same edit on both sides is agreed on without a write."""
        w = both()
        edit(w, title="Gate")
        w.source.edit(source(w).ref, title="Gate")  # type: ignore[arg-type]
        writes = len(w.source.writes), len(w.target.writes)
        made = decide(w)
        assert [c.act for c in made.changes] == [Act.ADOPT]
        run(w, made)

        assert (len(w.source.writes), len(w.target.writes)) == writes
        assert is_quiet(w)
        w.source.edit(source(w).ref, title="Later")  # type: ignore[arg-type]
        run(w)
        assert w.target.held[0].task.title == "Later"

    def test_the_later_edit_wins_as_if_alone(self) -> None:
        """Two edits between two runs leave what the second alone would have left."""
        w = both()
        edit(w, title="First")
        edit(w, title="Second")
        run(w)
        edit(w, title="Third")
        run(w)
        assert source(w).task.title == "Third"
        assert is_quiet(w)

    def test_an_edit_that_would_leave_the_selection_waits(self) -> None:
        """An edit that would take the schedule out of the pair is not written."""
        w = both(select={"title": ["Harbour*"]})
        edit(w, title="Gate")
        run(w)
        assert source(w).task.title == "Harbour patrol"
        assert inbox(w) == [
            ("title", "with it the source would leave what this pair selects")
        ]

    def test_a_cycle_that_looks_only_at_what_changed_sees_it(self) -> None:
        """The mirror finds an edit at the target by its row, and is quiet afterwards."""
        w = both()
        quiet = [cycle(w.pair, w.ledger, clock=w.clock) for _ in range(2)]
        assert {done.code for done in quiet} == {0}
        edit(w, title="Gate")
        assert cycle(w.pair, w.ledger, clock=w.clock).code == 0
        assert source(w).task.title == "Gate"
        last = cycle(w.pair, w.ledger, clock=w.clock)
        assert last.plan is not None
        assert last.plan.changes == ()

    def test_a_plan_both_ways_can_be_kept_and_read_back(self) -> None:
        """What is written to a file for review is the plan that is applied."""
        w = both(removed_at_target="end-source")
        w.source.put(patrol("Second"))
        run(w)
        edit(w, title="Gate")
        there = w.target.held[1].ref
        assert there is not None
        w.target.delete(there)
        made = decide(w)
        again = convert.structure_json(convert.canonical_json(made), Plan, "a file")
        assert again == made
        assert run(w, again).code == 0

    def test_an_edit_refused_by_a_moved_source_waits_for_the_next_plan(self) -> None:
        """A source record edited since the plan is not overwritten."""
        w = both()
        edit(w, title="Gate")
        w.source.edit(source(w).ref, instructions="In between")  # type: ignore[arg-type]
        made = decide(w)
        w.source.edit(source(w).ref, instructions="Later")  # type: ignore[arg-type]
        applied = run(w, made)
        assert [r.fate for r in applied.results] == [Fate.SKIPPED, Fate.FAILED]
        assert source(w).task.title == "Harbour patrol"
        run(w)
        for record in (*w.source.held, *w.target.held):
            assert (record.task.title, record.task.instructions) == ("Gate", "Later")
        assert is_quiet(w)


class TestPieces:
    def test_equal_edits_of_two_records_are_one_edit(self) -> None:
        """A schedule of two records is written once, and both records agree."""
        w = world(direction="two-way")
        w.source.put(_two_lines())
        run(w)
        assert len(w.target.held) == 2
        edit(w, title="Gate")
        made = decide(w)

        assert [(c.at, c.act) for c in made.changes] == [
            (At.SOURCE, Act.UPDATE),
            (At.TARGET, Act.ADOPT),
        ]
        run(w, made)
        assert source(w).task.title == "Gate"
        assert is_quiet(w)

    def test_an_edit_of_one_record_is_sent_to_the_other(self) -> None:
        """What people typed into one record of a schedule arrives in all."""
        w = world(direction="two-way")
        w.source.put(_two_lines())
        run(w)
        first = w.target.held[0].ref
        assert first is not None
        w.target.edit(first, title="Gate")
        run(w)

        assert {r.task.title for r in (*w.source.held, *w.target.held)} == {"Gate"}
        assert is_quiet(w)

    def test_different_edits_of_two_records_wait(self) -> None:
        """Where the records of one schedule disagree, a person decides."""
        w = world(direction="two-way")
        w.source.put(_two_lines())
        run(w)
        for number, record in enumerate(w.target.held):
            assert record.ref is not None
            w.target.edit(record.ref, title=f"Gate {number}")
        run(w)

        assert source(w).task.title == "Harbour patrol"
        assert [field for field, _ in inbox(w)] == ["title", "title"]

    def test_days_of_several_records_go_one_way(self) -> None:
        """Hours edited in one of several records are kept there and noted."""
        w = world(direction="two-way")
        w.source.put(_two_lines())
        run(w)
        first = w.target.held[0].ref
        assert first is not None
        w.target.edit(first, timing=timing(Weekday.SU))
        made = decide(w)
        assert (made.changes, made.conflicts) == ((), ())
        assert [n.kind for n in made.notes] == [NoteKind.DRIFT]
        assert "go one way" in made.notes[0].text

    def test_a_single_day_is_its_own(self) -> None:
        """An edit of one day's task is kept on that day, and is no edit of the rule."""
        w = world(direction="two-way", fidelity="expand")
        rule = weekly([Weekday.MO], interval=2, start=dt.date(2027, 1, 4))
        w.source.put(patrol(rule=rule))
        run(w)
        day = w.target.held[1].ref
        assert day is not None
        w.target.edit(day, title="Only today")
        made = decide(w)
        assert (made.changes, made.conflicts) == ((), ())
        assert [n.kind for n in made.notes] == [NoteKind.DRIFT]

    def test_all_days_edited_alike_are_an_edit(self) -> None:
        """The same text in all dated tasks of a rule is written at the source."""
        w = world(direction="two-way", fidelity="expand")
        rule = weekly([Weekday.MO], interval=2, start=dt.date(2027, 1, 4))
        w.source.put(patrol(rule=rule))
        run(w)
        edit(w, title="Gate")
        run(w)
        assert source(w).task.title == "Gate"
        assert is_quiet(w)


def _two_lines() -> Schedule:
    one = patrol(rule=weekly([Weekday.MO]))
    match one.timing:
        case Recurring(lines=(line,)):
            early = Window(start=dt.time(6), end=dt.time(7))
            other = attrs.evolve(
                line, window=early, days=Recurrence(rules=(weekly([Weekday.TU]),))
            )
            return attrs.evolve(one, timing=Recurring(lines=(line, other)))
    raise AssertionError


class TestConflicts:
    def _dispute(self, **terms: object) -> World:
        w = both(**terms)
        edit(w, title="Theirs")
        w.source.edit(source(w).ref, title="Ours", instructions="Ours")  # type: ignore[arg-type]
        run(w)
        return w

    def test_a_disputed_field_waits_and_the_rest_goes_on(self) -> None:
        """A conflict is kept in the inbox with both readings, and blocks only itself."""
        w = self._dispute()
        [row] = w.ledger.conflicts(w.ledger.pair("patrols"))

        assert w.target.held[0].task.instructions == "Ours"
        assert (row.dispute.base, row.dispute.ours, row.dispute.theirs) == (
            "Harbour patrol", "Ours", "Theirs",
        )  # fmt: skip
        assert row.since == w.clock.now()
        assert decide(w).changes == ()

    @pytest.mark.parametrize(
        ("take", "says"), [("source", "Ours"), ("target", "Theirs")]
    )
    def test_a_person_decides(self, take: str, says: str) -> None:
        """The chosen value is written where it is not said, and the inbox is empty."""
        w = self._dispute()
        assert answer(w, Take(take)).code == 0

        assert {r.task.title for r in (*w.source.held, *w.target.held)} == {says}
        assert inbox(w) == []
        [row] = w.ledger.conflicts(w.ledger.pair("patrols"), settled=True)
        assert row.how == f"a person chose the {take}'s"
        assert is_quiet(w)

    @pytest.mark.parametrize(
        ("policy", "says"), [("source", "Ours"), ("target", "Theirs")]
    )
    def test_a_policy_decides(self, policy: str, says: str) -> None:
        """A pair may say once for all whose edit counts."""
        w = self._dispute(conflicts=policy)
        assert {r.task.title for r in (*w.source.held, *w.target.held)} == {says}
        assert w.target.held[0].task.instructions == "Ours"
        assert is_quiet(w)

    def test_the_owner_of_a_field_decides(self) -> None:
        """An edit by the owner of a field wins, that of the other side is kept there."""
        w = self._dispute(fields={"title": "target", "instructions": "source"})
        assert source(w).task.title == "Theirs"
        edit(w, instructions="By car")
        made = decide(w)
        assert made.changes == ()
        assert [n.kind for n in made.notes] == [NoteKind.DRIFT]

    def test_what_others_may_not_edit_is_put_back_on_request(self) -> None:
        """With drift = "restore" both sides say what the owner of the field says."""
        w = both(fields={"title": "target", "instructions": "source"}, drift="restore")
        edit(w, instructions="By car")
        w.source.edit(source(w).ref, title="Ours")  # type: ignore[arg-type]
        run(w)
        for record in (*w.source.held, *w.target.held):
            assert record.task.title == "Harbour patrol"
            assert record.task.instructions == "Walk the fence"
        assert is_quiet(w)

    def test_a_dispute_that_people_ended_is_settled(self) -> None:
        """Once both sides say the same, nothing waits any more."""
        w = self._dispute()
        edit(w, title="Ours")
        run(w)
        assert inbox(w) == []
        [row] = w.ledger.conflicts(w.ledger.pair("patrols"), settled=True)
        assert row.how == "both sides say the same again"
        assert is_quiet(w)

    def test_an_edit_that_was_typed_back_is_settled(self) -> None:
        """A dispute ends when one side takes its edit back."""
        w = self._dispute()
        edit(w, title="Harbour patrol")
        run(w)
        assert inbox(w) == []
        assert w.target.held[0].task.title == "Ours"

    def test_a_source_that_refuses_is_asked_once(self) -> None:
        """An edit that the source will not take waits, and is not sent every cycle."""
        w = both()
        edit(w, title="Gate")
        w.source.refuse()
        applied = run(w)
        assert [r.fate for r in applied.results] == [Fate.REFUSED]
        made = decide(w)
        assert made.changes == ()
        assert [d.field for c in made.conflicts for d in c.diff] == ["title"]
        assert inbox(w)[0][1].startswith("the source would not take it")
        answer(w, Take.TARGET)
        assert source(w).task.title == "Gate"
        assert is_quiet(w)
        assert inbox(w) == []

    def test_a_dispute_about_a_record_that_was_removed_is_over(self) -> None:
        """The inbox forgets the fields of a record that is proved gone."""
        w = self._dispute()
        there = w.target.held[0].ref
        assert there is not None
        w.target.put(patrol("Somebody else's"))
        w.target.delete(there)
        run(w)
        assert inbox(w) == []

    def test_a_dispute_outlives_a_reading_in_doubt(self) -> None:
        """What could not be read is no reason to forget what waits."""
        w = self._dispute()
        w.target.put(patrol("Somebody else's"))
        w.target.hidden.add("1")
        w.target.incomplete = "half of it"
        run(w)
        assert [field for field, _ in inbox(w)] == ["title"]


class TestUndo:
    def _undo(self, w: World, number: int) -> Applied:
        seen = gather(w.pair, w.ledger, clock=w.clock)
        return run(w, undo(seen, plan(seen), number, written(w.ledger, number)))

    def test_the_source_is_restored(self) -> None:
        """Undoing a run writes the source's record as it was; the edit is one again."""
        w = both()
        edit(w, title="Gate")
        before = source(w)
        number = run(w).run
        assert self._undo(w, number).code == 0
        assert source(w) == before
        assert w.target.held[0].task.title == "Gate"
        [change] = decide(w).changes
        assert (change.at, [d.field for d in change.diff]) == (At.SOURCE, ["title"])

    def test_both_sides_of_one_run_are_restored(self) -> None:
        """A run that wrote on both sides is taken back on both, and plans the same again."""
        w = both()
        edit(w, title="Gate")
        w.source.edit(source(w).ref, instructions="By car")  # type: ignore[arg-type]
        made = decide(w)
        before = source(w), w.target.held[0]
        number = run(w, made).run
        assert self._undo(w, number).code == 0
        assert (source(w), w.target.held[0]) == before
        again = decide(w)
        assert [(c.at, c.diff) for c in again.changes] == [
            (c.at, c.diff) for c in made.changes
        ]

    def test_a_source_edited_since_is_left_alone(self) -> None:
        """What people did at the source after the run is not undone with it."""
        w = both()
        edit(w, title="Gate")
        number = run(w).run
        w.source.edit(source(w).ref, title="Theirs")  # type: ignore[arg-type]
        seen = gather(w.pair, w.ledger, clock=w.clock)
        made = undo(seen, plan(seen), number, written(w.ledger, number))
        assert made.changes == ()
        assert "edited at the source since" in made.notes[0].text


class TestStatus:
    def test_a_pause_at_the_target_is_only_noted(self) -> None:
        """By default a record paused at the target stops nothing at the source."""
        w = both()
        edit(w, status=ScheduleStatus.INACTIVE)
        made = decide(w)
        assert made.changes == ()
        assert [n.kind for n in made.notes] == [NoteKind.DRIFT]

    def test_a_pause_goes_back_where_the_pair_says_so(self) -> None:
        """With status shared, paused and resumed at the target is so at the source."""
        w = both(fields={"status": "both"})
        edit(w, status=ScheduleStatus.INACTIVE)
        run(w)
        assert source(w).status is ScheduleStatus.INACTIVE
        assert is_quiet(w)
        edit(w, status=ScheduleStatus.ACTIVE)
        run(w)
        assert source(w).status is ScheduleStatus.ACTIVE
        assert is_quiet(w)

    def test_a_pause_that_went_back_is_ended_by_either_side(self) -> None:
        """What was paused at the target can be resumed at the source."""
        w = both(fields={"status": "both"})
        edit(w, status=ScheduleStatus.INACTIVE)
        run(w)
        w.source.edit(source(w).ref, status=ScheduleStatus.ACTIVE)  # type: ignore[arg-type]
        run(w)
        assert w.target.held[0].status is ScheduleStatus.ACTIVE
        assert is_quiet(w)


class TestRemoved:
    def _removed(self, **terms: object) -> World:
        w = both(**terms)
        there = w.target.held[0].ref
        assert there is not None
        w.target.delete(there)
        return w

    def test_what_was_removed_is_reported(self) -> None:
        """By default a record removed at the target ends nothing at the source."""
        w = self._removed()
        made = decide(w)
        assert made.changes == ()
        assert [n.kind for n in made.notes] == [NoteKind.GONE]

    def test_the_source_is_ended_where_the_pair_says_so(self) -> None:
        """A record proved gone at the target retires its source, with its evidence."""
        w = self._removed(removed_at_target="end-source")
        [change] = decide(w).changes
        assert (change.act, change.at) == (Act.RETIRE, At.SOURCE)
        assert isinstance(change.evidence, Deleted)
        assert run(w).code == 0
        assert w.source.held == ()
        assert is_quiet(w)

    def test_a_source_that_was_edited_is_not_ended(self) -> None:
        """An edit against a removal is told to people, whatever the pair says."""
        w = self._removed(removed_at_target="end-source")
        w.source.edit(source(w).ref, title="Renamed")  # type: ignore[arg-type]
        made = decide(w)
        assert made.changes == ()
        assert [n.kind for n in made.notes] == [NoteKind.GONE]

    def test_many_removals_are_over_the_cap_of_the_source(self) -> None:
        """Mass deletion at the target does not empty the source unasked."""
        w = world(direction="two-way", removed_at_target="end-source")
        for number in range(12):
            w.source.put(patrol(f"Patrol {number}"))
        run(w)
        for record in w.target.held[:4]:
            assert record.ref is not None
            w.target.delete(record.ref)
        [halt] = decide(w).halts
        assert halt.accept == "retire:4"

    def test_an_absence_that_nothing_proves_ends_nothing(self) -> None:
        """Without a reading by id that says gone, nothing is ended."""
        w = both(removed_at_target="end-source")
        w.target.hidden.add("1")
        w.target.incomplete = "half of it"
        assert decide(w).changes == ()

    def test_it_is_made_again_where_the_pair_says_so(self) -> None:
        """With make-again, what people remove at the target comes back."""
        w = self._removed(removed_at_target="make-again")
        run(w)
        assert len(w.target.held) == 1
        assert is_quiet(w)

    def test_a_record_made_anew_is_followed_by_its_mark(self) -> None:
        """A copy that bears the mark of a record that is gone takes its place."""
        w = both()
        old = w.target.held[0]
        assert old.ref is not None
        assert old.mark is not None
        w.target.put(attrs.evolve(old, ref=None), mark=Mark(old.mark))
        w.target.delete(old.ref)
        [change] = decide(w).changes
        assert change.act is Act.ADOPT
        run(w)
        assert is_quiet(w)
        edit(w, title="Gate")
        run(w)
        assert source(w).task.title == "Gate"

    def test_two_copies_are_not_followed(self) -> None:
        """Where two records bear the mark of one that is gone, a person decides."""
        w = both()
        old = w.target.held[0]
        assert old.ref is not None
        assert old.mark is not None
        for _ in range(2):
            w.target.put(attrs.evolve(old, ref=None), mark=Mark(old.mark))
        w.target.delete(old.ref)
        made = decide(w)
        assert made.changes == ()
        assert NoteKind.COPIED in {n.kind for n in made.notes}

    def test_a_record_alike_is_followed_only_when_asked(self) -> None:
        """Without the mark, the one record that says the same is adopted on request."""
        w = both()
        old = w.target.held[0]
        assert old.ref is not None
        w.target.put(attrs.evolve(old, ref=None, mark=None))
        w.target.delete(old.ref)
        assert decide(w).changes == ()
        seen = gather(w.pair, w.ledger, clock=w.clock)
        run(w, settle(seen, plan(seen), old.ref.key, Take.ADOPT))
        assert is_quiet(w)


class TestEnded:
    def _ended(self, **terms: object) -> World:
        w = both(**terms)
        edit(w, instructions="By car")
        w.source.edit(source(w).ref, status=ScheduleStatus.INACTIVE)  # type: ignore[arg-type]
        run(w)
        return w

    def test_what_was_edited_is_not_removed_with_its_source(self) -> None:
        """A record that people edited outlives the end of its source until a person answers."""
        w = self._ended()
        assert len(w.target.held) == 1
        assert [field for field, _ in inbox(w)] == ["status"]

    def test_the_end_is_chosen(self) -> None:
        """Choosing the source removes the edited record."""
        w = self._ended()
        answer(w, Take.SOURCE)
        assert w.target.held == ()
        assert inbox(w) == []

    def test_going_on_is_chosen(self) -> None:
        """Choosing the target makes the source go on, and the edit goes back then."""
        w = self._ended()
        answer(w, Take.TARGET)
        run(w)
        assert source(w).status is ScheduleStatus.ACTIVE
        assert source(w).task.instructions == "By car"
        assert is_quiet(w)
        assert inbox(w) == []


class TestTerms:
    def test_transforms_have_no_way_back(self) -> None:
        """A pair that changes schedules on their way can't go both ways."""
        w = world()
        shout = Transform(name="shout", version="1", apply=lambda schedule: schedule)
        with pytest.raises(ConfigError, match="no way back"):
            Pair(
                "patrols", source=w.source, target=w.target, transforms=[shout],
                direction="two-way",
            )  # fmt: skip

    def test_owners_need_two_ways(self) -> None:
        """A one-way pair has no fields of the target's own, and says so."""
        with pytest.raises(ConfigError, match="two-way"):
            world(fields={"title": "target"})
