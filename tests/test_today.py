"""What the target's run has made of today: told always, put right on request."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from pairs import patrol, world
from stages import BEGIN, POST, SITE, WEEKDAYS, Stage, stage

from rota.applying import Applied, Fate, apply
from rota.cli.session import Session
from rota.clock import StillClock
from rota.gathering import gather, put_right, written
from rota.mirroring import Health, cycle
from rota.model import ScheduleStatus
from rota.planning import Act, NoteKind, Plan, plan, undo
from rota.verifying import verify


TUESDAY = dt.date(2027, 1, 5)


@attrs.frozen
class Day:
    """A pair between sandboxes, and the day that it is."""

    on: Stage
    session: Session

    def plan(self, *, today: bool = True) -> Plan:
        """Plan, and put today right if asked."""
        pair = self.session.pair("patrols")
        seen = gather(pair, self.session.ledger, clock=self.on.clock)
        made = plan(seen)
        return put_right(pair, made, seen) if today else made

    def apply(self, made: Plan) -> Applied:
        """Do what a plan says."""
        pair = self.session.pair("patrols")
        return apply(made, pair, self.session.ledger, clock=self.on.clock)

    def add(self, start: str, end: str, title: str) -> int:
        """Add a patrol of all weekdays at the source."""
        return self.on.guards.add_schedule(
            SITE, 1, days=WEEKDAYS, position=POST, begin=BEGIN.date() - dt.timedelta(28),
            start=start, end=end, description=title,
        )  # fmt: skip

    def edit(self, schedule: int, **changes: object) -> None:
        """Let somebody edit a schedule at the source."""
        self.on.guards.tables["site-task-schedules"][schedule].update(changes)
        self.on.guards.revision += 1

    def hour(self, day: int, hour: int) -> None:
        """Let it be an hour in Chicago, on a day of January 2027."""
        assert isinstance(self.on.clock, StillClock)
        then = dt.datetime(2027, 1, day, hour + 6, tzinfo=dt.UTC)
        self.on.clock.advance(then - self.on.clock.now())

    def tasks(self, day: int) -> list[tuple[str, int, str]]:
        """Return title, hour in Chicago and origin of the fleet's tasks of a day."""
        state: Any = self.on.fleet.state()
        return sorted(
            (task["label"], at.hour, task["origin"])
            for task in state["tasks"]
            if (at := _local(task["from"])).date() == dt.date(2027, 1, day)
        )


def _local(text: str) -> dt.datetime:
    at = dt.datetime.fromisoformat(text)
    return at - dt.timedelta(hours=6) if at.tzinfo else at


@pytest.fixture(name="day")
def _day(tmp_path: Path) -> Iterator[Day]:
    with stage(tmp_path) as on, on.session() as session:
        yield Day(on, session)


def _notes(made: Plan) -> list[str]:
    return [note.text for note in made.notes if note.kind is NoteKind.TODAY]


class TestMissed:
    def test_rounds_that_the_run_has_missed_are_made(self, day: Day) -> None:
        """A new patrol's round of this afternoon is made as a task, that of now is not."""
        day.add("14:00:00", "15:30:00", "Afternoon")
        day.add("08:30:00", "10:00:00", "Morning")  # it is nine
        day.add("06:00:00", "07:00:00", "Early")
        made = day.plan()

        assert day.plan(today=False).count(Act.CREATE) == 3
        assert made.count(Act.CREATE) == 4
        [note] = _notes(made)
        assert note == (
            "today's round 2027-01-04 08:30-10:00 'Morning' is missing at the target, "
            "and is left to a person: it has begun"
        )
        assert day.apply(made).code == 0
        assert day.tasks(4) == [("Afternoon", 14, "manual")]
        assert day.plan().changes == ()
        day.hour(5, 9)
        assert day.plan().changes == ()
        assert day.tasks(5) == [
            ("Afternoon", 14, "scheduled"), ("Early", 6, "scheduled"),
            ("Morning", 8, "scheduled"),
        ]  # fmt: skip

    def test_a_round_that_has_begun_meanwhile_is_not_made(self, day: Day) -> None:
        """A plan that is applied after the start of the round leaves it out."""
        day.add("14:00:00", "15:30:00", "Afternoon")
        made = day.plan()
        day.hour(4, 15)
        applied = day.apply(made)
        [late] = [r for r in applied.results if r.fate is Fate.SKIPPED]

        assert late.change.first_day == dt.date(2027, 1, 4)
        assert day.tasks(4) == []

    def test_an_entry_of_today_has_made_nothing_yet(self, day: Day) -> None:
        """Made and edited on one day: nothing still says anything, and --today makes it."""
        number = day.add("14:00:00", "15:30:00", "Afternoon")
        day.apply(day.plan(today=False))
        day.edit(number, description="Late round")

        assert _notes(day.plan(today=False)) == []
        assert day.apply(day.plan()).code == 0
        assert day.tasks(4) == [("Late round", 14, "manual")]
        assert day.plan().changes == ()

    def test_both_sides_agree_from_today_on(self, day: Day) -> None:
        """The task of today is part of the schedule, not something added to it."""
        day.add("14:00:00", "15:30:00", "Afternoon")
        day.apply(day.plan())
        pair = day.session.pair("patrols")

        assert verify(pair, day.session.ledger, clock=day.on.clock).agrees
        assert day.session.ledger.check() == ()


class TestMade:
    @pytest.fixture(name="patrol_id")
    def _patrol(self, day: Day) -> int:
        """A patrol whose task of Tuesday the run has made; it is nine."""
        number = day.add("14:00:00", "15:30:00", "Afternoon")
        day.apply(day.plan(today=False))
        day.hour(5, 9)
        assert day.tasks(5) == [("Afternoon", 14, "scheduled")]
        return number

    def test_every_plan_tells_what_today_still_says(
        self, day: Day, patrol_id: int
    ) -> None:
        """A change comes too late for what the run has made, and the plan says so."""
        day.edit(patrol_id, description="Late round")
        made = day.plan(today=False)

        assert made.count(Act.UPDATE) == 1
        [note] = _notes(made)
        assert note == (
            "today still says 2027-01-05 14:00-15:30 'Afternoon': it was made before "
            "this update, and stays without --today"
        )
        day.apply(made)
        assert day.tasks(5) == [("Afternoon", 14, "scheduled")]

    def test_a_task_that_nobody_has_begun_is_changed(
        self, day: Day, patrol_id: int
    ) -> None:
        """Title and hours follow, once, and the next plan has nothing to do."""
        day.edit(
            patrol_id,
            description="Late round",
            rangeStartTime="16:00:00",
            rangeEndTime="17:00:00",
        )
        made = day.plan()

        assert made.count(Act.UPDATE) == 2
        assert _notes(made) == []
        assert day.apply(made).code == 0
        assert day.tasks(5) == [("Late round", 16, "scheduled")]
        assert day.plan().changes == ()
        assert day.session.ledger.check() == ()

    def test_a_second_edit_of_the_day_changes_it_again(
        self, day: Day, patrol_id: int
    ) -> None:
        """The task is known from the first edit, and is no second record."""
        for title in ("Once", "Twice"):
            day.edit(patrol_id, description=title)
            assert day.apply(day.plan()).code == 0

        assert [title for title, *_ in day.tasks(5)] == ["Twice"]
        assert day.plan().changes == ()

    def test_a_day_that_the_source_drops_or_gains_follows(
        self, day: Day, patrol_id: int
    ) -> None:
        """Tuesday goes from one patrol, with its task, and comes to another as a task."""
        _on(day, patrol_id, "WEDNESDAY")
        other = day.add("15:00:00", "16:00:00", "Other")
        _on(day, other, "FRIDAY")
        day.apply(day.plan())
        assert day.tasks(5) == []
        _on(day, other, "TUESDAY", "FRIDAY")
        assert day.apply(day.plan()).code == 0

        assert day.tasks(5) == [("Other", 15, "manual")]
        assert day.plan().changes == ()

    def test_what_a_person_cancelled_today_is_not_made_again(
        self, day: Day, patrol_id: int
    ) -> None:
        """A task of today that was removed at the target stays removed."""
        [task] = [t for t in day.on.fleet.world.tasks.values() if _is_of(t, TUESDAY)]
        day.on.fleet.world.drop_task(task["id"])
        day.edit(patrol_id, description="Late round")
        made = day.plan()

        assert (made.count(Act.UPDATE), made.count(Act.CREATE)) == (1, 0)
        assert "it is not there" in _notes(made)[0]

    def test_an_edit_of_today_can_be_taken_back(self, day: Day, patrol_id: int) -> None:
        """Undo writes the entry and the task of today as they were."""
        day.edit(patrol_id, description="Late round")
        applied = day.apply(day.plan())
        pair, ledger = day.session.pair("patrols"), day.session.ledger
        seen = gather(pair, ledger, clock=day.on.clock)
        back = undo(seen, plan(seen), applied.run, written(ledger, applied.run))

        assert back.count(Act.UPDATE) == 2
        assert day.apply(back).code == 0
        assert day.tasks(5) == [("Afternoon", 14, "scheduled")]

    def test_the_task_of_an_ended_patrol_is_removed(
        self, day: Day, patrol_id: int
    ) -> None:
        """With its entry goes what the run has made of it today."""
        day.edit(patrol_id, status="INACTIVE")
        made = day.plan()

        assert made.count(Act.RETIRE) == 2
        assert day.apply(made).code == 0
        assert day.tasks(5) == []
        assert day.plan().changes == ()

    def test_a_task_that_somebody_has_begun_is_left(
        self, day: Day, patrol_id: int
    ) -> None:
        """Whoever is there already does the round as it was."""
        [task] = [t for t in day.on.fleet.world.tasks.values() if _is_of(t, TUESDAY)]
        day.hour(5, 14)
        day.on.fleet.arrive(task["id"])
        day.edit(patrol_id, description="Late round")
        made = day.plan()

        assert made.count(Act.UPDATE) == 1
        assert "somebody has begun it (arrived)" in _notes(made)[0]

    def test_one_who_arrives_after_the_plan_is_not_disturbed(
        self, day: Day, patrol_id: int
    ) -> None:
        """It is looked at once more before it is removed."""
        [task] = [t for t in day.on.fleet.world.tasks.values() if _is_of(t, TUESDAY)]
        day.edit(patrol_id, status="INACTIVE")
        day.hour(5, 14)
        made = day.plan()
        assert made.count(Act.RETIRE) == 2
        day.on.fleet.arrive(task["id"])
        applied = day.apply(made)

        assert applied.count(Fate.SKIPPED) == 1
        assert len(day.tasks(5)) == 1

    def test_the_mirror_puts_today_right_if_asked(
        self, day: Day, patrol_id: int
    ) -> None:
        """One cycle with today changes both the entry and the task of today."""
        day.edit(patrol_id, description="Late round")
        pair, ledger = day.session.pair("patrols"), day.session.ledger
        done = cycle(pair, ledger, clock=day.on.clock, today=True)

        assert (done.health, len(done.results)) == (Health.CHANGED, 2)
        assert [title for title, *_ in day.tasks(5)] == ["Late round"]


def test_of_two_tasks_that_look_alike_none_is_touched(tmp_path: Path) -> None:
    """Without a mark nothing tells which entry made which task: a person decides."""
    with stage(tmp_path, mark="none") as on, on.session() as session:
        day = Day(on, session)
        first = day.add("14:00:00", "15:30:00", "Double")
        day.add("14:00:00", "15:30:00", "Double")
        day.apply(day.plan(today=False))
        day.hour(5, 9)
        day.edit(first, description="Single")
        made = day.plan()

        assert made.count(Act.UPDATE) == 1
        assert "2 tasks look like it" in _notes(made)[0]


def test_a_target_that_has_no_run_is_written_as_ever() -> None:
    """Where entries act at once there is nothing of today to put right."""
    w = world()
    w.target.capabilities = attrs.evolve(w.target.capabilities, generation=None)
    w.source.put(patrol())
    seen = gather(w.pair, w.ledger, clock=w.clock)
    made = plan(seen)

    assert put_right(w.pair, made, seen) == made


def test_a_target_whose_tasks_stay_as_they_are_leaves_it_to_a_person() -> None:
    """Rounds that were missed are made; what a run made is only told."""
    w = world()
    ref = w.source.put(patrol())
    cycle(w.pair, w.ledger, clock=w.clock)
    w.clock.advance(dt.timedelta(days=1))
    w.source.edit(ref, status=ScheduleStatus.ENDED)
    w.source.put(patrol("Another"))
    seen = gather(w.pair, w.ledger, clock=w.clock)
    made = put_right(w.pair, plan(seen), seen)

    assert (made.count(Act.CREATE), made.count(Act.RETIRE)) == (2, 1)
    assert "the target changes nothing that its run has made" in _notes(made)[0]


def _on(day: Day, schedule: int, *names: str) -> None:
    day.edit(schedule, dayOfWeekStart=list(names), dayOfWeekEnd=list(names))


def _is_of(task: dict[str, Any], day: dt.date) -> bool:
    at: dt.datetime = task["from"]
    return (at - dt.timedelta(hours=6)).date() == day
