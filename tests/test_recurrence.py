"""Rules of days against RFC 5545, its examples, and two other readers."""

from __future__ import annotations

import datetime as dt
import importlib.util
import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.days import LONGEST, DaySet
from rota.errors import RuleError, ValueRefused
from rota.recurrence import (
    ByDay,
    Differs,
    Freq,
    Recurrence,
    Rule,
    Same,
    Weekday,
    monthly,
    weekly,
)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


oracle = _load(Path(__file__).with_name("oracle_run.py"))


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def days(*groups: str) -> tuple[dt.date, ...]:
    """Read days such as "1997-09 2 9 16", and "1997-09 2-11" for a run."""
    found = []
    for group in groups:
        month, *numbers = group.split()
        for number in numbers:
            low, _, high = number.partition("-")
            for each in range(int(low), int(high or low) + 1):
                found.append(day(f"{month}-{each:02}"))
    return tuple(found)


# --- the examples of RFC 5545 §3.8.5.3 that speak of days ------------------------
#
# Start, rule, the days that it names; "..." where it goes on. An UNTIL with an hour is
# given as the last day that it lets through, all examples being at 9:00 in New York.

JANUARIES = days("1998-01 1-31", "1999-01 1-31", "2000-01 1-31")
ALTERNATE = days(
    *("1997-09 1 3 5 15 17 19 29", "1997-10 1 3 13 15 17 27 29 31"),
    *("1997-11 10 12 14 24 26 28", "1997-12 8 10 12 22"),
)
TO_CHRISTMAS = days(
    "1997-09 2 9 16 23 30",
    "1997-10 7 14 21 28",
    "1997-11 4 11 18 25",
    "1997-12 2 9 16 23",
)
EXAMPLES: tuple[tuple[str, str, Sequence[dt.date | object]], ...] = (
    ("19970902", "FREQ=DAILY;COUNT=10", days("1997-09 2-11")),
    (
        "19970902",
        "FREQ=DAILY;UNTIL=19971223",
        days("1997-09 2-30", "1997-10 1-31", "1997-11 1-30", "1997-12 1-23"),
    ),
    (
        "19970902",
        "FREQ=DAILY;INTERVAL=2",
        (
            *days("1997-09 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30"),
            *days("1997-10 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30"),
            *days("1997-11 1 3 5 7 9 11 13 15 17 19 21 23 25 27 29", "1997-12 1 3"),
            ...,
        ),
    ),
    (
        "19970902",
        "FREQ=DAILY;INTERVAL=10;COUNT=5",
        days("1997-09 2 12 22", "1997-10 2 12"),
    ),
    (
        "19980101",
        "FREQ=YEARLY;UNTIL=20000131;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
        JANUARIES,
    ),
    ("19980101", "FREQ=DAILY;UNTIL=20000131;BYMONTH=1", JANUARIES),
    (
        "19970902",
        "FREQ=WEEKLY;COUNT=10",
        days("1997-09 2 9 16 23 30", "1997-10 7 14 21 28", "1997-11 4"),
    ),
    ("19970902", "FREQ=WEEKLY;UNTIL=19971223", TO_CHRISTMAS),
    (
        "19970902",
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        (
            *days("1997-09 2 16 30", "1997-10 14 28", "1997-11 11 25", "1997-12 9 23"),
            *days("1998-01 6 20", "1998-02 3 17"),
            ...,
        ),
    ),
    (
        "19970902",
        "FREQ=WEEKLY;UNTIL=19971006;WKST=SU;BYDAY=TU,TH",
        days("1997-09 2 4 9 11 16 18 23 25 30", "1997-10 2"),
    ),
    (
        "19970902",
        "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH",
        days("1997-09 2 4 9 11 16 18 23 25 30", "1997-10 2"),
    ),
    (
        "19970901",
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971223;WKST=SU;BYDAY=MO,WE,FR",
        ALTERNATE,
    ),
    (
        "19970902",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        days("1997-09 2 4 16 18 30", "1997-10 2 14 16"),
    ),
    (
        "19970905",
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        days(
            *("1997-09 5", "1997-10 3", "1997-11 7", "1997-12 5", "1998-01 2"),
            *("1998-02 6", "1998-03 6", "1998-04 3", "1998-05 1", "1998-06 5"),
        ),
    ),
    (
        "19970905",
        "FREQ=MONTHLY;UNTIL=19971223;BYDAY=1FR",
        days("1997-09 5", "1997-10 3", "1997-11 7", "1997-12 5"),
    ),
    (
        "19970907",
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        days(
            "1997-09 7 28",
            "1997-11 2 30",
            "1998-01 4 25",
            "1998-03 1 29",
            "1998-05 3 31",
        ),
    ),
    (
        "19970922",
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        days(
            *("1997-09 22", "1997-10 20", "1997-11 17", "1997-12 22"),
            *("1998-01 19", "1998-02 16"),
        ),
    ),
    (
        "19970928",
        "FREQ=MONTHLY;BYMONTHDAY=-3",
        (
            *days("1997-09 28", "1997-10 29", "1997-11 28", "1997-12 29"),
            *days("1998-01 29", "1998-02 26"),
            ...,
        ),
    ),
    (
        "19970902",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        days(
            "1997-09 2 15",
            "1997-10 2 15",
            "1997-11 2 15",
            "1997-12 2 15",
            "1998-01 2 15",
        ),
    ),
    (
        "19970930",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        days(
            *("1997-09 30", "1997-10 1 31", "1997-11 1 30", "1997-12 1 31"),
            *("1998-01 1 31", "1998-02 1"),
        ),
    ),
    (
        "19970910",
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        days("1997-09 10-15", "1999-03 10-13"),
    ),
    (
        "19970902",
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        (
            *days("1997-09 2 9 16 23 30", "1997-11 4 11 18 25"),
            *days("1998-01 6 13 20 27", "1998-03 3 10 17 24 31"),
            ...,
        ),
    ),
    (
        "19970610",
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        days(
            *(
                f"{year}-{month} 10"
                for year in range(1997, 2002)
                for month in ("06", "07")
            )
        ),
    ),
    (
        "19970310",
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        days(
            "1997-03 10",
            *(
                f"{year}-0{month} 10"
                for year in (1999, 2001, 2003)
                for month in (1, 2, 3)
            ),
        ),
    ),
    (
        "19970101",
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        days(
            *("1997-01 1", "1997-04 10", "1997-07 19", "2000-01 1", "2000-04 9"),
            *("2000-07 18", "2003-01 1", "2003-04 10", "2003-07 19", "2006-01 1"),
        ),
    ),
    (
        "19970519",
        "FREQ=YEARLY;BYDAY=20MO",
        (*days("1997-05 19", "1998-05 18", "1999-05 17"), ...),
    ),
    (
        "19970512",
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
        (*days("1997-05 12", "1998-05 11", "1999-05 17"), ...),
    ),
    (
        "19970313",
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        (*days("1997-03 13 20 27", "1998-03 5 12 19 26", "1999-03 4 11 18 25"), ...),
    ),
    (
        "19970605",
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        (
            *days("1997-06 5 12 19 26", "1997-07 3 10 17 24 31", "1997-08 7 14 21 28"),
            *days("1998-06 4 11 18 25", "1998-07 2 9 16 23 30", "1998-08 6 13 20 27"),
            *days("1999-06 3 10 17 24", "1999-07 1 8 15 22 29", "1999-08 5 12 19 26"),
            ...,
        ),
    ),
    (
        "19970902",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        (
            *days("1998-02 13", "1998-03 13", "1998-11 13", "1999-08 13", "2000-10 13"),
            ...,
        ),
    ),
    (
        "19970913",
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        (
            *days("1997-09 13", "1997-10 11", "1997-11 8", "1997-12 13", "1998-01 10"),
            *days("1998-02 7", "1998-03 7", "1998-04 11", "1998-05 9", "1998-06 13"),
            ...,
        ),
    ),
    (
        "19961105",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        (*days("1996-11 5", "2000-11 7", "2004-11 2"), ...),
    ),
    (
        "19970904",
        "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
        days("1997-09 4", "1997-10 7", "1997-11 6"),
    ),
    (
        "19970929",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        (
            *days("1997-09 29", "1997-10 30", "1997-11 27", "1997-12 30"),
            *days("1998-01 29", "1998-02 26", "1998-03 30"),
            ...,
        ),
    ),
    (
        "19970805",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
        days("1997-08 5 10 19 24"),
    ),
    (
        "19970805",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
        days("1997-08 5 17 19 31"),
    ),
    (
        "20070115",
        "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
        days("2007-01 15 30", "2007-02 15", "2007-03 15 30"),
    ),
)


@pytest.mark.parametrize(("start", "text", "wanted"), EXAMPLES)
def test_the_examples_of_the_rfc(
    start: str, text: str, wanted: Sequence[dt.date | object]
) -> None:
    """Each example of whole days in RFC 5545 §3.8.5.3 gives the days printed there."""
    rule = Rule.parse(text, day(start))
    printed = [each for each in wanted if isinstance(each, dt.date)]
    goes_on = len(printed) < len(wanted)
    last = printed[-1] if goes_on else day("2100-01-01")
    assert rule.days(day("1990-01-01"), last) == tuple(printed)
    assert rule.dayset().infinite == goes_on


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z",
        "FREQ=MINUTELY;INTERVAL=15;COUNT=6",
        "FREQ=MINUTELY;INTERVAL=90;COUNT=4",
        "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
        "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16",
    ],
)
def test_the_examples_below_a_day_are_refused(text: str) -> None:
    """Each example of hours and minutes is refused with the section."""
    with pytest.raises(RuleError, match=r"less than a day.*3\.3\.10"):
        Rule.parse(text, day("1997-09-02"))


# --- what is refused -------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no part"),
        ("FREQ", "no part"),
        ("BYDAY=MO", "no FREQ"),
        ("FREQ=FORTNIGHTLY", "unknown"),
        ("FREQ=DAILY;FREQ=DAILY", "twice"),
        ("FREQ=DAILY;X-NOTE=1", "no part"),
        ("FREQ=DAILY;INTERVAL=0", "not positive"),
        ("FREQ=DAILY;INTERVAL=-1", "no number"),
        ("FREQ=DAILY;INTERVAL=²", "no number"),
        ("FREQ=DAILY;COUNT=0", "not positive"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101", "exclude"),
        ("FREQ=DAILY;UNTIL=20270101T000000Z", "hour"),
        ("FREQ=DAILY;UNTIL=20270230", "no day"),
        ("FREQ=DAILY;UNTIL=2027-01-01", "no day"),
        ("FREQ=DAILY;BYSECOND=1", "less than a day"),
        ("FREQ=DAILY;BYMINUTE=1", "less than a day"),
        ("FREQ=DAILY;BYMONTH=13", "BYMONTH=13"),
        ("FREQ=DAILY;BYMONTH=-1", "BYMONTH=-1"),
        ("FREQ=DAILY;BYMONTH=", "BYMONTH="),
        ("FREQ=DAILY;BYMONTH=1,,2", "BYMONTH="),
        ("FREQ=DAILY;BYMONTHDAY=0", "BYMONTHDAY=0"),
        ("FREQ=DAILY;BYMONTHDAY=32", "BYMONTHDAY=32"),
        ("FREQ=YEARLY;BYYEARDAY=367", "BYYEARDAY=367"),
        ("FREQ=YEARLY;BYWEEKNO=54", "BYWEEKNO=54"),
        ("FREQ=MONTHLY;BYDAY=54MO", "BYDAY=54MO"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY=0MO"),
        ("FREQ=MONTHLY;BYDAY=XX", "no weekday"),
        ("FREQ=MONTHLY;BYDAY=", "no weekday"),
        ("FREQ=DAILY;BYDAY=1MO", "MONTHLY or YEARLY"),
        ("FREQ=WEEKLY;BYDAY=1MO", "MONTHLY or YEARLY"),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "excludes BYWEEKNO"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "excludes FREQ=WEEKLY"),
        ("FREQ=DAILY;BYYEARDAY=1", "excludes FREQ=DAILY"),
        ("FREQ=WEEKLY;BYYEARDAY=1", "excludes FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "excludes FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "excludes FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "needs another"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0", "BYSETPOS=0"),
        ("FREQ=DAILY;WKST=XX", "no weekday"),
        ("RSCALE=GREGORIAN;FREQ=DAILY", "RFC 7529"),
        ("FREQ=MONTHLY;INTERVAL=1999;BYDAY=MO", "repeats only every"),
        ("FREQ=DAILY;INTERVAL=300000000", "repeats only every"),
        ("FREQ=DAILY;COUNT=999999999", "COUNT=999999999"),
    ],
)
def test_what_the_rfc_forbids_is_refused_with_the_section(text: str, why: str) -> None:
    """Text outside the day-level grammar is a RuleError that names the section."""
    with pytest.raises(RuleError, match=why) as refused:
        Rule.parse(text, day("2026-01-05")).dayset()
    assert refused.value.section.startswith("3.3")


@pytest.mark.parametrize(
    "text",
    ["FREQ=DAILY;INTERVAL=2", "FREQ=DAILY;COUNT=2", "FREQ=WEEKLY", "FREQ=MONTHLY"],
)
def test_what_needs_an_anchor_is_refused_without_one(text: str) -> None:
    """An interval, a count or a day left to the start need the start."""
    with pytest.raises(RuleError, match="needs a start"):
        Rule.parse(text)
    Rule.parse(text, day("2026-01-05"))


def test_the_longest_period_is_admitted_and_works() -> None:
    """A rule whose own period is just below the bound still has its normal form."""
    rule = Rule.parse("FREQ=DAILY;INTERVAL=1801;BYMONTH=1", day("2026-01-01"))
    assert LONGEST / 2 < rule.dayset()._period <= LONGEST
    assert rule.days(day("2026-01-01"), day("2200-01-01")) == oracle.plain(
        rule, day("2200-01-01")
    )


# --- meaning ---------------------------------------------------------------------


def test_rules_by_chance_agree_with_two_other_readers() -> None:
    """Rules over the whole grammar equal the plain reading, and dateutil where right."""
    chance = random.Random(2026)
    seen: set[str] = set()
    for number in range(2500):
        rule, last = oracle.draw(chance)
        ours = rule.days(rule.start, last)
        theirs = oracle.peer(rule, last)
        shown = f"{rule.start} {rule.text} to {last}"
        if ours != theirs:
            assert ours == oracle.plain(rule, last), shown
            assert oracle.named(rule), shown
            seen |= oracle.named(rule)
        elif number % 10 == 0:
            assert ours == oracle.plain(rule, last), shown
        assert Rule.parse(rule.text, rule.start) == rule
        assert rule.describe()
        if rule.interval in (1, 2, 3, 4, 6, 12):
            window = rule.dayset().window(rule.start, last)
            assert window == rule.window(rule.start, last), shown
    assert seen


@pytest.mark.parametrize(
    ("name", "start", "text", "days_of_rfc"),
    [
        (
            "a week number alone gives all seven days",
            "2026-01-07",
            "FREQ=YEARLY;BYWEEKNO=20;UNTIL=20261231",
            days("2026-05 13"),
        ),
        (
            "positions in the first week count from the start",
            "2026-01-07",
            "FREQ=WEEKLY;BYDAY=MO,TH;BYSETPOS=1;UNTIL=20260115",
            days("2026-01 12"),
        ),
        (
            "plain and counted weekdays are intersected",
            "2026-01-01",
            "FREQ=MONTHLY;BYDAY=MO,1TU;UNTIL=20260115",
            days("2026-01 5 6 12"),
        ),
        (
            "the first week counted from the end stops at New Year",
            "2025-12-01",
            "FREQ=YEARLY;BYWEEKNO=-53;BYDAY=MO,TU,FR;UNTIL=20260115",
            days("2025-12 29 30", "2026-01 2"),
        ),
        (
            "the week before the first is numbered by the wrong year",
            "2100-12-01",
            "FREQ=YEARLY;BYWEEKNO=52;BYDAY=SA;UNTIL=21010115",
            days("2101-01 1"),
        ),
    ],
)
def test_dateutil_still_reads_it_otherwise(
    name: str, start: str, text: str, days_of_rfc: tuple[dt.date, ...]
) -> None:
    """Each named difference is real, and the RFC's section is on our side."""
    rule = Rule.parse(text, day(start))
    assert name in oracle.named(rule)
    assert oracle.DIFFERENCES[name].startswith("3.3.10")
    assert rule.until is not None
    assert rule.days(day(start), rule.until) == days_of_rfc
    assert oracle.plain(rule, rule.until) == days_of_rfc
    assert oracle.peer(rule, rule.until) != days_of_rfc


def test_the_names_of_differences_are_all_tested() -> None:
    """No difference is named without a case that shows it."""
    cases = test_dateutil_still_reads_it_otherwise.pytestmark[0].args[1]
    assert {case[0] for case in cases} == set(oracle.DIFFERENCES)


@given(
    st.sampled_from((1, 2, 5, 7, 8, 30, 400, 4800)),
    st.sampled_from(
        ("FREQ=MONTHLY;BYMONTHDAY=31", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29")
    ),
    st.dates(dt.date(1890, 1, 1), dt.date(2110, 1, 1)),
)
def test_long_intervals_repeat_for_ever(every: int, text: str, start: dt.date) -> None:
    """The set for all time says what the window says, however long the interval."""
    rule = Rule.parse(f"{text};INTERVAL={every}", start)
    found = rule.dayset()
    for first in (start, start + dt.timedelta(200_000), dt.date(9000, 1, 1)):
        last = first + dt.timedelta(20_000)
        assert found.window(first, last) == rule.window(first, last)


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=3",
        "FREQ=MONTHLY;BYDAY=6MO;COUNT=1",
        "FREQ=DAILY;BYMONTH=1;BYSETPOS=2;COUNT=5",
        "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2;COUNT=5",
        "FREQ=DAILY;UNTIL=20200101",
        "FREQ=YEARLY;INTERVAL=2;BYYEARDAY=366;COUNT=7",
    ],
)
def test_a_rule_that_never_fires_is_empty_and_ends(text: str) -> None:
    """A rule without a day has none, for ever, and finding that out takes no search."""
    rule = Rule.parse(text, day("2025-01-01"))
    assert rule.dayset() == DaySet.none()
    assert rule.days(day("2025-01-01"), day("2400-01-01")) == ()


def test_a_count_runs_over_the_centuries() -> None:
    """The thousandth 29 February is found in closed form, past the year 5000."""
    text = "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=1000"
    rule = Rule.parse(text, day("2026-01-01"))
    found = rule.dayset()
    assert found.count(dt.date.min, dt.date.max) == 1000
    leap = [
        y for y in range(2026, 9999) if (y % 4 == 0 and y % 100 != 0) or y % 400 == 0
    ]
    assert found.last() == dt.date(leap[999], 2, 29)


def test_a_start_is_an_anchor_and_no_occurrence() -> None:
    """A start that the rule does not name is not a day of it."""
    rule = weekly([1], start=day("2026-01-07"))
    assert rule.days(day("2026-01-01"), day("2026-01-20")) == days("2026-01 12 19")


def test_every_second_monday_is_out_of_phase_after_400_years() -> None:
    """Four hundred years hold an odd number of weeks."""
    rule = weekly([1], interval=2, start=day("2026-01-05"))
    assert day("2026-01-05") in rule.dayset()
    assert day("2426-01-05") not in rule.dayset()
    assert rule.dayset().period == 14


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU"),
        ("FREQ=WEEKLY;BYDAY=MO", "FREQ=MONTHLY;BYDAY=1MO,2MO,3MO,4MO,5MO"),
        ("FREQ=DAILY;BYDAY=MO;BYMONTH=3", "FREQ=YEARLY;BYMONTH=3;BYDAY=MO"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=DAILY;BYMONTHDAY=-1"),
        (
            "FREQ=MONTHLY;BYDAY=2TU",
            "FREQ=MONTHLY;BYDAY=TU;BYMONTHDAY=8,9,10,11,12,13,14",
        ),
        ("FREQ=MONTHLY;BYDAY=-1FR", "FREQ=MONTHLY;BYDAY=FR;BYSETPOS=-1"),
        ("FREQ=YEARLY;BYYEARDAY=-1", "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=31"),
        ("FREQ=YEARLY;BYDAY=1MO", "FREQ=YEARLY;BYMONTH=1;BYDAY=1MO"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", "FREQ=DAILY;INTERVAL=14"),
        ("FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=5", "FREQ=YEARLY"),
        ("FREQ=MONTHLY;INTERVAL=24;BYMONTHDAY=5", "FREQ=YEARLY;INTERVAL=2"),
    ],
)
def test_two_spellings_of_one_meaning_are_the_same(one: str, two: str) -> None:
    """Rules that name the same days for ever compare as such, whatever they are."""
    start = day("2026-01-05")
    mine, theirs = Rule.parse(one, start), Rule.parse(two, start)
    assert mine != theirs
    assert mine.compare(theirs) == Same(from_=dt.date.min)
    assert mine.compare(theirs, start) == Same(from_=start)


def test_what_differs_once_in_a_century_differs() -> None:
    """Every fourth year is not every leap year: 2100 is none."""
    start = day("2024-02-28")
    leap = Rule.parse("FREQ=YEARLY;BYYEARDAY=366", start)
    fourth = Rule.parse("FREQ=YEARLY;INTERVAL=4;BYMONTH=12;BYMONTHDAY=31", start)
    match leap.compare(fourth):
        case Differs(added=added, missing=(), goes_on=True):
            assert added == (day("2100-12-31"),)
        case other:
            pytest.fail(f"{other}")


# --- text ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("rrule:freq=weekly;byday=we,mo;interval=1", "FREQ=WEEKLY;BYDAY=MO,WE"),
        ("BYDAY=MO;FREQ=WEEKLY;WKST=MO", "FREQ=WEEKLY;BYDAY=MO"),
        ("FREQ=MONTHLY;BYMONTHDAY=15,+1,15,-1", "FREQ=MONTHLY;BYMONTHDAY=-1,1,15"),
        ("FREQ=MONTHLY;BYDAY=+2TU,-1FR", "FREQ=MONTHLY;BYDAY=-1FR,2TU"),
        (
            "WKST=SU;BYSETPOS=1;BYMONTH=1;BYWEEKNO=1;BYDAY=MO;INTERVAL=2;COUNT=3;FREQ=YEARLY",
            "FREQ=YEARLY;COUNT=3;INTERVAL=2;BYDAY=MO;BYWEEKNO=1;BYMONTH=1;BYSETPOS=1;WKST=SU",
        ),
        ("FREQ=DAILY;UNTIL=20270301", "FREQ=DAILY;UNTIL=20270301"),
    ],
)
def test_a_rule_has_one_spelling(text: str, canonical: str) -> None:
    """Order, case, repetition and defaults leave no trace in the canonical text."""
    rule = Rule.parse(text, day("2026-01-05"))
    assert rule.text == canonical
    assert Rule.parse(canonical, day("2026-01-05")) == rule


def test_rules_are_made_without_text() -> None:
    """The short ways to a rule give the rule that its text gives."""
    start, until = day("2026-01-05"), day("2027-03-01")
    assert weekly([3, Weekday.MO], interval=2, start=start, until=until) == Rule.parse(
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;UNTIL=20270301", start
    )
    assert monthly([15, 1]) == Rule.parse("FREQ=MONTHLY;BYMONTHDAY=1,15")
    assert Rule(freq=Freq.MONTHLY, by_day=(ByDay(Weekday.TU, 2),)).text == (
        "FREQ=MONTHLY;BYDAY=2TU"
    )
    with pytest.raises(ValueRefused, match="8 is no weekday"):
        weekly([8])


DATES = st.dates(dt.date(2020, 1, 1), dt.date(2030, 12, 31))


@given(
    st.lists(
        st.sampled_from(
            (
                weekly([1, 3]),
                weekly([2], interval=2, start=dt.date(2024, 5, 1)),
                monthly([31], start=dt.date(2024, 5, 1), until=dt.date(2028, 1, 1)),
                Rule.parse("FREQ=DAILY;COUNT=9", dt.date(2025, 12, 28)),
            )
        )
    ),
    st.lists(DATES, max_size=6),
    st.lists(DATES, max_size=6),
)
def test_a_recurrence_is_its_rules_and_dates(
    rules: list[Rule], rdates: list[dt.date], exdates: list[dt.date]
) -> None:
    """The set is the union of rules and days, less the exceptions, and reads back."""
    found = Recurrence(rules=rules, rdates=rdates, exdates=exdates)  # type: ignore[arg-type]
    first, last = dt.date(2019, 1, 1), dt.date(2031, 12, 31)

    def flat(groups: Iterable[tuple[dt.date, ...]]) -> set[dt.date]:
        return {each for group in groups for each in group}

    wanted = flat(rule.days(first, last) for rule in rules) | set(rdates)
    wanted -= set(exdates)
    assert found.days(first, last) == tuple(sorted(wanted))
    assert found.dayset().dates(first, last) == found.days(first, last)
    again = Recurrence.parse(found.text)
    assert again == found
    assert again.text == found.text
    assert found.compare(again) == Same(from_=dt.date.min)
    assert found.describe()


def test_a_recurrence_reads_the_lines_of_the_rfc() -> None:
    """Folded lines, several dates a line and any case are read."""
    found = Recurrence.parse(
        "DTSTART;VALUE=DATE:20261116\r\nrrule:FREQ=WEEKLY;INTERVAL=2;\r\n BYDAY=MO\r\n"
        "EXDATE;VALUE=DATE:20261130,20261214\r\nRDATE;value=date:20261201\r\n"
    )
    assert found.days(day("2026-11-01"), day("2026-12-31")) == days(
        "2026-11 16", "2026-12 1 28"
    )
    assert found.text == (
        "DTSTART;VALUE=DATE:20261116\n"
        "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO\n"
        "RDATE;VALUE=DATE:20261201\n"
        "EXDATE;VALUE=DATE:20261130,20261214"
    )


@pytest.mark.parametrize(
    "text",
    [
        "DTSTART:20261116T090000Z",
        "DTSTART;TZID=America/Chicago:20261116T090000",
        "RDATE:20261116",
        "RDATE;VALUE=PERIOD:20261116T090000Z/PT1H",
        "EXDATE;VALUE=DATE:20261116T000000",
        "EXRULE:FREQ=DAILY",
        "DTSTART;VALUE=DATE:20261116,20261117",
        "nonsense",
    ],
)
def test_lines_that_are_not_of_days_are_refused(text: str) -> None:
    """Hours, zones, periods and other properties are refused with the section."""
    with pytest.raises(RuleError) as refused:
        Recurrence.parse(text)
    assert refused.value.section


# --- words -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FREQ=DAILY", "every day"),
        ("FREQ=DAILY;INTERVAL=36", "every 36th day"),
        (
            "FREQ=DAILY;INTERVAL=3;BYDAY=MO,TU",
            "every third day that is a Monday or Tuesday",
        ),
        ("FREQ=WEEKLY", "every Monday"),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "every Monday to Friday"),
        ("FREQ=WEEKLY;BYDAY=SU,MO,TU,WE,TH", "every Sunday to Thursday"),
        ("FREQ=WEEKLY;BYDAY=MO;BYMONTH=6,7", "every Monday in June and July"),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;WKST=SU;COUNT=10",
            "Monday and Thursday of every second week (weeks begin on Sunday), 10 times",
        ),
        ("FREQ=MONTHLY", "the 5th of every month"),
        (
            "FREQ=MONTHLY;BYMONTHDAY=1,15,-1",
            "the 1st, 15th and last day of every month",
        ),
        (
            "FREQ=MONTHLY;BYDAY=-1FR,2MO",
            "the second Monday and the last Friday of every month",
        ),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "the last of Monday to Friday in every month",
        ),
        (
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            "the 13th of every month, if it is a Friday",
        ),
        ("FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", "every Tuesday of every second month"),
        ("FREQ=YEARLY", "the 5th of January of every year"),
        ("FREQ=YEARLY;BYYEARDAY=100,-1", "the 100th and last day of every year"),
        ("FREQ=YEARLY;BYWEEKNO=20", "Monday in week 20 of every year"),
        (
            "FREQ=YEARLY;BYWEEKNO=-1;BYDAY=SU",
            "every Sunday in the last week of every year",
        ),
        (
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=4TH",
            "the fourth Thursday of November of every fourth year",
        ),
    ],
)
def test_a_rule_is_said_in_plain_english(text: str, words: str) -> None:
    """The words name the days as a person would."""
    assert Rule.parse(text, day("2026-01-05")).describe() == words


def test_ends_and_exceptions_are_said() -> None:
    """A year is left out of an exception only where there can be no other."""
    rule = weekly([1], interval=2, start=day("2026-11-16"), until=day("2027-03-01"))
    christmas = day("2026-12-25")
    assert Recurrence(rules=(rule,), exdates=(christmas,)).describe() == (
        "every second Monday until 1 March 2027, except 25 December"
    )
    assert Recurrence(rules=(weekly([1]),), exdates=(christmas,)).describe() == (
        "every Monday, except 25 December 2026"
    )
    assert rule.describe(anchored=True) == (
        "every second Monday from 16 November 2026 until 1 March 2027"
    )
    assert Recurrence.on(christmas).describe() == "on 25 December 2026"
    assert Recurrence().describe() == "never"
