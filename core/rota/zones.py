"""
Wall clocks and zones: which instant a day and an hour are, and what another zone says.

Zones come from the tzdata package alone, never from the machine, so that one pinned
version decides everywhere. Hours that a zone skips or repeats are values; a policy,
RFC 5545's by default, picks their instant.
"""

from __future__ import annotations

import datetime as dt
import difflib
import enum
import sys
from array import array
from bisect import bisect
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import resources
from itertools import chain, compress, groupby, pairwise, repeat
from operator import add, itemgetter
from typing import Protocol
from zoneinfo import ZoneInfo

import attrs

from .errors import ValueRefused
from .masks import flags


__all__ = [
    "RFC",
    "Days",
    "Fold",
    "Gap",
    "OffsetClass",
    "Policy",
    "Repeated",
    "Skipped",
    "Told",
    "Unambiguous",
    "expand",
    "instant",
    "load",
    "look",
    "names",
    "offset_classes",
    "timestamps",
    "told",
    "tzdata_version",
]


# --- zones -----------------------------------------------------------------------


@lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """Return the names of all zones that the tzdata package knows."""
    listed = resources.files("tzdata").joinpath("zones").read_text("ascii")
    return frozenset(listed.split())


@lru_cache(maxsize=1024)
def load(name: str) -> ZoneInfo:
    """
    Return the zone of an IANA name, from the tzdata package.

    Raises:
        ValueRefused: For a name that it does not know.
    """
    if name not in names():
        near = difflib.get_close_matches(name, sorted(names()), n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "give an IANA name"
        raise ValueRefused(
            f"{name!r} is no time zone of tzdata {tzdata_version()}", hint=hint
        )
    path = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with path.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def tzdata_version() -> str:
    """Return the version of the time zone data in use, such as 2026f."""
    listed = resources.files("tzdata").joinpath("zoneinfo", "tzdata.zi")
    with listed.open(encoding="ascii") as file:
        return file.readline().split()[-1]


# --- one wall clock --------------------------------------------------------------


class Skipped(enum.Enum):
    """Which instant a wall clock means that the zone skips."""

    OFFSET_BEFORE = "offset before"  # RFC 5545 §3.3.5: 02:30 is told as 03:30
    OFFSET_AFTER = "offset after"  # 02:30 is told as 01:30
    GAP_END = "gap end"  # the first instant after the gap
    REFUSE = "refuse"


class Repeated(enum.Enum):
    """Which instant a wall clock means that the zone says twice."""

    FIRST = "first"  # RFC 5545 §3.3.5
    SECOND = "second"
    REFUSE = "refuse"


@attrs.frozen(kw_only=True)
class Policy:
    """What to do with hours that are skipped or repeated; RFC 5545's by default."""

    skipped: Skipped = Skipped.OFFSET_BEFORE
    repeated: Repeated = Repeated.FIRST


RFC = Policy()


@attrs.frozen(kw_only=True)
class Unambiguous:
    """A wall clock that happens once; ``instant`` is in UTC."""

    instant: dt.datetime


@attrs.frozen(kw_only=True)
class Gap:
    """
    A wall clock that the zone skips.

    Args:
        offset_before: The instant in UTC, read with the offset before the gap.
        offset_after: The same with the offset after it; the earlier of the two.
        end: The instant in UTC at which the clock is put forward.
    """

    offset_before: dt.datetime
    offset_after: dt.datetime
    end: dt.datetime


@attrs.frozen(kw_only=True)
class Fold:
    """A wall clock that happens twice, by its instants in UTC."""

    first: dt.datetime
    second: dt.datetime


def look(zone: ZoneInfo, local: dt.datetime) -> Unambiguous | Gap | Fold:
    """
    Tell what a wall clock without a zone is in a zone.

    Raises:
        ValueRefused: If ``local`` has a zone, or lies at the edge of the calendar.
    """
    if local.tzinfo is not None:
        raise ValueRefused(f"{local!r} has a zone", hint="give the wall clock alone")
    first = _utc(local.replace(tzinfo=zone, fold=0))
    second = _utc(local.replace(tzinfo=zone, fold=1))
    if first == second:
        return Unambiguous(instant=first)
    if first < second:
        return Fold(first=first, second=second)
    return Gap(
        offset_before=first, offset_after=second, end=_change(zone, second, first)
    )


def instant(
    zone: ZoneInfo, day: dt.date, at: dt.time, policy: Policy = RFC
) -> dt.datetime:
    """
    Return the instant, in UTC, of a wall clock on a day.

    Raises:
        ValueRefused: Where the policy refuses the hour.
    """
    found = look(zone, dt.datetime.combine(day, _naive(at)))
    match found:
        case Unambiguous():
            return found.instant
        case Gap():
            return _skipped(zone, found, day, at, policy.skipped)
        case Fold():
            return _repeated(zone, found, day, at, policy.repeated)


def _skipped(
    zone: ZoneInfo, gap: Gap, day: dt.date, at: dt.time, policy: Skipped
) -> dt.datetime:
    if policy is Skipped.REFUSE:
        raise ValueRefused(
            f"{zone.key} skips {at} on {day}", hint="choose a policy for skipped hours"
        )
    if policy is Skipped.GAP_END:
        return gap.end
    return gap.offset_before if policy is Skipped.OFFSET_BEFORE else gap.offset_after


def _repeated(
    zone: ZoneInfo, fold: Fold, day: dt.date, at: dt.time, policy: Repeated
) -> dt.datetime:
    if policy is Repeated.REFUSE:
        raise ValueRefused(
            f"{zone.key} says {at} twice on {day}",
            hint="choose a policy for repeated hours",
        )
    return fold.first if policy is Repeated.FIRST else fold.second


def _utc(aware: dt.datetime) -> dt.datetime:
    try:
        return aware.astimezone(dt.UTC)
    except OverflowError:
        raise _at_the_edge(aware.date()) from None


def _at_the_edge(day: dt.date) -> ValueRefused:
    return ValueRefused(
        f"{day} is too near the edge of the calendar",
        hint="use days from the year 2 to 9998",
    )


def _change(zone: ZoneInfo, low: dt.datetime, high: dt.datetime) -> dt.datetime:
    """Return the first second from ``low`` on with the offset of ``high``."""
    before = low.astimezone(zone).utcoffset()
    span = int((high - low).total_seconds())
    start, good = 0, span
    while good - start > 1:
        middle = (start + good) // 2
        moved = low + dt.timedelta(seconds=middle)
        if moved.astimezone(zone).utcoffset() == before:
            start = middle
        else:
            good = middle
    return low + dt.timedelta(seconds=good)


def _naive(at: dt.time) -> dt.time:
    if at.tzinfo is not None:
        raise ValueRefused(f"{at!r} has a zone", hint="give the wall clock alone")
    return at.replace(fold=0)


# --- many days -------------------------------------------------------------------
#
# A wall clock is counted in seconds from the day of ordinal 0. A zone's changes are
# found once, for every time of day: from a change on, each day is the same seconds
# away from UTC until the next, so that many days are arithmetic on whole runs.

_DAY = 86_400
_LEAST, _MOST = dt.date.min.toordinal(), dt.date.max.toordinal()
_EPOCH = dt.date(1970, 1, 1).toordinal()
_BLOCK = 2048  # days: tables of midnights, which calls share, begin with a block


class Days(Protocol):
    """What knows its days as a mask: a rule, a recurrence, a set of days."""

    def window(self, first: dt.date, last: dt.date) -> int:
        """Return the days from ``first`` to ``last`` as a mask; bit 0 is ``first``."""


@attrs.frozen
class _Change:
    """
    A change of a zone's offset, in seconds.

    Args:
        wall: The first wall clock that is read with the offset after it, where one
            that is skipped or repeated is read with the offset before.
    """

    wall: int
    before: int
    after: int

    @property
    def unsure(self) -> int:
        """The first wall clock that is skipped or repeated, up to ``wall``."""
        return self.wall - abs(self.after - self.before)

    @property
    def instant(self) -> int:
        """When it happens, in UTC."""
        return self.wall - max(self.before, self.after)


def _wall(zone: ZoneInfo, second: int) -> int:
    """Return the offset by which RFC 5545 reads a wall clock."""
    # fold=0 is the offset before a gap, and the first pass through a fold.
    day, left = divmod(second, _DAY)
    ahead = zone.utcoffset(dt.datetime.fromordinal(day) + dt.timedelta(seconds=left))
    return 0 if ahead is None else ahead.days * _DAY + ahead.seconds


@lru_cache(maxsize=8192)
def _year(zone: ZoneInfo, year: int) -> tuple[int, tuple[_Change, ...]]:
    """Return the offset at the begin of a year, and the changes up to the next one's."""
    first = dt.date(year, 1, 1).toordinal()
    last = min(first + 366, _MOST)
    midnights = list(map(dt.datetime.fromordinal, range(first, last + 1)))
    offsets = list(map(zone.utcoffset, midnights))
    found = []
    for at, (one, two) in enumerate(pairwise(offsets), first):
        if one == two or dt.date.fromordinal(at).year != year:
            continue
        low, high = at * _DAY, (at + 1) * _DAY
        before, after = _wall(zone, low), _wall(zone, high)
        while high - low > 1:
            middle = (low + high) // 2
            if _wall(zone, middle) == before:
                low = middle
            else:
                high = middle
        found.append(_Change(high, before, after))
    return _wall(zone, first * _DAY), tuple(found)


@lru_cache(maxsize=1024)
def _years(zone: ZoneInfo, first: int, last: int) -> tuple[int, tuple[_Change, ...]]:
    """Return the offset at the begin of the first year, and the changes to the end."""
    years = [_year(zone, year) for year in range(first, last + 1)]
    return years[0][0], tuple(change for _, some in years for change in some)


def _changes(zone: ZoneInfo, begin: int, end: int) -> tuple[int, tuple[_Change, ...]]:
    """Return the first offset and the changes of some years around two ordinals."""
    first = dt.date.fromordinal(max(begin - 2, _LEAST))
    last = dt.date.fromordinal(min(end + 2, _MOST))
    return _years(zone, first.year, last.year)


def _classes(
    zone: ZoneInfo, begin: int, size: int, second: int
) -> Iterator[tuple[int, int, int]]:
    """Yield runs of days, by their places in a span, and a wall clock's offset on them."""
    offset, changes = _changes(zone, begin, begin + size)
    low = 0
    for change in changes:
        high = _first_day(change.wall, second) - begin
        if high > low:
            if high >= size:
                break
            yield low, high, offset
            low = high
        offset = change.after
    if low < size:
        yield low, size, offset


def _first_day(wall: int, second: int) -> int:
    """Return the first day on which a time of day is not before a wall clock."""
    return -((second - wall) // _DAY)


def _second(at: dt.time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


def expand(
    zone: ZoneInfo,
    days: Days,
    first: dt.date,
    last: dt.date,
    at: dt.time,
    policy: Policy = RFC,
    *,
    later: int = 0,
) -> tuple[dt.datetime, ...]:
    """
    Return the instants, in UTC, of a wall clock on the days of a set in a span.

    Args:
        later: How many days after each day the clock is read, as at a window's end.
    """
    begin, size, mask = _asked(days, first, last, later)
    second, count = _second(_naive(at)), mask.bit_count()
    chosen = b"" if count == size else flags(mask, size)
    runs = []
    for low, high, offset in _classes(zone, begin, size, second):
        many = chosen.count(1, low, high) if chosen else high - low
        runs.append(repeat(dt.timedelta(0, second - offset, at.microsecond), many))
    try:
        midnights = _midnights(begin, size)
        some = compress(midnights, chosen) if chosen else midnights
        found = list(map(add, some, chain.from_iterable(runs)))
    except OverflowError:
        raise _at_the_edge(first if first.year < dt.MAXYEAR else last) from None
    for place, moment in _by_policy(zone, begin, size, mask, at, policy):
        found[place] = moment
    return tuple(found)


def timestamps(
    zone: ZoneInfo,
    days: Days,
    first: dt.date,
    last: dt.date,
    at: dt.time,
    policy: Policy = RFC,
    *,
    later: int = 0,
) -> array[int]:
    """Return the instants of ``expand`` as POSIX seconds, in a fraction of the time."""
    begin, size, mask = _asked(days, first, last, later)
    second = _second(_naive(at))
    runs = tuple(_classes(zone, begin, size, second))
    found = _each_day((begin - _EPOCH) * _DAY + second, runs)
    if mask.bit_count() < size:
        found = array("q", compress(found, flags(mask, size)))
    for place, moment in _by_policy(zone, begin, size, mask, at, policy):
        found[place] = int(moment.timestamp())
    return found


_Runs = tuple[tuple[int, int, int], ...]
_AHEAD = 2  # days: more than any offset


def _each_day(zero: int, runs: _Runs) -> array[int]:
    """Return the POSIX seconds of a wall clock on each day of runs, from a first on."""
    if zero < _AHEAD * _DAY:
        seconds = [
            range(low * _DAY - away, high * _DAY - away, _DAY)
            for low, high, away in runs
        ]
        return array("q", map(zero.__add__, chain.from_iterable(seconds)))
    # Numbers as long as the array: one addition adds in all its places at once.
    aheads, ones = _lanes(runs)
    moments = aheads + (zero - _AHEAD * _DAY) * ones
    found = (
        array("q", moments.to_bytes(8 * runs[-1][1], "little")) if runs else array("q")
    )
    if sys.byteorder == "big":
        found.byteswap()
    return found


@lru_cache(maxsize=64)
def _lanes(runs: _Runs) -> tuple[int, int]:
    """Return how far ahead of the first day each is, and ones, 64 bits for each day."""
    aheads = b"".join(
        ((_AHEAD + day) * _DAY - offset).to_bytes(8, "little")
        for low, high, offset in runs
        for day in range(low, high)
    )
    ones = ((1 << 8 * len(aheads)) - 1) // ((1 << 64) - 1)
    return int.from_bytes(aheads, "little"), ones


def _asked(
    days: Days, first: dt.date, last: dt.date, later: int
) -> tuple[int, int, int]:
    """Return the first day on which the clock is read, and a span's size and mask."""
    size = max(0, last.toordinal() - first.toordinal() + 1)
    return first.toordinal() + later, size, days.window(first, last) if size else 0


def _by_policy(
    zone: ZoneInfo, begin: int, size: int, mask: int, at: dt.time, policy: Policy
) -> Iterator[tuple[int, dt.datetime]]:
    """Yield the instants that are the policy's to choose, and their places."""
    if policy == RFC:
        return
    second = _second(at)
    for change in _changes(zone, begin, begin + size)[1]:
        low, high = _first_day(change.unsure, second), _first_day(change.wall, second)
        for day in range(max(low, begin), min(high, begin + size)):
            if mask >> day - begin & 1:
                before = mask & ((1 << day - begin) - 1)
                moment = instant(zone, dt.date.fromordinal(day), at, policy)
                yield before.bit_count(), moment


def _midnights(begin: int, size: int) -> Sequence[dt.datetime]:
    """Return the midnights in UTC of days from an ordinal on."""
    if begin + size > _MOST + 1:
        raise OverflowError
    ahead = (begin - 1) % _BLOCK
    if ahead + size > 4 * _BLOCK:
        return _made(begin, size)
    table = _table(begin - ahead, -(-(ahead + size) // _BLOCK) * _BLOCK)
    return table[ahead : ahead + size]


def _made(begin: int, size: int) -> tuple[dt.datetime, ...]:
    zero = dt.datetime.min.replace(tzinfo=dt.UTC)
    end = min(begin + size, _MOST + 1)
    return tuple(zero + dt.timedelta(day - 1) for day in range(begin, end))


_table = lru_cache(maxsize=8)(_made)


@attrs.frozen(kw_only=True)
class OffsetClass:
    """The days, both included, on which a wall clock has one offset from UTC."""

    first: dt.date
    last: dt.date
    offset: dt.timedelta


def offset_classes(
    zone: ZoneInfo, first: dt.date, last: dt.date, at: dt.time = dt.time(0)
) -> tuple[OffsetClass, ...]:
    """Return the spans of days with one offset from UTC at a wall clock, in order."""
    begin = first.toordinal()
    size = max(0, last.toordinal() - begin + 1)
    spans = groupby(
        _classes(zone, begin, size, _second(_naive(at))), key=lambda run: run[2]
    )
    found = []
    for offset, runs in spans:
        some = list(runs)
        found.append(
            OffsetClass(
                first=dt.date.fromordinal(begin + some[0][0]),
                last=dt.date.fromordinal(begin + some[-1][1] - 1),
                offset=dt.timedelta(seconds=offset),
            )
        )
    return tuple(found)


@attrs.frozen(kw_only=True)
class Told:
    """
    How one zone's wall clock is told in another, over days of the first zone.

    Args:
        first: The first day, in the zone that tells.
        last: The last day, included.
        at: The wall clock of the other zone.
        shift: Days by which the other zone's day is later; -1, 0 or 1 as a rule.
        exact: Whether the other zone's clock, read back by RFC 5545, is that instant;
            it is not in the second pass through an hour that the other zone repeats.
    """

    first: dt.date
    last: dt.date
    at: dt.time
    shift: int
    exact: bool = True


@lru_cache(maxsize=1024)
def told(
    zone_a: ZoneInfo, at: dt.time, zone_b: ZoneInfo, first: dt.date, last: dt.date
) -> tuple[Told, ...]:
    """Tell a wall clock of zone A in zone B, per span of days of A with one answer."""
    begin = first.toordinal()
    size = max(0, last.toordinal() - begin + 1)
    passes = _passes(zone_b, begin, begin + size)
    starts: list[tuple[int, int, bool]] = []
    second = _second(_naive(at))
    for low, high, ahead in _classes(zone_a, begin, size, second):
        day, end, away = begin + low, begin + high, second - ahead
        nth = bisect(passes, day * _DAY + away, key=itemgetter(0))
        while day < end:
            _, offset, exact = passes[nth - 1]
            turn = end
            if nth < len(passes):
                turn = min(end, _first_day(passes[nth][0], away))
            if turn > day and (not starts or starts[-1][1:] != (away + offset, exact)):
                starts.append((day, away + offset, exact))
            day, nth = max(day, turn), nth + 1
    ends = [day - 1 for day, _, _ in starts[1:]] + [begin + size - 1]
    return tuple(
        Told(
            first=dt.date.fromordinal(day),
            last=dt.date.fromordinal(end),
            at=_clock(local % _DAY, at.microsecond),
            shift=local // _DAY,
            exact=exact,
        )
        for (day, local, exact), end in zip(starts, ends, strict=False)
    )


def _passes(zone: ZoneInfo, begin: int, end: int) -> list[tuple[int, int, bool]]:
    """
    Return from which second on, in UTC, which offset is in force.

    The last is False in the second pass through the wall clocks that are repeated.
    """
    offset, changes = _changes(zone, begin, end)
    found = [(0, offset, True)]
    for change in changes:
        again = change.before - change.after
        if again > 0:
            found.append((change.instant, change.after, False))
        found.append((change.instant + max(again, 0), change.after, True))
    return found


def _clock(second: int, microsecond: int) -> dt.time:
    minute, second = divmod(second, 60)
    return dt.time(minute // 60, minute % 60, second, microsecond)
