"""Sets of days against plain Python sets, and decisions against brute force."""

from __future__ import annotations

import calendar as months
import datetime as dt
from itertools import pairwise
from math import lcm

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.days import LISTED, DaySet, Differs, Same, compare
from rota.errors import ValueRefused
from rota.masks import (
    CYCLE,
    calendar,
    endless,
    fold,
    mirrored,
    repeat,
    select,
    year_start,
)


HORIZON = 700


@st.composite
def sets(draw: st.DrawFn) -> DaySet:
    """Return a set of days with a short head and a short cycle."""
    start = draw(st.integers(1, 60))
    turn = start + draw(st.integers(0, 40))
    period = draw(st.sampled_from((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 15, 21)))
    return DaySet(
        start=start,
        turn=turn,
        head=draw(st.integers(0, 2 ** (turn - start) - 1)),
        period=period,
        cycle=draw(st.just(0) | st.integers(0, 2**period - 1)),
    )


def members(days: DaySet, size: int = HORIZON) -> set[int]:
    """Return the ordinals of a set by its definition, one by one."""
    start, turn, head = days._start, days._turn, days._head
    period, cycle = days._period, days._cycle
    return {
        day
        for day in range(1, size + 1)
        if (start <= day < turn and head >> (day - start) & 1)
        or (day >= turn and cycle >> (day % period) & 1)
    }


def on(ordinal: int) -> dt.date:
    return dt.date.fromordinal(ordinal)


@given(sets(), sets())
def test_the_operations_are_those_of_sets(one: DaySet, two: DaySet) -> None:
    """Union, intersection, difference and complement hold the days they should."""
    mine, theirs = members(one), members(two)
    assert members(one | two) == mine | theirs
    assert members(one & two) == mine & theirs
    assert members(one - two) == mine - theirs
    assert members(one ^ two) == mine ^ theirs
    assert members(~one) == set(range(1, HORIZON + 1)) - mine


@given(sets(), sets())
def test_decisions_agree_with_the_common_cycle(one: DaySet, two: DaySet) -> None:
    """Equal, disjoint and within are what every day up to the common cycle says."""
    size = 110 + 2 * lcm(one._period, two._period)
    mine, theirs = members(one, size), members(two, size)
    assert (one == two) == (mine == theirs)
    assert one.disjoint(two) == (not mine & theirs)
    assert one.within(two) == (mine <= theirs)
    match compare(one, two):
        case Same() as same:
            assert mine == theirs
            assert (same.from_, same.until) == (dt.date.min, None)
        case Differs() as differs:
            until = differs.until.toordinal() if differs.until else size
            for days, wanted in (
                (differs.added, theirs - mine),
                (differs.missing, mine - theirs),
            ):
                listed = {day.toordinal() for day in days}
                assert {day for day in listed if day <= size} == {
                    day for day in wanted if day <= until
                }
            assert differs.goes_on == bool((one ^ two).infinite)


@given(sets(), st.integers(0, 50))
def test_the_normal_form_is_unique(days: DaySet, later: int) -> None:
    """Any other form of a set has the same normal form, hash and equality."""
    turn = days._turn + later
    size = turn - days._start
    period = days._period * (later % 3 + 1)
    again = DaySet(
        start=days._start,
        turn=turn,
        head=days._bits(days._start, size),
        period=period,
        cycle=repeat(days._cycle, days._period, period),
    )
    assert again == days
    assert hash(again) == hash(days)
    for field in ("start", "turn", "head", "period", "cycle"):
        assert getattr(again, field) == getattr(days, field), field
    assert members(days) == members(again)


@given(sets())
def test_the_normal_form_is_the_shortest(days: DaySet) -> None:
    """Start is a member, no earlier turn holds, and no shorter period does."""
    was = members(days)
    if not was:
        assert (days.start, days.turn, days.head) == (1, 1, 0)
        assert (days.period, days.cycle) == (1, 0)
        return
    assert days.start == min(was)
    if days.turn > days.start:
        before = days.turn - 1
        assert (before in was) != bool(days.cycle >> before % days.period & 1)
    tail = [day in was for day in range(days.turn, days.turn + 4 * days.period)]
    for short in range(1, days.period):
        assert any(a != b for a, b in zip(tail, tail[short:], strict=False))


@given(sets(), st.integers(-80, 80))
def test_shifting_moves_every_day(days: DaySet, by: int) -> None:
    """Each day moves by the same number, and what would fall before all time goes."""
    wanted = {day + by for day in members(days) if day + by >= 1}
    assert {day for day in members(days.shift(by)) if day <= HORIZON - 80} == {
        day for day in wanted if day <= HORIZON - 80
    }


@given(sets(), st.integers(1, 300), st.integers(0, 200))
def test_a_window_answers_every_question(days: DaySet, first: int, size: int) -> None:
    """Window, dates, count, ranges and membership agree on any span."""
    last = first + size
    wanted = sorted(day for day in members(days) if first <= day <= last)
    low, high = on(first), on(last)
    assert days.window(low, high) == sum(1 << (day - first) for day in wanted)
    assert days.dates(low, high) == tuple(map(on, wanted))
    assert days.count(low, high) == len(wanted)
    assert [day for day in range(first, last + 1) if on(day) in days] == wanted
    spans = days.ranges(low, high)
    inside = [
        ordinal
        for begin, end in spans
        for ordinal in range(begin.toordinal(), end.toordinal() + 1)
    ]
    assert inside == wanted
    ends = [(begin.toordinal(), end.toordinal()) for begin, end in spans]
    assert all(one[1] + 1 < two[0] for one, two in pairwise(ends))


@given(sets(), st.integers(1, 200))
def test_first_last_and_next(days: DaySet, after: int) -> None:
    """The first day, the last one and the next after a day are those of the set."""
    was = members(days)
    assert days.first() == (on(min(was)) if was else None)
    later = [day for day in was if day > after]
    assert days.next(on(after)) == (on(min(later)) if later else None)
    assert days.infinite == (max(was, default=0) > HORIZON - 30)
    assert days.last() == (on(max(was)) if was and not days.infinite else None)
    assert bool(days) == bool(was)


@given(st.lists(st.dates(dt.date(1999, 1, 1), dt.date(2002, 1, 1))))
def test_the_days_named_are_the_set(dates: list[dt.date]) -> None:
    """A set of named days holds those and no other."""
    days = DaySet.of(dates)
    assert days.dates(dt.date(1998, 1, 1), dt.date(2003, 1, 1)) == tuple(
        sorted(set(dates))
    )


def test_the_calendar_is_that_of_every_day_of_400_years() -> None:
    """Months, days of the month and year, weekdays and weeks are right on each day."""
    cal = endless()
    days = [on(ordinal) for ordinal in range(1, CYCLE + 1)]

    def of(mask: int) -> list[bool]:
        text = f"{mask >> (1 - cal.origin):0{CYCLE}b}"[::-1]
        return [bit == "1" for bit in text[:CYCLE]]

    ends = [months.monthrange(day.year, day.month)[1] for day in days]
    rooms = [366 if months.isleap(day.year) else 365 for day in days]
    places = [day.timetuple().tm_yday for day in days]
    weeks = [day.isocalendar() for day in days]
    last = {year: dt.date(year, 12, 28).isocalendar().week for year in range(1, 401)}
    last[0] = last[400]
    last[401] = last[1]
    for month in range(1, 13):
        assert of(cal.months((month,))) == [day.month == month for day in days]
    for number in (1, 7, 28, 29, 30, 31):
        assert of(cal.month_days((number,))) == [day.day == number for day in days]
        assert of(cal.month_days((-number,))) == [
            end - day.day + 1 == number for day, end in zip(days, ends, strict=True)
        ]
    for number in (1, 59, 60, 365, 366):
        assert of(cal.year_days((number,))) == [place == number for place in places]
        assert of(cal.year_days((-number,))) == [
            room - place + 1 == number
            for place, room in zip(places, rooms, strict=True)
        ]
    for number in range(1, 8):
        assert of(cal.weekdays((number,))) == [
            day.isoweekday() == number for day in days
        ]
    for number in (1, 2, 26, 52, 53):
        assert of(cal.weeks((number,), 1)) == [week.week == number for week in weeks]
        assert of(cal.weeks((-number,), 1)) == [
            last[week.year] - week.week + 1 == number for week in weeks
        ]


def test_a_calendar_of_one_year_has_whole_weeks_at_its_ends() -> None:
    """Weeks that begin the year before or end the year after are numbered rightly."""
    for year in range(1890, 2110):
        cal = calendar(year, year)
        first = year_start(year)
        by_number = {n: cal.weeks((n,), 1) for n in (1, 2, 52, 53, -1, -2, -52, -53)}
        for ordinal in (*range(first, first + 10), *range(first + 355, first + 365)):
            week = on(ordinal).isocalendar()
            last = dt.date(week.year, 12, 28).isocalendar().week
            for number, mask in by_number.items():
                wanted = number in (week.week, week.week - last - 1)
                assert bool(mask >> ordinal - cal.origin & 1) == wanted, on(ordinal)


@given(st.integers(-3000, 12000))
def test_any_year_begins_where_the_calendar_says(year: int) -> None:
    """1 January has its ordinal, also outside the years that dates can name."""
    moved = year % 400 or 400
    assert year_start(year) == dt.date(moved, 1, 1).toordinal() + (
        (year - moved) // 400 * CYCLE
    )


@given(st.integers(0, 2**60), st.integers(1, 12), st.integers(1, 9))
def test_masks_fold_mirror_and_select(mask: int, short: int, blocks: int) -> None:
    """Folding lays block over block, mirroring turns round, selecting counts."""
    size = short * blocks
    mask &= (1 << size) - 1
    laid = 0
    for block in range(blocks):
        laid |= mask >> block * short & ((1 << short) - 1)
    assert fold(mask, size, short) == laid
    assert mirrored(mask, size) == int(f"{mask:0{size}b}"[::-1], 2)
    bits = [place for place in range(size) if mask >> place & 1]
    assert [select(mask, nth) for nth in range(len(bits))] == bits


def test_a_union_beyond_the_widest_cycle_is_refused_but_decided() -> None:
    """Two long coprime cycles are compared for all time without being combined."""
    one = DaySet(start=1, turn=1, period=100_003, cycle=1)
    two = DaySet(start=1, turn=1, period=100_019, cycle=1)
    with pytest.raises(ValueRefused, match="common cycle"):
        _ = one | two
    assert not one.disjoint(two)
    assert not one.within(two)
    assert one != two
    differs = compare(one, two)
    assert isinstance(differs, Differs)
    assert differs.goes_on
    assert differs.missing == (on(100_003),)
    assert differs.until == on(100_003 + LISTED - 1)


def test_a_difference_past_the_year_9999_is_still_a_difference() -> None:
    """Sets that part after the last date that can be written are not the same."""
    one = DaySet(start=1, turn=4_000_000, period=1, cycle=1)
    two = DaySet(start=1, turn=4_000_000, period=1, cycle=0)
    match compare(one, two):
        case Differs(added=(), missing=(), goes_on=True, until=dt.date.max):
            pass
        case other:
            pytest.fail(f"{other}")


def test_a_comparison_may_have_a_first_and_a_last_day() -> None:
    """What differs outside the days asked about does not count."""
    mondays, first = DaySet.weekdays({1}), dt.date(2026, 1, 1)
    later = mondays & DaySet.span(first, None)
    assert compare(mondays, later, first) == Same(from_=first)
    ended = mondays & DaySet.span(None, dt.date(2026, 12, 31))
    assert compare(mondays, ended, first, dt.date(2026, 12, 31)) == Same(
        from_=first, until=dt.date(2026, 12, 31)
    )
    assert compare(mondays, ended, first, dt.date(2027, 1, 9)) == Differs(
        missing=(dt.date(2027, 1, 4),)
    )


@pytest.mark.parametrize("answer", [Same(from_=dt.date.min), Differs()])
def test_a_comparison_is_neither_true_nor_false(answer: Same | Differs) -> None:
    """Using a comparison as a condition is an error, whatever it says."""
    with pytest.raises(TypeError):
        bool(answer)


def test_what_no_set_can_be_is_refused() -> None:
    """A weekday 8, a day 32 or a turn before the start is an error with the way out."""
    for make in (
        lambda: DaySet.weekdays({8}),
        lambda: DaySet.month_days({32}),
        lambda: DaySet.month_days({0}),
        lambda: DaySet(start=5, turn=4),
        lambda: DaySet(start=1, turn=1, period=2**29, cycle=1),
    ):
        with pytest.raises(ValueRefused) as refused:
            make()
        assert refused.value.hint
