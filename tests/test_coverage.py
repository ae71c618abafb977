"""Planned against performed: in memory, at random, and on the demo's stage."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairs import CHICAGO, CROSSWALK, FLEET, World, patrol, world

from rota import plugins
from rota.applying import apply
from rota.cli.coverage import coverage_csv, coverage_text
from rota.cli.demo import Stage
from rota.coverage import (
    Coverage,
    Figures,
    InForce,
    Outcome,
    Reading,
    Row,
    cover,
    load_images,
    measure,
)
from rota.errors import UsageError
from rota.gathering import Pair, gather
from rota.model import (
    AdHoc,
    AllDay,
    Kind,
    Line,
    Occurrence,
    OccurrenceStatus,
    Once,
    Period,
    Place,
    Quota,
    Recurring,
    Ref,
    Schedule,
    Session,
    SessionStatus,
    Task,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.planning import plan
from rota.recurrence import Recurrence, weekly
from rota.sandbox import Fault, FaultKind
from rota.testing.memory import MemoryAccount
from rota.vendor import Listing
from rota.zones import load


FIRST, LAST = dt.date(2027, 1, 4), dt.date(2027, 1, 10)
AFTER = dt.datetime(2027, 1, 12, 12, tzinfo=dt.UTC)


def day(number: int) -> dt.date:
    """Return a day of January 2027; the 4th is a Monday."""
    return dt.date(2027, 1, number)


class Forgetful(MemoryAccount):
    """A vendor whose generated tasks name no entry; ``lost`` are days without any."""

    lost: frozenset[dt.date] = frozenset()

    def occurrences(self, first: dt.date, last: dt.date) -> Listing[Occurrence]:
        """List them without their records and marks."""
        found = super().occurrences(first, last)
        return attrs.evolve(
            found,
            items=tuple(
                attrs.evolve(one, schedule=None, mark=None)
                for one in found.items
                if one.day not in self.lost
            ),
        )


def forgetful() -> World:
    """Return a world whose target forgets which entry a task came from."""
    w = world()
    entries = [e for k in (Kind.SITE, Kind.DEVICE) for e in w.target.directory(k).items]
    target = Forgetful(
        "fleet", clock=w.clock, zone=CHICAGO, capabilities=FLEET, entries=entries
    )
    pair = Pair("patrols", source=w.source, target=target, crosswalk=CROSSWALK)
    return attrs.evolve(w, target=target, pair=pair)


def move(w: World) -> None:
    """Bring the target in step."""
    found = apply(
        plan(gather(w.pair, w.ledger, clock=w.clock)), w.pair, w.ledger, clock=w.clock
    )
    assert found.code == 0


def count(w: World, first: dt.date = FIRST, last: dt.date = LAST) -> Coverage:
    return measure(w.pair, w.ledger, first, last, clock=w.clock)


def record(account: MemoryAccount, title: str = "Harbour patrol") -> Ref:
    [found] = [s.ref for s in account.held if s.task.title == title]
    assert found is not None
    return found


def work(ended: dt.datetime | None) -> tuple[Session, ...]:
    return (Session(status=SessionStatus.DONE, ended=ended),)


def both(row: Row) -> tuple[Figures, Figures]:
    assert row.source is not None
    assert row.target is not None
    return row.source, row.target


# ----------------------------------------------------------------------------- in memory


def test_nothing_is_counted_on_days_before_the_link() -> None:
    """Monday's round came before the link: it is told, and counted nowhere."""
    w = world()
    ref = w.source.put(patrol())
    move(w)
    for number in (4, 5, 6, 7, 8):
        w.source.perform(ref, day(number))
        w.target.perform(record(w.target), day(number))
    w.clock.set(AFTER)

    found = count(w)

    assert both(found.total) == (Figures(done=4), Figures(done=4))
    assert found.unlinked == 1
    assert found.code == 0
    assert [row.id for row in found.sites] == ["site:1"]
    assert "Harbour" in coverage_text(found)


def test_a_rename_does_not_make_done_work_missed() -> None:
    """Each task is matched to what its entry said on the task's own day."""
    w = forgetful()
    ref = w.source.put(patrol())
    move(w)
    for number in (5, 6):
        w.clock.set(dt.datetime(2027, 1, number + 1, 12, tzinfo=dt.UTC))
        w.target.perform(record(w.target), day(number))
        w.source.perform(ref, day(number))
    # From the run of the 8th on; what was made for the 7th keeps the old name.
    w.source.edit(ref, title="Harbour and pier patrol")
    w.target.perform(record(w.target), day(7))
    move(w)
    w.clock.set(AFTER)
    w.target.perform(record(w.target, "Harbour and pier patrol"), day(8))
    for number in (7, 8):
        w.source.perform(ref, day(number))

    found = count(w)

    assert both(found.total) == (Figures(done=4), Figures(done=4))
    assert [image.until for image in _images(w)] == [day(8), None]
    assert [row.title for row in found.schedules] == ["Harbour and pier patrol"]


def test_a_title_that_people_changed_at_the_target_is_recognised() -> None:
    """An edit that no agreement holds yet does not break the match."""
    w = forgetful()
    ref = w.source.put(patrol())
    move(w)
    w.target.edit(record(w.target), title="Harbour, by car")
    for number in (5, 6, 7, 8):
        w.source.perform(ref, day(number))
        w.target.perform(record(w.target, "Harbour, by car"), day(number))
    w.clock.set(AFTER)

    assert both(count(w).total) == (Figures(done=4), Figures(done=4))


def test_two_candidates_are_unattributed_and_never_missed() -> None:
    """Of two equal entries nobody knows whose task was done, so neither is blamed."""
    w = forgetful()
    for ref in [w.source.put(patrol()), w.source.put(patrol())]:
        for number in (5, 6, 7, 8):
            w.source.perform(ref, day(number))
    move(w)
    held = w.target.held
    for number in (5, 6, 7, 8):
        assert held[0].ref is not None
        w.target.perform(held[0].ref, day(number))
    w.clock.set(AFTER)

    found = count(w)

    assert both(found.total) == (Figures(done=8), Figures(unattributed=8))
    assert found.differences == ()
    assert found.code == 0


def shown(image: InForce, status: OccurrenceStatus, **more: Any) -> Occurrence:
    """Return Tuesday's task of an entry, as a vendor without marks shows it."""
    return Occurrence(
        day=day(5),
        start=dt.datetime(2027, 1, 6, 4, tzinfo=dt.UTC),
        end=dt.datetime(2027, 1, 6, 8, tzinfo=dt.UTC),
        title=image.seen.task.title,
        status=status,
        **more,
    )


def tuesday(images: Iterable[InForce], *tasks: Occurrence) -> dict[str, Figures | None]:
    """Return what the target's tasks of Tuesday count for, by schedule."""
    found = cover(
        Reading(account="guards"),
        Reading(account="fleet", occurrences=tasks),
        images=images,
        links=(),
        schedules=(),
        first=day(5),
        last=day(5),
        now=AFTER,
    )
    return {row.id: row.target for row in found.schedules}


def twins() -> tuple[InForce, InForce]:
    """Return the entries of two equal patrols."""
    w = world()
    w.source.put(patrol())
    w.source.put(patrol())
    move(w)
    one, other = _images(w)
    return one, other


def test_a_mark_tells_equal_entries_apart() -> None:
    """Where a task bears the mark of its entry, it is that entry's."""
    one, other = twins()
    tasks = (
        shown(one, OccurrenceStatus.DONE, mark=one.seen.mark),
        shown(other, OccurrenceStatus.FAILED, mark=other.seen.mark),
    )

    assert tuesday((one, other), *tasks) == {
        one.source: Figures(done=1),
        other.source: Figures(missed=1),
    }


def test_the_assignee_tells_equal_entries_apart() -> None:
    """Two cars on one round are told apart where the tasks say which car."""
    one, other = twins()
    spare = Ref(account="fleet", kind=Kind.DEVICE, id="10")
    other = attrs.evolve(
        other,
        seen=attrs.evolve(
            other.seen, task=attrs.evolve(other.seen.task, assignee=spare)
        ),
    )
    tasks = (
        shown(one, OccurrenceStatus.FAILED, assignee=one.seen.task.assignee),
        shown(other, OccurrenceStatus.DONE, assignee=spare),
    )

    assert tuesday((one, other), *tasks) == {
        one.source: Figures(missed=1),
        other.source: Figures(done=1),
    }


def test_of_two_tasks_for_one_plan_the_done_one_counts() -> None:
    """A copy that nobody worked on does not make the work missed."""
    one, _ = twins()
    tasks = [shown(one, s) for s in (OccurrenceStatus.FAILED, OccurrenceStatus.DONE)]

    assert tuesday((one,), *tasks) == {one.source: Figures(done=1, unplanned=1)}


def test_failed_after_somebody_came_is_partial() -> None:
    """A visit that did not finish is no missed visit."""
    one, _ = twins()
    came = Session(
        status=SessionStatus.STOPPED, started=dt.datetime(2027, 1, 6, 5, tzinfo=dt.UTC)
    )
    task = shown(one, OccurrenceStatus.FAILED, sessions=(came,))

    assert tuesday((one,), task) == {one.source: Figures(partial=1)}


@pytest.mark.parametrize("status", [OccurrenceStatus.MISSED, OccurrenceStatus.PLANNED])
def test_a_session_that_was_done_is_not_missed(status: OccurrenceStatus) -> None:
    """Work whose session is done counts, whatever its occurrence still says."""
    one, _ = twins()
    ended = dt.datetime(2027, 1, 6, 8, tzinfo=dt.UTC)
    task = shown(one, status, sessions=work(ended))
    late = shown(one, status, sessions=work(ended + dt.timedelta(minutes=1)))

    assert tuesday((one,), task) == {one.source: Figures(done=1)}
    assert tuesday((one,), late) == {one.source: Figures(late=1)}


def test_begun_work_is_open_and_not_missed() -> None:
    """Somebody came, and nobody said yet how it ended."""
    one, _ = twins()
    came = Session(
        status=SessionStatus.STARTED, started=dt.datetime(2027, 1, 6, 5, tzinfo=dt.UTC)
    )
    for status in (OccurrenceStatus.PLANNED, OccurrenceStatus.STARTED):
        task = shown(one, status, sessions=(came,))

        assert tuesday((one,), task) == {one.source: Figures(open=1)}


def test_work_that_no_record_explains_counts_at_its_site() -> None:
    """A task somebody made by hand is unplanned, where a record of the pair is."""
    w = world()
    w.source.put(patrol())
    move(w)
    [image] = _images(w)
    task = attrs.evolve(
        shown(image, OccurrenceStatus.DONE, place=image.seen.task.place), title="Extra"
    )
    found = cover(
        Reading(account="guards"),
        Reading(account="fleet", occurrences=(task,)),
        images=(image,),
        links=(),
        schedules=w.source.held,
        first=day(5),
        last=day(5),
        now=AFTER,
        names={"site:1": "Harbour"},
    )

    [site] = found.sites
    assert (site.id, site.title) == ("site:1", "Harbour")
    assert site.target == Figures(absent=1, unplanned=1)
    assert [row.id for row in found.schedules] == [image.source, ""]


def test_no_title_becomes_a_formula() -> None:
    """A title that a spreadsheet would calculate is told as text."""
    w = world()
    w.source.put(patrol("=HYPERLINK(1)"))
    move(w)
    w.clock.set(AFTER)

    rows = list(csv.DictReader(io.StringIO(coverage_csv(count(w)))))

    [mine] = [row for row in rows if (row["of"], row["side"]) == ("schedule", "target")]
    assert mine["title"] == "'=HYPERLINK(1)"
    assert (mine["planned"], mine["missed"], mine["account"]) == ("4", "4", "fleet")


def test_a_preview_is_not_unplanned_work() -> None:
    """What a vendor only foresees and no record explains is counted nowhere."""
    one, _ = twins()
    task = attrs.evolve(shown(one, OccurrenceStatus.PLANNED, foreseen=True), title="?")

    assert tuesday((one,), task) == {one.source: Figures(absent=1)}


def test_late_is_after_the_window_and_its_grace() -> None:
    """Work that ended within the tolerated minutes is done, later work is late."""
    w = world()
    ref = w.source.put(patrol())
    w.source.edit(ref, grace_min=30)
    move(w)
    for number, minutes in ((5, 0), (6, 30), (7, 31)):
        end = dt.datetime(2027, 1, number + 1, 8, tzinfo=dt.UTC)
        ended = end + dt.timedelta(minutes=minutes)
        w.source.perform(ref, day(number), sessions=work(ended))
        w.target.perform(record(w.target), day(number), sessions=work(ended))
    w.clock.set(AFTER)

    assert both(count(w, LAST - dt.timedelta(6), day(7)).total) == (
        Figures(done=2, late=1),
        Figures(done=2, late=1),
    )


def test_what_the_sides_tell_differently_is_listed() -> None:
    """Each contradiction names the day, and the command leaves with 3."""
    w = world()
    ref = w.source.put(patrol())
    move(w)
    became = {
        5: (OccurrenceStatus.DONE, OccurrenceStatus.FAILED),
        6: (OccurrenceStatus.MISSED, OccurrenceStatus.DONE),
        7: (OccurrenceStatus.UNKNOWN, OccurrenceStatus.DONE),
        8: (OccurrenceStatus.CANCELLED, OccurrenceStatus.DONE),
    }
    for number, (here, there) in became.items():
        w.source.perform(ref, day(number), status=here)
        w.target.perform(record(w.target), day(number), status=there)
    w.clock.set(AFTER)

    found = count(w)

    assert both(found.total) == (
        Figures(done=1, missed=1, unknown=1, cancelled=1),
        Figures(done=3, missed=1),
    )
    assert [(d.day.day, d.source, d.target) for d in found.differences] == [
        (5, Outcome.DONE, Outcome.MISSED),
        (6, Outcome.MISSED, Outcome.DONE),
        (8, Outcome.CANCELLED, Outcome.DONE),
    ]
    assert found.code == 3
    assert (
        "2027-01-05 22:00 Harbour patrol: guards done, fleet missed"
        in coverage_text(found)
    )


def test_a_task_that_is_gone_is_absent_and_not_missed() -> None:
    """Nobody knows whether work was done whose task was deleted."""
    w = forgetful()
    ref = w.source.put(patrol())
    move(w)
    for number in (5, 6, 7, 8):
        w.source.perform(ref, day(number))
        w.target.perform(record(w.target), day(number))
    assert isinstance(w.target, Forgetful)
    w.target.lost = frozenset({day(6), day(7)})
    w.source.perform(ref, day(7), status=OccurrenceStatus.CANCELLED)
    w.clock.set(AFTER)

    found = count(w)

    assert both(found.total)[1] == Figures(done=2, absent=2)
    assert [d.day for d in found.differences] == [day(6)]
    assert "2 without a task there" in coverage_text(found)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_side_that_was_not_read_whole_has_no_figures(side: str) -> None:
    """A listing without certificate is no ground for any figure."""
    w = world()
    ref = w.source.put(patrol())
    move(w)
    w.source.perform(ref, day(5))
    w.clock.set(AFTER)
    getattr(w, side).incomplete = "its second page was lost"

    found = count(w)

    blind = found.total.source if side == "source" else found.total.target
    seen = found.total.target if side == "source" else found.total.source
    assert blind is None
    assert seen is not None
    assert seen.planned == 4
    assert found.differences == ()
    assert found.code == 1
    assert "its second page was lost" in coverage_text(found)


def test_an_unread_schedule_withholds_the_source() -> None:
    """Whether work was planned at all is not known while schedules can't be read."""
    w = world()
    ref = w.source.put(patrol())
    move(w)
    w.source.broken[ref.id] = "its window is not one"

    found = count(w)

    assert "its window is not one" in found.withheld_source
    assert found.total.source is None


def test_only_what_the_pair_selects_is_counted() -> None:
    """Schedules of other pairs are not told, not even as unlinked."""
    w = world(select={"title": ["Harbour*"]})
    w.source.put(patrol())
    other = w.source.put(patrol("Pier patrol"))
    snow = w.source.put(
        attrs.evolve(
            patrol("Clear the snow"),
            timing=AdHoc(window=Window(start=dt.time(6), end=dt.time(20))),
        )
    )
    move(w)
    w.source.perform(other, day(5))
    w.source.perform(snow, day(6))
    w.clock.set(AFTER)

    found = count(w)

    assert [row.title for row in found.schedules] == ["Harbour patrol"]
    assert both(found.total)[0] == Figures(missed=4)
    assert found.unlinked == 1


def test_a_vendor_without_occurrences_has_no_figures() -> None:
    """What a vendor never shows is withheld with that reason, and no error."""
    w = world()
    w.source.put(patrol())
    move(w)
    blind = MemoryAccount.without("occurrences")("fleet", clock=w.clock)
    pair = Pair("patrols", source=w.source, target=blind)

    found = measure(pair, w.ledger, FIRST, LAST, clock=w.clock)

    assert found.withheld_target == "fleet shows no occurrences"
    assert found.total.target is None


def test_what_is_not_over_yet_is_open() -> None:
    """Before its window ends nothing is missed, and nothing differs."""
    w = world()
    ref = w.source.put(patrol())
    move(w)
    w.clock.set(dt.datetime(2027, 1, 6, 5, tzinfo=dt.UTC))
    w.source.perform(ref, day(5))

    found = count(w, day(5), day(5))

    assert both(found.total) == (Figures(done=1), Figures(open=1))
    assert found.code == 0


def test_ad_hoc_work_is_unplanned() -> None:
    """What somebody added without a plan is counted apart, link or none."""
    w = world()
    ref = w.source.put(
        attrs.evolve(
            patrol("Clear the snow"),
            timing=AdHoc(window=Window(start=dt.time(6), end=dt.time(20))),
        )
    )
    w.source.perform(ref, day(6))

    found = count(w)

    assert both(found.total)[0] == Figures(unplanned=1)
    assert both(found.total)[0].planned == 0
    assert [row.title for row in found.schedules] == ["Clear the snow"]


def test_days_count_where_the_source_tells_them() -> None:
    """Monday 00:30 in Phoenix is Sunday 23:30 in Los Angeles, and counts as Monday."""
    w = world(zone="America/Los_Angeles", fidelity="attended")
    window = Window(start=dt.time(0, 30), end=dt.time(1, 30))
    ref = w.source.put(patrol(rule=weekly([1]), window=window, zone="America/Phoenix"))
    move(w)
    w.clock.set(AFTER)
    w.source.perform(ref, day(11))
    w.target.perform(record(w.target), day(10))

    found = count(w, day(11), day(11))

    assert both(found.total) == (Figures(done=1), Figures(done=1))
    assert both(count(w, day(10), day(10)).total) == (Figures(), Figures())


def test_work_of_a_retired_entry_still_counts_on_its_days() -> None:
    """A schedule that was taken out keeps the figures of the days before."""
    w = forgetful()
    ref = w.source.put(patrol())
    move(w)
    entry = record(w.target)
    w.clock.set(dt.datetime(2027, 1, 7, 12, tzinfo=dt.UTC))
    for number in (5, 6):
        w.source.perform(ref, day(number))
        w.target.perform(entry, day(number))
    window = Window(start=dt.time(22), end=dt.time(2), days=1)
    ended = weekly([1, 2, 3, 4, 5], until=day(7))
    w.source.edit(
        ref,
        timing=Recurring(lines=(Line(days=Recurrence(rules=(ended,)), window=window),)),
    )
    move(w)
    assert w.target.held == ()
    w.clock.set(AFTER)

    found = count(w)

    assert [image.until for image in _images(w)] == [day(8)]
    assert both(found.total) == (Figures(done=2, missed=1), Figures(done=2, absent=1))
    assert found.schedules[0].title == "Harbour patrol"


def test_the_last_day_is_not_before_the_first() -> None:
    """A span that holds no day is refused."""
    w = world()
    with pytest.raises(UsageError):
        count(w, LAST, FIRST)


# -------------------------------------------------------------------------------- values


def _images(w: World) -> tuple[InForce, ...]:
    return load_images(w.ledger, w.ledger.pair(w.pair.name))


def _source(identifier: str, timing: Any, title: str = "Boiler check") -> Schedule:
    return Schedule(
        ref=Ref(account="guards", kind=Kind.SCHEDULE, id=identifier),
        task=Task(
            title=title,
            place=Place(ref=Ref(account="guards", kind=Kind.SITE, id="1")),
        ),
        timing=timing,
        zone=Zone(name=CHICAGO, origin=ZoneOrigin.SITE),
    )


def _quota(period: Period | None, *, optional: bool = False) -> Schedule:
    timing = Quota(
        times=5,
        period=period,
        several_a_day=True,
        optional=optional,
        window=Window(start=dt.time(14), end=dt.time(18)),
    )
    return _source("7", timing)


@pytest.mark.parametrize(
    ("period", "done", "last", "outcome"),
    [
        (None, 3, day(10), Outcome.PARTIAL),
        (None, 0, day(10), Outcome.OPEN),
        (None, 5, day(10), Outcome.DONE),
        (Period.WEEK, 3, day(10), Outcome.PARTIAL),
        (Period.WEEK, 0, day(10), Outcome.MISSED),
        (Period.WEEK, 6, day(10), Outcome.DONE),
        (Period.MONTH, 3, day(10), Outcome.OPEN),
    ],
)
def test_a_quota_is_counted_though_its_period_is_unknown(
    period: Period | None, done: int, last: dt.date, outcome: Outcome
) -> None:
    """So many of so many; missed only when a known period is over with nothing."""
    plan_ = _quota(period)
    shown = tuple(
        Occurrence(schedule=plan_.ref, day=day(n), done_times=min(n, done), times=5)
        for n in range(4, 11)
    )
    found = cover(
        Reading(account="guards", occurrences=shown),
        Reading(account="fleet"),
        images=(),
        links=(),
        schedules=(plan_,),
        first=FIRST,
        last=last,
        now=AFTER,
    )

    [row] = found.schedules
    [tally] = row.tallies
    assert (tally.done_times, tally.times, tally.outcome) == (done, 5, outcome)
    assert row.source == Figures.of([outcome])
    assert found.code == 0
    assert f"{done} of 5" in coverage_text(found)


def test_an_optional_quota_is_never_missed() -> None:
    """What nobody had to do is open, also when its period is over."""
    plan_ = _quota(Period.WEEK, optional=True)
    one = Occurrence(schedule=plan_.ref, day=day(5), done_times=0, times=5)
    found = cover(
        Reading(account="guards", occurrences=(one,)),
        Reading(account="fleet"),
        images=(),
        links=(),
        schedules=(plan_,),
        first=FIRST,
        last=LAST,
        now=AFTER,
    )

    assert found.total.source == Figures(open=1)


def test_every_period_is_a_tally_of_its_own() -> None:
    """Two weeks of a weekly quota are two planned things."""
    plan_ = _quota(Period.WEEK)
    shown = tuple(
        Occurrence(schedule=plan_.ref, day=day(n), done_times=5 if n < 11 else 1)
        for n in (5, 6, 12)
    )
    found = cover(
        Reading(account="guards", occurrences=shown),
        Reading(account="fleet"),
        images=(),
        links=(),
        schedules=(plan_,),
        first=day(4),
        last=day(17),
        now=dt.datetime(2027, 1, 20, tzinfo=dt.UTC),
    )

    assert [(t.first, t.outcome) for t in found.total.tallies] == [
        (day(4), Outcome.DONE),
        (day(11), Outcome.PARTIAL),
    ]


def test_whole_days_are_paired_with_hours_by_their_day() -> None:
    """A vendor without hours is compared day by day, two rounds in their order."""
    hours = Window(start=dt.time(9), end=dt.time(10))
    plan_ = _source("7", Once(day=day(6), window=hours), "Serve papers")
    task = _source("70", Once(day=day(6), window=AllDay()), "Serve papers 09:00-10:00")
    image = InForce(
        source="schedule:7",
        n=0,
        target="schedule:70",
        seen=attrs.evolve(task, ref=None, zone=None),
        since=day(6),
    )
    start = dt.datetime(2027, 1, 6, 15, tzinfo=dt.UTC)
    here = Occurrence(
        schedule=plan_.ref,
        day=day(6),
        start=start,
        end=start + dt.timedelta(hours=1),
        title="Serve papers",
        status=OccurrenceStatus.DONE,
    )
    there = Occurrence(day=day(6), title="Serve papers 09:00-10:00")

    def counted(now: dt.datetime, one: Occurrence = there) -> Coverage:
        return cover(
            Reading(account="guards", occurrences=(here,)),
            Reading(account="office", occurrences=(one,)),
            images=(image,),
            links=(),
            schedules=(plan_,),
            first=FIRST,
            last=LAST,
            now=now,
        )

    evening = dt.datetime(2027, 1, 7, 5, 59, tzinfo=dt.UTC)
    assert both(counted(evening).total)[1] == Figures(open=1)
    over = counted(evening + dt.timedelta(minutes=1))
    assert both(over.total)[1] == Figures(missed=1)
    assert len(over.differences) == 1
    moved = attrs.evolve(
        there, day=day(9), schedule=Ref(account="office", kind=Kind.SCHEDULE, id="70"),
        status=OccurrenceStatus.DONE,
    )  # fmt: skip
    assert both(counted(AFTER, moved).total)[1] == Figures(done=1)


def test_a_source_whose_tasks_name_nothing_is_matched_by_content() -> None:
    """Either side may be the forgetful one; what fits no schedule is not counted."""
    w = world()
    ref = w.source.put(patrol())
    move(w)
    w.clock.set(AFTER)
    shown = tuple(
        attrs.evolve(w.source.perform(ref, day(n)), schedule=None) for n in (4, 5, 6)
    )
    strange = attrs.evolve(shown[1], title="Something else")
    found = cover(
        Reading(account="guards", occurrences=(*shown, strange)),
        Reading(account="fleet"),
        images=_images(w),
        links=(),
        schedules=w.source.held,
        first=FIRST,
        last=LAST,
        now=AFTER,
    )

    assert found.total.source == Figures(done=2)
    assert found.unlinked == 2


# ------------------------------------------------------------------------------ at random


WINDOWS = (
    Window(start=dt.time(9), end=dt.time(10)),
    Window(start=dt.time(22), end=dt.time(2), days=1),
)
TITLES = ("Round", "Gate")


@st.composite
def stories(
    draw: st.DrawFn,
) -> tuple[list[InForce], list[Occurrence], list[Occurrence]]:
    """Entries in force on some days, and occurrences that fit them or nothing."""
    images, here, there = [], [], []
    for number in range(draw(st.integers(1, 3))):
        window = draw(st.sampled_from(WINDOWS))
        weekdays = draw(st.sets(st.integers(1, 7), min_size=1))
        since = draw(st.integers(1, 12))
        until = draw(st.none() | st.integers(since + 1, 16))
        entry = attrs.evolve(
            patrol(draw(st.sampled_from(TITLES)), rule=weekly(weekdays), window=window),
            mark=draw(st.sampled_from([None, f"rota:aaaaaaaaa{'bcd'[number]}"])),
        )
        images.append(
            InForce(
                source=f"schedule:{number}",
                n=0,
                target=f"schedule:{10 + number}",
                seen=entry,
                since=day(since),
                until=None if until is None else day(until),
            )
        )
        for found in draw(st.sets(st.integers(1, 16), max_size=6)):
            ref = Ref(account="guards", kind=Kind.SCHEDULE, id=str(number))
            status = draw(st.sampled_from(OccurrenceStatus))
            here.append(_occurrence("Round", day(found), window, status, schedule=ref))
    for _ in range(draw(st.integers(0, 12))):
        image = draw(st.sampled_from(images))
        there.append(
            _occurrence(
                draw(st.sampled_from(TITLES)),
                day(draw(st.integers(1, 16))),
                draw(st.sampled_from(WINDOWS)),
                draw(st.sampled_from(OccurrenceStatus)),
                mark=draw(st.sampled_from([None, image.seen.mark])),
            )
        )
    return images, here, there


def _occurrence(
    title: str,
    on: dt.date,
    window: Window,
    status: OccurrenceStatus,
    **more: Any,
) -> Occurrence:
    zone = load(CHICAGO)
    end = on + dt.timedelta(window.days)
    return Occurrence(
        title=title,
        day=on,
        start=dt.datetime.combine(on, window.start, zone),
        end=dt.datetime.combine(end, window.end, zone),
        status=status,
        **more,
    )


def _counted(
    images: Iterable[InForce], here: Iterable[Occurrence], there: Iterable[Occurrence]
) -> Coverage:
    return cover(
        Reading(account="guards", occurrences=tuple(here)),
        Reading(account="fleet", occurrences=tuple(there)),
        images=images,
        links=(),
        schedules=(),
        first=FIRST,
        last=LAST,
        now=AFTER,
    )


def _days() -> Iterator[dt.date]:
    return (FIRST + dt.timedelta(n) for n in range((LAST - FIRST).days + 1))


@given(stories())
def test_everything_planned_has_exactly_one_outcome(
    story: tuple[list[InForce], list[Occurrence], list[Occurrence]],
) -> None:
    """Sums hold: by outcome, by schedule, by site, whatever the tasks look like."""
    images, here, there = story
    found = _counted(images, here, there)
    source, target = both(found.total)

    entries = 0
    for image in images:
        assert isinstance(image.seen.timing, Recurring)
        [rule] = image.seen.timing.lines[0].days.rules
        weekdays = {by.weekday for by in rule.by_day}
        entries += sum(
            on.isoweekday() in weekdays
            and image.since <= on
            and (image.until is None or on < image.until)
            for on in _days()
        )
    assert target.planned == entries
    linked = sum(
        image.source == f"schedule:{one.schedule.id}"
        and image.since <= one.day
        and (image.until is None or one.day < image.until)
        for image in images
        for one in here
        if one.schedule is not None and FIRST <= one.day <= LAST
    )
    assert source.planned == linked
    assert linked + found.unlinked == sum(FIRST <= one.day <= LAST for one in here)
    for figures, rows in (
        (source, [row.source for row in found.schedules]),
        (source, [row.source for row in found.sites]),
        (target, [row.target for row in found.schedules]),
        (target, [row.target for row in found.sites]),
    ):
        assert sum((each for each in rows if each), Figures()) == figures
        assert figures.planned == sum(getattr(figures, o) for o in Outcome)


@given(stories(), st.randoms(use_true_random=False))
def test_the_order_of_reading_decides_nothing(
    story: tuple[list[InForce], list[Occurrence], list[Occurrence]], random: Any
) -> None:
    """The same records in another order are counted the same."""
    expected = _counted(*story)
    shuffled = [random.sample(each, len(each)) for each in story]

    assert _counted(*shuffled) == expected


@given(stories())
def test_no_done_task_is_lost_and_none_is_called_missed(
    story: tuple[list[InForce], list[Occurrence], list[Occurrence]],
) -> None:
    """Tasks that were all done leave nothing missed, and each is counted once."""
    images, _, there = story
    done = [attrs.evolve(one, status=OccurrenceStatus.DONE) for one in there]
    _, target = both(_counted(images, [], done).total)

    assert target.missed == target.partial == target.late == 0
    assert target.done + target.unplanned <= len(done)
    since = min(image.since for image in images)
    until = max(image.until or dt.date.max for image in images)
    fitting = {
        (one.title, one.day, one.start)
        for one in done
        if max(FIRST, since) <= one.day <= LAST and one.day < until and not one.mark
    }
    assert target.done + target.unattributed + target.unplanned >= len(fitting)


# ------------------------------------------------------------------------------ the stage


@pytest.fixture(name="stage")
def _stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(plugins.load(), tmp_path / "out") as stage:
        stage.run("crosswalk", "patrols", "--write", "--accept", "0.9")
        assert stage.run("apply", "--pair", "patrols") == 0
        yield stage


def test_what_the_guards_did_is_told_on_both_sides(
    stage: Stage, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Tasks made by the vendor's own run are found again and counted, site by site."""
    guards, cars = stage.boxes["guards"], stage.boxes["fleet"].world
    ended = dt.datetime(2027, 1, 5, 15, 50, tzinfo=dt.UTC)
    stage.clock.set(ended)
    cars.tick()
    [task] = [
        t
        for t in cars.tasks.values()
        if t["label"] == "Harbour Mill weekday patrol" and t["origin"] == "scheduled"
    ]
    cars.finish(task["id"], ended, stay=600, status=None, values={})
    guards.add_session(
        1001, day(5), started=ended - dt.timedelta(minutes=20), ended=ended
    )
    guards.add_session(1001, day(6), started=ended + dt.timedelta(1), status="COMPLETED",
                       ended=ended + dt.timedelta(1))  # fmt: skip
    stage.clock.set(dt.datetime(2027, 1, 8, 15, tzinfo=dt.UTC))
    file = tmp_path / "figures.csv"
    span = ("--from", "2027-01-05", "--to", "2027-01-06")
    capsys.readouterr()

    assert stage.run("coverage", "patrols", *span, "--csv", str(file)) == 3
    told = capsys.readouterr().out
    assert "site:101 Harbour Mill" in told
    assert (
        "2027-01-06 09:00 Harbour Mill weekday patrol: guards done, fleet missed"
        in " ".join(told.split())
    )
    assert max(map(len, told.splitlines())) <= 80
    assert stage.run("coverage", "patrols", *span, "--json") == 3
    data = json.loads(capsys.readouterr().out)
    mine = next(r for r in data["schedules"] if r["id"] == "schedule:1001")
    assert (mine["source"]["done"], mine["target"]["done"]) == (2, 1)
    assert (mine["source"]["planned"], mine["target"]["missed"]) == (2, 1)
    assert data["total"]["target"]["unattributed"] == 0
    assert data["total"]["target"]["absent"] == 0
    [quota] = [t for r in data["schedules"] for t in r["tallies"]]
    assert (quota["times"], quota["period"]) == (5, None)
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    total = {row["side"]: int(row["planned"]) for row in rows if row["of"] == "total"}
    assert total["source"] == total["target"] + 1
    for level in ("site", "schedule"):
        assert total["target"] == sum(
            int(r["planned"])
            for r in rows
            if r["of"] == level and r["side"] == "target"
        )


def test_half_a_page_withholds_a_side(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a listing of the vendor is no listing: nothing is called missed."""
    stage.clock.set(dt.datetime(2027, 1, 8, 15, tzinfo=dt.UTC))
    stage.boxes["guards"].faults.add(
        Fault(kind=FaultKind.CUT_PAGE, path="site-task-occurrences", times=-1)
    )
    capsys.readouterr()

    assert stage.run("coverage", "patrols", "--json") == 1
    data = json.loads(capsys.readouterr().out)
    assert data["total"]["source"] is None
    assert data["total"]["target"]["planned"] > 0
    assert data["withheld_source"]
    assert data["differences"] == []


def test_without_marks_tasks_are_matched_by_what_they_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the two equal rounds can't be told apart, also after a rename."""
    with Stage(plugins.load(), tmp_path / "out") as stage:
        config = stage.where / "rota.toml"
        agreed = config.read_text().replace(
            "horizon_days = 60", 'horizon_days = 60\nmark = "none"'
        )
        config.write_text(agreed)
        stage.run("crosswalk", "patrols", "--write", "--accept", "0.9")
        assert stage.run("apply", "--pair", "patrols") == 0
        guards, cars = stage.boxes["guards"], stage.boxes["fleet"].world
        stage.clock.set(dt.datetime(2027, 1, 6, 15, tzinfo=dt.UTC))
        guards.tables["site-task-schedules"][1001]["description"] = "Mill round"
        guards.revision += 1
        assert stage.run("apply", "--pair", "patrols") == 0
        stage.clock.set(dt.datetime(2027, 1, 9, 15, tzinfo=dt.UTC))
        capsys.readouterr()
        stage.run("coverage", "patrols", "--from", "2027-01-05", "--to", "2027-01-08",
                  "--json")  # fmt: skip
        data = json.loads(capsys.readouterr().out)

    labels = {task["label"] for task in cars.tasks.values()}
    assert {"Harbour Mill weekday patrol", "Mill round"} <= labels
    there = data["total"]["target"]
    assert there["absent"] == there["unplanned"] == 0
    doubt = {r["id"]: r["target"]["unattributed"] for r in data["schedules"]}
    assert {key for key, many in doubt.items() if many} == {
        "schedule:1521",
        "schedule:1522",
    }
    assert there["unattributed"] == 8
    mine = next(r for r in data["schedules"] if r["id"] == "schedule:1001")
    assert (mine["title"], mine["target"]["missed"]) == ("Mill round", 4)
