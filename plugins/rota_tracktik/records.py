"""
TrackTik's JSON read strictly, and what is kept of it beside the core's values.

Extras hold the vendor's fields that the core does not have; under ``said`` the
vendor's own spelling of fields that it has, and under ``left_out`` the names of those
that the record did not have. So the record can be printed again, key for key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from rota.convert import structure
from rota.errors import ValueRefused
from rota.model import Json, Kind, Ref


T = TypeVar("T")
Record: TypeAlias = Mapping[str, Json]
SAID = "said"
LEFT_OUT = "left_out"
DAYS = (
    "MONDAY",
    "TUESDAY",
    "WEDNESDAY",
    "THURSDAY",
    "FRIDAY",
    "SATURDAY",
    "SUNDAY",
)


class Reader:
    """A record's fields, each of the type that it must have."""

    def __init__(self, record: Record, tag: str, account: str) -> None:
        self.record = record
        self.tag = tag
        self.account = account
        number = record.get("id")
        self.id = None if number is None else str(self._is(number, int, "id"))

    def path(self, name: str) -> str:
        return f"{self.tag} {self.id or ''}.{name}"

    def _is(self, value: Json, type_: type[T], name: str) -> T:
        # the converter gives the message; it is slow, so only where it is needed
        return (
            value if type(value) is type_ else structure(value, type_, self.path(name))
        )

    def text(self, name: str) -> str:
        value = self.record.get(name)
        return "" if value is None else self._is(value, str, name)

    def number(self, name: str) -> int | None:
        value = self.record.get(name)
        return None if value is None else self._is(value, int, name)

    def flag(self, name: str) -> bool:
        value = self.record.get(name)
        return False if value is None else self._is(value, bool, name)

    def items(self, name: str) -> list[Record]:
        value = self.record.get(name)
        if value is None:
            return []
        return [self._is(one, dict, name) for one in self._is(value, list, name)]

    def own(self, kind: Kind) -> Ref | None:
        return (
            None
            if self.id is None
            else Ref(account=self.account, kind=kind, id=self.id)
        )

    def ref(self, name: str, kind: Kind) -> Ref | None:
        """Read a relation: an id, or the object that ``include`` makes of it."""
        value = self.record.get(name)
        if isinstance(value, Mapping):
            value = value.get("id")
        if value is None:
            return None
        return Ref(account=self.account, kind=kind, id=str(self._is(value, int, name)))

    def visit(self, name: str) -> Ref | None:
        """Read the id of another visit: null or 0 where it stands alone."""
        number = self.number(name)
        return (
            Ref(account=self.account, kind=Kind.SESSION, id=str(number))
            if number
            else None
        )

    def civil(self, name: str) -> dt.date | None:
        """Read a civil date, which may wear the midnight of UTC: its first ten characters."""
        value = self.text(name)
        if not value:
            return None
        return structure(value[:10], dt.date, self.path(name))

    def clock(self, name: str) -> dt.time | None:
        value = self.text(name)
        return structure(value, dt.time, self.path(name)) if value else None

    def instant(self, name: str) -> dt.datetime | None:
        value = self.text(name)
        return structure(value, dt.datetime, self.path(name)) if value else None

    def days(self, name: str) -> list[int]:
        """Read day names as 0 for Monday to 6 for Sunday."""
        value = self.record.get(name)
        found = []
        for day in () if value is None else self._is(value, list, name):
            if day not in DAYS:
                raise ValueRefused(f"{self.path(name)}: {day!r} is no day of the week")
            found.append(DAYS.index(str(day)))
        return found


def beside(
    record: Record, canonical: Record, spelling: tuple[str, ...] = ()
) -> dict[str, Json]:
    """
    Return what of the record the canonical one does not say, or says otherwise.

    Args:
        spelling: Names that are spelling of something even where the canonical record
            has no such field.
    """
    extras = {k: v for k, v in record.items() if k not in canonical}
    said = {k: extras.pop(k) for k in spelling if k in extras}
    said |= {
        k: record[k]
        for k, v in canonical.items()
        if k in record and not _same(record[k], v)
    }
    left_out = [k for k in canonical if k not in record]
    if said:
        extras[SAID] = said
    if left_out:
        extras[LEFT_OUT] = [*left_out]
    return extras


def _same(a: Json, b: Json) -> bool:
    return type(a) is type(b) and a == b


def said_of(extras: Record) -> tuple[Record, set[str]]:
    """Return the vendor's own spelling, and the names that it left out."""
    said, left_out = extras.get(SAID), extras.get(LEFT_OUT)
    return (
        said if isinstance(said, Mapping) else {},
        {str(k) for k in left_out} if isinstance(left_out, list | tuple) else set(),
    )


def beyond(extras: Record, canonical: Record) -> dict[str, Json]:
    """Return the fields that the core does not have."""
    return {
        k: v
        for k, v in extras.items()
        if k not in (SAID, LEFT_OUT) and k not in canonical
    }


def restored(
    canonical: dict[str, Json], extras: Record, read: Callable[[Record], object]
) -> dict[str, Json]:
    """Put the vendor's own spelling back, where it still means the same."""
    said, left_out = said_of(extras)
    spelled = {k: v for k, v in {**canonical, **said}.items() if k not in left_out}
    if (said or left_out) and read(spelled) != read(canonical):
        spelled = canonical
    return {**spelled, **beyond(extras, canonical)}


def id_of(ref: Ref | None) -> int | None:
    """Return the vendor's number of a reference."""
    return None if ref is None else int(ref.id)


def midnight(day: dt.date | None) -> str | None:
    """Return a civil date dressed as the midnight of UTC."""
    return None if day is None else f"{day.isoformat()}T00:00:00+00:00"


def instant_text(at: dt.datetime | None) -> str | None:
    """Return an instant as the vendor prints one."""
    return None if at is None else at.isoformat(timespec="seconds")
