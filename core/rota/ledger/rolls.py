"""The roll of each side: rows that need nothing while they stay what they are."""

from __future__ import annotations

import json
import sys
from array import array
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping

from .tables import Part
from .values import Enrolled, Known, PairState, lengthened, packed, shortened, unpacked


_BLOCK = 1_000  # rows
_BLOCKS = 8  # in one question
_Entries = list[tuple[str, int]]


class Rolls(Part):
    """
    Which rows of a pair were found to agree, by their prints, as they were listed.

    A pair that has a roll has every source of its links either in it or among the
    loose. Whoever writes a link strikes its records; ``moves`` counts both.
    """

    def moves(self, pair: PairState) -> int:
        """Return a number that every change of a pair's links and rolls counts up."""
        rows = self._database.query("SELECT moves FROM pair WHERE id = ?", (pair.id,))
        return int(rows[0][0])

    def known(self, pair: PairState) -> Known:
        """Return how much of a pair is settled, and what is not."""
        [(moves, links, taken)] = self._database.query(
            "SELECT moves, links, (SELECT coalesce(sum(length(prints)), 0) FROM roll"
            " WHERE roll.pair = pair.id AND side = 'target') FROM pair WHERE id = ?",
            (pair.id,),
        )
        rows = self._database.query(
            "SELECT side, key, listed FROM loose WHERE pair = ?", (pair.id,)
        )
        struck = {
            side: frozenset(key for at, key, listed in rows if listed and at == side)
            for side in ("source", "target")
        }
        return Known(
            moves=moves,
            links=links,
            settled=int(taken) // 8 - len(struck["target"]),
            loose=frozenset(lengthened(key) for at, key, _ in rows if at == "source"),
            struck=struck,
        )

    def prints(
        self, pair: PairState, side: str, struck: Collection[str] = ()
    ) -> Iterator[array[int]]:
        """Return the prints of a side as its rows were listed, some at a time."""
        if struck:
            for _, entries in self._blocks(pair.id, side):
                yield array(
                    "q", (print_ for key, print_ in entries if key not in struck)
                )
            return
        columns = ("at", "prints")
        for row in self._rows("roll", (pair.id, side), columns, page=_BLOCKS):
            yield _read(row[1])

    def enrolled(
        self,
        pair: PairState,
        side: str,
        *,
        prints: Collection[int] = (),
        keys: Iterable[str] = (),
        struck: Collection[str] = (),
    ) -> dict[str, int]:
        """Return records, as ``kind:id``, that are wanted by print or key; the prints."""
        wanted = {shortened(key) for key in keys}
        if not (prints or wanted):
            return {}
        return {
            lengthened(key): print_
            for _, entries in self._blocks(pair.id, side)
            for key, print_ in entries
            if (print_ in prints or key in wanted) and key not in struck
        }

    def agree(
        self,
        pair: PairState,
        moves: int,
        decided: Iterable[tuple[str, str]],
        rows: Mapping[str, Iterable[Enrolled]],
        *,
        whole: bool,
    ) -> bool:
        """
        Note which rows agree; whatever else was decided on is loose from now on.

        Args:
            pair: The pair.
            moves: ``moves`` as it was before links were read. Where the pair has moved
                since, nothing is noted.
            decided: Source and target, as ``kind:id``, of the links that were read.
            rows: What is settled, by side, as it was listed; sources with all links.
            whole: All links were read.

        Returns:
            Whether it was noted.
        """
        new = {
            side: {shortened(row.key): row for row in found}
            for side, found in rows.items()
        }
        ends = [tuple(map(shortened, each)) for each in decided]
        with self._database.transaction():
            if self.moves(pair) != moves:
                return False
            known = self.known(pair)
            for place, side in enumerate(("source", "target")):
                if whole:
                    self._database.execute(
                        "DELETE FROM roll WHERE pair = ? AND side = ?", (pair.id, side)
                    )
                gone = {each[place] for each in ends} | known.struck[side]
                self._enrol(pair.id, side, new[side], gone)
            loose = {each[0] for each in ends} - new["source"].keys()
            was = {shortened(key) for key in known.loose} - known.struck["source"]
            self._database.execute(
                "DELETE FROM loose WHERE pair = ? AND listed = 1", (pair.id,)
            )
            self._database.execute_each(
                "DELETE FROM loose WHERE pair = ? AND side = 'source' AND key = ?",
                ((pair.id, key) for key in was - loose),
            )
            self._database.execute_each(
                "INSERT INTO loose (pair, side, key, listed) VALUES (?, 'source', ?, 0)",
                ((pair.id, key) for key in loose - was),
            )
            self._moved(pair.id)
        return True

    def _strike(self, pair: int, source: str, *targets: str, more: int) -> None:
        """
        Let the roll say nothing more of a source and of records that it is told in.

        Args:
            more: How many links the pair has more than before.
        """
        self._moved(pair, more)
        if self._database.query("SELECT 1 FROM roll WHERE pair = ? LIMIT 1", (pair,)):
            self._database.execute_each(
                "INSERT INTO loose (pair, side, key, listed) VALUES (?, ?, ?, 1)"
                " ON CONFLICT (pair, side, key) DO UPDATE SET listed = 1",
                (
                    (pair, "source", source),
                    *((pair, "target", target) for target in targets),
                ),
            )

    def _moved(self, pair: int, more: int = 0) -> None:
        self._database.execute(
            "UPDATE pair SET moves = moves + 1, links = links + ? WHERE id = ?",
            (more, pair),
        )

    def _blocks(self, pair: int, side: str) -> Iterator[tuple[int, _Entries]]:
        columns = ("at", "prints", "keys")
        for at, prints, keys in self._rows("roll", (pair, side), columns, page=_BLOCKS):
            named = json.loads(unpacked(bytes(keys)))
            yield at, list(zip(named, _read(prints), strict=True))

    def _enrol(
        self, pair: int, side: str, new: dict[str, Enrolled], gone: set[str]
    ) -> None:
        """
        Put rows where they were listed, and take out what is gone.

        Only blocks that change are written; what comes last fills the last one up.
        """
        coming = deque(key for key, row in new.items() if row.place is not None)
        placed: set[str] = set()
        met, last, tail = 0, 0, _Entries()

        def put(into: _Entries, key: str) -> None:
            if key not in placed:
                placed.add(key)
                into.append((key, new[key].print))

        def due() -> bool:
            return bool(coming) and (new[coming[0]].place or 0) <= met

        for last, entries in self._blocks(pair, side):
            tail = _Entries()
            for key, print_ in entries:
                while due():
                    put(tail, coming.popleft())
                if key in new:
                    put(tail, key)
                elif key not in gone:
                    tail.append((key, print_))
                    met += 1
            if tail != entries:
                self._write(pair, side, last, tail)
        if len(placed) < len(new):
            for key in new:
                put(tail, key)
            for at in range(0, len(tail), _BLOCK):
                self._write(pair, side, last + at // _BLOCK, tail[at : at + _BLOCK])

    def _write(self, pair: int, side: str, at: int, entries: _Entries) -> None:
        keys = json.dumps([key for key, _ in entries], separators=(",", ":"))
        prints = array("q", (print_ for _, print_ in entries))
        if sys.byteorder == "big":
            prints.byteswap()
        self._database.execute(
            "INSERT INTO roll (pair, side, at, prints, keys) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (pair, side, at)"
            " DO UPDATE SET prints = excluded.prints, keys = excluded.keys",
            (pair, side, at, prints.tobytes(), packed(keys.encode())),
        )


def _read(kept: bytes) -> array[int]:
    prints = array("q", bytes(kept))
    if sys.byteorder == "big":
        prints.byteswap()
    return prints
