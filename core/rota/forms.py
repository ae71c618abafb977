"""
What a vendor can say: the kinds of sentence about days, with their ranges.

A form answers two questions about a set of days within a span: which of its
sentences say only days of the set (``inside``), and which single sentence comes
nearest to it (``nearest``). The search of ``translation`` is built on these alone.
"""

from __future__ import annotations

import abc
import datetime as dt
from collections.abc import Iterable

import attrs

from .days import DaySet
from .recurrence import ByDay, Freq, Recurrence, Rule, Weekday, monthly, weekly


@attrs.frozen(kw_only=True)
class Goal:
    """
    The days that a sentence is wanted for.

    Args:
        days: The set to be said.
        first: The first day that counts.
        last: The last day that counts; None for no end.
        said: How the source says it, for forms that can repeat any rule.
    """

    days: DaySet
    first: dt.date
    last: dt.date | None
    said: Recurrence

    @property
    def span(self) -> DaySet:
        """All the days that count."""
        return DaySet.span(self.first, self.last)


@attrs.frozen(kw_only=True)
class Form(abc.ABC):
    """
    One kind of sentence.

    Args:
        begins: The sentence can name its first day.
        ends: The sentence can name its last day.
        excepts: The sentence can leave out single days.
    """

    begins: bool = False
    ends: bool = False
    excepts: bool = False

    @abc.abstractmethod
    def inside(self, goal: Goal) -> tuple[Recurrence, ...]:
        """Return the largest sentences that within the span say only wanted days."""

    def nearest(self, goal: Goal) -> Recurrence | None:
        """Return the sentence with the fewest missed, then the fewest added days."""
        return None

    @property
    @abc.abstractmethod
    def about(self) -> str:
        """What it can say, for people."""

    def _bounded(self, rule: Rule, goal: Goal) -> Recurrence:
        start = rule.start or (goal.first if self.begins else None)
        return Recurrence(
            rules=(
                attrs.evolve(
                    rule,
                    start=start,
                    until=goal.last if self.ends else None,
                ),
            )
        )


@attrs.frozen(kw_only=True)
class Weekdays(Form):
    """
    Days of the week, every week or every n-th for the named intervals.

    Args:
        wkst: Where the vendor's weeks begin; it matters for intervals over one.
    """

    intervals: tuple[int, ...] = (1,)
    wkst: Weekday = Weekday.MO

    @property
    def about(self) -> str:
        every = ", ".join(
            "every week" if n == 1 else f"every {n} weeks" for n in self.intervals
        )
        return f"days of the week, {every}"

    def inside(self, goal: Goal) -> tuple[Recurrence, ...]:
        found = []
        for interval in self.intervals:
            for week in range(interval):
                fits = [
                    day
                    for day in Weekday
                    if _fits(self._rule([day], interval, week, goal), goal)
                ]
                if fits:
                    rule = self._rule(fits, interval, week, goal)
                    found.append(self._bounded(rule, goal))
        return tuple(found)

    def _rule(
        self, days: Iterable[Weekday], interval: int, week: int, goal: Goal
    ) -> Rule:
        if interval == 1:
            return weekly(days)
        into = (goal.first.isoweekday() - self.wkst) % 7
        begin = goal.first - dt.timedelta(into - 7 * week)
        rule = weekly(days, interval=interval, start=begin)
        return attrs.evolve(rule, wkst=self.wkst)

    def nearest(self, goal: Goal) -> Recurrence | None:
        # Weekdays don't share days, so each is judged by itself.
        cycle = _cycle(goal)
        keep = [
            day
            for day in Weekday
            if (goal.days & DaySet.weekdays({int(day)})).count(*cycle) > 0
        ]
        return self._bounded(weekly(keep), goal) if keep else None


@attrs.frozen(kw_only=True)
class MonthDays(Form):
    """Days of the month, 1 to 31, every month; short months skip what they lack."""

    @property
    def about(self) -> str:
        return "days of the month, every month"

    def inside(self, goal: Goal) -> tuple[Recurrence, ...]:
        fits = [day for day in range(1, 32) if _fits(monthly([day]), goal)]
        return (self._bounded(monthly(fits), goal),) if fits else ()

    def nearest(self, goal: Goal) -> Recurrence | None:
        cycle = _cycle(goal)
        keep = [
            day
            for day in range(1, 32)
            if (goal.days & DaySet.month_days({day})).count(*cycle) > 0
        ]
        return self._bounded(monthly(keep), goal) if keep else None


@attrs.frozen(kw_only=True)
class Ordinals(Form):
    """The n-th weekday of the month, from either end, every month."""

    @property
    def about(self) -> str:
        return "the n-th weekday of the month"

    def inside(self, goal: Goal) -> tuple[Recurrence, ...]:
        fits = [
            by
            for by in (
                ByDay(day, n)
                for n in (1, 2, 3, 4, 5, -1, -2, -3, -4, -5)
                for day in Weekday
            )
            if _fits(_ordinal((by,)), goal)
        ]
        return (self._bounded(_ordinal(tuple(fits)), goal),) if fits else ()


@attrs.frozen(kw_only=True)
class AnyRule(Form):
    """Any recurrence of RFC 5545, as it was said."""

    begins: bool = True
    ends: bool = True
    excepts: bool = True

    @property
    def about(self) -> str:
        return "any recurrence rule"

    def inside(self, goal: Goal) -> tuple[Recurrence, ...]:
        return (
            (goal.said,) if (goal.said.dayset() & goal.span).within(goal.days) else ()
        )


@attrs.frozen(kw_only=True)
class Dates(Form):
    """Single days, one record each."""

    begins: bool = True
    ends: bool = True

    @property
    def about(self) -> str:
        return "single days, a record each"

    def inside(self, goal: Goal) -> tuple[Recurrence, ...]:
        days: Iterable[dt.date] = (
            () if goal.last is None else goal.days.dates(goal.first, goal.last)
        )
        return tuple(Recurrence(rdates=(day,)) for day in days)


def _fits(rule: Rule, goal: Goal) -> bool:
    said = rule.dayset() & goal.span
    return bool(said) and said.within(goal.days)


def _ordinal(days: tuple[ByDay, ...]) -> Rule:
    return Rule(freq=Freq.MONTHLY, by_day=days)


def _cycle(goal: Goal) -> tuple[dt.date, dt.date]:
    four_years = goal.first + dt.timedelta(1461)
    return goal.first, min(four_years, goal.last or four_years)
