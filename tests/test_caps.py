"""Caps count a rolling day, and say what they count."""

from __future__ import annotations

import datetime as dt

import pytest
from pairs import World, patrol, world

from rota import report
from rota.applying import apply
from rota.errors import OverCap
from rota.gathering import gather
from rota.mirroring import Health, cycle
from rota.model import ScheduleStatus
from rota.planning import Cap, Caps, Plan, plan
from rota.recurrence import weekly


def _planned(w: World) -> Plan:
    return plan(gather(w.pair, w.ledger, clock=w.clock))


def _stage(many: int = 30, **caps: Cap) -> World:
    w = world(caps=Caps(**caps))
    for n in range(many):
        w.source.put(patrol(f"Patrol {n:02}"))
    apply(_planned(w), w.pair, w.ledger, clock=w.clock)
    return w


def _end(w: World, many: int) -> None:
    active = [s for s in w.source.held if s.status is ScheduleStatus.ACTIVE]
    for held in active[:many]:
        assert held.ref is not None
        w.source.edit(held.ref, status=ScheduleStatus.ENDED)


class TestRollingDay:
    def test_many_small_runs_are_one_large_one(self) -> None:
        """Three times four retires in a day are twelve, whatever each run did."""
        w = _stage(retire=Cap(count=10))
        for _ in range(2):
            _end(w, 4)
            assert cycle(w.pair, w.ledger, clock=w.clock).code == 0
            w.clock.advance(dt.timedelta(hours=1))
        _end(w, 4)
        refused = cycle(w.pair, w.ledger, clock=w.clock)

        assert (refused.health, refused.code) == (Health.REFUSED, 5)
        assert "4 changes of kind 'retire', after 8 in the last day" in refused.why
        w.clock.advance(dt.timedelta(days=1))
        assert cycle(w.pair, w.ledger, clock=w.clock).code == 0

    def test_what_a_person_accepted_by_name_counts_no_more(self) -> None:
        """After an accepted mass change the day's room is what it was."""
        w = _stage(retire=Cap(count=10))
        _end(w, 20)
        made = _planned(w)
        with pytest.raises(OverCap) as refused:
            apply(made, w.pair, w.ledger, clock=w.clock)
        assert f"rota apply PLANFILE --accept retire:20@{made.id}" in refused.value.hint
        apply(made, w.pair, w.ledger, clock=w.clock, accept=[f"retire:20@{made.id}"])
        _end(w, 8)

        assert cycle(w.pair, w.ledger, clock=w.clock).code == 0

    def test_one_record_written_often_is_one(self) -> None:
        """An update of a record that was updated today takes no more room."""
        w = _stage(update=Cap(count=2))
        first = w.source.held[0].ref
        assert first is not None
        for n in range(4):
            w.source.edit(first, title=f"Name {n}")
            assert cycle(w.pair, w.ledger, clock=w.clock).code == 0
        for held in w.source.held[1:3]:
            assert held.ref is not None
            w.source.edit(held.ref, title="Another")

        assert cycle(w.pair, w.ledger, clock=w.clock).code == 5

    @pytest.mark.parametrize(("many", "code"), [(9, 0), (10, 0), (11, 5)])
    def test_the_limit_is_the_last_that_goes(self, many: int, code: int) -> None:
        """R2, shrunken source: at the limit it goes, one more does not."""
        w = _stage(retire=Cap(count=10))
        _end(w, many)

        assert cycle(w.pair, w.ledger, clock=w.clock).code == code


class TestReport:
    def test_a_refusal_says_all(self) -> None:
        """Counts, the limit, where it is set, and the one command that accepts it."""
        w = _stage(retire=Cap(count=10))
        _end(w, 4)
        cycle(w.pair, w.ledger, clock=w.clock)
        _end(w, 9)
        made = _planned(w)
        told = " ".join(report.plan_text(made, file="plan.json").split())

        assert "LIMITS planned last day announced cap retire 9 4 0 10" in told
        assert "(caps.retire.count of pair 'patrols')" in told
        assert f"rota apply plan.json --accept retire:9@{made.id}" in told.replace(
            "\N{NO-BREAK SPACE}", " "
        )

    def test_what_was_announced_has_a_column_of_its_own(self) -> None:
        """An agreed end is shown beside the cap and does not count against it."""
        w = world(fidelity="attended", caps=Caps(retire=Cap(count=0)))
        w.source.put(patrol(rule=weekly([1], until=dt.date(2027, 1, 12))))
        apply(_planned(w), w.pair, w.ledger, clock=w.clock)
        w.clock.set(dt.datetime(2027, 1, 14, 12, tzinfo=dt.UTC))
        made = _planned(w)

        assert (made.halts, [c.announced for c in made.changes]) == ((), [True])
        told = " ".join(report.plan_text(made).split())
        assert "LIMITS planned last day announced cap retire 0 0 1 0" in told
