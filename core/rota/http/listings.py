"""Reading pages to the end, and the certificate of what came."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import marshal
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import attrs

from rota.errors import BadAnswer, RotaError
from rota.model import Json, Ref
from rota.vendor import (
    Asked,
    Broken,
    Certificate,
    Completeness,
    Glance,
    Listing,
    Prints,
    RollCall,
    Scope,
)


T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Page:
    """
    One page as it came.

    Args:
        declared: The total that the vendor declares beside it, if it does.
    """

    rows: tuple[Json, ...]
    declared: int | None = None


@attrs.frozen
class _Pages:
    """Pages that can be read from the start as often as asked."""

    read: Callable[[], Iterator[Page]]

    def __iter__(self) -> Iterator[Page]:
        return self.read()


def offset_pages(fetch: Callable[[int, int], Page], *, limit: int) -> Iterable[Page]:
    """
    Page by offset and limit, until the declared total or, without one, a short page.

    Args:
        fetch: From offset and limit to a page.
    """

    def read() -> Iterator[Page]:
        offset, before = 0, tuple[Json, ...]()
        while True:
            page = fetch(offset, limit)
            yield page
            offset += len(page.rows)
            if not page.rows or (
                offset >= page.declared
                if page.declared is not None
                else len(page.rows) < limit
            ):
                return
            before = _advance(before, page)

    return _Pages(read)


def numbered_pages(
    fetch: Callable[[int], Page], *, per_page: int, first: int = 1
) -> Iterable[Page]:
    """
    Page by number, until a page that is not full.

    Args:
        fetch: From a page's number to the page.
    """

    def read() -> Iterator[Page]:
        number, before = first, tuple[Json, ...]()
        while True:
            page = fetch(number)
            yield page
            if len(page.rows) < per_page:
                return
            number += 1
            before = _advance(before, page)

    return _Pages(read)


def counted_pages(count: Callable[[], int], pages: Iterable[Page]) -> Iterable[Page]:
    """Put the vendor's separate count, asked before and after, around the pages."""

    def read() -> Iterator[Page]:
        yield Page(rows=(), declared=count())
        yield from pages
        yield Page(rows=(), declared=count())

    return read() if isinstance(pages, Iterator) else _Pages(read)


def _advance(before: tuple[Json, ...], page: Page) -> tuple[Json, ...]:
    if page.rows == before:
        raise BadAnswer("the same page came twice: the vendor does not turn pages")
    return page.rows


def listing(
    pages: Iterable[Page],
    *,
    account: str,
    scope: Scope,
    asked: Asked,
    rests_on: Completeness,
    parse: Callable[[Json], T],
    key: Callable[[Json], str],
    read_at: dt.datetime | Callable[[], dt.datetime],
    filters: tuple[str, ...] = (),
    under: object = None,
) -> Listing[T]:
    """
    Read pages to the end and certify what came; the only issuer for HTTP accounts.

    Where the count does not tally, the set may have changed under the reading: it is
    read once more from the start before the certificate says that it is incomplete.

    Args:
        pages: From ``offset_pages``, ``numbered_pages`` or ``counted_pages``.
        parse: From a row to a record; what it raises makes the row a ``Broken``.
        key: From a row to its id; what it raises makes the row a ``Broken`` too.
        read_at: When the reading ended, or what tells it then.
        filters: What the vendor was asked to leave out, for the certificate.
        under: All that ``parse`` goes by beside the row, as JSON: settings, zones.
            Without it no prints are taken, and every row is read every time.

    Raises:
        VendorError: A page did not come; there is no listing without all of them.
    """
    glance = scope if isinstance(scope, Glance) and under is not None else None
    take = _taker(glance, asked, under) if glance else lambda row: None
    read = _Parser(parse=parse, key=key, take=take)
    known = Prints() if glance is None else glance.known
    reading = _Reading.of(pages, read, known, rests_on)
    if reading.problems and not isinstance(pages, Iterator):
        reading = _Reading.of(pages, read, known, rests_on)
    broken = reading.broken
    errors = list(reading.problems)
    if broken:
        named = ", ".join(one.id for one in broken[:5])
        more = f" and {len(broken) - 5} more" if len(broken) > 5 else ""
        errors.append(f"{len(broken)} rows could not be read: {named}{more}")
    return Listing(
        items=reading.items,
        broken=broken,
        prints=reading.prints,
        places=reading.places,
        same=None if glance is None else reading.same,
        lost=reading.lost,
        certificate=Certificate(
            account=account,
            scope=scope,
            filters=filters,
            pages=reading.pages,
            rows=reading.distinct,
            declared=reading.declared,
            rests_on=rests_on,
            read_at=read_at() if callable(read_at) else read_at,
            asked=asked,
            errors=tuple(errors),
        ),
    )


def _why(error: Exception) -> str:
    if isinstance(error, RotaError):
        return error.message
    return f"{type(error).__name__}: {error}"


def _taker(glance: Glance, asked: Asked, under: object) -> Callable[[Json], int | None]:
    """Return what takes the print of a row and of all that it is read under."""
    zone = asked.zone or ""
    base = hashlib.blake2b(
        json.dumps([glance.under, zone, under]).encode(), digest_size=8
    )

    def take(row: Any) -> int | None:
        # The quickest; where another Python says it otherwise, all rows are new once.
        try:
            body = marshal.dumps(row, 2)
        except ValueError:  # more than JSON: such a row is read every time
            return None
        made = base.copy()
        made.update(body)
        return int.from_bytes(made.digest(), signed=True)

    return take


@attrs.frozen(kw_only=True)
class _Parser(Generic[T]):
    """What is done with a row."""

    parse: Callable[[Json], T]
    key: Callable[[Json], str]
    take: Callable[[Json], int | None]


@attrs.frozen(kw_only=True)
class _Reading(Generic[T]):
    """One pass over all pages; a row is read as it comes, and not kept."""

    items: tuple[T, ...]
    distinct: int
    prints: Mapping[str, int]
    places: Mapping[str, int]
    same: int
    lost: frozenset[int]
    pages: int
    declared: int | None
    broken: tuple[Broken, ...]
    problems: tuple[str, ...]

    @classmethod
    def of(
        cls,
        pages: Iterable[Page],
        read: _Parser[T],
        known: Prints,
        rests_on: Completeness,
    ) -> _Reading[T]:
        held: dict[tuple[str, int | None], tuple[T | Broken, int]] = {}
        nameless: list[Broken] = []
        declared: list[int | None] = []
        call = RollCall(known)
        came = turned = 0
        for page in pages:
            declared.append(page.declared)
            turned += bool(page.rows)
            for row in page.rows:
                came += 1
                made = read.take(row)
                if made is not None and call.answers(made):
                    continue
                try:
                    name = read.key(row)
                except Exception as error:  # as with parse
                    why = f"it has no id ({_why(error)})"
                    nameless.append(Broken(id=f"row {came}", why=why))
                    continue
                try:
                    held[name, made] = read.parse(row), call.met
                except Exception as error:  # a row's trouble stays its own
                    held[name, made] = Broken(id=name, why=_why(error)), call.met
        same, late, lost = call.end({made for _, made in held if made is not None})
        items: dict[str, T | Broken] = {}
        prints: dict[str, int] = {}
        places: dict[str, int] = {}
        for (name, made), (item, met) in held.items():
            if made in late:
                continue
            items[name] = item
            ref = getattr(item, "ref", None)
            if made is not None and isinstance(ref, Ref):
                prints[ref.key], places[ref.key] = made, met
        first, last = (declared[0], declared[-1]) if declared else (None, None)
        rows = len(items) + same
        distinct = rows + len(nameless)
        problems = []
        if first != last:
            problems.append(f"the total went from {first} to {last} while reading")
        elif first is not None and distinct != first:
            problems.append(f"{distinct} distinct rows, and {first} were declared")
        elif first is None and distinct != came:
            problems.append(f"{came - distinct} rows came twice")
        if first is None and rests_on in (
            Completeness.DECLARED_TOTAL,
            Completeness.COUNTED_TWICE,
        ):
            problems.append("the vendor declared no total")
        unread = [one for one in items.values() if isinstance(one, Broken)]
        return cls(
            items=tuple(one for one in items.values() if not isinstance(one, Broken)),
            distinct=rows,
            prints=prints,
            places=places,
            same=same,
            lost=lost,
            pages=max(turned, 1),
            declared=last,
            broken=(*nameless, *unread),
            problems=tuple(problems),
        )
