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
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib import resources
from itertools import compress, groupby, repeat
from zoneinfo import ZoneInfo

import attrs

from .days import DaySet
from .errors import ValueRefused


__all__ = [
    "RFC",
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
    "instants",
    "load",
    "look",
    "names",
    "offset_classes",
    "told",
    "tzdata_version",
]

_DAY = dt.timedelta(days=1)


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
        raise ValueRefused(
            f"{aware.replace(tzinfo=None)} is too near the edge of the calendar",
            hint="use days from the year 2 to 9998",
        ) from None


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


def _days_of(year: int) -> list[dt.date]:
    begin, end = dt.date(year, 1, 1).toordinal(), dt.date(year, 12, 31).toordinal()
    return list(map(dt.date.fromordinal, range(begin, end + 1)))


@lru_cache(maxsize=2048)
def _year(
    zone: ZoneInfo, year: int, at: dt.time, policy: Policy
) -> tuple[dt.datetime, ...]:
    """Return the instant of a wall clock on each day of a year."""
    listed = _days_of(year)
    if policy != RFC:
        return tuple(instant(zone, day, at, policy) for day in listed)
    found: list[dt.datetime] = []
    place = 0
    for offset, same in groupby(_offsets(zone, listed, at)):
        count = sum(1 for _ in same)
        part = listed[place : place + count]
        place += count
        try:
            moved = dt.datetime.combine(part[0], at) - offset
            shift = moved.date().toordinal() - part[0].toordinal()
            if shift:
                begin = part[0].toordinal() + shift
                part = list(map(dt.date.fromordinal, range(begin, begin + count)))
        except (OverflowError, ValueError):
            raise ValueRefused(
                f"{part[0]} is too near the edge of the calendar",
                hint="use days from the year 2 to 9998",
            ) from None
        found += map(
            dt.datetime.combine, part, repeat(moved.time(), count), repeat(dt.UTC)
        )
    return tuple(found)


def _offsets(
    zone: ZoneInfo, listed: Iterable[dt.date], at: dt.time
) -> Iterator[dt.timedelta]:
    """Yield the offset by which RFC 5545 reads a wall clock on each day."""
    # fold=0 is the offset before a gap, and the first pass through a fold.
    walls = map(dt.datetime.combine, listed, repeat(at))
    offset_of: Callable[[dt.datetime], dt.timedelta | None] = zone.utcoffset
    return (offset for offset in map(offset_of, walls) if offset is not None)


def instants(
    zone: ZoneInfo, days: Iterable[dt.date], at: dt.time, policy: Policy = RFC
) -> tuple[dt.datetime, ...]:
    """Return the instants, in UTC, of a wall clock on each of the days given."""
    at = _naive(at)
    tables: dict[int, tuple[int, tuple[dt.datetime, ...]]] = {}
    found: list[dt.datetime] = []
    for day in days:
        year = day.year
        if year not in tables:
            begin = dt.date(year, 1, 1).toordinal()
            tables[year] = begin, _year(zone, year, at, policy)
        begin, table = tables[year]
        found.append(table[day.toordinal() - begin])
    return tuple(found)


def expand(
    zone: ZoneInfo,
    days: DaySet,
    first: dt.date,
    last: dt.date,
    at: dt.time,
    policy: Policy = RFC,
) -> tuple[dt.datetime, ...]:
    """Return the instants, in UTC, of a wall clock on the days of a set in a span."""
    at = _naive(at)
    ahead = (first - dt.date(first.year, 1, 1)).days
    mask = days.window(first, last) << ahead if first <= last else 0
    chosen = f"{mask:b}"[::-1].encode().translate(_BOOLS)
    found: list[dt.datetime] = []
    place = 0
    for year in range(first.year, last.year + 1):
        table = _year(zone, year, at, policy)
        found += compress(table, chosen[place : place + len(table)])
        place += len(table)
    return tuple(found)


_BOOLS = bytes(1 if byte == ord("1") else 0 for byte in range(256))


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
    listed = _between(first, last)
    offsets = zip(_offsets(zone, listed, _naive(at)), listed, strict=True)
    found: list[OffsetClass] = []
    for offset, same in groupby(offsets, key=lambda pair: pair[0]):
        span = [day for _, day in same]
        found.append(OffsetClass(first=span[0], last=span[-1], offset=offset))
    return tuple(found)


def _between(first: dt.date, last: dt.date) -> list[dt.date]:
    return list(
        map(dt.date.fromordinal, range(first.toordinal(), last.toordinal() + 1))
    )


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
    listed = _between(first, last)
    starts: list[tuple[dt.date, tuple[dt.time, int, bool]]] = []
    here: tuple[dt.time, int, bool] | None = None
    for day, moment in zip(listed, instants(zone_a, listed, at), strict=True):
        local = moment.astimezone(zone_b)
        answer = (
            local.time().replace(fold=0),
            local.toordinal() - day.toordinal(),
            not local.fold,
        )
        if answer != here:
            starts.append((day, answer))
            here = answer
    ends = [day - dt.timedelta(1) for day, _ in starts[1:]] + listed[-1:]
    return tuple(
        Told(first=begin, last=end, at=time, shift=shift, exact=exact)
        for (begin, (time, shift, exact)), end in zip(starts, ends, strict=True)
    )
