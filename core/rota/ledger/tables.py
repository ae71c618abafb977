"""What all parts of the ledger share: the database, the clock, paged reading."""

from __future__ import annotations

from collections.abc import Iterator

from rota.clock import Clock

from .databases import Database, Row
from .migrations import TABLES
from .values import micros


_PAGE = 5_000


class Part:
    """A part of the ledger; all parts share one connection."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def _rows(
        self,
        name: str,
        fixed: tuple[object, ...] = (),
        columns: tuple[str, ...] | None = None,
        page: int | None = None,
    ) -> Iterator[Row]:
        """Return rows by primary key, a page at a time; ``fixed`` are its first parts."""
        page = page or _PAGE
        table = TABLES[name]
        columns = columns or table.columns
        keys = table.columns[: table.key]
        free = keys[len(fixed) :]
        places = tuple(columns.index(key) for key in free)
        equal = [f"{key} = ?" for key in keys[: len(fixed)]]
        marks = ", ".join("?" * len(free))
        select = f"SELECT {', '.join(columns)} FROM {name}"
        order = f"ORDER BY {', '.join(free)} LIMIT {page}"
        after: tuple[object, ...] = ()
        while True:
            beyond = [f"({', '.join(free)}) > ({marks})"] if after else []
            where = " AND ".join(equal + beyond) or "1 = 1"
            rows = self._database.query(
                f"{select} WHERE {where} {order}", (*fixed, *after)
            )
            yield from rows
            if len(rows) < page:
                return
            after = tuple(rows[-1][place] for place in places)

    def _now(self) -> int:
        return micros(self._clock.now())

    def _next(self, table: str) -> int:
        """Return a free number; writers are alone, so nobody else takes it."""
        rows = self._database.query(f"SELECT coalesce(max(id), 0) + 1 FROM {table}")
        return int(rows[0][0])
