"""
Sets of days that in the end repeat, and what can be decided about them for ever.

A day is its proleptic Gregorian ordinal: 1 is Monday, 1 January of the year 1, the
first day there is; there is no last one. A set is a bounded *head* and a *cycle* that
repeats without end, so questions about all time are questions about two integers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from math import gcd, lcm
from typing import Literal, NoReturn

import attrs

from .errors import ValueRefused
from .masks import (
    CYCLE,
    dates_of,
    fold,
    has_period,
    lowest,
    month_day_cycle,
    phased,
    repeat,
    shortest,
)


WIDEST = 2**27
"""The longest head or cycle, in days, that a combination of sets is built with."""

LONGEST = 2**28
"""The longest cycle, in days, that a set may have."""

LISTED = 3_652
"""Days, about ten years, over which differences that go on are listed."""

_WORD = (1 << 60) - 1
_FIRST = dt.date.min.toordinal()
_LAST = dt.date.max.toordinal()
_Op = Literal["|", "&", "-", "^"]


class DaySet:
    """
    A set of days, each 1 January of the year 1 or later, that in the end repeats.

    Day d belongs when ``start <= d < turn`` and bit ``d - start`` of ``head`` is set,
    or when ``d >= turn`` and bit ``d % period`` of ``cycle`` is set. The fields are
    those of the one normal form: the shortest period, the earliest turn, and the
    first member as start. ``==`` is equality for all time.
    """

    __slots__ = ("_cycle", "_head", "_normal", "_period", "_short", "_start", "_turn")

    def __init__(
        self, *, start: int, turn: int, head: int = 0, period: int = 1, cycle: int = 0
    ) -> None:
        """Make a set from any form of it; see the class for the fields."""
        if start < _FIRST or turn < start or period < 1:
            raise ValueRefused(
                f"no set of days has start {start}, turn {turn}, period {period}",
                hint="days are counted from 1, and the head lies before the turn",
            )
        if turn - start > WIDEST or period > LONGEST:
            _too_wide(max(turn - start, period))
        self._start = start
        self._turn = turn
        self._head = _cut(head, turn - start)
        self._period = period
        self._cycle = _cut(cycle, period)
        self._short = period == 1  # whether the period is known to be the shortest
        self._normal = False

    # -- making

    @classmethod
    def none(cls) -> DaySet:
        """Return the empty set."""
        return cls(start=_FIRST, turn=_FIRST)

    @classmethod
    def all(cls) -> DaySet:
        """Return every day there is."""
        return cls(start=_FIRST, turn=_FIRST, cycle=1)

    @classmethod
    def of(cls, dates: Iterable[dt.date]) -> DaySet:
        """Return the set of the days named."""
        ordinals = sorted({day.toordinal() for day in dates})
        if not ordinals:
            return cls.none()
        start, turn = ordinals[0], ordinals[-1] + 1
        bits = bytearray((turn - start) // 8 + 1)
        for ordinal in ordinals:
            place = ordinal - start
            bits[place >> 3] |= 1 << (place & 7)
        return cls(start=start, turn=turn, head=int.from_bytes(bits, "little"))

    @classmethod
    def span(cls, first: dt.date | None = None, last: dt.date | None = None) -> DaySet:
        """Return the days from ``first`` to ``last``, both included; None is no end."""
        start = _FIRST if first is None else first.toordinal()
        if last is None:
            return cls(start=start, turn=start, cycle=1)
        turn = max(start, last.toordinal() + 1)
        return cls(start=start, turn=turn, head=(1 << (turn - start)) - 1)

    @classmethod
    def weekdays(cls, numbers: Iterable[int]) -> DaySet:
        """Return all days on the ISO weekdays, 1 (Monday) to 7."""
        cycle = 0
        for number in numbers:
            if not 1 <= number <= 7:
                raise ValueRefused(
                    f"{number} is no weekday", hint="Monday is 1 and Sunday is 7"
                )
            cycle |= 1 << number % 7
        return cls(start=_FIRST, turn=_FIRST, period=7, cycle=cycle)

    @classmethod
    def month_days(cls, numbers: Iterable[int]) -> DaySet:
        """Return all days with the numbers 1 to 31, or -1 to -31 from the month's end."""
        cycle = 0
        for number in numbers:
            if not 1 <= abs(number) <= 31:
                raise ValueRefused(
                    f"{number} is no day of a month",
                    hint="give 1 to 31, or -1 to -31 from the end",
                )
            cycle |= month_day_cycle(number)
        return cls(start=_FIRST, turn=_FIRST, period=CYCLE, cycle=cycle)

    # -- the normal form

    def _settle(self) -> None:
        if self._normal:
            return
        if not self._short:
            self._cycle, self._period = shortest(self._cycle, self._period)
            self._short = True
        cycle, period = self._cycle, self._period
        start, turn, head = self._start, self._turn, self._head
        turn = start + (head ^ phased(cycle, period, start, turn - start)).bit_length()
        head &= (1 << (turn - start)) - 1
        if head:
            skipped = (head & -head).bit_length() - 1
            start, head = start + skipped, head >> skipped
        elif cycle:
            ahead = phased(cycle, period, turn, period)
            start = turn = turn + (ahead & -ahead).bit_length() - 1
        else:
            start = turn = _FIRST
        self._start, self._turn, self._head = start, turn, head
        self._normal = True

    @property
    def start(self) -> int:
        """The ordinal of the first member; 1 when there is none."""
        self._settle()
        return self._start

    @property
    def turn(self) -> int:
        """The earliest ordinal from which the set only repeats."""
        self._settle()
        return self._turn

    @property
    def head(self) -> int:
        """The members from start to the turn."""
        self._settle()
        return self._head

    @property
    def period(self) -> int:
        """The fewest days after which the tail repeats; 1 when it is empty or whole."""
        self._settle()
        return self._period

    @property
    def cycle(self) -> int:
        """The members from the turn on, by ordinal modulo period."""
        self._settle()
        return self._cycle

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DaySet):
            return NotImplemented
        if (
            self._period == other._period
            and self._turn == other._turn
            and self._start == other._start
        ):
            return self._cycle == other._cycle and self._head == other._head
        turn = max(self._turn, other._turn)
        start = min(self._start, other._start)
        return self._bits(start, turn - start) == other._bits(
            start, turn - start
        ) and _equal_tails(self, other)

    def __hash__(self) -> int:
        self._settle()
        some = self._cycle & _WORD  # the whole of 400 years takes long to hash
        return hash((self._start, self._turn, self._head, self._period, some))

    def __repr__(self) -> str:
        self._settle()
        shown = [str(day) for day in self._some(4)]
        more = ", ..." if len(shown) == 4 else ""
        ends = f" every {self._period} days from {self._turn}" if self._cycle else ""
        return f"<DaySet {', '.join(shown[:3])}{more}{ends}>"

    def _some(self, limit: int) -> list[dt.date]:
        found: list[dt.date] = []
        day = self.first()
        while day is not None and len(found) < limit:
            found.append(day)
            day = self.next(day)
        return found

    # -- combining

    def _built(self, other: DaySet, start: int, op: _Op) -> DaySet:
        turn = max(self._turn, other._turn, start)
        size = turn - start
        if size > WIDEST:
            _too_wide(size)
        head = _apply(op, self._bits(start, size), other._bits(start, size))
        mine, theirs = self._cycle, other._cycle
        short = False
        if not theirs:
            period, cycle, short = self._period, 0 if op == "&" else mine, self._short
        elif not mine:
            period, cycle = other._period, 0 if op in "&-" else theirs
            short = other._short
        elif op == "&" and other._period == 1:
            period, cycle, short = self._period, mine, self._short
        else:
            period = lcm(self._period, other._period)
            if period > WIDEST:
                self._settle()
                other._settle()
                period = lcm(self._period, other._period)
                mine, theirs = self._cycle, other._cycle
            if period > WIDEST:
                _too_wide(period)
            cycle = _apply(
                op,
                repeat(mine, self._period, period),
                repeat(theirs, other._period, period),
            )
        if not cycle:
            period = 1
        made = DaySet(start=start, turn=turn, head=head, period=period, cycle=cycle)
        made._short |= short
        return made

    def __or__(self, other: DaySet) -> DaySet:
        if not other._cycle and not other._head:
            return self
        if not self._cycle and not self._head:
            return other
        return self._built(other, min(self._start, other._start), "|")

    def __and__(self, other: DaySet) -> DaySet:
        return self._built(other, max(self._start, other._start), "&")

    def __sub__(self, other: DaySet) -> DaySet:
        return self._built(other, self._start, "-")

    def __xor__(self, other: DaySet) -> DaySet:
        return self._built(other, min(self._start, other._start), "^")

    def __invert__(self) -> DaySet:
        """Return all other days from 1 January of the year 1 on."""
        return DaySet.all() - self

    def shift(self, days: int) -> DaySet:
        """Return every day moved later (or earlier), dropping what falls before all time."""
        start, turn, head = self._start + days, self._turn + days, self._head
        if start < _FIRST:
            head >>= _FIRST - start
            start, turn = _FIRST, max(turn, _FIRST)
        period = self._period
        cycle = phased(self._cycle, period, -days, period)
        moved = DaySet(start=start, turn=turn, head=head, period=period, cycle=cycle)
        moved._short = self._short
        return moved

    # -- asking

    def _bits(self, first: int, size: int) -> int:
        """Return the mask of ``size`` days from any ordinal, also outside the years."""
        if size <= 0:
            return 0
        mask, end = 0, first + size
        if self._head and first < self._turn and end > self._start:
            ahead = self._start - first
            mask = self._head << ahead if ahead > 0 else self._head >> -ahead
        if self._cycle and end > self._turn:
            begin = max(first, self._turn)
            mask |= phased(self._cycle, self._period, begin, end - begin) << (
                begin - first
            )
        return mask & ((1 << size) - 1)

    def window(self, first: dt.date, last: dt.date) -> int:
        """Return the days from ``first`` to ``last`` as a mask; bit 0 is ``first``."""
        begin = first.toordinal()
        return self._bits(begin, last.toordinal() - begin + 1)

    def __contains__(self, day: dt.date) -> bool:
        ordinal = day.toordinal()
        if ordinal >= self._turn:
            return bool(self._cycle >> ordinal % self._period & 1)
        return ordinal >= self._start and bool(self._head >> ordinal - self._start & 1)

    def __bool__(self) -> bool:
        return bool(self._head or self._cycle)

    @property
    def infinite(self) -> bool:
        """Whether the set has no last day."""
        return bool(self._cycle)

    def first(self) -> dt.date | None:
        """Return the first day; None when there is none up to the year 9999."""
        return self._seek(self._start)

    def last(self) -> dt.date | None:
        """Return the last day; None when the set is empty or has no end."""
        if self._cycle or not self._head:
            return None
        ordinal = self._start + self._head.bit_length() - 1
        day = _date(ordinal)
        if day is None:
            raise ValueRefused(
                f"the last day, ordinal {ordinal}, lies past the year 9999",
                hint="end the recurrence with a day instead of a count",
            )
        return day

    def next(self, after: dt.date) -> dt.date | None:
        """Return the first day later than ``after``; None when there is none."""
        return self._seek(max(after.toordinal() + 1, self._start))

    def _seek(self, begin: int) -> dt.date | None:
        if begin < self._turn:
            left = self._head >> begin - self._start
            if left:
                return _date(begin + lowest(left))
            begin = self._turn
        if not self._cycle:
            return None
        turned = begin % self._period
        left = self._cycle >> turned
        if left:
            return _date(begin + lowest(left))
        return _date(begin + self._period - turned + lowest(self._cycle))

    def count(self, first: dt.date, last: dt.date) -> int:
        """Return how many days of the span belong."""
        return self.window(first, last).bit_count()

    def dates(self, first: dt.date, last: dt.date) -> tuple[dt.date, ...]:
        """Return the days from ``first`` to ``last``, both included."""
        return dates_of(self.window(first, last), first.toordinal())

    def ranges(
        self, first: dt.date, last: dt.date
    ) -> tuple[tuple[dt.date, dt.date], ...]:
        """Return the unbroken runs of days in a span, each by its first and last day."""
        mask, begin = self.window(first, last), first.toordinal()
        begins = dates_of(mask & ~(mask << 1), begin)
        ends = dates_of(mask & ~(mask >> 1), begin)
        return tuple(zip(begins, ends, strict=True))

    # -- deciding, for all time and without the common cycle

    def disjoint(self, other: DaySet) -> bool:
        """Tell whether no day belongs to both, ever."""
        start, turn = max(self._start, other._start), max(self._turn, other._turn)
        if self._bits(start, turn - start) & other._bits(start, turn - start):
            return False
        short = gcd(self._period, other._period)
        mine = fold(self._cycle, self._period, short)
        return not mine & fold(other._cycle, other._period, short)

    def within(self, other: DaySet) -> bool:
        """Tell whether every day of this set belongs to the other, for ever."""
        turn = max(self._turn, other._turn)
        size = turn - self._start
        if self._bits(self._start, size) & ~other._bits(self._start, size):
            return False
        short = gcd(self._period, other._period)
        lacking = ~other._cycle & ((1 << other._period) - 1)
        mine = fold(self._cycle, self._period, short)
        return not mine & fold(lacking, other._period, short)


def _cut(mask: int, size: int) -> int:
    return mask & ((1 << size) - 1) if mask < 0 or mask.bit_length() > size else mask


def _apply(op: _Op, mine: int, theirs: int) -> int:
    if op == "|":
        return mine | theirs
    if op == "&":
        return mine & theirs
    if op == "^":
        return mine ^ theirs
    return mine & ~theirs


def _equal_tails(one: DaySet, two: DaySet) -> bool:
    """Tell whether two tails are one; a sequence with two periods has their gcd."""
    short = gcd(one._period, two._period)
    low = (1 << short) - 1
    return (
        one._cycle & low == two._cycle & low
        and has_period(one._cycle, one._period, short)
        and has_period(two._cycle, two._period, short)
    )


def _date(ordinal: int) -> dt.date | None:
    return dt.date.fromordinal(ordinal) if ordinal <= _LAST else None


def _too_wide(size: int) -> NoReturn:
    raise ValueRefused(
        f"the common cycle would be {size:,} days long, over {WIDEST:,}",
        hint="ask whether sets are equal, disjoint or within, or combine windows of them",
    )


# --- comparison ------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Same:
    """
    Both sides hold the same days.

    Args:
        from_: The first day of the proof.
        until: Its last day; None is for ever.
    """

    from_: dt.date
    until: dt.date | None = None

    def __bool__(self) -> bool:
        _no_truth()


@attrs.frozen(kw_only=True)
class Differs:
    """
    The sides hold different days.

    Args:
        added: Days that only the other side holds.
        missing: Days that only this side holds.
        goes_on: Whether more differences follow after ``until``.
        until: The day to which differences are listed; None when all of them are.
    """

    added: tuple[dt.date, ...] = ()
    missing: tuple[dt.date, ...] = ()
    goes_on: bool = False
    until: dt.date | None = None

    def __bool__(self) -> bool:
        _no_truth()


def _no_truth() -> NoReturn:
    raise TypeError("a comparison is Same or Differs, not true or false: match on it")


def compare(
    mine: DaySet,
    theirs: DaySet,
    first: dt.date | None = None,
    until: dt.date | None = None,
) -> Same | Differs:
    """
    Compare two sets of days from ``first`` on, for ever unless ``until`` is given.

    Differences that go on are listed for about ten years from the first of them.
    """
    begin = _FIRST if first is None else first.toordinal()
    start = dt.date.fromordinal(begin)
    if until is not None:
        one, two = mine.window(start, until), theirs.window(start, until)
        if one == two:
            return Same(from_=start, until=until)
        return Differs(
            added=dates_of(two & ~one, begin), missing=dates_of(one & ~two, begin)
        )
    apart = _first_difference(mine, theirs, begin)
    if apart is None:
        return Same(from_=start)
    if apart > _LAST:
        return Differs(goes_on=True, until=dt.date.max)
    end = min(apart + LISTED, _LAST + 1)
    one, two = mine._bits(apart, end - apart), theirs._bits(apart, end - apart)
    goes_on = _first_difference(mine, theirs, end) is not None
    return Differs(
        added=dates_of(two & ~one, apart),
        missing=dates_of(one & ~two, apart),
        goes_on=goes_on,
        until=dt.date.fromordinal(end - 1) if goes_on else None,
    )


def _first_difference(mine: DaySet, theirs: DaySet, begin: int) -> int | None:
    """Return the first ordinal from ``begin`` on where the sets differ, if ever."""
    begin = max(begin, min(mine._start, theirs._start))
    turn = max(mine._turn, theirs._turn, begin)
    size = turn - begin
    apart = mine._bits(begin, size) ^ theirs._bits(begin, size)
    if not apart:
        if _equal_tails(mine, theirs):
            return None
        # Two periodic sequences that agree for p + q days agree for ever.
        begin, size = turn, mine._period + theirs._period
        apart = mine._bits(begin, size) ^ theirs._bits(begin, size)
    return begin + (apart & -apart).bit_length() - 1
