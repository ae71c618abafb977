"""
Any collection of the portal, asked in the vendor's own query language.

The language has traps, and this module is built around them. A comparison of numbers
on a date-time field is ignored without a word, so each condition takes the type it
works on and every row is checked again here. Large collections want a window of at
most 31 days, so longer ones are read in turn. An unknown key is an error, so nothing
is sent that is not a filter.
"""

from __future__ import annotations

import abc
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

import attrs

from rota.errors import BadAnswer, ValueRefused
from rota.http import Client, Page, Value, offset_pages
from rota.model import Json

from .records import Record


ROOT = "/rest/v1/"
LONGEST_WINDOW = 31
STAMPS = (
    "startsOn",
    "endsOn",
    "startTimestamp",
    "endTimestamp",
    "modifiedOn",
    "submitTime",
)
"""Fields that hold Unix seconds: compared as numbers, never as dates."""
ON_DEMAND = (*STAMPS[:-1], "createdOn", "updatedOn", "timeZone")
DAY = dt.timedelta(1)

# -------------------------------------------------------------------------- conditions


class Condition(abc.ABC):
    """What a field must be."""

    @abc.abstractmethod
    def readings(self, field: str) -> tuple[Mapping[str, str], ...]:
        """Return the parameters that ask for it, one set for each reading it takes."""

    @abc.abstractmethod
    def holds(self, value: Json) -> bool:
        """Tell whether a value that the vendor gave is one that was asked for."""


@attrs.frozen
class Between(Condition):
    """From the first day to the last, both included, as the records print them."""

    first: dt.date
    last: dt.date

    def __attrs_post_init__(self) -> None:
        if self.last < self.first:
            raise ValueRefused(f"from {self.first} to {self.last} there is no day")

    def readings(self, field: str) -> tuple[Mapping[str, str], ...]:
        if field.rsplit(".", 1)[-1] in STAMPS:
            raise ValueRefused(
                f"{field} holds Unix seconds",
                hint="use AtLeast and AtMost with numbers",
            )
        # no source says in whose zone the vendor cuts date-times into days
        wide = DAY if (moment := _is_moment(field)) else dt.timedelta(0)
        first, end = self.first - wide, self.last + wide
        found = []
        while first <= end:
            last = min(end, first + DAY * (LONGEST_WINDOW - 1))
            span = f"{first} 00:00:00|{last} 23:59:59" if moment else f"{first}|{last}"
            found.append({f"{field}:between": span})
            first = last + DAY
        return tuple(found)

    def holds(self, value: Json) -> bool:
        return isinstance(value, str) and str(self.first) <= value[:10] <= str(
            self.last
        )


@attrs.frozen
class After(Condition):
    """Later than the day."""

    day: dt.date

    def readings(self, field: str) -> tuple[Mapping[str, str], ...]:
        day = self.day - DAY if _is_moment(field) else self.day
        return ({f"{field}:after": str(day)},)

    def holds(self, value: Json) -> bool:
        return isinstance(value, str) and value[:10] > str(self.day)


@attrs.frozen
class Before(Condition):
    """Earlier than the day."""

    day: dt.date

    def readings(self, field: str) -> tuple[Mapping[str, str], ...]:
        day = self.day + DAY if _is_moment(field) else self.day
        return ({f"{field}:before": str(day)},)

    def holds(self, value: Json) -> bool:
        return isinstance(value, str) and value[:10] < str(self.day)


@attrs.frozen
class _Number(Condition):
    value: float = attrs.field()

    @value.validator
    def _no_date(self, _: object, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueRefused(
                "only numbers are compared so: on a date the vendor ignores it",
                hint="use Between, Before or After for dates",
            )


@attrs.frozen
class AtLeast(_Number):
    """A number of at least this; for Unix seconds too, never for dates."""

    def readings(self, field: str) -> tuple[Mapping[str, str], ...]:
        return ({f"{_numeric(field)}:gte": f"{self.value}"},)

    def holds(self, value: Json) -> bool:
        return isinstance(value, int | float) and value >= self.value


@attrs.frozen
class AtMost(_Number):
    """A number of at most this; for Unix seconds too, never for dates."""

    def readings(self, field: str) -> tuple[Mapping[str, str], ...]:
        return ({f"{_numeric(field)}:lte": f"{self.value}"},)

    def holds(self, value: Json) -> bool:
        return isinstance(value, int | float) and value <= self.value


@attrs.frozen
class Is(Condition):
    """Equal; texts whatever their case."""

    value: str | int | bool

    def readings(self, field: str) -> tuple[Mapping[str, str], ...]:
        return ({field: _plain(self.value)},)

    def holds(self, value: Json) -> bool:
        return _equal(value, self.value)


@attrs.frozen
class IsNot(Condition):
    """Anything else."""

    value: str | int

    def readings(self, field: str) -> tuple[Mapping[str, str], ...]:
        return ({f"{field}:not": _plain(self.value)},)

    def holds(self, value: Json) -> bool:
        return not _equal(value, self.value)


@attrs.frozen
class OneOf(Condition):
    """One of at most 100 values."""

    values: tuple[str | int, ...] = attrs.field(
        converter=tuple,
        validator=[attrs.validators.min_len(1), attrs.validators.max_len(100)],
    )

    def readings(self, field: str) -> tuple[Mapping[str, str], ...]:
        return ({f"{field}:in": ",".join(map(_plain, self.values))},)

    def holds(self, value: Json) -> bool:
        return any(_equal(value, one) for one in self.values)


@attrs.frozen
class Contains(Condition):
    """A text with this in it, whatever its case."""

    part: str

    def readings(self, field: str) -> tuple[Mapping[str, str], ...]:
        return ({f"{field}:contains": self.part},)

    def holds(self, value: Json) -> bool:
        return isinstance(value, str) and self.part.casefold() in value.casefold()


@attrs.frozen
class IsNull(Condition):
    """Nothing, or with False anything at all."""

    value: bool = True

    def readings(self, field: str) -> tuple[Mapping[str, str], ...]:
        return ({f"{field}:{'isnull' if self.value else 'isnotnull'}": ""},)

    def holds(self, value: Json) -> bool:
        return (value is None) is self.value


Filters: TypeAlias = Mapping[str, Condition | str | int | bool]


def _is_moment(field: str) -> bool:
    """Tell a date-time field by its name: ``startDateTime``, ``startedOn``."""
    name = field.rsplit(".", 1)[-1]
    return name.endswith(("DateTime", "On")) and name not in STAMPS


def _numeric(field: str) -> str:
    if _is_moment(field) or field.endswith("Date"):
        raise ValueRefused(
            f"{field} is a date, and the vendor ignores a comparison of numbers on it",
            hint="use Between, Before or After",
        )
    return field


def _plain(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _equal(found: Json, wanted: str | int | bool) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return str(found).casefold() == str(wanted).casefold()


# ------------------------------------------------------------------------------ reading


@attrs.frozen(kw_only=True)
class Query:
    """What is asked of one collection."""

    tag: str
    conditions: Mapping[str, Condition]
    include: tuple[str, ...] = ()
    sort: str = "id"
    inactive: bool = False

    @classmethod
    def of(
        cls,
        tag: str,
        filters: Filters,
        *,
        include: Iterable[str] = (),
        sort: str = "id",
        inactive: bool = False,
    ) -> Query:
        """Return the query; a bare value is equality."""
        conditions = {
            name: value if isinstance(value, Condition) else Is(value)
            for name, value in filters.items()
        }
        needed = [name for name in conditions if name in ON_DEMAND]
        return cls(
            tag=tag,
            conditions=conditions,
            include=tuple(dict.fromkeys([*include, *needed])),
            sort=sort,
            inactive=inactive,
        )

    @property
    def windows(self) -> tuple[Mapping[str, str], ...]:
        """The parameters of each reading: one, or one for each span of 31 days."""
        plain: dict[str, str] = {"sort": self.sort}
        if self.include:
            plain["include"] = ",".join(self.include)
        if self.inactive:
            plain["includeInactive"] = "true"
        readings = [plain]
        for name, condition in self.conditions.items():
            more = condition.readings(name)
            readings = [{**one, **each} for one in readings for each in more]
        return tuple(readings)

    def holds(self, row: Record) -> bool:
        """Tell whether a row is one that was asked for, as far as it shows."""
        for name, condition in self.conditions.items():
            shown, value = _shown(row, name.split("."))
            if shown and not condition.holds(value):
                return False
        return True


def _shown(row: Record, path: list[str]) -> tuple[bool, Json]:
    value: Json = row
    for name in path:
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif name == "id" and isinstance(value, int):
            return True, value  # a relation that was not included is its id
        else:
            return False, None
    if isinstance(value, Mapping) and "id" in value:
        value = value["id"]
    return True, value


@attrs.frozen(kw_only=True)
class Reading:
    """
    The pages of a query, read from the start whenever they are asked for.

    With several windows the declared totals are the sums over all of them, before and
    after, so that the certificate holds for the whole.
    """

    client: Client
    query: Query
    page_size: int
    seen: Callable[[Record], None] = lambda meta: None

    def __iter__(self) -> Iterator[Page]:
        windows = self.query.windows
        if len(windows) == 1:
            yield from self._pages(windows[0])
            return
        read = [list(self._pages(window)) for window in windows]
        first = _total(pages[0].declared for pages in read)
        last = _total(pages[-1].declared for pages in read)
        yield Page(rows=(), declared=first)
        yield from (
            attrs.evolve(page, declared=first)
            for pages in read
            for page in pages
            if page.rows
        )
        yield Page(rows=(), declared=last)

    def _pages(self, window: Mapping[str, str]) -> Iterable[Page]:
        return offset_pages(lambda o, n: self._page(window, o, n), limit=self.page_size)

    def _page(self, window: Mapping[str, str], offset: int, limit: int) -> Page:
        params: dict[str, Value] = {**window, "limit": limit, "offset": offset}
        body = self.client.read("GET", ROOT + self.query.tag, params=params).body
        meta, data = envelope(body, self.query.tag)
        if not isinstance(data, list | tuple):
            raise BadAnswer(f"{self.query.tag}: a list was asked for, and none came")
        self.seen(meta)
        return Page(rows=tuple(data), declared=declared(meta))


def _total(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def envelope(body: Json, what: str) -> tuple[Record, Json]:
    """Return the meta and the data of an answer."""
    if not isinstance(body, Mapping) or "data" not in body:
        raise BadAnswer(
            f"{what}: an answer without data", hint="check base_url: is it a portal?"
        )
    meta = body.get("meta")
    return (meta if isinstance(meta, Mapping) else {}), body["data"]


def declared(meta: Record) -> int | None:
    """Return the total: ``count``, or ``pagination.total`` where ``count`` is a page's."""
    pagination = meta.get("pagination")
    total = (
        pagination.get("total")
        if isinstance(pagination, Mapping)
        else meta.get("count")
    )
    return total if isinstance(total, int) and not isinstance(total, bool) else None
