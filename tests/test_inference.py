"""From dated tasks back to the rule behind them."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest
from infer_run import clean, noisy, verdict

from rota.errors import ValueRefused
from rota.inference import infer
from rota.recurrence import Rule, weekly


FIRST, LAST = dt.date(2027, 1, 1), dt.date(2027, 6, 30)
SEEDS = 250


def test_the_days_of_a_rule_give_back_its_days() -> None:
    """What is inferred has exactly the days observed, or says that it is unsure."""
    told: Counter[str] = Counter()
    for seed in range(SEEDS):
        truth, found = clean(seed)
        if found.sure:
            for reading in found.readings:
                said = reading.recurrence.days(found.first, found.last)
                assert said == truth.days(found.first, found.last)
        told[verdict(truth, found, 0)] += 1

    assert told == {"named": SEEDS}


def test_a_twentieth_of_wrong_days_does_not_hide_the_rule() -> None:
    """With 5 % taken out or put in the rule is named, and none is confidently wrong."""
    told = Counter(verdict(*noisy(seed)) for seed in range(SEEDS))

    assert told["wrong"] == 0
    assert told["named"] >= SEEDS * 0.99


def test_exceptions_are_listed_by_name() -> None:
    """A day left out and a day put in are told, and the rule is the plain one."""
    days = set(weekly([1, 3, 5]).days(FIRST, LAST))
    days.remove(dt.date(2027, 3, 8))
    days.add(dt.date(2027, 4, 6))
    found = infer(days, FIRST, LAST, exceptions=0.05)

    [reading] = found.readings
    assert reading.missing == (dt.date(2027, 3, 8),)
    assert reading.added == (dt.date(2027, 4, 6),)
    assert reading.rules.text == "RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR"
    assert reading.recurrence.days(FIRST, LAST) == tuple(sorted(days))


def test_two_points_are_no_rule() -> None:
    """Two days are never a rule, however far they lie apart."""
    found = infer([FIRST, FIRST + dt.timedelta(7)], FIRST, LAST)

    assert not found.sure
    assert "too few" in found.unsure


def test_the_last_working_day_is_recognised() -> None:
    """Days that only BYSETPOS says are said with it."""
    rule = Rule.parse("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1")
    found = infer(rule.days(FIRST, LAST), FIRST, LAST)

    assert {reading.rules.text for reading in found.readings} == {
        "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"
    }


def test_rules_that_fit_equally_are_all_told() -> None:
    """Where no month has a fifth Thursday the fourth is the last: both are told."""
    days = [dt.date(2027, 1, 28), dt.date(2027, 2, 25), dt.date(2027, 3, 25)]
    found = infer(days, dt.date(2027, 1, 1), dt.date(2027, 3, 31))

    assert found.sure
    assert [reading.rules.text for reading in found.readings] == [
        "RRULE:FREQ=MONTHLY;BYDAY=4TH",
        "RRULE:FREQ=MONTHLY;BYDAY=-1TH",
    ]


def test_different_days_that_fit_equally_are_no_answer() -> None:
    """Where two rules would each be wrong once, both are shown and none is chosen."""
    rule = Rule.parse(
        "FREQ=MONTHLY;BYMONTHDAY=15,24;BYDAY=MO,TU,WE,TH,FR", dt.date(2032, 3, 1)
    )
    first, last = dt.date(2032, 3, 14), dt.date(2033, 4, 17)
    sunday = dt.date(2032, 10, 24)
    found = infer({*rule.days(first, last), sunday}, first, last, exceptions=0.05)

    assert not found.sure
    assert len(found.readings) == 2
    assert "fit equally well" in found.unsure


def test_random_days_have_no_rule() -> None:
    """Days without a rule are said to have none, with the reason."""
    chaos = [FIRST + dt.timedelta(n) for n in (0, 5, 6, 17, 31, 44, 50, 77, 91, 130)]
    found = infer(chaos, FIRST, LAST)

    assert not found.sure
    assert found.unsure


def test_a_span_and_a_share_must_make_sense() -> None:
    """A span that ends before it begins and a silly share are refused."""
    with pytest.raises(ValueRefused, match="before it begins"):
        infer([], LAST, FIRST)
    with pytest.raises(ValueRefused, match="share"):
        infer([], FIRST, LAST, exceptions=0.9)
