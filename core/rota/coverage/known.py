"""What is known of the schedules of a pair, and on which days they were linked."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable

import attrs

from rota import zones
from rota.model import Occurrence, Place, Schedule
from rota.planning import LinkState

from .slots import day_in, day_over


@attrs.frozen(kw_only=True)
class InForce:
    """
    What a target record said from ``since`` to the day before ``until``.

    Args:
        source: The schedule that it was made from, as ``kind:id``.
        target: The record, as ``kind:id``.
        until: None while it is in force.
    """

    source: str
    n: int
    target: str
    seen: Schedule
    since: dt.date
    until: dt.date | None = None

    def acts(self, day: dt.date) -> bool:
        """Tell whether it was in force on a day of its own zone."""
        return self.since <= day and (self.until is None or day < self.until)


class Known:
    """What is known of the schedules of the source, gone ones included."""

    def __init__(
        self,
        source: str,
        target: str,
        schedules: tuple[Schedule, ...],
        links: tuple[LinkState, ...],
    ) -> None:
        self.schedules = {link.source: link.agreed.source for link in links}
        self.schedules |= {
            s.ref.key: s for s in schedules if s.ref and s.ref.account == source
        }
        self.records = {
            s.ref.key: s for s in schedules if s.ref and s.ref.account == target
        }
        self.linked = frozenset(link.target for link in links)
        self._images: dict[str, Schedule] = {}
        self._shown: dict[str, Occurrence] = {}
        self._at: dict[Place, str] = {}

    def note_image(self, image: InForce) -> None:
        """Remember what a record made from a schedule said."""
        self._images[image.source] = image.seen
        if image.seen.task.place is not None:
            self._at.setdefault(image.seen.task.place, self.site(image.source))

    def note_occurrence(self, occurrence: Occurrence) -> None:
        """Remember an occurrence of the source, for what its schedule can't tell."""
        if occurrence.schedule is not None:
            self._shown.setdefault(occurrence.schedule.key, occurrence)

    def schedule(self, key: str) -> Schedule | None:
        """Return a schedule of the source."""
        return self.schedules.get(key)

    def title(self, key: str) -> str:
        """Return what people call a schedule."""
        if schedule := self.schedules.get(key):
            return schedule.task.title
        if shown := self._shown.get(key):
            return shown.title
        image = self._images.get(key)
        return image.task.title if image else ""

    def site(self, key: str, place: Place | None = None) -> str:
        """Return a schedule's site at the source; by its place at the target if not."""
        schedule, shown = self.schedules.get(key), self._shown.get(key)
        for own in (
            schedule and schedule.task.place,
            shown and shown.place,
        ):
            if own and own.ref is not None:
                return own.ref.key
        return self._at.get(place, "") if place is not None else ""

    def zone(self, key: str) -> str | None:
        """Return the zone in which a schedule's days are told."""
        schedule = self.schedules.get(key) or self._images.get(key)
        return schedule.zone_name if schedule else None

    def told(self, key: str, start: dt.datetime | None) -> dt.datetime | None:
        """Return an instant as the wall clock of a schedule's zone tells it."""
        zone = self.zone(key)
        if start is None or zone is None:
            return start
        return start.astimezone(zones.load(zone))

    def grace(self, key: str) -> dt.timedelta:
        """Return the lateness tolerated, the same on both sides."""
        for schedule in (self.schedules.get(key), self._images.get(key)):
            if schedule is not None and schedule.task.grace_min is not None:
                return dt.timedelta(minutes=schedule.task.grace_min)
        return dt.timedelta(0)

    def over(self, key: str, day: dt.date, end: dt.datetime | None) -> dt.datetime:
        """Return when an occurrence counts as missed or late."""
        return (end or day_over(day, self.zone(key))) + self.grace(key)


class Spans:
    """On which days each schedule was linked; "" is any schedule of the pair."""

    def __init__(self, images: Iterable[InForce]) -> None:
        found: dict[str, list[tuple[dt.date, dt.date]]] = defaultdict(list)
        self._zones: dict[str, str] = {}
        for image in images:
            span = image.since, image.until or dt.date.max
            found[image.source].append(span)
            found[""].append(span)
            if image.seen.zone_name is not None:
                self._zones.setdefault(image.source, image.seen.zone_name)
        self._found = {key: _merged(spans) for key, spans in found.items()}

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def linked(self, key: str, day: dt.date, start: dt.datetime | None) -> bool:
        """Tell whether a schedule had a link on a day of its records' zone."""
        there = day_in(start, self._zones.get(key), day)
        spans = self._found.get(key, ())
        return any(since <= there < until for since, until in spans)


def _merged(spans: list[tuple[dt.date, dt.date]]) -> list[tuple[dt.date, dt.date]]:
    found: list[tuple[dt.date, dt.date]] = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], until)
        else:
            found.append((since, until))
    return found
