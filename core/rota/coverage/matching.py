"""Which task is whose: occurrences that name nothing, matched to what was planned."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping

import attrs

from rota.model import Occurrence, OccurrenceStatus

from .known import InForce, Known
from .slots import Moment, Slot, when


@attrs.frozen(kw_only=True)
class Names:
    """What a task may bear that names its record: the record's id, or its mark."""

    sources: Mapping[str, str] = attrs.field(factory=dict)
    marks: Mapping[str, frozenset[str]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, images: Iterable[InForce], known: Known) -> Names:
        """Collect what the records of a pair can be named by."""
        sources: dict[str, str] = {}
        marks: dict[str, set[str]] = defaultdict(set)
        for image in images:
            sources[image.target] = image.source
            if image.seen.mark:
                marks[image.seen.mark].add(image.target)
        for key in known.linked & known.records.keys():
            if mark := known.records[key].mark:
                marks[mark].add(key)
        return cls(
            sources=sources, marks={m: frozenset(keys) for m, keys in marks.items()}
        )

    def named(self, one: Occurrence) -> frozenset[str]:
        """Return the records that an occurrence names."""
        if one.schedule is not None and one.schedule.key in self.sources:
            return frozenset({one.schedule.key})
        return self.marks.get(one.mark or "", frozenset())


def match(
    slots: list[Slot], occurrences: Iterable[Occurrence], names: Names
) -> list[tuple[str, Occurrence]]:
    """
    Give each occurrence its slot; return those without, with their schedule or "".

    What names its record goes first: at its time, then moved. The rest goes by title,
    start and end; where several schedules fit, by assignee and place; where several
    still fit, all of them are doubtful.
    """
    by_target: dict[str, list[Slot]] = defaultdict(list)
    by_content: dict[tuple[str, Moment], list[Slot]] = defaultdict(list)
    for slot in slots:
        by_target[slot.target].append(slot)
        for title in slot.titles:
            by_content[title, slot.moment].append(slot)
    named: list[tuple[frozenset[str], Occurrence]] = []
    plain: list[Occurrence] = []
    for one in sorted(occurrences, key=_rank):
        keys = names.named(one)
        if keys:
            named.append((keys, one))
        else:
            plain.append(one)
    left: list[tuple[str, Occurrence]] = []
    moved = []
    for keys, one in named:
        own = [slot for key in sorted(keys) for slot in by_target[key]]
        if not _claim([s for s in own if s.moment == when(one)], one):
            moved.append((keys, own, one))
    for keys, own, one in moved:
        near = [slot for slot in own if _near(slot, one)]
        if not _claim(near, one):
            homes = {names.sources[key] for key in keys if key in names.sources}
            left.append((homes.pop() if len(homes) == 1 else "", one))
    for one in plain:
        alike = by_content.get((one.title, when(one)), [])
        if not _claim(alike, one):
            homes = {slot.source for slot in alike}
            left.append((homes.pop() if len(homes) == 1 else "", one))
    return left


def _claim(slots: Iterable[Slot], one: Occurrence) -> bool:
    """Take a free slot, in doubt if it could be another schedule's; False if none."""
    free = [slot for slot in slots if slot.occurrence is None]
    for name in ("assignee", "place"):
        if len({slot.source for slot in free}) > 1:
            said = getattr(one, name)
            free = [slot for slot in free if getattr(slot, name) == said] or free
    if not free:
        return False
    if len({slot.source for slot in free}) > 1:
        for slot in free:
            slot.doubtful = True
    free[0].occurrence = one
    return True


def _near(slot: Slot, one: Occurrence) -> bool:
    """Tell whether a task that names the slot's record was moved from the slot."""
    if slot.once:
        return True
    if slot.start is not None and one.start is not None:
        return abs(slot.start - one.start) < dt.timedelta(hours=12)
    return slot.day == one.day


def _rank(one: Occurrence) -> tuple[object, ...]:
    """Order occurrences: what was performed goes first, then by time and name."""
    return (
        _ORDER.index(one.status),
        one.day,
        str(one.start),
        str(one.end),
        one.title,
        one.ref.key if one.ref else "",
    )


_ORDER = (
    OccurrenceStatus.DONE,
    OccurrenceStatus.LATE,
    OccurrenceStatus.PARTIAL,
    OccurrenceStatus.STARTED,
    OccurrenceStatus.UNKNOWN,
    OccurrenceStatus.PLANNED,
    OccurrenceStatus.OFFERED,
    OccurrenceStatus.FAILED,
    OccurrenceStatus.MISSED,
    OccurrenceStatus.CANCELLED,
)
