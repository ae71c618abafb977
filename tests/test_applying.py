"""Applying: what is written, what is never written twice, and what stops it."""

from __future__ import annotations

import datetime as dt
import signal
from collections import Counter
from pathlib import Path
from types import MappingProxyType

import attrs
import pytest
from pairs import FLEET, World, patrol, world

from rota.applying import Applied, Fate, Result, apply, recover
from rota.applying.work import REFUSALS
from rota.errors import (
    LeaseHeld,
    LedgerError,
    NotAuthorised,
    VendorUnavailable,
)
from rota.gathering import gather
from rota.ledger import Ledger, State
from rota.model import Once, Recurring, Ref, Schedule, ScheduleStatus
from rota.planning import Act, NoteKind, Plan, plan
from rota.recurrence import Weekday, weekly
from rota.vendor import Listing, Removal, Scope
from rota.verifying import verify


class Died(BaseException):
    """The process is killed here."""


def decide(w: World) -> Plan:
    return plan(gather(w.pair, w.ledger, clock=w.clock))


def run(w: World, made: Plan | None = None, **more: object) -> Applied:
    return apply(made or decide(w), w.pair, w.ledger, clock=w.clock, **more)  # type: ignore[arg-type]


def titles(w: World) -> Counter[str]:
    return Counter(record.task.title for record in w.target.held)


def creates(w: World) -> int:
    return sum(call.verb == "create" for call in w.target.calls)


def lasting(w: World) -> World:
    """Let nothing at the target be taken back or changed."""
    held = {
        kind: attrs.evolve(holds, removal=Removal.NEVER, updates=False)
        for kind, holds in FLEET.timings.items()
    }
    w.target.capabilities = attrs.evolve(FLEET, timings=MappingProxyType(held))
    return w


def on_disk(w: World, path: Path) -> World:
    """Keep the ledger in a file."""
    w.ledger = Ledger.open(path, clock=w.clock)
    return w


def die(w: World, *, verb: str, after: bool) -> None:
    """Let the process die just before or just after the next call of a verb."""

    def here(called: str, ref: Ref | None) -> None:
        if called == verb:
            w.target.on_call = w.target.on_done = None
            raise Died

    if after:
        w.target.on_done = here
    else:
        w.target.on_call = here


def open_intents(w: World) -> int:
    return len(w.ledger.open_intents(w.ledger.pair("patrols")))


class TestUnknown:
    @pytest.mark.parametrize("mark", ["auto", "none"])
    @pytest.mark.parametrize("how", ["lose_answer", "lose_request", "late"])
    def test_equal_records_are_each_made_once(self, mark: str, how: str) -> None:
        """Three equal patrols and an unknown outcome are still three records."""
        w = world(mark=mark)
        for _ in range(3):
            w.source.put(patrol())
        if how == "late":
            w.target.late(30, skip=1)
        else:
            getattr(w.target, how)(skip=1)
        applied = run(w, workers=8)

        assert applied.code == 0
        assert titles(w) == {"Harbour patrol": 3}
        assert (
            len({link.target for link in w.ledger.links(w.ledger.pair("patrols"))}) == 3
        )
        assert decide(w).changes == ()

    def test_a_record_that_was_there_before_is_not_taken_for_ours(self) -> None:
        """Without a mark, equal records of other people are remembered and left alone."""
        w = world(mark="none")
        ours = decide_one(w)
        theirs = w.target.put(ours)
        w.target.lose_request()
        applied = run(w)

        assert applied.code == 0
        [link] = w.ledger.links(w.ledger.pair("patrols"))
        assert link.target != theirs.key
        assert titles(w) == {"Harbour patrol": 2}

    @pytest.mark.parametrize("mark", ["auto", "none"])
    def test_it_is_looked_for_among_its_like(
        self, mark: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An account with a list for each kind of record is asked for one of them."""
        w = world(mark=mark)
        decide_one(w)
        made = decide(w)
        scopes: list[Scope] = []
        schedules = w.target.schedules

        def noting(scope: Scope) -> Listing[Schedule]:
            scopes.append(scope)
            return schedules(scope)

        monkeypatch.setattr(w.target, "schedules", noting)
        w.target.lose_answer()

        assert [one.fate for one in run(w, made).results] == [Fate.FOUND]
        looks = [scope.like for scope in scopes if scope.like]
        assert len(looks) == (2 if mark == "none" else 1)
        assert {type(look.timing) for look in looks} == {Recurring}

    def test_two_candidates_are_quarantined_and_never_made_again(self) -> None:
        """What two records could be is left to a person, by this run and the next."""
        w = world(mark="none")
        ours = decide_one(w)
        made = decide(w)

        def somebody(verb: str, ref: Ref | None) -> None:
            w.target.on_done = None
            w.target.put(ours)

        w.target.on_done = somebody
        w.target.lose_answer()
        applied = run(w, made)

        assert [r.fate for r in applied.results] == [Fate.UNKNOWN]
        assert applied.code == 7
        assert "2 records" in applied.results[0].why
        again = run(w, made)
        assert again.code == 7
        assert titles(w) == {"Harbour patrol": 2}
        assert creates(w) == 1
        assert any(note.kind is NoteKind.OPEN for note in decide(w).notes)

    def test_what_stays_for_good_is_not_repeated_without_a_mark(self) -> None:
        """A lost create that nothing can take back, and nothing marks, waits."""
        w = lasting(world(mark="none"))
        w.source.put(patrol())
        made = decide(w)
        w.target.lose_request()
        applied = run(w, made)

        assert [r.fate for r in applied.results] == [Fate.UNKNOWN]
        assert run(w, made).code == 7
        assert creates(w) == 1

    def test_what_stays_for_good_is_repeated_when_no_trace_is_there(self) -> None:
        """With a mark, and neither mark nor content to be seen, it goes again once."""
        w = lasting(world())
        w.source.put(patrol())
        w.target.lose_request()

        assert run(w).code == 0
        assert titles(w) == {"Harbour patrol": 1}

    def test_a_mark_that_got_lost_on_the_way_stops_the_repetition(self) -> None:
        """An unmarked record that could be ours is shown, not doubled."""
        w = lasting(world())
        w.source.put(patrol())
        made = decide(w)

        def wipe(verb: str, ref: Ref | None) -> None:
            assert ref is not None
            w.target.edit(ref, mark=None)

        w.target.on_done = wipe
        w.target.lose_answer()
        applied = run(w, made)

        assert [r.fate for r in applied.results] == [Fate.UNKNOWN]
        assert titles(w) == {"Harbour patrol": 1}

    def test_a_plugin_that_breaks_is_looked_after_like_a_lost_answer(self) -> None:
        """An unforeseen error says nothing about the write, and stops no other."""
        w = world()
        for n in range(3):
            w.source.put(patrol(f"Patrol {n}"))
        w.target.fail(lambda: KeyError("id"), skip=1)  # type: ignore[arg-type,return-value]

        assert run(w, workers=1).code == 0
        assert set(titles(w).values()) == {1}

    @pytest.mark.parametrize("how", ["lose_answer", "lose_request", "late"])
    def test_an_update_is_read_to_know_whether_it_happened(self, how: str) -> None:
        """A lost update is found by its fields, or sent again."""
        w = world()
        ref = w.source.put(patrol())
        run(w)
        w.source.edit(ref, title="North")
        if how == "late":
            w.target.late(30)
        else:
            getattr(w.target, how)()

        assert run(w).code == 0
        assert titles(w) == {"North": 1}
        assert decide(w).changes == ()

    @pytest.mark.parametrize("how", ["lose_answer", "lose_request", "late"])
    def test_a_retire_is_read_to_know_whether_it_happened(self, how: str) -> None:
        """A lost removal is found by the record's absence, or sent again."""
        w = world()
        ref = w.source.put(patrol())
        run(w)
        w.source.edit(ref, status=ScheduleStatus.ENDED)
        if how == "late":
            w.target.late(30)
        else:
            getattr(w.target, how)()

        assert run(w).code == 0
        assert w.target.held == ()
        assert decide(w).changes == ()

    def test_what_cannot_be_read_back_is_not_agreed_on(self) -> None:
        """A record that was made and not read back is agreed on by the next run."""
        w = world()
        w.source.put(patrol())
        made = decide(w)
        w.target.fail(lambda: VendorUnavailable("no answer"), on="schedules", times=5)
        applied = run(w, made)

        assert [r.fate for r in applied.results] == [Fate.FAILED]
        assert "not read back" in applied.results[0].why
        assert applied.code == 1
        w.target.calm()
        again = run(w, made)
        assert [r.fate for r in again.recovered] == [Fate.FOUND]
        assert [r.fate for r in again.results] == [Fate.ALREADY]
        assert titles(w) == {"Harbour patrol": 1}
        assert decide(w).changes == ()

    def test_what_somebody_removes_at_once_is_reported_and_not_made_again(
        self,
    ) -> None:
        """A record deleted before it was read back is its owner's decision."""
        w = world()
        w.source.put(patrol())

        def remove(verb: str, ref: Ref | None) -> None:
            assert ref is not None
            w.target.delete(ref)

        w.target.on_done = remove
        run(w)
        w.target.on_done = None
        made = decide(w)

        assert made.changes == ()
        assert any(note.kind is NoteKind.GONE for note in made.notes)


class TestDeath:
    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("mark", ["auto", "none"])
    def test_a_create(self, tmp_path: Path, mark: str, *, after: bool) -> None:
        """A process that dies around a create leaves each record exactly once."""
        w = on_disk(world(mark=mark), tmp_path / "rota.db")
        for _ in range(3):
            w.source.put(patrol())
        made = decide(w)
        die(w, verb="create", after=after)
        with pytest.raises(Died):
            run(w, made, workers=1)
        assert open_intents(w) == 1
        again = run(w, made)

        assert [r.fate for r in again.recovered] == [
            Fate.FOUND if after else Fate.NOT_WRITTEN
        ]
        assert again.code == 0
        assert titles(w) == {"Harbour patrol": 3}
        assert decide(w).changes == ()
        assert w.ledger.check() == ()

    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("act", ["update", "remove"])
    def test_a_change(self, act: str, *, after: bool) -> None:
        """A process that dies around a change leaves it made once, and agreed on."""
        w = world()
        ref = w.source.put(patrol())
        run(w)
        if act == "update":
            w.source.edit(ref, title="North")
        else:
            w.source.edit(ref, status=ScheduleStatus.ENDED)
        made = decide(w)
        die(w, verb=act, after=after)
        with pytest.raises(Died):
            run(w, made)
        again = run(w, made)

        assert again.code == 0
        assert titles(w) == ({"North": 1} if act == "update" else {})
        made = decide(w)
        assert (made.changes, made.conflicts) == ((), ())
        assert open_intents(w) == 0

    def test_between_the_calls_and_the_reading_back(self) -> None:
        """What was written and not yet read back is found by its ids, all at once."""
        w = world()
        for n in range(8):
            w.source.put(patrol(f"Patrol {n}"))
        made = decide(w)
        die(w, verb="schedules", after=False)
        with pytest.raises(Died):
            run(w, made)
        assert open_intents(w) == 8
        before = len(w.target.calls)
        found = recover(w.pair, w.ledger, clock=w.clock)

        assert {r.fate for r in found} == {Fate.FOUND}
        assert len(w.target.calls) - before == 1
        assert decide(w).changes == ()

    def test_a_write_that_lands_after_the_restart(self) -> None:
        """A run that died while waiting for a late write adopts it when it lands."""
        w = world()
        w.source.put(patrol())
        made = decide(w)
        w.target.late(40)
        asleep = w.clock.sleep

        def sleep(seconds: float) -> None:
            raise Died

        w.clock.sleep = sleep  # type: ignore[method-assign]
        with pytest.raises(Died):
            run(w, made)
        w.clock.sleep = asleep  # type: ignore[method-assign]
        assert w.target.held == ()
        again = run(w, made)

        assert [r.fate for r in again.recovered] == [Fate.FOUND]
        assert titles(w) == {"Harbour patrol": 1}

    def test_a_hand_over_is_asked_again(self) -> None:
        """An intent that calls nobody and was never finished is simply made anew."""
        w = lasting(world())
        ref = w.source.put(patrol())
        run(w)
        w.source.edit(ref, title="North")
        made = decide(w)
        assert [c.act for c in made.changes] == [Act.HAND_OVER]

        assert run(w, made).code == 7
        assert run(w, made).results[0].fate is Fate.ALREADY

    def test_an_edit_made_before_it_is_looked_for_stays_an_edit(self) -> None:
        """What people change on a record that a dead run made is no part of its image."""
        w = world()
        w.source.put(patrol())
        die(w, verb="create", after=True)
        with pytest.raises(Died):
            run(w)
        [made] = w.target.held
        assert made.ref is not None
        days = patrol(rule=weekly([6, 7])).timing
        w.target.edit(made.ref, title="Ours", timing=days)
        run(w)

        notes = [n for n in decide(w).notes if n.kind is NoteKind.DRIFT]
        assert {n.text.partition(" ")[0] for n in notes} == {"title", "timing"}


class TestPauses:
    def test_a_pause_is_never_shortened(self) -> None:
        """The vendor's own Retry-After is waited for in full, then it goes again."""
        w = world()
        w.source.put(patrol())
        made = decide(w)
        w.target.rate_limited(retry_after=120)
        began = w.clock.now()

        assert run(w, made).code == 0
        assert w.clock.now() - began >= dt.timedelta(seconds=120)

    def test_a_long_pause_ends_the_run(self) -> None:
        """A pause of hours is not sat out, and nothing else is sent meanwhile."""
        w = world()
        for n in range(5):
            w.source.put(patrol(f"Patrol {n}"))
        w.target.rate_limited(retry_after=7200)
        applied = run(w, workers=1)

        assert applied.code == 1
        assert creates(w) == 1
        assert "to be left alone until" in applied.results[-1].why
        assert run(w).code == 0
        assert set(titles(w).values()) == {1}

    def test_hours_that_close_during_a_pause(self) -> None:
        """A change is not sent again after the hours in which it had to be written."""
        w = world(at=dt.datetime(2027, 1, 5, 5, 28, tzinfo=dt.UTC))
        w.source.put(patrol())
        w.target.rate_limited(retry_after=250)
        applied = run(w)

        assert [r.fate for r in applied.results] == [Fate.SKIPPED]
        assert w.target.held == ()
        assert open_intents(w) == 0

    def test_a_day_that_is_over_is_not_made(self) -> None:
        """A dated record of a plan that lay about is skipped."""
        w = world(fidelity="expand", horizon_days=20)
        w.target.capabilities = attrs.evolve(FLEET, generation=None)
        w.source.put(patrol(rule=weekly([Weekday.WE], interval=2,
                                        start=dt.date(2027, 1, 6))))  # fmt: skip
        made = decide(w)
        w.clock.advance(dt.timedelta(days=7))
        applied = run(w, made)

        assert [r.fate for r in applied.results] == [Fate.SKIPPED, Fate.DONE]
        assert "is over" in applied.results[0].why

    def test_ten_failures_in_a_row_end_the_run(self) -> None:
        """A vendor that is down is not asked a thousand times."""
        w = world()
        for n in range(30):
            w.source.put(patrol(f"Patrol {n:02}"))
        w.target.not_sent(times=1000)
        applied = run(w, workers=1)

        assert applied.count(Fate.FAILED) == 30
        assert creates(w) == 10 * REFUSALS
        assert "10 changes in a row" in applied.results[-1].why
        w.target.calm()
        assert run(w).count(Fate.DONE) == 30


class TestStops:
    def test_a_second_runner_is_kept_out(self) -> None:
        """While one run holds the pair, another writes nothing and says who has it."""
        w = world()
        w.source.put(patrol())
        made = decide(w)
        with (
            w.ledger.lease("pair patrols", "office:1"),
            pytest.raises(LeaseHeld, match="office:1"),
        ):
            run(w, made)
        assert w.target.held == ()
        assert run(w, made).code == 0

    def test_a_run_that_lost_its_lease_sends_nothing_more(self) -> None:
        """Who slept past the lease finds the fence before the next attempt."""
        w = world()
        w.source.put(patrol())
        made = decide(w)

        def overslept(verb: str, ref: Ref | None) -> None:
            if verb == "create":
                w.target.on_call = None
                w.clock.advance(dt.timedelta(minutes=10))
                w.ledger.lease("pair patrols", "another")

        w.target.on_call = overslept
        w.target.rate_limited()
        with pytest.raises(LeaseHeld, match="another"):
            run(w, made)
        assert w.target.held == ()
        assert creates(w) == 1

    def test_refused_credentials_stop_everything(self) -> None:
        """Not one further write is tried once the vendor lets nobody in."""
        w = world()
        for n in range(5):
            w.source.put(patrol(f"Patrol {n}"))
        w.target.fail(lambda: NotAuthorised("wrong key"), skip=2, times=100)
        with pytest.raises(NotAuthorised):
            run(w, workers=1)

        assert creates(w) == 3
        w.target.calm()
        assert run(w).code == 0
        assert set(titles(w).values()) == {1}
        assert len(w.target.held) == 5

    def test_ctrl_c_finishes_the_call_and_records_it(self) -> None:
        """A person who stops it loses nothing, and goes on with the same plan."""
        w = world()
        for n in range(20):
            w.source.put(patrol(f"Patrol {n:02}"))
        made = decide(w)

        def stop(result: Result) -> None:
            if not w.target.on_done:
                w.target.on_done = lambda verb, ref: None
                signal.raise_signal(signal.SIGINT)

        applied = run(w, made, workers=1, watch=stop)

        assert applied.interrupted
        assert applied.code == 1
        done = len(w.target.held)
        assert 0 < done < 20
        assert open_intents(w) == 0
        again = run(w, made)
        assert again.count(Fate.ALREADY) == done
        assert set(titles(w).values()) == {1}
        assert len(w.target.held) == 20

    @pytest.mark.parametrize("room", [0, 1, 2, 4, 8, 12])
    def test_a_full_ledger_stops_before_the_vendor(
        self, tmp_path: Path, room: int
    ) -> None:
        """No write without its intent, however full the disk; and it opens again."""
        w = on_disk(world(), tmp_path / "rota.db")
        for n in range(12):
            w.source.put(patrol(f"Patrol {n:02}"))
        made = decide(w)
        database = w.ledger._database
        [[pages]] = database.query("PRAGMA page_count")
        database.query(f"PRAGMA max_page_count = {pages + room}")
        with pytest.raises(LedgerError, match="full"):
            run(w, made)
        w.ledger.close()
        w.ledger = Ledger.open(tmp_path / "rota.db", clock=w.clock)

        intents = sum(len(w.ledger.run(each.id).intents) for each in w.ledger.runs())
        assert len(w.target.held) <= intents
        assert w.ledger.check() == ()
        assert run(w, made).code == 0
        assert len(w.target.held) == 12
        assert set(titles(w).values()) == {1}
        assert decide(w).changes == ()


class TestOrder:
    def test_what_is_replaced_stays_until_its_heir_is_there(self) -> None:
        """A record is not retired when what takes its place could not be made."""
        w = world(fidelity="expand", horizon_days=30)
        ref = w.source.put(patrol())
        run(w)
        monday = weekly([Weekday.MO], interval=2, start=dt.date(2027, 1, 4))
        w.source.edit(ref, timing=patrol(rule=monday).timing)
        made = decide(w)
        assert {c.act for c in made.changes} == {Act.CREATE, Act.RETIRE}
        w.target.refuse(on="create", times=100)
        applied = run(w, made)

        assert Fate.DONE not in {r.fate for r in applied.results}
        assert any("takes its place" in r.why for r in applied.results)
        assert [type(s.timing) for s in w.target.held] == [Recurring]
        w.target.calm()
        assert run(w).code == 0
        assert {type(s.timing) for s in w.target.held} == {Once}

    def test_each_result_is_told_once(self) -> None:
        """Progress hears of every change exactly once, after its commit."""
        w = world()
        for n in range(9):
            w.source.put(patrol(f"Patrol {n}"))
        told: list[Result] = []
        applied = run(w, watch=told.append)

        assert len(told) == 9
        assert {r.change.n for r in told} == {r.change.n for r in applied.results}

    def test_every_attempt_leaves_its_intent_and_its_outcome(self) -> None:
        """The audit shows each attempt, what became of it, and the record."""
        w = world()
        w.source.put(patrol())
        w.target.rate_limited()
        w.target.lose_request(skip=0)
        applied = run(w)
        record = w.ledger.run(applied.run)

        assert [i.outcomes[-1].state for i in record.intents] == [
            State.REFUSED, State.GIVEN_UP, State.DONE,
        ]  # fmt: skip
        assert all(intent.mark for intent in record.intents)


class TestDue:
    def season(self, w: World) -> None:
        days = weekly([1, 3], start=dt.date(2027, 2, 1), until=dt.date(2027, 3, 31))
        w.source.put(patrol(rule=days))
        run(w)

    def test_a_piece_waits_and_is_made_on_its_day(self) -> None:
        """A deferred piece is put down once, made in its hours, and then settled."""
        w = world(fidelity="attended")
        self.season(w)
        state = w.ledger.pair("patrols")

        assert decide(w).changes == ()
        assert len(decide(w).waiting) == 1
        run(w)
        assert len(w.ledger.due(state)) == 1
        w.clock.set(dt.datetime(2027, 1, 31, 18, tzinfo=dt.UTC))
        w.target.refuse()
        assert run(w).code == 1
        assert len(w.ledger.due(state)) == 1
        assert run(w).code == 0
        assert w.ledger.due(state) == ()
        [made] = w.ledger.due(state, settled=True)
        assert made.how == "made"
        assert decide(w).changes == ()

    def test_a_piece_that_nobody_made_is_an_alarm(self) -> None:
        """A day after its day, the plan says that rounds are missing."""
        w = world(fidelity="attended")
        self.season(w)
        w.clock.set(dt.datetime(2027, 2, 2, 18, tzinfo=dt.UTC))
        made = decide(w)

        assert any(note.kind is NoteKind.OVERDUE for note in made.notes)
        assert verify(w.pair, w.ledger, clock=w.clock).code == 7
        assert [c.act for c in made.changes] == [Act.CREATE]
        assert run(w, made).code == 0
        assert w.ledger.due(w.ledger.pair("patrols")) == ()

    def test_a_piece_no_longer_wanted_is_dropped(self) -> None:
        """When the source drops the season, nothing waits for it any more."""
        w = world(fidelity="attended")
        self.season(w)
        [schedule] = w.source.held
        assert schedule.ref is not None
        w.source.edit(schedule.ref, status=ScheduleStatus.ENDED)
        run(w)

        state = w.ledger.pair("patrols")
        assert w.ledger.due(state) == ()
        assert [due.how for due in w.ledger.due(state, settled=True)] == [
            "no longer wanted"
        ]


def decide_one(w: World) -> object:
    """Put one patrol at the source and return what the target will hold."""
    w.source.put(patrol())
    [change] = decide(w).changes
    return change.after
