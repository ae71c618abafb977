"""Pairs, links, and the values that links name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

from rota.clock import Clock
from rota.errors import LedgerError

from .databases import Database, Row
from .migrations import TABLES
from .rolls import Rolls
from .values import (
    Digest,
    Image,
    Link,
    PairState,
    day_or_none,
    digest,
    json_or_none,
    lengthened,
    ordinal,
    packed,
    shortened,
    unpacked,
)


_AT_ONCE = 500  # values in one question


class Agreements(Rolls):
    """What the two sides of each pair agreed on."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        rows = database.query("SELECT id, text FROM word")
        self._words: dict[int, str] = {int(row[0]): str(row[1]) for row in rows}

    def pair(self, name: str) -> PairState:
        """Return a pair by its name; it is made when first asked for."""
        found = self._pair(name)
        if found is None:
            with self._database.transaction():
                found = self._pair(name)
                if found is None:
                    number = self._next("pair")
                    self._database.execute(
                        "INSERT INTO pair (id, name, moves, links) VALUES (?, ?, 0, 0)",
                        (number, name),
                    )
                    found = PairState(id=number, name=name, baseline=None)
        return found

    def pairs(self, prefix: str = "") -> tuple[PairState, ...]:
        """Return the pairs that were ever asked for, by name, those of a prefix only."""
        rows = self._database.query("SELECT id, name, baseline FROM pair ORDER BY name")
        return tuple(
            PairState(id=row[0], name=row[1], baseline=row[2])
            for row in rows
            if row[1].startswith(prefix)
        )

    def _pair(self, name: str) -> PairState | None:
        rows = self._database.query(
            "SELECT id, name, baseline FROM pair WHERE name = ?", (name,)
        )
        return (
            PairState(id=rows[0][0], name=name, baseline=rows[0][2]) if rows else None
        )

    def rebaseline(self, pair: PairState, baseline: str) -> PairState:
        """Remember the digest of all that the pair's plans now rest on."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE pair SET baseline = ? WHERE id = ?", (baseline, pair.id)
            )
        return PairState(id=pair.id, name=pair.name, baseline=baseline)

    def identity(self, pair: PairState, side: str) -> bytes | None:
        """Return who asked last on a side (user, rights, zones, counts), as JSON."""
        rows = self._side(pair, side)
        return json_or_none(rows[0][0]) if rows else None

    def put_identity(self, pair: PairState, side: str, identity: bytes) -> None:
        """Remember who asked on a side."""
        self._put_side(pair, side, "identity", identity.decode())

    def records(self, pair: PairState, side: str) -> int | None:
        """Return how many records the last certified listing of a side held."""
        rows = self._side(pair, side)
        return rows[0][1] if rows else None

    def put_records(self, pair: PairState, side: str, records: int) -> None:
        """Remember how many records a certified listing of a side held."""
        self._put_side(pair, side, "records", records)

    def _side(self, pair: PairState, side: str) -> list[Row]:
        return self._database.query(
            "SELECT identity, records FROM side WHERE pair = ? AND side = ?",
            (pair.id, side),
        )

    def _put_side(self, pair: PairState, side: str, column: str, value: object) -> None:
        with self._database.transaction():
            self._database.execute(
                f"INSERT INTO side (pair, side, {column}, at) VALUES (?, ?, ?, ?)"
                f" ON CONFLICT (pair, side) DO UPDATE SET"
                f" {column} = excluded.{column}, at = excluded.at",
                (pair.id, side, value, self._now()),
            )

    def links(self, pair: PairState) -> Iterator[Link]:
        """Return a pair's links by source and number; memory does not grow with them."""
        return map(self._link_of, self._rows("link", (pair.id,)))

    def touched(
        self, pair: PairState, sources: Iterable[str], targets: Iterable[str]
    ) -> Iterator[Link]:
        """Return all links of these sources, and of those that have these targets."""
        wanted = {shortened(key) for key in sources}
        held = sorted(map(shortened, targets))
        for start in range(0, len(held), _AT_ONCE):
            some = held[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            found = self._database.query(
                f"SELECT source FROM link WHERE pair = ? AND target IN ({marks})",
                (pair.id, *some),
            )
            wanted |= {str(row[0]) for row in found}
        for source in sorted(wanted):
            yield from map(self._link_of, self._rows("link", (pair.id, source)))

    def link(self, pair: PairState, source: str, n: int) -> Link | None:
        """Return the link of a piece, or None."""
        return self._one_link(
            "pair = ? AND source = ? AND n = ?", (pair.id, shortened(source), n)
        )

    def linked(self, pair: PairState, target: str) -> Link | None:
        """Return the link that holds a target record, or None."""
        return self._one_link("pair = ? AND target = ?", (pair.id, shortened(target)))

    def _one_link(self, where: str, parameters: Sequence[object]) -> Link | None:
        columns = ", ".join(TABLES["link"].columns)
        rows = self._database.query(
            f"SELECT {columns} FROM link WHERE {where}", parameters
        )
        return self._link_of(rows[0]) if rows else None

    def _link_of(self, row: Row) -> Link:
        return Link(
            source=lengthened(row[1]),
            n=row[2],
            target=lengthened(row[3]),
            agreed=Digest(row[4]),
            seen=Digest(row[5]),
            generation=row[6],
            form=self._word(row[7]),
            since=dt.date.fromordinal(row[8]),
            first=day_or_none(row[9]),
            last=day_or_none(row[10]),
            handed_over=bool(row[11]),
        )

    def released(self, pair: PairState) -> dict[str, dt.date]:
        """Return from which day on sources were given up to the target (cut over)."""
        rows = self._database.query(
            "SELECT source, day FROM released WHERE pair = ? ORDER BY source",
            (pair.id,),
        )
        return {row[0]: dt.date.fromordinal(row[1]) for row in rows}

    def _release(self, pair: int, source: str, day: dt.date | None) -> None:
        if day is None:
            self._database.execute(
                "DELETE FROM released WHERE pair = ? AND source = ?", (pair, source)
            )
            return
        self._database.execute(
            "INSERT INTO released (pair, source, day) VALUES (?, ?, ?)"
            " ON CONFLICT (pair, source) DO UPDATE SET day = excluded.day",
            (pair, source, day.toordinal()),
        )

    def images(self, pair: PairState, target: str | None = None) -> tuple[Image, ...]:
        """
        Return what target records said, and on which days; the present one last.

        Args:
            pair: The pair that wrote them.
            target: One record as ``kind:id``, or all that the pair ever linked.
        """
        only, extra = (
            ("", ()) if target is None else (" AND target = ?", (shortened(target),))
        )
        rows = self._database.query(
            "SELECT source, n, target, seen, since, until FROM image"
            f" WHERE pair = ?{only} UNION ALL"
            " SELECT source, n, target, seen, since, NULL FROM link"
            f" WHERE pair = ?{only} ORDER BY 3, 5",
            (pair.id, *extra, pair.id, *extra),
        )
        return tuple(
            Image(
                source=lengthened(row[0]),
                n=row[1],
                target=lengthened(row[2]),
                seen=Digest(row[3]),
                since=dt.date.fromordinal(row[4]),
                until=day_or_none(row[5]),
            )
            for row in rows
        )

    def value(self, of: Digest) -> bytes | None:
        """Return the bytes that a digest names, or None."""
        rows = self._database.query("SELECT body FROM value WHERE digest = ?", (of,))
        return unpacked(bytes(rows[0][0])) if rows else None

    def keep(self, *values: bytes) -> tuple[Digest, ...]:
        """Store values, each once, and return their digests in the same order."""
        with self._database.transaction():
            return self._keep(values)

    def _keep(self, values: Iterable[bytes]) -> tuple[Digest, ...]:
        kept = tuple((digest(body), packed(body)) for body in values)
        self._database.execute_each(
            "INSERT INTO value (digest, body) VALUES (?, ?) ON CONFLICT DO NOTHING",
            kept,
        )
        return tuple(name for name, _ in kept)

    def _put_link(self, pair: int, link: Link, day: dt.date) -> None:
        database = self._database
        source, target = shortened(link.source), shortened(link.target)
        taken = database.query(
            "SELECT source, n FROM link WHERE pair = ? AND target = ?"
            " AND (source <> ? OR n <> ?)",
            (pair, target, source, link.n),
        )
        if taken:
            raise LedgerError(
                f"{link.target} can't be linked to {link.source}, piece {link.n}:"
                f" it is linked to {lengthened(taken[0][0])}, piece {taken[0][1]}",
                hint="rota ledger check looks for the cause",
            )
        old = self._image(pair, source, link.n)
        begins = day.toordinal()
        if old is not None and old[:2] == (target, link.seen):
            begins = old[2]
        elif old is not None:
            self._archive(pair, source, link.n, old, begins)
        targets = (target, old[0]) if old else (target,)
        self._strike(pair, source, *targets, more=0 if old else 1)
        database.execute(
            "INSERT INTO link (pair, source, n, target, agreed, seen, generation, form,"
            " since, first, last, handed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (pair, source, n) DO UPDATE SET target = excluded.target,"
            " agreed = excluded.agreed, seen = excluded.seen,"
            " generation = excluded.generation, form = excluded.form,"
            " since = excluded.since, first = excluded.first, last = excluded.last,"
            " handed = excluded.handed",
            (
                pair,
                source,
                link.n,
                target,
                link.agreed,
                link.seen,
                link.generation,
                self._word_number(link.form),
                begins,
                ordinal(link.first),
                ordinal(link.last),
                int(link.handed_over),
            ),
        )

    def _unlink(self, pair: int, source: str, n: int, day: dt.date) -> None:
        source = shortened(source)
        old = self._image(pair, source, n)
        if old is not None:
            self._archive(pair, source, n, old, day.toordinal())
            self._strike(pair, source, old[0], more=-1)
            self._database.execute(
                "DELETE FROM link WHERE pair = ? AND source = ? AND n = ?",
                (pair, source, n),
            )

    def _image(self, pair: int, source: str, n: int) -> tuple[str, Digest, int] | None:
        rows = self._database.query(
            "SELECT target, seen, since FROM link"
            " WHERE pair = ? AND source = ? AND n = ?",
            (pair, source, n),
        )
        return (rows[0][0], Digest(rows[0][1]), rows[0][2]) if rows else None

    def _archive(
        self, pair: int, source: str, n: int, old: tuple[str, Digest, int], until: int
    ) -> None:
        """Keep an image that ends; one that was in force on no day is not kept."""
        target, seen, since = old
        key = (pair, target)
        self._database.execute(
            "UPDATE image SET until = ? WHERE pair = ? AND target = ? AND until > ?",
            (until, *key, until),
        )
        self._database.execute(
            "DELETE FROM image WHERE pair = ? AND target = ? AND until <= since", key
        )
        if since < until:
            self._database.execute(
                "INSERT INTO image (pair, target, since, until, seen, source, n)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (pair, target, since)"
                " DO UPDATE SET until = excluded.until, seen = excluded.seen",
                (*key, since, until, seen, source, n),
            )

    def _word(self, number: int) -> str:
        if number not in self._words:
            rows = self._database.query("SELECT text FROM word WHERE id = ?", (number,))
            self._words[number] = str(rows[0][0])
        return self._words[number]

    def _word_number(self, text: str) -> int:
        rows = self._database.query("SELECT id FROM word WHERE text = ?", (text,))
        if rows:
            return int(rows[0][0])
        number = self._next("word")
        self._database.execute(
            "INSERT INTO word (id, text) VALUES (?, ?)", (number, text)
        )
        return number
