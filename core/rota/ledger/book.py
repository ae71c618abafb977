"""The ledger: opened, looked after, and made of its parts."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from rota.clock import Clock, system
from rota.errors import LedgerError, ValueRefused

from .budgets import Budget
from .databases import Database, Postgres, SQLite
from .journal import Journal
from .migrations import MIGRATIONS, TABLES, migrate
from .values import digest, lengthened, unpacked
from .waiting import Waiting


class Ledger(Journal, Waiting):
    """
    What rota remembers between runs; one object may be shared by threads.

    Every method that writes is one durable commit, whole or not at all. Every
    failure of the database is a LedgerError; what was recorded stays.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._opening = threading.Lock()
        self._beside: Database | None = None
        self._budgets: dict[str, Budget] = {}

    @classmethod
    def open(cls, where: str | Path, *, clock: Clock | None = None) -> Self:
        """
        Open a ledger, made or brought up to date where that is needed.

        Args:
            where: A file, ``:memory:``, or ``postgresql://user@host/database``.
            clock: Where its times come from; the machine's by default.

        Raises:
            LedgerError: It can't be opened, is no ledger, or a newer rota's.
        """
        clock = clock or system()
        database: Database
        if str(where).startswith(("postgresql://", "postgres://")):
            database = Postgres(str(where))
        else:
            database = SQLite(where)
        try:
            migrate(database)
            if isinstance(database, SQLite):
                database.use_wal()
            return cls(database, clock)
        except BaseException:
            database.close()
            raise

    def budget(self, account: str, *, reserve: float = 0.0) -> Budget:
        """
        Return the calls of an account, for its ``share``; the same to all who ask.

        Args:
            reserve: The part of the rate that is left to the vendor's human users;
                who asks first says it.
        """
        with self._opening:
            if self._beside is None:
                self._beside = self._database.beside()
            if account not in self._budgets:
                self._budgets[account] = Budget(
                    self._beside, self._clock, account, reserve=reserve
                )
            return self._budgets[account]

    def close(self) -> None:
        """Close the ledger; twice is harmless."""
        if self._beside is not None:
            self._beside.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Ledger {self._database.name}>"

    def check(self) -> tuple[str, ...]:
        """Return all that is wrong with the ledger; nothing when it is sound."""
        query = self._database.query
        found = list(self._database.problems())
        found += [
            f"value {row[0].hex()}: its bytes have changed"
            for row in self._rows("value")
            if not _is(bytes(row[1]), row[0])
        ]
        found += [
            f"pair {name}: it counts {links} links, and has {held}"
            for name, links, held in query(
                "SELECT name, links, (SELECT count(*) FROM link WHERE link.pair = pair.id)"
                " FROM pair"
            )
            if links != held
        ]
        final = (
            "SELECT 1 FROM outcome AS o WHERE o.run = i.run AND o.seq = i.seq"
            " AND o.state <> 'unknown'"
        )
        found += [
            f"run {run}, change {seq}: no final outcome, and not in the recovery list"
            for run, seq in query(
                f"SELECT run, seq FROM intent AS i WHERE NOT EXISTS ({final}) AND NOT"
                " EXISTS (SELECT 1 FROM pending AS p WHERE p.run = i.run AND p.seq = i.seq)"
            )
        ]
        found += [
            f"run {run}, change {seq}: settled, and still in the recovery list"
            for run, seq in query(
                f"SELECT run, seq FROM pending AS i WHERE EXISTS ({final})"
            )
        ]
        found += [
            f"run {run}, change {seq}: reported with {count} different records"
            for run, seq, count in query(
                "SELECT run, seq, count(DISTINCT ref) FROM outcome"
                " WHERE state IN ('done', 'found') GROUP BY run, seq"
                " HAVING count(DISTINCT ref) > 1"
            )
        ]
        found += [
            f"run {run}: its fence {fence} was never given out for {lease}"
            for run, fence, lease in query(
                "SELECT run.id, run.fence, run.lease FROM run LEFT JOIN lease"
                " ON lease.name = run.lease"
                " WHERE lease.fence IS NULL OR lease.fence < run.fence"
            )
        ]
        found += [
            f"{lengthened(target)}: two images are in force on one day"
            for (target,) in query(
                "SELECT DISTINCT a.target FROM image AS a JOIN image AS b"
                " ON a.pair = b.pair AND a.target = b.target"
                " AND a.since < b.since AND a.until > b.since"
            )
        ]
        return tuple(found)

    def backup(self, path: str | Path) -> None:
        """
        Copy the ledger as it is at one moment into a new SQLite file, 0600.

        The copy appears whole or not at all, and is itself a ledger.

        Raises:
            LedgerError: The file is there already, or can't be written.
        """
        path = Path(path).expanduser()
        part = path.with_name(f"{path.name}.part")
        try:
            if path.exists():
                raise LedgerError(
                    f"{path} is there already; no backup was made",
                    hint="name a file that does not exist yet",
                )
            part.unlink(missing_ok=True)
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            try:
                if isinstance(self._database, SQLite):
                    self._database.copy_to(part)
                else:
                    self._copy_to(part)
                os.link(part, path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as exc:
            raise LedgerError(
                f"no backup could be written to {path}: {exc.strerror}",
                hint="name a place with room, where you may write",
            ) from exc

    def _copy_to(self, path: Path) -> None:
        with contextlib.closing(SQLite(path)) as copy:
            migrate(copy)
            with self._database.transaction(), copy.transaction():
                copy.execute("DELETE FROM meta")
                for name, table in TABLES.items():
                    marks = ", ".join("?" * len(table.columns))
                    columns = ", ".join(table.columns)
                    copy.execute_each(
                        f"INSERT INTO {name} ({columns}) VALUES ({marks})",
                        self._rows(name),
                    )

    def export(self) -> Iterator[str]:
        """
        Return the whole ledger as lines of JSON: the table, then its columns.

        Digests are hexadecimal, days proleptic ordinals, moments microseconds since
        1970 in UTC; links and images leave ``schedule:`` out. It is no snapshot of a ledger in use: export a backup for that.
        """
        yield json.dumps({"ledger": len(MIGRATIONS)})
        for name, table in TABLES.items():
            if name == "meta":
                continue
            for row in self._rows(name):
                fields = dict(zip(table.columns, row, strict=True))
                if name == "value":
                    body = unpacked(bytes(fields["body"]))
                    fields["body"] = body.decode(errors="replace")
                yield json.dumps({"table": name, **fields}, default=bytes.hex)


def _is(kept: bytes, name: bytes) -> bool:
    try:
        return digest(unpacked(kept)) == name
    except ValueRefused:
        return False
