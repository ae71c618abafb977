"""What waits for a day, or for a person."""

from __future__ import annotations

import datetime as dt
import hashlib

from .tables import Part
from .values import (
    Acceptance,
    Conflict,
    Dispute,
    Due,
    PairState,
    Waits,
    moment,
    moment_or_none,
)


class Waiting(Part):
    """Due pieces, conflicts, and what was accepted."""

    def put_due(
        self,
        pair: PairState,
        source: str,
        n: int,
        day: dt.date,
        change: bytes,
        *,
        plan: str,
    ) -> None:
        """
        Put down a piece to be made on a later day, or replace one that waits.

        A settled one stays settled as long as the change is the same.
        """
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO due (pair, source, n, day, change, plan)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (pair, source, n, day)"
                " DO UPDATE SET change = excluded.change, plan = excluded.plan,"
                " settled = NULL, how = NULL"
                " WHERE due.settled IS NULL OR due.change <> excluded.change",
                (pair.id, source, n, day.toordinal(), change.decode(), plan),
            )

    def due(
        self, pair: PairState, until: dt.date | None = None, *, settled: bool = False
    ) -> tuple[Due, ...]:
        """Return what waits (or is settled), by day, up to and including a day."""
        null = "IS NOT NULL" if settled else "IS NULL"
        last = dt.date.max if until is None else until
        rows = self._database.query(
            "SELECT source, n, day, change, plan, settled, how FROM due"
            f" WHERE pair = ? AND day <= ? AND settled {null} ORDER BY day, source, n",
            (pair.id, last.toordinal()),
        )
        return tuple(
            Due(
                source=row[0],
                n=row[1],
                day=dt.date.fromordinal(row[2]),
                change=row[3].encode(),
                plan=row[4],
                settled=moment_or_none(row[5]),
                how=row[6],
            )
            for row in rows
        )

    def settle_due(
        self, pair: PairState, source: str, n: int, day: dt.date, how: str
    ) -> None:
        """Note that a due piece was made or dropped; the first word counts."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE due SET settled = ?, how = ? WHERE pair = ? AND source = ?"
                " AND n = ? AND day = ? AND settled IS NULL",
                (self._now(), how, pair.id, source, n, day.toordinal()),
            )

    def put_conflict(self, pair: PairState, dispute: Dispute) -> int:
        """Park a dispute and return its number; one that is open is brought up to date."""
        piece = (dispute.source, dispute.n, dispute.field)
        said = (
            dispute.target, dispute.title, dispute.base, dispute.ours, dispute.theirs,
            dispute.why, int(dispute.tried),
        )  # fmt: skip
        with self._database.transaction():
            rows = self._database.query(
                "SELECT id FROM conflict WHERE pair = ? AND source = ? AND n = ?"
                " AND field = ? AND settled IS NULL",
                (pair.id, *piece),
            )
            if rows:
                number = int(rows[0][0])
                self._database.execute(
                    "UPDATE conflict SET target = ?, title = ?, base = ?, ours = ?,"
                    " theirs = ?, why = ?, tried = ? WHERE id = ?",
                    (*said, number),
                )
            else:
                number = self._next("conflict")
                self._database.execute(
                    "INSERT INTO conflict (id, pair, source, n, field, target, title,"
                    " base, ours, theirs, why, tried, since)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (number, pair.id, *piece, *said, self._now()),
                )
        return number

    def conflicts(
        self, pair: PairState, *, settled: bool = False
    ) -> tuple[Conflict, ...]:
        """Return the conflicts that wait (or are settled), oldest first."""
        null = "IS NOT NULL" if settled else "IS NULL"
        rows = self._database.query(
            "SELECT id, since, settled, how, who, source, n, field, target, title,"
            " base, ours, theirs, why, tried"
            f" FROM conflict WHERE pair = ? AND settled {null} ORDER BY id",
            (pair.id,),
        )
        return tuple(
            Conflict(
                id=row[0],
                since=moment(row[1]),
                settled=moment_or_none(row[2]),
                how=row[3],
                who=row[4],
                dispute=Dispute(
                    source=row[5],
                    n=row[6],
                    field=row[7],
                    target=row[8],
                    title=row[9],
                    base=row[10],
                    ours=row[11],
                    theirs=row[12],
                    why=row[13],
                    tried=bool(row[14]),
                ),
            )
            for row in rows
        )

    def settle_conflict(self, number: int, how: str, who: str) -> None:
        """Note how and by whom a conflict was settled; the first word counts."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE conflict SET settled = ?, how = ?, who = ?"
                " WHERE id = ? AND settled IS NULL",
                (self._now(), how, who, number),
            )

    def waits(self, pair: PairState, day: dt.date) -> Waits:
        """Count what is open; a due piece of before ``day`` is overdue."""
        [counts] = self._database.query(
            "SELECT (SELECT count(*) FROM pending JOIN run ON run.id = pending.run"
            " WHERE run.pair = ?),"
            " (SELECT count(*) FROM due WHERE pair = ? AND settled IS NULL),"
            " (SELECT count(*) FROM due WHERE pair = ? AND settled IS NULL AND day < ?)",
            (pair.id, pair.id, pair.id, day.toordinal()),
        )
        opened, due, overdue = map(int, counts)
        return Waits(open=opened, due=due, overdue=overdue)

    def standing(self, pair: PairState) -> str:
        """Return a digest of all that the ledger holds of a pair and plans rest on."""
        found = hashlib.sha256()
        for query in (
            """SELECT source, n, day, change FROM due
                WHERE pair = ? AND settled IS NULL ORDER BY source, n, day""",
            """SELECT pending.run, pending.seq FROM pending
                JOIN run ON run.id = pending.run WHERE run.pair = ? ORDER BY 1, 2""",
            "SELECT side, identity, records FROM side WHERE pair = ? ORDER BY side",
            "SELECT baseline, moves FROM pair WHERE id = ?",
        ):
            rows = self._database.query(query, (pair.id,))
            found.update(repr([tuple(row) for row in rows]).encode())
        return found.hexdigest()

    def accept(self, plan: str, what: str, count: int, who: str) -> None:
        """Remember that somebody accepted so many changes of a kind in a plan."""
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO accepted (id, plan, what, count, who, at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (self._next("accepted"), plan, what, count, who, self._now()),
            )

    def accepted(self, plan: str) -> tuple[Acceptance, ...]:
        """Return what was accepted in a plan, oldest first."""
        rows = self._database.query(
            "SELECT plan, what, count, who, at FROM accepted WHERE plan = ? ORDER BY id",
            (plan,),
        )
        return tuple(
            Acceptance(
                plan=row[0], what=row[1], count=row[2], who=row[3], at=moment(row[4])
            )
            for row in rows
        )
