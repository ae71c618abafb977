"""
Masks of days: integers whose bit i stands for the i-th day of a span.

The constant calendar (weekdays, days of months and years, weeks) is made of such
masks by arithmetic on whole years, when first asked for, and never day by day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import compress, islice


CYCLE = 146_097
"""Days in 400 years, after which the Gregorian calendar repeats: 20,871 weeks."""

_BOOLS = bytes(1 if byte == ord("1") else 0 for byte in range(256))
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


# --- arithmetic of masks ---------------------------------------------------------


def repeat(pattern: int, period: int, size: int) -> int:
    """Return ``size`` bits of a pattern of ``period`` bits said over and over."""
    have = period
    while have < size:
        pattern |= pattern << have
        have *= 2
    return pattern & ((1 << size) - 1)


@lru_cache(maxsize=256)
def _ones(period: int, blocks: int) -> int:
    return ((1 << period * blocks) - 1) // ((1 << period) - 1)


def phased(cycle: int, period: int, first: int, size: int) -> int:
    """Return the mask of ``size`` days from ordinal ``first`` of an endless cycle."""
    if not cycle:
        return 0
    turned = first % period
    if size <= period - turned:
        return (cycle >> turned) & ((1 << size) - 1)
    quick = period <= 512 and size <= 65_536
    blocks = size // period + 1
    before = blocks * period - size if quick else 0  # days that are too many
    turned = (first - before) % period
    pattern = cycle >> turned | (cycle & ((1 << turned) - 1)) << (period - turned)
    if quick:
        return pattern * _ones(period, blocks) >> before
    return repeat(pattern, period, size)


def fold(pattern: int, period: int, short: int) -> int:
    """Lay a pattern of ``period`` bits, a multiple of ``short``, over itself by OR."""
    blocks = period // short
    while blocks > 1:
        half = blocks // 2
        pattern = pattern >> (half * short) | pattern & ((1 << half * short) - 1)
        blocks -= half
    return pattern


def mirrored(mask: int, size: int) -> int:
    """Return the ``size`` bits of a mask in the opposite order."""
    length = (size + 7) // 8
    flipped = mask.to_bytes(length, "little").translate(_MIRROR)
    return int.from_bytes(flipped, "big") >> (length * 8 - size)


def lowest(mask: int) -> int:
    """Return the place of the lowest set bit."""
    return (mask & -mask).bit_length() - 1


def select(mask: int, nth: int) -> int:
    """Return the place of the ``nth`` set bit, from 0; the mask must have it."""
    low, high = 0, mask.bit_length()
    while high - low > 1:
        middle = (low + high) // 2
        part = mask & ((1 << (middle - low)) - 1)
        count = part.bit_count()
        if nth < count:
            mask, high = part, middle
        else:
            mask, low, nth = mask >> (middle - low), middle, nth - count
    return low


def places(mask: int) -> Iterator[int]:
    """Yield the places of the set bits, in order."""
    size, count = mask.bit_length(), mask.bit_count()
    text = f"{mask:b}"[::-1]
    if count * 16 > size:
        yield from compress(range(size), text.encode().translate(_BOOLS))
        return
    find, at = text.find, -1
    for _ in range(count):
        at = find("1", at + 1)
        yield at


def flags(mask: int, size: int) -> bytes:
    """Return one byte for each of ``size`` bits, 1 where it is set."""
    return f"{mask:0{size}b}"[::-1].encode().translate(_BOOLS) if size else b""


def dates_of(mask: int, first: int) -> tuple[dt.date, ...]:
    """Return the days of a mask whose bit 0 is ordinal ``first``."""
    size, count = mask.bit_length(), mask.bit_count()
    make, text = dt.date.fromordinal, f"{mask:b}"[::-1]
    if count * 16 > size:
        chosen = text.encode().translate(_BOOLS)
        ahead = (first - 1) % _BLOCK
        if ahead + size <= 4 * _BLOCK and first + 4 * _BLOCK < _END:
            listed = _listed(first - ahead, -(-(ahead + size) // _BLOCK))
            return tuple(compress(islice(listed, ahead, None), chosen))
        return tuple(map(make, compress(range(first, first + size), chosen)))
    find, at, found = text.find, -1, []
    for _ in range(count):
        at = find("1", at + 1)
        found.append(make(first + at))
    return tuple(found)


_BLOCK = 2048  # days: tables of dates, which calls share, begin and end with a block
_END = dt.date.max.toordinal()


@lru_cache(maxsize=8)
def _listed(begin: int, blocks: int) -> tuple[dt.date, ...]:
    return tuple(map(dt.date.fromordinal, range(begin, begin + blocks * _BLOCK)))


def has_period(pattern: int, period: int, short: int) -> bool:
    """Tell whether a pattern of ``period`` bits repeats every ``short``, a divisor."""
    return pattern >> short == pattern & ((1 << (period - short)) - 1)


def shortest(pattern: int, period: int) -> tuple[int, int]:
    """Return the shortest pattern that says the same for ever, and its period."""
    left, prime = period, 2
    while left > 1:
        if prime * prime > left:
            prime = left
        if left % prime:
            prime += 1
            continue
        left //= prime
        short = period // prime
        if has_period(pattern, period, short):
            pattern, period = pattern & ((1 << short) - 1), short
    return pattern, period


# --- the constant calendar -------------------------------------------------------

_LENGTHS = (
    (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31),
    (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31),
)
_MARGIN = 400  # a year of 53 weeks and the days by which it passes its January


def year_start(year: int) -> int:
    """Return the ordinal of 1 January of any year, also before 1 and after 9999."""
    past = year - 1
    return past * 365 + past // 4 - past // 100 + past // 400 + 1


def month_start(index: int) -> int:
    """Return the ordinal of the first day of a month, counted 12 x year + month - 1."""
    year, month = divmod(index, 12)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return year_start(year) + sum(_LENGTHS[leap][:month])


def _year_mask(kind: str, number: int, leap: int) -> int:
    lengths = _LENGTHS[leap]
    if kind == "year_day":
        size = 365 + leap
        if not 1 <= abs(number) <= size:
            return 0
        return 1 << (number - 1 if number > 0 else size + number)
    mask = begin = 0
    for month, size in enumerate(lengths, 1):
        if kind == "month":
            mask |= ((1 << size) - 1) << begin if month == number else 0
        elif abs(number) <= size:
            mask |= 1 << (begin + (number - 1 if number > 0 else size + number))
        begin += size
    return mask


@lru_cache(maxsize=512)
def _cycle_mask(kind: str, number: int) -> int:
    """Return 400 years of a mask that depends on nothing but the leap year."""
    common, leap = _year_mask(kind, number, 0), _year_mask(kind, number, 1)
    three = repeat(common, 365, 1095)
    quad = three | leap << 1095
    century = repeat(quad, 1461, 24 * 1461)
    plain = century | (three | common << 1095) << 24 * 1461
    years = repeat(plain, 36_524, 3 * 36_524)
    years |= (century | quad << 24 * 1461) << 3 * 36_524
    turned = years << 1
    return turned & ((1 << CYCLE) - 1) | turned >> CYCLE


def month_day_cycle(number: int) -> int:
    """Return the cycle of a day of the month 1 to 31, or -1 to -31 from its end."""
    return _cycle_mask("month_day", number)


class Calendar:
    """
    The constant masks of whole years; bit 0 is ``origin``, a good year before.

    Every mask is right for the days of the years asked for, and may be wrong in the
    margins on both sides, which exist so that weeks and their years are whole.
    """

    __slots__ = (
        "_masks",
        "_sevens",
        "_single",
        "first_year",
        "full",
        "last_year",
        "origin",
        "size",
    )

    def __init__(self, first_year: int, last_year: int) -> None:
        self.first_year = first_year
        self.last_year = last_year
        self.origin = year_start(first_year) - _MARGIN
        self.size = year_start(last_year + 1) + _MARGIN - self.origin
        self.full = (1 << self.size) - 1
        self._sevens = repeat(1, 7, self.size)
        self._masks: dict[tuple[object, ...], int] = {}
        self._single: dict[str, dict[int, int]] = {
            kind: {} for kind in ("month", "month_day", "year_day")
        }

    def _kept(self, key: tuple[object, ...], mask: int) -> int:
        if len(self._masks) >= 1024:
            self._masks.clear()
        self._masks[key] = mask
        return mask

    def _union(self, kind: str, numbers: tuple[int, ...]) -> int:
        mask, kept = 0, self._single[kind]
        for number in numbers:
            one = kept.get(number)
            if one is None:
                cycle = _cycle_mask(kind, number)
                one = kept[number] = phased(cycle, CYCLE, self.origin, self.size)
            mask = mask | one if mask else one
        return mask

    def months(self, numbers: tuple[int, ...]) -> int:
        """Return the days of months 1 to 12."""
        return self._union("month", numbers)

    def month_days(self, numbers: tuple[int, ...]) -> int:
        """Return the days of the month 1 to 31, or -1 to -31 from its end."""
        return self._union("month_day", numbers)

    def year_days(self, numbers: tuple[int, ...]) -> int:
        """Return the days of the year 1 to 366, or -1 to -366 from its end."""
        return self._union("year_day", numbers)

    def weekdays(self, numbers: tuple[int, ...]) -> int:
        """Return the ISO weekdays 1 to 7."""
        key = ("weekday", numbers)
        if (kept := self._masks.get(key)) is not None:
            return kept
        pattern = 0
        for number in numbers:
            pattern |= 1 << (number - self.origin) % 7
        return self._kept(key, self._sevens * pattern & self.full)

    def nth_weekday(self, weekday: int, nth: int, within: str) -> int:
        """Return the nth (from the end if negative) weekday of its month or year."""
        key = (within, nth * 8 + weekday)  # an enum's own hash takes long
        if (kept := self._masks.get(key)) is not None:
            return kept
        last = 7 * abs(nth)
        days = range(last - 6, min(last, 31 if within == "month" else 366) + 1)
        numbers = tuple(days if nth > 0 else (-day for day in days))
        near = (
            self.month_days(numbers) if within == "month" else self.year_days(numbers)
        )
        return self._kept(key, self.weekdays((weekday,)) & near)

    def weeks(self, numbers: tuple[int, ...], first_weekday: int) -> int:
        """Return the days of weeks 1 to 53, or -1 to -53, of their week years."""
        key = ("week", numbers, first_weekday)
        if (kept := self._masks.get(key)) is not None:
            return kept
        near = self.year_days((-3, -2, -1, 1, 2, 3, 4))
        first = self.weekdays((first_weekday,)) & near
        begins = 0
        for number in numbers:
            if number == 53:
                begins |= first << 364 & ~first
            elif number == -53:
                begins |= first >> 371 & first
            elif number > 0:
                begins |= first << 7 * (number - 1)
            else:
                begins |= first >> 7 * -number
        return self._kept(key, begins * 127 & self.full)

    def months_apart(self, every: int, phase: int) -> int:
        """Return each month whose index leaves ``phase`` when divided by ``every``."""
        key = ("months apart", every, phase)
        if (kept := self._masks.get(key)) is not None:
            return kept
        begin, end = self.first_year * 12, self.last_year * 12 + 12
        chosen = range(begin + (phase - begin) % every, end, every)
        spans = ((month_start(index), month_start(index + 1)) for index in chosen)
        return self._kept(key, runs(spans, self.origin, self.size))

    def years_apart(self, every: int, phase: int) -> int:
        """Return each year that leaves ``phase`` when divided by ``every``."""
        key = ("years apart", every, phase)
        if (kept := self._masks.get(key)) is not None:
            return kept
        begin, end = self.first_year, self.last_year + 1
        chosen = range(begin + (phase - begin) % every, end, every)
        spans = ((year_start(year), year_start(year + 1)) for year in chosen)
        return self._kept(key, runs(spans, self.origin, self.size))

    def _segments(self, within: str, first_weekday: int) -> tuple[int, int]:
        """Return the first day of each segment, and all days of every second one."""
        if within == "month":
            return self.month_days((1,)), self.months((2, 4, 6, 8, 10, 12))
        if within == "week":
            starts = self.weekdays((first_weekday,))
        else:
            starts = self.year_days((1,))
        key = ("even", within, first_weekday)
        if (kept := self._masks.get(key)) is not None:
            return starts, kept
        if within == "week":
            week = 127 << (first_weekday - self.origin) % 7
            return starts, self._kept(key, repeat(week, 14, self.size))
        years = range(self.first_year // 2 * 2 - 2, self.last_year + 3, 2)
        spans = ((year_start(year), year_start(year + 1)) for year in years)
        return starts, self._kept(key, runs(spans, self.origin, self.size))

    def positions(
        self, mask: int, numbers: tuple[int, ...], within: str, first_weekday: int = 1
    ) -> int:
        """
        Return the nth days, from the end if negative, of a mask in each segment.

        Args:
            within: "week", "month" or "year".
            first_weekday: The ISO weekday on which a week begins.
        """
        starts, even = self._segments(within, first_weekday)
        chosen = _peel(mask, {n for n in numbers if n > 0}, starts, even, self.full)
        back = {-n for n in numbers if n < 0}
        if back:
            key = ("mirrored", within, first_weekday)
            if (again := self._masks.get(key)) is None:
                again = self._kept(key, mirrored(even, self.size))
            flipped = _peel(
                mirrored(mask, self.size),
                back,
                mirrored(starts >> 1, self.size),
                again,
                self.full,
            )
            chosen |= mirrored(flipped, self.size)
        return chosen


def _peel(mask: int, wanted: set[int], starts: int, even: int, full: int) -> int:
    """Return the wanted-th set bits of each segment, counted from 1."""
    chosen = 0
    odd = full ^ even
    for nth in range(1, max(wanted, default=0) + 1):
        if not mask:
            break
        firsts = 0
        for half in (even, odd):
            # A carry set off at a segment's start runs through its empty days and
            # stops at its first member, or in the neighbour, which is left empty.
            idle = half & ~mask
            firsts |= idle + (starts & half) & mask & half
        mask ^= firsts
        if nth in wanted:
            chosen |= firsts
    return chosen


def runs(spans: Iterable[tuple[int, int]], origin: int, size: int) -> int:
    """Return the mask of half-open, disjoint, ascending spans of ordinals."""
    begins, ends = bytearray(size // 8 + 2), bytearray(size // 8 + 2)
    for begin, end in spans:
        low, high = max(begin - origin, 0), min(end - origin, size)
        if low < high:
            begins[low >> 3] |= 1 << (low & 7)
            ends[high >> 3] |= 1 << (high & 7)
    return int.from_bytes(ends, "little") - int.from_bytes(begins, "little")


@lru_cache(maxsize=16)
def calendar(first_year: int, last_year: int) -> Calendar:
    """Return the calendar of whole years."""
    return Calendar(first_year, last_year)


class Span:
    """
    A span of days, and the calendar of its years.

    Args:
        begin: The ordinal of the first day.
        size: How many days there are; 0 if the last is before the first.
    """

    __slots__ = ("_ahead", "_before", "_full", "_sevens", "begin", "calendar", "size")

    def __init__(self, first: dt.date, last: dt.date) -> None:
        self.begin = first.toordinal()
        self.size = max(0, last.toordinal() - self.begin + 1)
        self.calendar = calendar(first.year, max(first, last).year)
        self._ahead = self.begin - self.calendar.origin
        self._full = (1 << self.size) - 1
        weeks = self.size // 7 + 1
        self._before = weeks * 7 - self.size
        self._sevens = repeat(1, 7, weeks * 7)

    def cut(self, mask: int) -> int:
        """Return the days of the span that a mask of its calendar has."""
        return mask >> self._ahead & self._full

    def weekly(self, pattern: int) -> int:
        """Return the days of a pattern of weekdays, by ordinal modulo 7."""
        if pattern == 127:
            return self._full
        turned = (self.begin - self._before) % 7
        return ((pattern | pattern << 7) >> turned & 127) * self._sevens >> self._before


@lru_cache(maxsize=64)
def span(first: dt.date, last: dt.date) -> Span:
    """Return the span between two days, both included."""
    return Span(first, last)


@lru_cache(maxsize=1)
def endless() -> Calendar:
    """Return the calendar of the 400 years that repeat; see ``cycle_of``."""
    return Calendar(1, 400)


def cycle_of(mask: int) -> int:
    """Return a mask of the endless calendar as a cycle of 146,097 days."""
    years = mask >> _MARGIN & ((1 << CYCLE) - 1)
    return years << 1 & ((1 << CYCLE) - 1) | years >> (CYCLE - 1)
