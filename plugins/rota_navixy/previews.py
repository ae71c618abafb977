"""The vendor's previews told as occurrences, and which entry each comes from."""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from rota import zones
from rota.model import Kind, Occurrence, Ref

from .answers import numbers, part
from .mapping import Record, RecordKind, make_id
from .outcomes import parse_occurrence
from .reading import Row, read_moment


def foresee(
    rows: Iterable[Row],
    made: Iterable[Record],
    entries: tuple[Record, ...],
    *,
    zone: ZoneInfo,
    account: str,
) -> list[Occurrence]:
    """
    Return what previews foresee, without what has been generated already.

    Args:
        rows: Of ``task/schedule/proposal/list``.
        made: The tasks of the same days.
        entries: All that could make a preview; the vendor keeps no link.
        zone: The account's.
    """
    there = collections.Counter(
        _content(one.row, zone) for one in made if one.row.get("origin") == "scheduled"
    )
    owners = _Owners(entries, zone, account)
    found = []
    for row in rows:
        same = _content(row, zone)
        if there[same]:
            there[same] -= 1
            continue
        routed = row.get("type") == "route"
        kind = RecordKind.ROUTE if routed else RecordKind.TASK
        found.append(
            parse_occurrence(
                Record(kind=kind, row=row),
                account=account,
                zone=zone.key,
                schedule=owners.take(row),
                foreseen=True,
            )
        )
    return found


def _content(row: Row, zone: ZoneInfo) -> tuple[object, ...]:
    return (
        *(_said(row)),
        read_moment(row.get("from"), zone),
        read_moment(row.get("to"), zone),
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


class _Owners:
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
        self._alike: dict[object, list[Record]] = collections.defaultdict(list)
        for entry in entries:
            self._alike[_said(entry.row)].append(entry)
        self._taken: collections.Counter[tuple[object, ...]] = collections.Counter()

    def take(self, row: Row) -> Ref | None:
        """Return the entry of a preview, None where none has its content."""
        alike = self._alike.get(_said(row), [])
        start = read_moment(row.get("from"), self._zone)
        end = read_moment(row.get("to"), self._zone)
        if start is None or end is None or not alike:
            return None
        day = start.astimezone(self._zone).date()
        able = [entry for entry in alike if self._start(entry, day) == start]
        if not able and len(alike) == 1:  # an hour that the clock skips
            able = alike
        able = [e for e in able if self._lasts(e, start, end)] or able
        able = [e for e in able if _names(e, day)] or able
        if not able:
            return None
        turn = (_content(row, self._zone), day)
        entry = able[min(self._taken[turn], len(able) - 1)]
        self._taken[turn] += 1
        identifier = make_id(entry.kind, numbers([entry.row.get("id")])[0])
        return Ref(account=self._account, kind=Kind.SCHEDULE, id=identifier)

    def _start(self, entry: Record, day: dt.date) -> dt.datetime | None:
        row = min(
            entry.checkpoints or (entry.row,), key=lambda r: numbers([r.get("order")])
        )
        try:
            at = dt.time.fromisoformat(str(row.get("from_time")))
        except ValueError:
            return None
        return zones.instant(self._zone, day, at)

    def _lasts(self, entry: Record, start: dt.datetime, end: dt.datetime) -> bool:
        """Tell whether an entry lasts so long, in real time or on the wall clock."""
        minutes = entry.row.get("duration")
        walls = [at.astimezone(self._zone).replace(tzinfo=None) for at in (start, end)]
        lengths = (end - start, walls[1] - walls[0])
        return minutes in [length / dt.timedelta(minutes=1) for length in lengths]


def _names(entry: Record, day: dt.date) -> bool:
    rule = part(entry.row, "parameters")
    return day.isoweekday() in numbers(rule.get("weekdays")) or day.day in numbers(
        rule.get("month_days")
    )
