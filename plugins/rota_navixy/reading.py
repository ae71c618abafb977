"""Reading the members of Navixy's records strictly, and its dates both ways."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import TypeAlias
from zoneinfo import ZoneInfo

import attrs

from rota import zones
from rota.errors import ValueRefused
from rota.model import (
    Json,
    Keeps,
    Kind,
    Once,
    Opaque,
    Place,
    Point,
    Ref,
    Timing,
    Window,
)
from rota.recurrence import Recurrence, monthly, weekly
from rota.vendor import Mark


Row: TypeAlias = Mapping[str, Json]
Body: TypeAlias = dict[str, Json]

_MARK = re.compile(r"rota:[a-z2-7]{10}")
_TIME = re.compile(r"\d\d:\d\d:\d\d", re.ASCII)
_NAIVE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


@attrs.frozen(kw_only=True)
class Reader:
    """Reads members strictly; what it refuses is told with its path."""

    account: str
    where: str
    keeps: Keeps

    def refuse(self, key: str, why: str) -> ValueRefused:
        return ValueRefused(f"{self.where}.{key}: {why}")

    def text(self, row: Row, key: str, default: str | None = None) -> str:
        value = row.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self.refuse(key, "is missing" if value is None else "is no text")
        return value

    def whole(self, row: Row, key: str) -> int | None:
        value = row.get(key)
        if value is not None and type(value) is not int:
            raise self.refuse(key, "is no whole number")
        return value

    def ref(self, row: Row, key: str, kind: Kind) -> Ref | None:
        value = self.whole(row, key)
        return (
            None
            if value is None
            else Ref(account=self.account, kind=kind, id=str(value))
        )

    def tags(self, row: Row) -> tuple[Ref, ...]:
        value = row.get("tags")
        if value is None:
            return ()
        if not isinstance(value, list | tuple) or any(
            type(v) is not int for v in value
        ):
            raise self.refuse("tags", "is no list of whole numbers")
        return tuple(
            Ref(account=self.account, kind=Kind.TAG, id=str(tag)) for tag in value
        )

    def form(self, row: Row) -> Ref | None:
        form = row.get("form")
        if isinstance(form, Mapping):
            return self.ref(form, "template_id", Kind.FORM)
        return self.ref(row, "form_template_id", Kind.FORM)

    def lateness(self, row: Row) -> int | None:
        """Return the minutes of lateness; 0, the vendor's default, is none at all."""
        return self.whole(row, "max_delay") or None

    def external_mark(self, row: Row) -> Mark | None:
        value = self.text(row, "external_id", default="")
        return Mark(value) if _MARK.fullmatch(value) else None

    def place(self, row: Row) -> Place:
        location = row.get("location")
        if not isinstance(location, Mapping):
            raise self.refuse("location", "is missing")
        numbers = {}
        for key in ("lat", "lng"):
            value = location.get(key)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise self.refuse(f"location.{key}", "is no number")
            numbers[key] = float(value)
        try:
            point = Point(**numbers, radius_m=self.whole(location, "radius"))
        except ValueError as error:
            raise self.refuse("location", str(error)) from error
        return Place(
            point=point, address=self.text(location, "address", default="") or None
        )

    def window(self, row: Row) -> Window:
        start = self.text(row, "from_time")
        minutes = self.whole(row, "duration")
        if minutes is None or minutes < 1:
            raise self.refuse("duration", "is no number of minutes")
        try:
            if not _TIME.fullmatch(start):
                raise self.refuse("from_time", f"{start!r} is no time HH:mm:ss")
            at = dt.time.fromisoformat(start)
        except ValueError as error:
            raise self.refuse("from_time", f"{start!r} is no time HH:mm:ss") from error
        return Window.lasting(at, minutes, keeps=self.keeps)

    def days(self, row: Row) -> Recurrence:
        rule = row.get("parameters")
        if not isinstance(rule, Mapping):
            raise self.refuse("parameters", "is missing")
        kind = self.text(rule, "type")
        numbers = rule.get(kind)
        most = {"weekdays": 7, "month_days": 31}.get(kind)
        if most is None:
            raise self.refuse("parameters.type", f"{kind!r} is not known")
        if (
            not isinstance(numbers, list | tuple)
            or not numbers
            or any(type(n) is not int or not 1 <= n <= most for n in numbers)
        ):
            raise self.refuse(f"parameters.{kind}", f"is no list of 1 to {most}")
        days = sorted({n for n in numbers if isinstance(n, int)})
        made = weekly(days) if kind == "weekdays" else monthly(days)
        return Recurrence(rules=(made,))

    def once(self, row: Row, zone: ZoneInfo) -> Timing:
        end = self.wall(row, "to", zone)
        start = self.wall(row, "from", zone)
        day = start.date()
        days = (end.date() - day).days
        if end <= start or days > 32:
            return Opaque(
                why=f"its window from {start} to {end} is not one that rota knows",
                first=day,
                last=day,
            )
        return Once(
            day=day, window=Window(start=start.time(), end=end.time(), days=days)
        )

    def wall(self, row: Row, key: str, zone: ZoneInfo) -> dt.datetime:
        """Return a date and time on the account's wall clock."""
        value = row.get(key)
        if isinstance(value, str) and _NAIVE.fullmatch(value):
            try:
                return dt.datetime.fromisoformat(value)
            except ValueError:
                raise self.refuse(key, "is no date and time") from None
        return self.moment(row, key, zone).astimezone(zone).replace(tzinfo=None, fold=0)

    def moment(self, row: Row, key: str, zone: ZoneInfo) -> dt.datetime:
        """Return a date and time as an instant in UTC."""
        found = read_moment(row.get(key), zone)
        if found is None:
            raise self.refuse(key, "is no date and time")
        return found


def read_moment(value: Json, zone: ZoneInfo) -> dt.datetime | None:
    """Return the instant, in UTC, of the vendor's date and time; None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = dt.datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(dt.UTC)
        if _NAIVE.fullmatch(value):
            return zones.instant(zone, moment.date(), moment.time())
    except (ValueError, OverflowError):
        pass
    return None


def tell_moment(at: dt.datetime, zone: ZoneInfo, *, iso: bool) -> str:
    """Return an instant in the vendor's words: with its offset, or the wall clock."""
    local = at.astimezone(zone)
    if iso:
        return local.isoformat(timespec="seconds")
    return tell_wall(local)


def tell_wall(at: dt.datetime) -> str:
    """Return a wall clock in the vendor's words."""
    return at.strftime("%Y-%m-%d %H:%M:%S")
