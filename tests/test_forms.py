"""What each form can say, against a second expansion day by day."""

from __future__ import annotations

import datetime as dt
import sys
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.days import DaySet
from rota.forms import (
    COUNTED,
    AnyRule,
    Dates,
    Form,
    Goal,
    MonthDays,
    Ordinals,
    ShortMonths,
    Weekdays,
)
from rota.recurrence import Recurrence, Rule, Weekday, monthly, weekly


sys.path.insert(0, str(Path(__file__).parent))

from expansion import days_of


FIRST = dt.date(2027, 1, 5)
DAY = dt.timedelta(1)
FORMS: tuple[Form, ...] = (
    Weekdays(),
    Weekdays(intervals=(1, 2, 3), begins=True, ends=True),
    Weekdays(intervals=(2,), wkst=Weekday.SU),
    Weekdays(excepts=True),
    MonthDays(),
    MonthDays(short=ShortMonths.LAST),
    Ordinals(ends=True),
    AnyRule(),
)
rules = st.sampled_from(
    [
        weekly([1]),
        weekly([1, 3, 5]),
        weekly(range(1, 8)),
        weekly([2, 7], interval=2, start=dt.date(2026, 12, 1)),
        weekly([2, 7], interval=3, start=dt.date(2027, 1, 31)),
        weekly([4], until=dt.date(2027, 5, 1)),
        monthly([1, 15]),
        monthly([29, 30, 31]),
        monthly([-1]),
        monthly([5], start=dt.date(2027, 4, 1)),
        Rule.parse("FREQ=MONTHLY;BYDAY=2TU"),
        Rule.parse("FREQ=MONTHLY;BYDAY=-1FR,1MO"),
        Rule.parse("FREQ=WEEKLY;BYDAY=MO,TU;BYMONTH=6,7,8"),
        Rule.parse("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"),
    ]
)
dates = st.integers(0, 300).map(lambda n: FIRST + n * DAY)
wishes = st.builds(
    lambda some, plus, minus: Recurrence(rules=some, rdates=plus, exdates=minus),
    st.lists(rules, min_size=1, max_size=2),
    st.lists(dates, max_size=2),
    st.lists(dates, max_size=2),
)


def goal(days: Recurrence, first: dt.date = FIRST, last: dt.date | None = None) -> Goal:
    """Return the goal of saying a recurrence from a day on."""
    return Goal(days=days.dayset(), first=first, last=last, said=days)


@given(wishes, st.sampled_from(FORMS), dates, st.none() | st.integers(0, 500))
def test_what_is_inside_says_only_wanted_days(
    days: Recurrence, form: Form, first: dt.date, length: int | None
) -> None:
    """Within the span, no sentence says a day that isn't wanted, and each says one."""
    last = None if length is None else first + length * DAY
    far = last or first + 1_000 * DAY
    theirs = days_of(days, first, far)

    for sentence in form.inside(goal(days, first, last)):
        said = days_of(sentence, first, far)
        assert said <= theirs
        assert said or last is None
        if form.ends and last is not None:
            assert sentence.dayset().last() is not None
        if last is None:
            assert (sentence.dayset() & DaySet.span(first)).within(days.dayset())


@given(wishes, dates, st.none() | st.integers(0, 500))
def test_no_larger_weekday_sentence_is_inside(
    days: Recurrence, first: dt.date, length: int | None
) -> None:
    """Every weekday that could be said is said."""
    last = None if length is None else first + length * DAY
    far = last or first + 1_000 * DAY
    theirs = days_of(days, first, far)
    span = [first + n * DAY for n in range((far - first).days + 1)]
    could = {
        weekday
        for weekday in range(1, 8)
        if (own := {day for day in span if day.isoweekday() == weekday})
        and own <= theirs
    }
    found = Weekdays().inside(goal(days, first, last))
    said = {int(by.weekday) for s in found for rule in s.rules for by in rule.by_day}

    assert said <= could
    if last is not None:
        assert said == could


@given(wishes, st.sampled_from(FORMS[:6]), dates)
def test_a_lifetime_is_as_long_as_one_sentence_says_every_day(
    days: Recurrence, form: Form, first: dt.date
) -> None:
    """Up to each last day a sentence says all that is wanted; a day later it doesn't."""
    begin = days.dayset().next(first - DAY)
    if begin is None:
        return
    for last in form.lifetimes(goal(days, begin)):
        if last is None:
            found = form.inside(goal(days, begin))
            assert any(begin in sentence.dayset() for sentence in found)
            continue
        wanted = days_of(days, begin, last)
        assert any(
            days_of(sentence, begin, last) == wanted
            for sentence in form.inside(goal(days, begin, last))
        )


@given(wishes, st.sets(st.integers(1, 7), min_size=1))
def test_the_nearest_weekdays_miss_the_fewest_then_add_the_fewest(
    days: Recurrence, some: set[int]
) -> None:
    """Against all 127 sets of weekdays, counted over four years."""
    begin = days.dayset().next(FIRST - DAY)
    assert begin is not None
    last = begin + (COUNTED - 1) * DAY
    theirs = days_of(days, begin, last)
    found = Weekdays().nearest(goal(days, begin))
    assert found is not None
    ours = days_of(found, begin, last)
    span = [begin + n * DAY for n in range(COUNTED)]
    by_weekday = {n: {d for d in span if d.isoweekday() == n} for n in range(1, 8)}
    best = min(
        (len(theirs - got), len(got - theirs))
        for size in range(1, 8)
        for chosen in combinations(range(1, 8), size)
        for got in [set().union(*(by_weekday[n] for n in chosen))]
    )

    assert (len(theirs - ours), len(ours - theirs)) == best


@pytest.mark.parametrize(
    "text",
    ["FREQ=WEEKLY;BYDAY=MO", "FREQ=MONTHLY;BYDAY=2TU", "FREQ=MONTHLY;BYDAY=-1FR"],
)
@pytest.mark.parametrize("pool", [(1, 8, 9, 10, 11, 12, 13, 14), (22, 24, 25, 28, 31)])
def test_the_nearest_days_of_the_month_miss_the_fewest(
    text: str, pool: tuple[int, ...]
) -> None:
    """No choice from a pool of days does better than the answer."""
    days = Recurrence(rules=(Rule.parse(text),))
    last = FIRST + (COUNTED - 1) * DAY
    theirs = days_of(days, FIRST, last)
    found = MonthDays().nearest(goal(days))
    assert found is not None
    ours = days_of(found, FIRST, last)
    span = [FIRST + n * DAY for n in range(COUNTED)]

    assert all(
        (len(theirs - ours), len(ours - theirs))
        <= (len(theirs - got), len(got - theirs))
        for size in range(1, len(pool) + 1)
        for chosen in combinations(pool, size)
        for got in [{day for day in span if day.day in chosen}]
    )


def test_the_nearest_ordinals_count_from_the_better_end() -> None:
    """The last Friday is counted from the end, the first Monday from the beginning."""
    days = Recurrence(rules=(Rule.parse("FREQ=MONTHLY;BYDAY=1MO,-1FR"),))
    found = Ordinals().nearest(goal(days))

    assert found is not None
    assert found.dayset() == days.dayset()


@pytest.mark.parametrize("day", [28, 29, 30, 31])
def test_late_days_fall_on_the_last_day_where_the_vendor_does_so(day: int) -> None:
    """The 31st is then the last day of every month, the 30th that or the 30th."""
    last = FIRST + 1_500 * DAY
    span = [FIRST + n * DAY for n in range(1_501)]
    wanted = {d for d in span if d.day == day or ((d + DAY).day == 1 and d.day < day)}
    days = Recurrence.on(*wanted)
    form = MonthDays(short=ShortMonths.LAST)
    [sentence] = form.inside(goal(days, FIRST, last))

    assert days_of(sentence, FIRST, last) == wanted
    assert bool(form.assumes(sentence)) == (day > 28)
    [skipping] = MonthDays().inside(goal(days, FIRST, last))
    assert (days_of(skipping, FIRST, last) == wanted) == (day == 28)


def test_a_rule_is_repeated_as_it_was_said_and_cut_where_it_must_end() -> None:
    """Any rule can be held: whole, or until a last day with its phase kept."""
    days = Recurrence(
        rules=(weekly([1], interval=3, start=dt.date(2026, 1, 5)),),
        exdates=(dt.date(2027, 3, 1),),
    )
    assert AnyRule().inside(goal(days)) == (days,)
    last = dt.date(2027, 6, 1)
    [cut] = AnyRule().inside(goal(days, FIRST, last))

    assert cut.dayset().last() is not None
    assert days_of(cut, FIRST, last + 365 * DAY) == days_of(days, FIRST, last)


def test_dates_say_each_day_by_itself() -> None:
    """Single dates need a last day, and have no sentence for what goes on."""
    days = Recurrence(rules=(weekly([1]),))

    assert Dates().inside(goal(days)) == ()
    assert [s.rdates for s in Dates().inside(goal(days, FIRST, FIRST + 14 * DAY))] == [
        (dt.date(2027, 1, 11),),
        (dt.date(2027, 1, 18),),
    ]


def test_every_form_says_for_people_what_it_can() -> None:
    """A refusal quotes these words."""
    assert Weekdays(intervals=(1, 2)).about == (
        "days of the week, every week, every 2 weeks"
    )
    assert all(form.about for form in (*FORMS, Dates()))
