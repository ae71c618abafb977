"""
Three-way comparison by field, in the target's terms.

A link remembers two images of one agreement: what was wanted, and what the target
read back after the write. Each side is compared with its own image and never with the
other's translation, so a loss is no edit and an echo is no change.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable

import attrs

from .days import DaySet
from .model import (
    AdHoc,
    Once,
    Opaque,
    Quota,
    Recurring,
    Schedule,
    Task,
    Timing,
    Window,
)


TASK_FIELDS = tuple(field.name for field in attrs.fields(Task))
FIELDS = (*TASK_FIELDS, "timing", "status")


@attrs.frozen(kw_only=True)
class FieldDiff:
    """One field's values for people: before and after."""

    field: str
    before: str
    after: str


@attrs.frozen(kw_only=True)
class Merge:
    """
    What three-way comparison found: names out of :data:`FIELDS`.

    Args:
        ours: The source edited it alone.
        theirs: The target's people edited it alone.
        both: Both edited it, to different values.
        equal: Both edited it, to the same value.
    """

    ours: frozenset[str] = frozenset()
    theirs: frozenset[str] = frozenset()
    both: frozenset[str] = frozenset()
    equal: frozenset[str] = frozenset()

    @property
    def moved(self) -> frozenset[str]:
        """All that somebody edited."""
        return self.ours | self.theirs | self.both | self.equal


def merge(
    agreed: Schedule, wanted: Schedule, seen: Schedule, now: Schedule, first: dt.date
) -> Merge:
    """
    Compare both sides with their images.

    Args:
        agreed: What was wanted when the two last agreed.
        wanted: What is wanted now.
        seen: What the target read back then.
        now: What the target holds now.
        first: Timing counts from this day on.
    """
    ours = frozenset(f for f in FIELDS if not same(f, agreed, wanted, first))
    theirs = frozenset(f for f in FIELDS if not same(f, seen, now, first))
    differ = {f for f in ours & theirs if not same(f, wanted, now, first)}
    return Merge(
        ours=ours - theirs,
        theirs=theirs - ours,
        both=frozenset(differ),
        equal=(ours & theirs) - differ,
    )


def put_all(schedule: Schedule, names: Iterable[str], source: Schedule) -> Schedule:
    """Return the schedule with several of :data:`FIELDS` taken from another."""
    for name in names:
        schedule = put(schedule, name, source)
    return schedule


def diffs(
    names: Collection[str], before: Schedule, after: Schedule
) -> tuple[FieldDiff, ...]:
    """Tell the values of some of :data:`FIELDS` on two records, in their order."""
    return tuple(
        FieldDiff(
            field=name,
            before=tell_field(before, name),
            after=tell_field(after, name),
        )
        for name in FIELDS
        if name in names
    )


def remember(
    seen: Schedule, before: Schedule, after: Schedule, first: dt.date
) -> Schedule:
    """
    Return the image to keep after a write.

    It is what was read back, except for fields that people had edited at the target
    (``before`` differs from ``seen``) and that the write left alone: these stay as
    last agreed, so that the edit is still seen as one.
    """
    for name in FIELDS:
        if not same(name, seen, before, first) and same(name, before, after, first):
            after = put(after, name, seen)
    return after


def same(field: str, one: Schedule, other: Schedule, first: dt.date) -> bool:
    """Tell whether a field means the same on both; timing from ``first`` on."""
    if field == "timing":
        return one.zone_name == other.zone_name and same_timing(
            one.timing, other.timing, first
        )
    return _get(one, field) == _get(other, field)


def same_timing(one: Timing, other: Timing, first: dt.date) -> bool:
    """Tell whether two timings make the same from a day on, for all time."""
    match one, other:
        case Recurring(), Recurring():
            return _lines(one, first) == _lines(other, first)
        case (Once(), Once()) | (AdHoc(), AdHoc()) | (Quota(), Quota()):
            return one == other
        case Opaque(), Opaque():
            return True
    return False


def _lines(timing: Recurring, first: dt.date) -> dict[tuple[object, ...], DaySet]:
    found: dict[tuple[object, ...], DaySet] = {}
    for line in timing.lines:
        window = line.window
        key: tuple[object, ...] = (
            (window.start, window.end, window.days)
            if isinstance(window, Window)
            else ("all day",)
        )
        days = line.days.dayset() & DaySet.span(first, None)
        found[key] = found.get(key, DaySet.none()) | days
    return {key: days for key, days in found.items() if days}


def _get(schedule: Schedule, name: str) -> object:
    if name == "timing":
        return schedule.timing
    if name == "status":
        return schedule.status
    return getattr(schedule.task, name)


def tell_field(schedule: Schedule, name: str) -> str:
    """Say the value of one of :data:`FIELDS` in a few words."""
    return tell(_get(schedule, name))


def put(schedule: Schedule, name: str, source: Schedule) -> Schedule:
    """Return the schedule with one of :data:`FIELDS` taken from another."""
    if name == "timing":
        return attrs.evolve(schedule, timing=source.timing, zone=source.zone)
    if name == "status":
        return attrs.evolve(schedule, status=source.status, status_text="")
    task = attrs.evolve(schedule.task, **{name: getattr(source.task, name)})
    return attrs.evolve(schedule, task=task)


def tell(value: object) -> str:
    """Say a field's value in a few words."""
    match value:
        case None | () | "":
            return "-"
        case Recurring(lines=lines):
            return "; ".join(f"{line.days.describe()} {line.window}" for line in lines)
        case Once(day=day, window=window):
            return f"{day} {window}"
        case AdHoc(window=window):
            return f"when needed {window}"
        case Quota(times=times, period=period, window=window):
            return f"{times or '?'} times a {period or 'period not known'} {window}"
        case Opaque(why=why):
            return f"not understood: {why}"
        case tuple():
            return ", ".join(tell(item) for item in value)
    key = getattr(value, "key", None)
    if isinstance(key, str):
        return key
    ref, point = getattr(value, "ref", None), getattr(value, "point", None)
    if ref is not None:
        return str(ref.key)
    if point is not None:
        return f"{point.lat:.5f},{point.lng:.5f} ±{point.radius_m} m"
    return str(value)
