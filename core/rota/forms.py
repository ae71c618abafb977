"""
What a vendor can say: the kinds of sentence about days, with their ranges.

A form answers questions about a set of days within a span: which of its sentences say
only days of the set (``inside``), until when such sentences hold (``lifetimes``), and
which single sentence comes nearest to it (``nearest``). The search of ``translation``
is built on these alone.
"""

from __future__ import annotations

import abc
import datetime as dt
from collections.abc import Callable, Hashable, Iterable, Iterator
from enum import StrEnum
from functools import lru_cache, reduce
from math import gcd
from operator import and_

import attrs

from .days import DaySet
from .masks import fold, lowest, repeat
from .recurrence import ByDay, Freq, Recurrence, Rule, Weekday, monthly, weekly


COUNTED = 1_461
"""Days, four years, over which differences are counted to find the nearest sentence."""

AHEAD = 800
"""Days that are looked at before all time is asked about."""

_NEVER = dt.date.min


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

    def lifetimes(self, goal: Goal) -> tuple[dt.date | None, ...]:
        """
        Return the last days worth trying for sentences in force from ``goal.first``.

        None, for no end, where the first day can be said for good; and the longest in
        which one sentence says all the wanted days. The first day must be wanted.
        """
        return (goal.last,)

    def reach(self, goal: Goal) -> Reach | None:
        """Return what tells how long a sentence can hold, if it can be told quickly."""
        return None

    def nearest(self, goal: Goal) -> Recurrence | None:
        """
        Return the sentence with the fewest missed, then the fewest added days.

        They are counted over four years from the first day, or up to the last.
        """
        return None

    def bounded(
        self, sentence: Recurrence, first: dt.date, last: dt.date | None
    ) -> Recurrence:
        """Return the sentence with the begin and end that the form can name."""
        if not self.begins and (last is None or not self.ends):
            return sentence
        rules = tuple(
            attrs.evolve(
                rule,
                start=_later(rule.start, first) if self.begins else rule.start,
                until=last if self.ends else rule.until,
            )
            for rule in sentence.rules
        )
        return attrs.evolve(sentence, rules=rules)

    def assumes(self, sentence: Recurrence) -> str:
        """Say what is assumed about the vendor's reading; empty where nothing is."""
        return ""

    @property
    @abc.abstractmethod
    def about(self) -> str:
        """What it can say, for people."""


@attrs.frozen(kw_only=True)
class Reach:
    """
    How long sentences that say no unwanted day can hold at most.

    Args:
        wrong: For each group of parts, which of them say a day, and the unwanted days
            of each, as masks whose bit 0 is ``first``.
    """

    first: dt.date
    wrong: tuple[tuple[Callable[[dt.date], list[int]], tuple[int, ...]], ...]

    def until(self, day: dt.date, ahead: int) -> int | None:
        """
        Return up to when some sentence says a day, both as days after ``first``.

        None if it is not known.
        """
        longest = 0
        for of, wrong in self.wrong:
            for n in of(day):
                left = wrong[n] >> ahead
                if not left:
                    return None
                longest = max(longest, lowest(left))
        return ahead + longest - 1

    def ends(self, ahead: int) -> bool:
        """Tell whether whatever is in force from then on is sure to end."""
        return all(mask >> ahead for _, wrong in self.wrong for mask in wrong)


@attrs.frozen(eq=False)
class _Parts:
    """What sentences are put together from: parts, each with its days."""

    named: tuple[tuple[Hashable, DaySet], ...]

    def masks(self, first: dt.date, last: dt.date) -> tuple[int, tuple[int, ...]]:
        """Return the parts' days as masks in which bit n is ``first``, and n."""
        block, place = divmod(first.toordinal(), _BLOCK)
        if place + (last - first).days < _REACH and last.year < dt.MAXYEAR - 4:
            return place, _near(self, block)
        return 0, tuple(days.window(first, last) for _, days in self.named)


_BLOCK, _REACH = 512, 2048  # days: where tables of parts begin, and how far they go


@lru_cache(maxsize=512)
def _near(parts: _Parts, block: int) -> tuple[int, ...]:
    first = dt.date.fromordinal(max(block * _BLOCK, 1))
    ahead = first.toordinal() - block * _BLOCK
    last = first + dt.timedelta(_REACH - 1 - ahead)
    return tuple(days.window(first, last) << ahead for _, days in parts.named)


@attrs.frozen(kw_only=True)
class _Group:
    """
    Parts that one sentence may be put together from.

    Args:
        of: The places of the parts that say a day.
    """

    parts: _Parts
    say: Callable[[list[Hashable]], Recurrence]
    of: Callable[[dt.date], list[int]]


@attrs.frozen(kw_only=True)
class _Parted(Form):
    """A form whose sentences are sums of parts: of weekdays, of days of the month."""

    @abc.abstractmethod
    def _groups(self, first: dt.date) -> Iterator[_Group]:
        """Yield the parts, with the anchors that hold from a day on."""

    def _hopeless(self, goal: Goal) -> bool:
        """Tell quickly that no sentence can be inside."""
        return False

    def inside(self, goal: Goal) -> tuple[Recurrence, ...]:
        if self._hopeless(goal):
            return ()
        found = []
        for group in self._groups(goal.first):
            kept, left_out = self._fitting(group, goal)
            if kept:
                said = group.say(kept)
                if left_out:
                    said = attrs.evolve(said, exdates=left_out)
                found.append(self.bounded(said, goal.first, goal.last))
        return tuple(found)

    def _fitting(
        self, group: _Group, goal: Goal
    ) -> tuple[list[Hashable], tuple[dt.date, ...]]:
        near = goal.first + dt.timedelta(AHEAD // 2)
        last = near if goal.last is None else goal.last
        place, masks = group.parts.masks(goal.first, last)
        right, wrong = _wanted(goal, last, place)
        kept: list[Hashable] = []
        left_out: list[dt.date] = []
        for (part, days), own in zip(group.parts.named, masks, strict=True):
            if own & wrong:
                excepted = self._excepted(days, goal) if own & right else ()
                if excepted:
                    kept.append(part)
                    left_out += excepted
            elif goal.last is not None:
                if own & right:
                    kept.append(part)
            elif _tail(days, goal.first).within(goal.days):
                kept.append(part)
            elif excepted := self._excepted(days, goal):
                kept.append(part)
                left_out += excepted
        return kept, tuple(left_out)

    def _excepted(self, days: DaySet, goal: Goal) -> tuple[dt.date, ...]:
        """Return the days to be left out, if the form can and they are few."""
        if not self.excepts:
            return ()
        own = _tail(days, goal.first)
        if goal.last is not None:
            own = own & goal.span
        wrong = own - goal.days
        last = None if wrong.infinite else wrong.last()
        if last is None or wrong.count(goal.first, last) > 31:
            return ()
        return wrong.dates(goal.first, last)

    def lifetimes(self, goal: Goal) -> tuple[dt.date | None, ...]:
        found: list[dt.date | None] = []
        far = goal.first + dt.timedelta(AHEAD)
        for group in self._groups(goal.first):
            place, masks = group.parts.masks(goal.first, far)
            left, wrong = _wanted(goal, far, place)
            bound: dt.date | None = None
            while left:
                day = goal.first + dt.timedelta(lowest(left) - place)
                if bound is not None and day > bound:
                    break
                at = group.of(day)
                lives = [_life(group, n, masks[n] & wrong, place, goal) for n in at]
                life = (
                    None if None in lives else max(filter(None, lives), default=_NEVER)
                )
                if life is None and day == goal.first and None not in found:
                    found.append(None)
                if life is not None and life < day:
                    bound = day - dt.timedelta(1)
                    break
                if life is not None:
                    bound = min(bound or life, life)
                # Other days that these parts say live as long as this one, or longer.
                left &= ~reduce(and_, (masks[n] for n in at))
            if bound is not None and bound >= goal.first:
                found.append(bound)
        return tuple(dict.fromkeys(found))

    def reach(self, goal: Goal) -> Reach | None:
        if self.excepts:
            return None
        far = goal.first + dt.timedelta(AHEAD)
        found = []
        for group in self._groups(goal.first):
            place, masks = group.parts.masks(goal.first, far)
            _, wrong = _wanted(goal, far, place)
            found.append((group.of, tuple((own & wrong) >> place for own in masks)))
        return Reach(first=goal.first, wrong=tuple(found))

    def nearest(self, goal: Goal) -> Recurrence | None:
        last = _counted(goal)
        wanted = goal.days.window(goal.first, last)
        best: tuple[tuple[int, int, int, str], Recurrence] | None = None
        for group in self._groups(goal.first):
            kept = [part for part, days in self._least(group, goal.first, last, wanted)]
            if not kept:
                continue
            said = self.bounded(group.say(kept), goal.first, goal.last)
            got = said.window(goal.first, last)
            score = (
                (wanted & ~got).bit_count(),
                (got & ~wanted).bit_count(),
                len(said.text),
                said.text,
            )
            if best is None or score < best[0]:
                best = (score, said)
        return best[1] if best else None

    def _least(
        self, group: _Group, first: dt.date, last: dt.date, wanted: int
    ) -> Iterable[tuple[Hashable, DaySet]]:
        # Parts share no day, so each that says a wanted one is needed, and no other.
        return [
            (part, days)
            for part, days in group.parts.named
            if days.window(first, last) & wanted
        ]


@attrs.frozen(kw_only=True)
class Weekdays(_Parted):
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
        if self.excepts:
            return super().inside(goal)
        found = []
        for every in self.intervals:
            right = _residues(goal, 7 * every)
            if not right:
                continue
            for begin in self._weeks(every, goal.first):
                fits = [
                    Weekday((day - 1) % 7 + 1)
                    for day in range(begin.toordinal(), begin.toordinal() + 7)
                    if right >> day % (7 * every) & 1
                ]
                if fits:
                    said = self._say(fits, every, begin)
                    found.append(self.bounded(said, goal.first, goal.last))
        return tuple(found)

    def _weeks(self, every: int, first: dt.date) -> Iterator[dt.date]:
        begin = first - dt.timedelta((first.isoweekday() - self.wkst) % 7)
        for week in range(every):
            yield begin + dt.timedelta(7 * week)

    def _say(self, days: Iterable[Weekday], every: int, begin: dt.date) -> Recurrence:
        if every == 1:
            return Recurrence(rules=(weekly(days),))
        rule = weekly(days, interval=every, start=begin)
        return Recurrence(rules=(attrs.evolve(rule, wkst=self.wkst),))

    def _groups(self, first: dt.date) -> Iterator[_Group]:
        for every in self.intervals:
            for begin in self._weeks(every, first):
                at = begin.toordinal()
                yield _Group(
                    parts=_week_parts(at % (7 * every), 7 * every),
                    say=_saying(self._say, every, begin),
                    of=_in_weeks(at, 7 * every),
                )


def _in_weeks(begin: int, period: int) -> Callable[[dt.date], list[int]]:
    def of(day: dt.date) -> list[int]:
        place = (day.toordinal() - begin) % period
        return [place] if place < 7 else []

    return of


def _saying(
    say: Callable[[Iterable[Weekday], int, dt.date], Recurrence],
    every: int,
    begin: dt.date,
) -> Callable[[list[Hashable]], Recurrence]:
    return lambda days: say(
        [day for day in days if isinstance(day, Weekday)], every, begin
    )


class ShortMonths(StrEnum):
    """What a vendor makes of the days 29 to 31 in months that lack them."""

    SKIP = "skip"
    LAST = "last"


@attrs.frozen(kw_only=True)
class MonthDays(_Parted):
    """
    Days of the month, 1 to 31, every month.

    Args:
        short: What becomes of 29 to 31 in shorter months: they are skipped, or they
            fall on the last day.
    """

    short: ShortMonths = ShortMonths.SKIP

    @property
    def about(self) -> str:
        return "days of the month, every month"

    def assumes(self, sentence: Recurrence) -> str:
        late = any(
            day > 28 or day < 0 for rule in sentence.rules for day in rule.by_month_day
        )
        if not late:
            return ""
        if self.short is ShortMonths.LAST:
            return "days 29 to 31 are assumed to fall on the last day of shorter months"
        return "days 29 to 31 are assumed to be skipped in shorter months"

    def _hopeless(self, goal: Goal) -> bool:
        # Every day of the month falls on every weekday in the end.
        return goal.last is None and goal.days.period == 7 and not self.excepts

    def _groups(self, first: dt.date) -> Iterator[_Group]:
        yield _Group(
            parts=_month_parts(self.short),
            say=self._say,
            of=self._of,
        )

    def _of(self, day: dt.date) -> list[int]:
        last = (day + dt.timedelta(1)).day == 1
        late = 31 if last and self.short is ShortMonths.LAST else day.day
        return list(range(day.day - 1, late))

    def _say(self, days: list[Hashable]) -> Recurrence:
        numbers = [day for day in days if isinstance(day, int)]
        if self.short is ShortMonths.SKIP:
            return Recurrence(rules=(monthly(numbers),))
        plain = [-1 if day == 31 else day for day in numbers if day not in (29, 30)]
        said = Recurrence(rules=(monthly(plain),) if plain else ())
        late = [day for day in numbers if day in (29, 30)]
        rules = [rule for day in late for rule in _month_days(day, self.short).rules]
        return attrs.evolve(said, rules=(*said.rules, *rules))

    def _least(
        self, group: _Group, first: dt.date, last: dt.date, wanted: int
    ) -> Iterable[tuple[Hashable, DaySet]]:
        found = list(super()._least(group, first, last, wanted))
        if self.short is ShortMonths.SKIP:
            return found
        # The last days of short months are shared: leave out what adds nothing.
        for item in sorted(
            found, key=lambda item: -_added(item[1], first, last, wanted)
        ):
            rest = [other for other in found if other != item]
            lost = item[1].window(first, last) & wanted
            for _, days in rest:
                lost &= ~days.window(first, last)
            if not lost:
                found = rest
        return found


@attrs.frozen(kw_only=True)
class Ordinals(_Parted):
    """The n-th weekday of the month, from either end, every month."""

    @property
    def about(self) -> str:
        return "the n-th weekday of the month"

    def _groups(self, first: dt.date) -> Iterator[_Group]:
        yield _Group(
            parts=_ordinal_parts(),
            say=_ordinal,
            of=_counted_from_both_ends,
        )

    def _fitting(
        self, group: _Group, goal: Goal
    ) -> tuple[list[Hashable], tuple[dt.date, ...]]:
        kept, left_out = super()._fitting(group, goal)
        last = goal.first + dt.timedelta(AHEAD) if goal.last is None else goal.last
        # The same days can be counted from both ends: once is enough.
        sets = {
            part: days.window(goal.first, last)
            for part, days in group.parts.named
            if part in kept
        }
        for part in reversed(kept.copy()):
            others = 0
            for other in kept:
                others |= sets[other] if other != part else 0
            if not sets[part] & ~others:
                kept.remove(part)
        return kept, left_out

    def _least(
        self, group: _Group, first: dt.date, last: dt.date, wanted: int
    ) -> Iterable[tuple[Hashable, DaySet]]:
        """Choose for each weekday the end of the month that adds fewer days."""
        found: list[tuple[Hashable, DaySet]] = []
        for day in Weekday:
            ways = []
            for sign in (1, -1):
                way = [
                    (part, days)
                    for part, days in group.parts.named
                    if isinstance(part, ByDay)
                    and part.weekday is day
                    and (part.ordinal or 0) * sign > 0
                    and days.window(first, last) & wanted
                ]
                added = sum(_added(days, first, last, wanted) for _, days in way)
                ways.append((added, len(way), -sign, way))
            found += min(ways, key=lambda way: way[:3])[3]
        return found


@attrs.frozen(kw_only=True)
class AnyRule(Form):
    """Any recurrence of RFC 5545: as it was said, or as other forms would."""

    begins: bool = True
    ends: bool = True
    excepts: bool = True

    @property
    def about(self) -> str:
        return "any recurrence rule"

    def inside(self, goal: Goal) -> tuple[Recurrence, ...]:
        said = goal.said.dayset() & goal.span
        if said and said.within(goal.days):
            return (self.bounded(goal.said, goal.first, goal.last),)
        plain: list[Recurrence] = []
        for form in (
            Weekdays(begins=True, ends=True, intervals=(1, 2, 3, 4)),
            MonthDays(begins=True, ends=True),
            Ordinals(begins=True, ends=True),
        ):
            plain += form.inside(goal)
        if goal.last is not None:
            days = goal.days.dates(goal.first, goal.last)
            if days:
                plain.append(Recurrence.on(*days))
        return tuple(plain)

    def bounded(
        self, sentence: Recurrence, first: dt.date, last: dt.date | None
    ) -> Recurrence:
        """Cut what goes on beyond the last day; what it said before stays as it was."""
        if last is None:
            return sentence
        days = sentence.dayset()
        if days.next(last) is None:
            return sentence
        wanted = days & DaySet.span(first, last)
        rules = []
        for rule in sentence.rules:
            # A day of the rule is as good an anchor as the one before it.
            begin = rule.dayset().next(first - dt.timedelta(1))
            if rule.count is None and begin is not None and begin <= last:
                rules.append(attrs.evolve(rule, start=begin, until=last))
        cut = attrs.evolve(
            sentence,
            rules=rules,
            rdates=[day for day in sentence.rdates if first <= day <= last],
            exdates=[day for day in sentence.exdates if first <= day <= last],
        )
        if cut.dayset() == wanted:
            return cut
        return Recurrence.on(*wanted.dates(first, last))


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


# ----------------------------------------------------------------------- sets of parts


@lru_cache(maxsize=64)
def _week_parts(begin: int, period: int) -> _Parts:
    """Return the seven days from one on that is named by its ordinal modulo period."""
    return _Parts(
        tuple(
            (Weekday((day - 1) % 7 + 1), _every(day, period))
            for day in range(begin, begin + 7)
        )
    )


@lru_cache(maxsize=2)
def _month_parts(short: ShortMonths) -> _Parts:
    if short is ShortMonths.SKIP:
        return _Parts(tuple((day, DaySet.month_days((day,))) for day in range(1, 32)))
    return _Parts(
        tuple((day, _month_days(day, short).dayset()) for day in range(1, 32))
    )


@lru_cache(maxsize=1)
def _ordinal_parts() -> _Parts:
    return _Parts(
        tuple(
            (ByDay(day, n), _ordinal([ByDay(day, n)]).dayset())
            for n in (1, 2, 3, 4, 5, -1, -2, -3, -4, -5)
            for day in Weekday
        )
    )


def _ordinal(days: list[Hashable]) -> Recurrence:
    by_day = tuple(day for day in days if isinstance(day, ByDay))
    return Recurrence(rules=(Rule(freq=Freq.MONTHLY, by_day=by_day),))


@lru_cache(maxsize=62)
def _month_days(day: int, short: ShortMonths) -> Recurrence:
    """Return what a day of the month means to a vendor, as a rule of RFC 5545."""
    if short is ShortMonths.SKIP or day <= 28:
        return Recurrence(rules=(monthly((day,)),))
    if day == 31:
        return Recurrence(rules=(monthly((-1,)),))
    until = tuple(range(28, day + 1))
    rule = Rule(freq=Freq.MONTHLY, by_month_day=until, by_set_pos=(-1,))
    return Recurrence(rules=(rule,))


def _counted_from_both_ends(day: dt.date) -> list[int]:
    following = (day.replace(day=1) + dt.timedelta(31)).replace(day=1)
    left = (following - day).days
    nth, back = (day.day + 6) // 7, (left + 6) // 7
    return [(nth - 1) * 7 + day.weekday(), (back + 4) * 7 + day.weekday()]


def _every(ordinal: int, period: int) -> DaySet:
    return DaySet(start=1, turn=1, period=period, cycle=1 << ordinal % period)


# ------------------------------------------------------------------------ set questions


def _tail(days: DaySet, first: dt.date) -> DaySet:
    """Return an endless, headless set from a day on."""
    at = max(first.toordinal(), days.start)
    return DaySet(start=at, turn=at, period=days.period, cycle=days.cycle)


def _residues(goal: Goal, period: int) -> int:
    """Return, by ordinal modulo period, where some days are wanted and none is not."""
    last = goal.first + dt.timedelta(AHEAD) if goal.last is None else goal.last
    right, wrong = (
        _folded(mask, period)
        for mask in _wanted(goal, last, goal.first.toordinal() % period)
    )
    if goal.last is not None or wrong.bit_count() == period:
        return right & ~wrong
    days, first = goal.days, goal.first.toordinal()
    turn = dt.date.fromordinal(min(max(days.turn, first), dt.date.max.toordinal()))
    if turn > last:
        right, wrong = (
            _folded(mask, period) for mask in _wanted(goal, turn, first % period)
        )
    low = (1 << days.period) - 1
    short = gcd(days.period, period)
    right |= repeat(fold(days.cycle, days.period, short), short, period)
    wrong |= repeat(fold(~days.cycle & low, days.period, short), short, period)
    return right & ~wrong


def _folded(mask: int, period: int) -> int:
    blocks = -(-mask.bit_length() // period)
    return fold(mask, blocks * period, period) if blocks else 0


def _life(
    group: _Group, part: int, wrong: int, place: int, goal: Goal
) -> dt.date | None:
    """
    Return the day before the first unwanted one of a part; None if none ever comes.

    Args:
        wrong: The part's unwanted days in a near mask, in which ``place`` is the first.
    """
    if wrong:
        return goal.first + dt.timedelta(lowest(wrong) - place - 1)
    tail = _tail(group.parts.named[part][1], goal.first)
    if tail.within(goal.days):
        return None
    apart = (tail - goal.days).first()
    return None if apart is None else apart - dt.timedelta(1)


def _wanted(goal: Goal, last: dt.date, place: int) -> tuple[int, int]:
    """Return the days up to ``last`` that are wanted, and that are not, from a place on."""
    right = goal.days.window(goal.first, last)
    full = (1 << (last - goal.first).days + 1) - 1
    return right << place, (right ^ full) << place


def _counted(goal: Goal) -> dt.date:
    far = goal.first + dt.timedelta(COUNTED - 1)
    return far if goal.last is None else min(far, goal.last)


def _added(days: DaySet, first: dt.date, last: dt.date, wanted: int) -> int:
    return (days.window(first, last) & ~wanted).bit_count()


def _later(start: dt.date | None, first: dt.date) -> dt.date:
    """Return the anchor of a rule that begins on a day; its week stays the same."""
    return first if start is None else max(start, first)
