"""Which entry a preview comes from; the vendor keeps no link."""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from rota.model import Kind, Ref

from . import mapping
from .answers import numbers, part
from .mapping import Record, Row


def content(row: Row, zone: ZoneInfo) -> tuple[object, ...]:
    """Return what two rows of one occurrence have in common."""
    return (
        *(_said(row)),
        mapping.read_moment(row.get("from"), zone),
        mapping.read_moment(row.get("to"), zone),
    )


def _said(row: Row) -> tuple[object, ...]:
    place = part(row, "location")
    return (
        row.get("type", "task"),
        row.get("label"),
        row.get("description"),
        row.get("tracker_id"),
        *(place.get(key) for key in ("lat", "lng", "radius")),
    )


class Owners:
    """
    Which entry a preview comes from, told by its content.

    Where several entries have the same texts, assignee, place and hours, a day's rows
    go to those of them that name the day, one each.
    """

    def __init__(
        self, entries: tuple[Record, ...], zone: ZoneInfo, account: str
    ) -> None:
        self._zone = zone
        self._account = account
        self._by_content: dict[object, list[Record]] = collections.defaultdict(list)
        for entry in entries:
            self._by_content[_said(entry.row), _starts(entry)].append(entry)
        self._taken: collections.Counter[tuple[object, dt.datetime]] = (
            collections.Counter()
        )

    def take(self, row: Row) -> Ref | None:
        """Return the entry of a preview, None where none has its content."""
        start = mapping.read_moment(row.get("from"), self._zone)
        if start is None:
            return None
        wall = start.astimezone(self._zone)
        key = (_said(row), wall.strftime("%H:%M:%S"))
        able = self._by_content.get(key, [])
        if not able:  # the hour is one that the clock skips
            able = [
                entry
                for (said, _), entries in self._contents()
                if said == key[0] and len(entries) == 1
                for entry in entries
            ]
            able = able if len(able) == 1 else []
        named = [entry for entry in able if _names(entry, wall.date())] or able
        if not named:
            return None
        turn = self._taken[key, start]
        self._taken[key, start] += 1
        entry = named[min(turn, len(named) - 1)]
        identifier = mapping.make_id(entry.kind, numbers([entry.row.get("id")])[0])
        return Ref(account=self._account, kind=Kind.SCHEDULE, id=identifier)

    def _contents(self) -> Iterator[tuple[tuple[object, object], list[Record]]]:
        for key, entries in self._by_content.items():
            assert isinstance(key, tuple)
            yield key, entries


def _starts(entry: Record) -> object:
    if entry.kind.routed:
        first = min(entry.checkpoints, key=lambda stop: str(stop.get("order")))
        return first.get("from_time")
    return entry.row.get("from_time")


def _names(entry: Record, day: dt.date) -> bool:
    rule = part(entry.row, "parameters")
    return day.isoweekday() in numbers(rule.get("weekdays")) or day.day in numbers(
        rule.get("month_days")
    )
