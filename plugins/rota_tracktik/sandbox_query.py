"""
TrackTik's query language over rows in memory, for the sandbox only.

Filters, sort, paging, ``fields`` and ``include`` as the vendor's help centre and its
own OpenAPI document describe them, traps included: an unknown key is a 400, and a
numeric comparison on a date-time field is ignored without a word.
"""

from __future__ import annotations

import datetime as dt
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

import attrs


Row: TypeAlias = dict[str, Any]
OPERATIONS = [
    "contains",
    "startswith",
    "endswith",
    "gt",
    "gte",
    "lt",
    "lte",
    "in",
    "not",
    "isnull",
    "isnotnull",
    "inSet",
    "before",
    "after",
    "between",
]
RESERVED = ("limit", "offset", "sort", "fields", "include", "includeInactive", "q")
MOST_ROWS = 1000
MOST_IN = 100
MOST_DAYS = 31


class QueryRefused(Exception):
    """A query that the vendor answers with 400, or a record it does not have."""

    def __init__(self, message: str, status: int = 400, fact: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.fact = fact


class Type(StrEnum):
    """What a column holds; decides which operations reach it."""

    NUMBER = "n"
    TEXT = "t"
    FLAG = "f"
    CLOCK = "c"
    DATE = "d"
    MOMENT = "m"
    STAMP = "s"
    SET = "a"
    OBJECT = "o"


@attrs.frozen(kw_only=True)
class Column:
    """
    One field of a resource.

    Args:
        to: Tag of the resource that a relation points at.
        many: Whether the relation is a list, which only ``include`` shows.
        on_demand: Whether only ``include`` or ``fields`` shows it.
    """

    type: Type
    to: str = ""
    many: bool = False
    on_demand: bool = False


@attrs.frozen(kw_only=True)
class Resource:
    """
    One collection.

    Args:
        hidden: Values of ``status`` that a list leaves out unless asked.
        window: Paths of date fields, one of which a list must bound.
    """

    tag: str
    columns: Mapping[str, Column]
    hidden: tuple[str, ...] = ()
    window: tuple[str, ...] = ()

    @classmethod
    def of(cls, tag: str, spec: str, *, hidden: str = "", window: str = "") -> Resource:
        """
        Read columns written as ``name:t``.

        ``name:>tag`` is a relation, ``name:*tag`` a list of them; a final ``?``
        says on demand.
        """
        columns = {}
        for word in spec.split():
            name, _, kind = word.partition(":")
            on_demand = kind.endswith("?")
            kind = kind.rstrip("?")
            if kind[0] in ">*":
                columns[name] = Column(
                    type=Type.NUMBER,
                    to=kind[1:],
                    many=kind[0] == "*",
                    on_demand=on_demand or kind[0] == "*",
                )
            else:
                columns[name] = Column(type=Type(kind), on_demand=on_demand)
        return cls(
            tag=tag,
            columns=columns,
            hidden=tuple(hidden.split()),
            window=tuple(window.split()),
        )


class Source:
    """Where related rows come from; the sandbox implements it."""

    resources: Mapping[str, Resource]

    def find(self, tag: str, identifier: Any) -> Row | None:
        """Return one row, None where there is none."""
        raise NotImplementedError

    def related(self, tag: str, row: Row, name: str) -> list[Row]:
        """Return the rows of a list relation, in order of id."""
        raise NotImplementedError


# ------------------------------------------------------------------------ filtering


@attrs.frozen(kw_only=True)
class Filter:
    """One ``key:operation=value``."""

    path: tuple[str, ...]
    column: Column
    operation: str
    value: str


@attrs.frozen(kw_only=True)
class Query:
    """A parsed query string."""

    filters: tuple[Filter, ...]
    sort: tuple[tuple[tuple[str, ...], bool], ...]
    limit: int
    offset: int
    fields: tuple[str, ...]
    include: tuple[str, ...]
    inactive: bool
    search: str

    @property
    def key(self) -> object:
        """All that decides which rows match and in which order."""
        return (self.filters, self.sort, self.inactive, self.search)


def parse(
    source: Source,
    resource: Resource,
    params: Iterable[tuple[str, str]],
    *,
    now: dt.datetime,
) -> Query:
    """Return the query, or raise :class:`QueryRefused` with the vendor's 400."""
    plain = dict.fromkeys(RESERVED, "")
    filters = []
    for key, value in params:
        if key in plain:
            plain[key] = value
            continue
        name, _, operation = key.partition(":")
        if operation and operation not in OPERATIONS:
            raise QueryRefused(f"{operation} is not an operator", fact="error-wording")
        path = tuple(name.split("."))
        filters.append(
            Filter(
                path=path,
                column=_column(source, resource, path),
                operation=operation,
                value=value,
            )
        )
    sort = []
    for word in filter(None, plain["sort"].replace(" ", "").split(",")):
        path = tuple(word.lstrip("-").split("."))
        _column(source, resource, path)
        sort.append((path, word.startswith("-")))
    query = Query(
        filters=tuple(filters),
        sort=tuple(sort) or ((("id",), False),),
        limit=_whole(plain["limit"] or "100", "limit", least=1),
        offset=_whole(plain["offset"] or "0", "offset"),
        fields=tuple(filter(None, plain["fields"].replace(" ", "").split(","))),
        include=tuple(filter(None, plain["include"].replace(" ", "").split(","))),
        inactive=plain["includeInactive"].lower() in ("true", "1"),
        search=plain["q"],
    )
    if query.limit > MOST_ROWS:
        raise QueryRefused(
            f"limit must not exceed {MOST_ROWS}", fact="limit-over-maximum"
        )
    for path_text in query.include:
        _check_include(source, resource, path_text.split("."))
    if resource.window:
        _check_window(resource, query, now)
    return query


def select(
    source: Source,
    resource: Resource,
    rows: Iterable[Row],
    query: Query,
    *,
    now: dt.datetime,
) -> list[Row]:
    """Return all matching rows in order."""
    tests = [test for f in query.filters if (test := _test(source, resource, f, now))]
    hide = () if query.inactive else resource.hidden
    word = query.search.casefold()
    found = [
        row
        for row in rows
        if not (hide and row.get("status") in hide)
        and (not word or any(word in str(v).casefold() for v in row.values()))
        and all(test(row) for test in tests)
    ]
    for path, down in reversed(query.sort):
        found.sort(
            key=lambda row: _order(_value(source, resource, row, path)), reverse=down
        )
    return found


def bounds(query: Query, path: str, now: dt.datetime) -> tuple[dt.date, dt.date] | None:
    """Return the civil days that the filters leave of a date field, if bounded."""
    first = last = None
    for f in query.filters:
        if ".".join(f.path) != path:
            continue
        if f.operation == "between":
            low, high = _pair(f)
            first, last = moment(low, now)[0].date(), moment(high, now)[0].date()
        elif f.operation == "":
            first = last = moment(f.value, now)[0].date()
        elif f.operation == "after":
            first = moment(f.value, now)[0].date()
        elif f.operation == "before":
            last = moment(f.value, now)[0].date()
        elif f.column.type is Type.STAMP and f.operation in ("gt", "gte"):
            first = dt.datetime.fromtimestamp(_number(f.value), dt.UTC).date()
        elif f.column.type is Type.STAMP and f.operation in ("lt", "lte"):
            last = dt.datetime.fromtimestamp(_number(f.value), dt.UTC).date()
    return (first, last) if first and last else None


def _check_window(resource: Resource, query: Query, now: dt.datetime) -> None:
    for f in query.filters:
        if f.operation == "in" and len(f.value.split(",")) > MOST_IN:
            raise QueryRefused(f"{'.'.join(f.path)}:in takes at most {MOST_IN} values")
        if f.path == ("id",) and f.operation in ("", "in"):
            return
    for path in resource.window:
        span = bounds(query, path, now)
        if span is None:
            continue
        exclusive = any(
            ".".join(f.path) == path and f.operation in ("after", "before", "gt", "gte")
            for f in query.filters
        )
        if (span[1] - span[0]).days >= MOST_DAYS + exclusive:
            raise QueryRefused(
                f"{path} must not span more than 1 month", fact="required-filter"
            )
        return
    raise QueryRefused(
        f"At least one filter is required in {resource.tag}: {resource.window[0]}",
        fact="required-filter",
    )


def _column(source: Source, resource: Resource, path: Sequence[str]) -> Column:
    here, column = resource, None
    for i, name in enumerate(path):
        column = here.columns.get(name)
        if column is None or (i + 1 < len(path) and not column.to):
            raise QueryRefused(f"{'.'.join(path)} is not a field in {resource.tag}")
        if column.to:
            here = source.resources[column.to]
    assert column is not None
    return column


def _check_include(source: Source, resource: Resource, path: Sequence[str]) -> None:
    _column(source, resource, path)


def _value(
    source: Source, resource: Resource, row: Row | None, path: Sequence[str]
) -> Any:
    here = resource
    for i, name in enumerate(path):
        if row is None:
            return None
        column = here.columns[name]
        if column.many:
            here, rest = source.resources[column.to], path[i + 1 :] or ("id",)
            return [
                _value(source, here, each, rest)
                for each in source.related(resource.tag, row, name)
            ]
        value = row.get(name)
        if i + 1 == len(path):
            return value
        here = source.resources[column.to]
        row = None if value is None else source.find(column.to, value)
    return None


_NUMERIC: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def _test(
    source: Source, resource: Resource, f: Filter, now: dt.datetime
) -> Callable[[Row], bool] | None:
    compare = _comparison(f, now)
    if compare is None:
        return None

    def test(row: Row) -> bool:
        value = _value(source, resource, row, f.path)
        if isinstance(value, list) and f.column.type is not Type.SET:
            return any(compare(each) for each in value)
        return compare(value)

    return test


def _comparison(f: Filter, now: dt.datetime) -> Callable[[Any], bool] | None:
    kind, value = f.column.type, f.value
    match f.operation:
        case "isnull":
            return lambda found: found is None
        case "isnotnull":
            return lambda found: found is not None
        case "contains":
            return lambda found: value.casefold() in str(found or "").casefold()
        case "startswith":
            return lambda found: (
                str(found or "").casefold().startswith(value.casefold())
            )
        case "endswith":
            return lambda found: str(found or "").casefold().endswith(value.casefold())
        case "inSet":
            if "|" in value:
                options = set(value.split("|"))
                return lambda found: bool(options & set(found or ()))
            wanted = set(value.split(","))
            return lambda found: wanted <= set(found or ())
        case "gt" | "gte" | "lt" | "lte":
            if kind not in (Type.NUMBER, Type.STAMP):
                return None  # the vendor ignores it without a word
            number, relation = _number(value), _NUMERIC[f.operation]
            return lambda found: found is not None and relation(found, number)
        case "before" | "after" | "between":
            return _span(f, now)
        case "in":
            accepted = [_same(kind, each, now) for each in value.split(",")]
            return lambda found: any(same(found) for same in accepted)
        case "not":
            same = _same(kind, value, now)
            return lambda found: not same(found)
        case _:
            return _same(kind, value, now)


def _span(f: Filter, now: dt.datetime) -> Callable[[Any], bool]:
    if f.column.type not in (Type.DATE, Type.MOMENT, Type.STAMP):
        raise QueryRefused(
            f"{'.'.join(f.path)} is not a date field", fact="error-wording"
        )
    if f.operation == "between":
        low, high = _pair(f)
        first, last = moment(low, now)[0], moment(high, now)[1]
        return lambda found: found is not None and first <= _civil(found) <= last
    start, end = moment(f.value, now)
    if f.operation == "before":
        return lambda found: found is not None and _civil(found) < start
    return lambda found: found is not None and _civil(found) > end


def _pair(f: Filter) -> tuple[str, str]:
    low, bar, high = f.value.partition("|")
    if not bar:
        raise QueryRefused(
            f"{'.'.join(f.path)}:between takes two dates separated by |",
            fact="error-wording",
        )
    return low, high


def _same(kind: Type, value: str, now: dt.datetime) -> Callable[[Any], bool]:
    if kind in (Type.DATE, Type.MOMENT):
        first, last = moment(value, now)
        return lambda found: found is not None and first <= _civil(found) <= last
    if kind in (Type.NUMBER, Type.STAMP):
        number = _number(value)
        return lambda found: found == number
    if kind is Type.FLAG:
        flag = value.lower() in ("true", "1")
        return lambda found: found is flag
    return lambda found: found is not None and str(found).casefold() == value.casefold()


def _number(value: str) -> float:
    try:
        return int(value)
    except ValueError:
        try:
            return float(value)
        except ValueError:
            raise QueryRefused(
                f"{value} is not a number", fact="error-wording"
            ) from None


def _whole(value: str, name: str, least: int = 0) -> int:
    if not value.isdigit() or int(value) < least:
        raise QueryRefused(f"{name} must be an integer", fact="error-wording")
    return int(value)


_FORMATS = (
    (r"(\d{4})-(\d{2})-(\d{2})", "ymd"),
    (r"(\d{2})/(\d{2})/(\d{4})", "mdy"),
    (r"(\d{2})-(\d{2})-(\d{4})", "dmy"),
)


def moment(text: str, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """
    Return the first and last civil second that a date value names.

    Dates are ``2018-01-02``, ``12/01/2018`` (US), ``01-12-2018`` (UK) or one of PHP's
    relative words; a time may follow. Without one, the whole day is meant.
    """
    text = text.strip()
    words = {"today": 0, "yesterday": -1, "tomorrow": 1}
    head, _, tail = text.replace("T", " ").partition(" ")
    day = None
    if head.lower() in words:
        day = now.date() + dt.timedelta(words[head.lower()])
    for pattern, order in _FORMATS:
        if found := re.fullmatch(pattern, head):
            part = dict(zip(order, map(int, found.groups()), strict=True))
            try:
                day = dt.date(part["y"], part["m"], part["d"])
            except ValueError:
                break
    if day is None:
        raise QueryRefused(f"{text} is not a date", fact="error-wording")
    if not tail:
        start = dt.datetime.combine(day, dt.time(0, 0))
        return start, start + dt.timedelta(hours=23, minutes=59, seconds=59)
    clock = re.fullmatch(
        r"(\d{1,2}):?(\d{2})(?::(\d{2}))?\s*(am|pm)?(?:Z|[+-]\d{2}:?\d{2})?",
        tail.strip(),
        re.IGNORECASE,
    )
    if clock is None:
        raise QueryRefused(f"{text} is not a date", fact="error-wording")
    hour = (
        int(clock[1]) % 12 + 12 * (clock[4].lower() == "pm")
        if clock[4]
        else int(clock[1])
    )
    at = dt.datetime.combine(day, dt.time(hour % 24, int(clock[2]), int(clock[3] or 0)))
    return at, at


def _civil(value: Any) -> dt.datetime:
    """Return the wall clock that a row's date prints: the offset is not applied."""
    if isinstance(value, int):
        return dt.datetime.fromtimestamp(value, dt.UTC).replace(tzinfo=None)
    return dt.datetime.fromisoformat(value[:19])


def _order(value: Any) -> tuple[int, Any]:
    if isinstance(value, str):
        return (1, value.casefold())
    return (0, 0) if value is None else (0, value)


# ------------------------------------------------------------------------ rendering


def render(source: Source, resource: Resource, row: Row, query: Query) -> Row:
    """Return the row as the answer shows it, with what was asked for."""
    if query.fields:
        return _fields(source, resource, row, query)
    return _whole_row(source, resource, row, _tree(query.include), nested=False)


Tree: TypeAlias = dict[str, Any]


def _tree(paths: Iterable[str]) -> Tree:
    tree: Tree = {}
    for path in paths:
        here = tree
        for name in path.split("."):
            here = here.setdefault(name, {})
    return tree


def _whole_row(
    source: Source, resource: Resource, row: Row, tree: Tree, *, nested: bool
) -> Row:
    out: Row = {}
    for name, column in resource.columns.items():
        if name in tree and column.to:
            out[name] = _relation(source, resource, row, name, tree[name])
        elif column.many or (column.on_demand and name not in tree):
            continue
        elif nested and name in ("client", "account") and row.get(name) is not None:
            # inside an included record the vendor shows its zone provider's key
            out[name] = {"id": row[name], "id{timezoneProviderIdPath}": row[name]}
        elif name in row or column.on_demand:
            out[name] = row.get(name)
    return out


def _relation(
    source: Source, resource: Resource, row: Row, name: str, tree: Tree
) -> Any:
    column = resource.columns[name]
    there = source.resources[column.to]
    if column.many:
        return [
            _whole_row(source, there, each, tree, nested=True)
            for each in source.related(resource.tag, row, name)
        ]
    value = row.get(name)
    found = None if value is None else source.find(column.to, value)
    return (
        value if found is None else _whole_row(source, there, found, tree, nested=True)
    )


def _fields(source: Source, resource: Resource, row: Row, query: Query) -> Row:
    out: Row = {}
    for word in query.fields:
        name, _, alias = word.partition(":")
        path = name.split(".")
        _column(source, resource, path)
        value = _value(source, resource, row, path)
        if alias:
            out[alias] = value
            continue
        here = out
        for step in path[:-1]:
            found = here.get(step)
            here[step] = found if isinstance(found, dict) else {}
            here = here[step]
        here[path[-1]] = value
    for word in query.include:
        top = word.split(".")[0]
        tree = _tree(w for w in query.include if w.split(".")[0] == top)
        if resource.columns[top].to:
            out[top] = _relation(source, resource, row, top, tree[top])
        else:
            out[top] = row.get(top)
    return out
