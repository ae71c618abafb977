"""A mirror that runs for months: cheap when quiet, one at a time, stopped in order."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from pathlib import Path

import pytest
from pairs import World, patrol, world
from stages import patrols, stage

from rota.errors import RotaError, VendorUnavailable
from rota.mirroring import Calm, Cycle, Health, Vigil, cycle, mirror
from rota.model import Ref, ScheduleStatus
from rota.recurrence import weekly
from rota.rhythm import Quiet, Rhythm
from rota.vendor import Entry


MINUTES = dt.timedelta(minutes=5)


def _calls(w: World) -> Counter[str]:
    made = Counter(call.verb for call in (*w.source.calls, *w.target.calls))
    w.source.calls.clear()
    w.target.calls.clear()
    return made


def _settled(**terms: object) -> tuple[World, Calm]:
    """Return a world whose last cycle was quiet, and what that one rested on."""
    w, calm = world(**terms), Calm(audit_every=7)
    w.source.put(patrol())
    for _ in range(3):  # it writes, notes what agrees, and finds all as it was
        last = cycle(w.pair, w.ledger, clock=w.clock, calm=calm)
    assert last.health is Health.QUIET
    _calls(w)
    return w, calm


class TestCalm:
    def test_a_quiet_cycle_costs_two_listings(self) -> None:
        """Where both sides are as they were, they are listed and nothing else is asked."""
        w, calm = _settled()
        done = cycle(w.pair, w.ledger, clock=w.clock, calm=calm)

        assert (done.health, done.code, done.repeated) == (Health.QUIET, 0, True)
        assert _calls(w) == {"schedules": 2}

    def test_every_so_often_all_is_read_and_decided_anew(self) -> None:
        """A car that was blocked in the directory is seen by the audit, without any edit."""
        w, calm = _settled()
        car = Ref.parse("fleet", "device:9")
        w.target.add_entry(Entry(ref=car, name="Car 9", usable=False))
        seen = [cycle(w.pair, w.ledger, clock=w.clock, calm=calm) for _ in range(6)]
        told = [done.repeated for done in seen]

        assert told == [True, True, True, False, False, True]
        assert seen[3].plan is not None
        assert len(seen[3].plan.refusals) == 1

    @pytest.mark.parametrize("what", ["source", "target", "rights", "day", "crosswalk"])
    def test_whatever_matters_ends_the_calm(self, what: str) -> None:
        """An edit, other rights, a new day, another table: all is decided anew."""
        w, calm = _settled()
        match what:
            case "source":
                w.source.put(patrol("Another"))
            case "target":
                [held] = w.target.held
                assert held.ref is not None
                w.target.edit(held.ref, title="Theirs")
            case "rights":
                w.target.rights = ("tasks",)
            case "day":
                w.clock.advance(dt.timedelta(days=1))
            case "crosswalk":
                w.pair.crosswalk = type(w.pair.crosswalk)(rows=())
        done = cycle(w.pair, w.ledger, clock=w.clock, calm=calm)

        assert not done.repeated

    def test_what_waits_for_a_person_is_said_again(self) -> None:
        """A dispute that nobody settled keeps its code, cheaply."""
        w, calm = _settled()
        [source], [target] = w.source.held, w.target.held
        assert source.ref is not None
        assert target.ref is not None
        w.source.edit(source.ref, title="Ours")
        w.target.edit(target.ref, title="Theirs")
        first, second = (
            cycle(w.pair, w.ledger, clock=w.clock, calm=calm) for _ in range(2)
        )

        assert (first.code, first.repeated) == (4, False)
        assert (second.health, second.code, second.repeated) == (Health.WAITS, 4, True)

    def test_a_piece_that_is_wanted_no_more_is_never_overdue(self) -> None:
        """What was put down for a later day is dropped with its schedule."""
        w = world(fidelity="attended")
        rule = weekly([1, 3], start=dt.date(2027, 1, 18), until=dt.date(2027, 1, 27))
        ref = w.source.put(patrol(rule=rule))
        cycle(w.pair, w.ledger, clock=w.clock)
        state = w.ledger.pair("patrols")
        assert w.ledger.waits(state, w.target.today).due == 1
        w.source.edit(ref, status=ScheduleStatus.ENDED)
        cycle(w.pair, w.ledger, clock=w.clock)
        w.clock.advance(dt.timedelta(days=20))
        done = cycle(w.pair, w.ledger, clock=w.clock)

        assert w.ledger.waits(state, w.target.today).due == 0
        assert (done.health, done.code) == (Health.QUIET, 0)


def test_what_a_quiet_cycle_costs_between_sandboxes(tmp_path: Path) -> None:
    """docs/running-a-mirror.md states the calls of a quiet cycle, as they are sent."""
    page = (Path(__file__).parents[1] / "docs" / "running-a-mirror.md").read_text()
    with stage(tmp_path) as on, on.session() as session:
        patrols(on.guards, 2)
        for name, target in (("patrols", 7), ("visits", 3)):
            pair, calm = session.pair(name), Calm()
            for _ in range(3):
                cycle(pair, session.ledger, clock=on.clock, calm=calm)
            before = pair.source.sent, pair.target.sent
            done = cycle(pair, session.ledger, clock=on.clock, calm=calm)

            assert done.repeated
            assert pair.source.sent - before[0] == 2
            assert pair.target.sent - before[1] == target
    assert "these are 2 + 7 calls" in page
    assert "Trackops takes 3" in page


class TestVigil:
    def test_the_alarm_comes_while_it_waits_to_try_again(self) -> None:
        """A back-off of an hour delays no alarm: it comes after k intervals."""
        w = world()
        w.target.refuse("closed", on=("schedules",), times=5)
        seen: list[Cycle] = []
        alarms: list[dt.datetime] = []
        begin = w.clock.now()
        mirror(
            w.pair,
            w.ledger,
            Rhythm(every=MINUTES),
            clock=w.clock,
            stopped=lambda: len(seen) >= 5,
            tell=seen.append,
            alarm=lambda silence: alarms.append(w.clock.now()),
            chance=random.Random(1),
        )

        assert len(alarms) == 1
        assert dt.timedelta() <= alarms[0] - begin - 3 * MINUTES < MINUTES / 60

    def test_quiet_hours_are_no_silence(self) -> None:
        """The night in which no cycle begins raises no alarm in the morning."""
        quiet = Quiet(first=dt.time(22), last=dt.time(6), zone="America/Chicago")
        begin = dt.datetime(2027, 1, 5, 3, 59, tzinfo=dt.UTC)  # a minute before
        vigil = Vigil(
            pair="patrols", rhythm=Rhythm(every=MINUTES, quiet=quiet), since=begin
        )

        assert not vigil.late(begin + dt.timedelta(hours=8, minutes=14))
        assert vigil.late(begin + dt.timedelta(hours=8, minutes=15))
        assert vigil.silence(begin + dt.timedelta(days=2)) == dt.timedelta(hours=32)

    def test_a_mistake_in_a_plugin_ends_no_service(self) -> None:
        """What nobody foresaw is a failed cycle, told and logged, and the next is made."""
        w = world()
        w.source.fail(lambda: KeyError("row"), on="schedules", times=2)  # type: ignore[arg-type,return-value]
        seen: list[Cycle] = []
        mirror(
            w.pair,
            w.ledger,
            Rhythm(every=MINUTES),
            clock=w.clock,
            stopped=lambda: len(seen) >= 3,
            tell=seen.append,
        )

        assert [done.health for done in seen] == [
            Health.FAILED, Health.FAILED, Health.QUIET,
        ]  # fmt: skip
        assert "KeyError" in seen[0].why

    def test_the_pair_is_taken_anew_for_every_cycle(self) -> None:
        """A table that can't be read fails a cycle, not the service."""
        w = world()
        seen: list[Cycle] = []

        def renew(pair: object) -> object:
            if len(seen) == 1:
                raise VendorUnavailable("half a file")
            return pair

        mirror(
            w.pair,
            w.ledger,
            Rhythm(every=MINUTES),
            clock=w.clock,
            renew=renew,  # type: ignore[arg-type]
            stopped=lambda: len(seen) >= 3,
            tell=seen.append,
        )

        assert [done.code for done in seen] == [0, 1, 0]
        assert seen[1].why == "half a file"


class TestStanding:
    def test_of_two_mirrors_one_works(self) -> None:
        """The second stands by, without calls and alarms, until the first has ended."""
        w = world()
        seen: list[Cycle] = []
        alarms: list[dt.timedelta] = []
        place = w.ledger.lease("mirror patrols", "office:1", dt.timedelta(minutes=40))

        def told(done: Cycle) -> None:
            seen.append(done)
            if len(seen) == 4:
                assert _calls(w) == {}
                place.release()

        mirror(
            w.pair,
            w.ledger,
            Rhythm(every=MINUTES),
            clock=w.clock,
            stopped=lambda: len(seen) >= 6,
            tell=told,
            alarm=alarms.append,
        )

        assert [done.health for done in seen] == [Health.STANDBY] * 4 + [
            Health.QUIET
        ] * 2
        assert "office:1" in seen[0].why
        assert seen[0].code == 1
        assert alarms == []

    def test_one_that_lost_its_place_stands_by(self) -> None:
        """Who slept past the lease finds another at work, and leaves it to that one."""
        w = world()
        seen: list[Cycle] = []

        def told(done: Cycle) -> None:
            seen.append(done)
            if len(seen) == 1:
                w.clock.advance(dt.timedelta(hours=1))
                w.ledger.lease("mirror patrols", "office:2", dt.timedelta(hours=1))

        mirror(
            w.pair,
            w.ledger,
            Rhythm(every=MINUTES),
            clock=w.clock,
            stopped=lambda: len(seen) >= 2,
            tell=told,
        )

        assert [done.health for done in seen] == [Health.QUIET, Health.STANDBY]

    def test_the_place_is_free_after_the_end(self) -> None:
        """Another mirror begins at once where the first was stopped in order."""
        w = world()
        seen: list[Cycle] = []
        for count in (1, 2):
            mirror(
                w.pair,
                w.ledger,
                Rhythm(every=MINUTES),
                clock=w.clock,
                stopped=lambda count=count: len(seen) >= count,  # type: ignore[misc]
                tell=seen.append,
            )

        assert [done.health for done in seen] == [Health.QUIET] * 2


class TestStop:
    def test_calls_under_way_are_finished_and_the_rest_is_left(self) -> None:
        """A stop in the middle of a run is recorded; the next cycle goes on from there."""
        w = world()
        for n in range(20):
            w.source.put(patrol(f"Patrol {n}"))
        calls: list[str] = []
        w.target.on_call = lambda verb, ref: calls.append(verb)
        done = cycle(
            w.pair, w.ledger, clock=w.clock, stopped=lambda: calls.count("create") >= 3
        )
        state = w.ledger.pair("patrols")

        assert (done.health, done.code) == (Health.STOPPED, 0)
        assert "rota mirror patrols goes on" in done.hint
        assert 3 <= len(w.target.held) < 20
        assert w.ledger.open_intents(state) == ()
        assert len(list(w.ledger.links(state))) == len(w.target.held)
        assert cycle(w.pair, w.ledger, clock=w.clock).health is Health.CHANGED
        assert len(w.target.held) == 20

    def test_a_stop_before_anything_is_written_writes_nothing(self) -> None:
        """What was read is forgotten, what was planned is not begun."""
        w = world()
        w.source.put(patrol())
        done = cycle(w.pair, w.ledger, clock=w.clock, stopped=lambda: True)

        assert done.health is Health.STOPPED
        assert w.target.held == ()


def test_the_ledger_counts_what_is_open() -> None:
    """Open writes, pieces that wait, and those whose day has come, per pair."""
    w = world(fidelity="attended")
    rule = weekly([1, 3], start=dt.date(2027, 1, 18), until=dt.date(2027, 1, 27))
    w.source.put(patrol(rule=rule))
    cycle(w.pair, w.ledger, clock=w.clock)
    state = w.ledger.pair("patrols")
    [due] = w.ledger.due(state)

    assert w.ledger.waits(state, due.day) == w.ledger.waits(state, dt.date.min)
    assert w.ledger.waits(state, due.day).due == 1
    assert w.ledger.waits(state, due.day + dt.timedelta(1)).overdue == 1
    assert w.ledger.waits(w.ledger.pair("others"), due.day).due == 0


def test_errors_of_a_cycle_are_ours() -> None:
    """A cycle raises nothing of its own tree: its code and words are in the result."""
    w = world()
    w.source.fail(lambda: RotaError("odd", hint="try"), on="schedules", times=1)  # type: ignore[arg-type,return-value]
    done = cycle(w.pair, w.ledger, clock=w.clock)

    assert (done.health, done.code, done.why, done.hint) == (
        Health.FAILED, 1, "odd", "try",
    )  # fmt: skip
