"""Plans, runs and comparisons in words: 80 columns, nothing left out that counts."""

from __future__ import annotations

import datetime as dt
import json

import pairs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairs import World, patrol, world

from rota import convert, report
from rota.applying import Applied, Fate, Result, apply
from rota.gathering import gather
from rota.model import Once, ScheduleStatus
from rota.planning import Plan, plan
from rota.planning.plans import FORMAT
from rota.recurrence import Weekday, weekly
from rota.verifying import verify


def planned(w: World) -> Plan:
    return plan(gather(w.pair, w.ledger, clock=w.clock))


def fits(text: str) -> bool:
    return max(map(len, text.splitlines())) <= report.WIDTH


class TestPlans:
    def test_a_plan_tells_what_when_and_how_sure(self) -> None:
        """A creation has its source, its days in words, its fidelity and its proof."""
        w = world()
        w.source.put(patrol())

        told = report.plan_text(planned(w), calls_per_second=2)

        assert "1 schedule takes part" in told
        assert "schedule:1" in told
        assert "every Monday to Friday 22:00-02:00 (exact, from 2027-01-05)" in told
        assert "proof: from 2027-01-05 for all time" in told
        assert "1 change, 1 call, about 1 s. Nothing is written yet." in told
        assert fits(told)

    def test_a_full_plan_tells_the_next_three_rounds(self) -> None:
        """The next three rounds are told on the wall clock there and in UTC."""
        w = world(zone="America/Phoenix", fidelity="attended")
        w.source.put(patrol())

        told = " ".join(report.plan_text(planned(w), full=True).split())

        assert (
            "next: Tue 2027-01-05 21:00 (04:00 UTC), Wed 2027-01-06 21:00 (04:00 UTC),"
            " Thu 2027-01-07 21:00 (04:00 UTC)" in told
        )

    def test_dates_are_told_together(self) -> None:
        """Many dated tasks of one schedule are one line, with the last of them."""
        w = world(fidelity="expand", horizon_days=60)
        begin = dt.date(2027, 1, 4)
        w.source.put(patrol(rule=weekly([Weekday.MO], interval=2, start=begin)))

        made = planned(w)
        told = report.plan_text(made)
        days = [
            c.after.timing.day
            for c in made.changes
            if c.after and isinstance(c.after.timing, Once)
        ]

        assert f"{len(days)} dated tasks, the last on {max(days)}" in told
        assert f"{len(days)} dated: 18 Jan" in told

    def test_later_pieces_have_a_calendar(self) -> None:
        """What somebody must attend to is a list of days, beside the sentences."""
        w = world(fidelity="attended")
        season = weekly([1, 3], start=dt.date(2027, 2, 1), until=dt.date(2027, 3, 31))
        w.source.put(patrol("First", rule=season))
        w.source.put(patrol("Second", rule=season))

        told = report.plan_text(planned(w))

        assert "DEFER 2\n  rota due has to run on 2027-02-01 (2)\n" in told

    def test_a_sentence_that_comes_back_is_told_once(self) -> None:
        """Pieces that say the same in turn are one line with how often and from when."""
        w = world(fidelity="attended", zone="America/Phoenix")
        w.source.put(patrol())

        told = report.plan_text(planned(w))

        assert told.count("every Monday to Friday 22:00-02:00") <= 1
        assert fits(told)

    def test_losses_are_grouped_and_refusals_have_a_way_out(self) -> None:
        """One loss of many schedules is told once; a refusal says what would admit it."""
        w = world()
        for number in range(6):
            w.source.put(patrol(f"Patrol {number}"))
        begin = dt.date(2027, 1, 4)
        w.source.put(patrol(rule=weekly([Weekday.MO], interval=2, start=begin)))

        told = report.plan_text(planned(w))

        assert "REFUSED 1: not at the target, and why" in told
        assert 'fidelity = "expand" would tell it' in told

    def test_an_edit_is_told_field_by_field(self) -> None:
        """An update shows what each field was and will be."""
        w = world()
        ref = w.source.put(patrol())
        apply(planned(w), w.pair, w.ledger, clock=w.clock)
        w.source.edit(ref, title="North round")

        told = report.plan_text(planned(w))

        assert "UPDATE 1" in told
        assert "title: Harbour patrol -> North round" in told

    def test_what_asks_for_a_look_is_never_cut(self) -> None:
        """Notes that somebody must see stand apart, all of them, with their kind."""
        w = world()
        refs = [w.source.put(patrol(f"Patrol {number}")) for number in range(9)]
        apply(planned(w), w.pair, w.ledger, clock=w.clock)
        for ref in refs[1:]:
            w.source.delete(ref)

        told = report.plan_text(planned(w))

        pressing = told.partition("TO BE LOOKED AT")[2].partition("\n\n")[0]
        assert all(f"schedule:{number}" in pressing for number in range(2, 10))

    def test_a_halt_prints_the_words_that_accept_it(self) -> None:
        """What stops a plan stands at its end, with the words to type."""
        w = world(caps={"create": {"count": 0}})
        w.source.put(patrol())

        made = planned(w)
        told = report.plan_text(made)

        assert "NOT TO BE APPLIED AS IT IS" in told
        assert f"--accept create:1@{made.id}" in told

    def test_long_lists_are_cut_unless_asked(self) -> None:
        """Twelve are shown and the rest counted; `full` shows them all."""
        w = world()
        for number in range(20):
            w.source.put(patrol(f"Patrol {number}"))
        made = planned(w)

        short, whole = report.plan_text(made), report.plan_text(made, full=True)

        assert "… and 8 more (--full shows them)" in short
        assert "Patrol 19" not in short
        assert "Patrol 19" in whole

    @given(
        titles=st.lists(
            st.text(
                st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")),
                min_size=1,
                max_size=90,
            ),
            min_size=1,
            max_size=3,
        )
    )
    def test_any_title_fits_80_columns_where_it_has_spaces(
        self, titles: list[str]
    ) -> None:
        """Texts are wrapped, whatever they hold; only a word longer than that isn't."""
        w = world(texts="cut")
        for title in titles:
            w.source.put(patrol(title))

        told = report.plan_text(planned(w), full=True)

        long = [line for line in told.splitlines() if len(line) > report.WIDTH]
        assert all(max(map(len, line.split())) > 50 for line in long)

    def test_json_is_the_plan(self) -> None:
        """What is printed as JSON structures to the plan again, digest and all."""
        w = world()
        w.source.put(patrol())
        made = planned(w)

        data = json.loads(json.dumps(report.plan_json(made)))

        assert (data["format"], data["counts"]) == (FORMAT, {"create": 1})
        for extra in ("id", "digest", "calls", "counts"):
            del data[extra]
        assert convert.structure(data, Plan).digest == made.digest

    def test_markdown_has_a_heading_a_section(self) -> None:
        """The review is Markdown whose fenced parts are the same words."""
        w = world()
        w.source.put(patrol("```not a fence"))

        told = report.plan_markdown(planned(w))

        assert told.startswith("# Plan ")
        assert "## CREATE 1" in told
        assert told.count("```text") * 2 == sum(
            line.startswith("```") for line in told.splitlines()
        )


class TestRuns:
    def test_fates_are_counted_and_what_next_is_told(self) -> None:
        """Each fate that wants something says what to do about it, once."""
        w = world()
        w.source.put(patrol())
        w.source.put(patrol("Second"))
        made = planned(w)
        fates = (Fate.REFUSED, Fate.UNKNOWN)
        applied = Applied(
            run=7,
            plan=made.id,
            results=tuple(
                Result(change=change, fate=fate, why="because")
                for change, fate in zip(made.changes, fates, strict=True)
            ),
        )

        told = report.applied_text(applied)

        assert "    1 refused" in told
        assert "unknown: create Second: because" in told
        assert "WHAT NEXT" in told
        assert "look at the target" in told
        assert fits(told)
        data = report.applied_json(applied)
        assert isinstance(data, dict)
        assert (data["code"], data["counts"]) == (7, {"refused": 1, "unknown": 1})

    def test_a_stop_says_how_to_go_on(self) -> None:
        """A run that a person stopped says so at its end."""
        told = report.applied_text(
            Applied(run=1, plan="x", results=(), interrupted=True)
        )

        assert "Stopped by you" in told
        assert "same command again" in told


class TestComparisons:
    def test_a_difference_is_told_with_its_moments(self) -> None:
        """A missing round is a moment in UTC, and both sides are said to differ."""
        w = world()
        w.source.put(patrol())
        apply(planned(w), w.pair, w.ledger, clock=w.clock)
        agreed = verify(w.pair, w.ledger, clock=w.clock)
        [there] = w.target.held
        assert there.ref is not None
        w.target.edit(there.ref, timing=pairs.patrol(rule=weekly([1, 2, 3, 4])).timing)
        differs = verify(w.pair, w.ledger, clock=w.clock)

        assert "Both sides agree." in report.verification_text(agreed)
        told = report.verification_text(differs)
        assert "The two sides differ." in told
        assert "missing there: 2027-01-09 04:00-08:00Z" in told
        assert fits(told)
        data = report.verification_json(differs)
        assert isinstance(data, dict)
        assert (data["agrees"], data["counts"]) == (False, {"differs": 1})

    def test_full_names_every_schedule(self) -> None:
        """`full` tells each schedule with its count of occurrences and its proof."""
        w = world()
        w.source.put(patrol())
        w.source.edit(w.source.put(patrol("Gone")), status=ScheduleStatus.ENDED)
        apply(planned(w), w.pair, w.ledger, clock=w.clock)

        told = report.verification_text(
            verify(w.pair, w.ledger, clock=w.clock), full=True
        )

        assert "schedule:1 Harbour patrol: agrees" in told
        assert "occurrences, proof: " in told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.2, "1 s"), (90, "90 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_an_estimate_is_told_in_its_unit(seconds: float, told: str) -> None:
    """Seconds, minutes or hours, whichever people would say."""
    w = world()
    w.source.put(patrol())
    made = planned(w)

    text = report.plan_text(made, calls_per_second=made.calls / seconds)

    assert f"about {told}." in text
