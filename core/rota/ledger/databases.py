"""
SQLite and PostgreSQL behind one small face.

Both run the same SQL with ``?`` for parameters. A transaction that writes is
alone: no other process writes the same ledger until it ends. Every error of a
driver leaves as a LedgerError that names the ledger and the way out.
"""

from __future__ import annotations

import abc
import contextlib
import errno
import hashlib
import os
import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from rota.clock import system
from rota.errors import LedgerError


if TYPE_CHECKING:
    import psycopg


Row = tuple[Any, ...]
"""A row as the driver gives it; only its reader knows the types."""

BUSY_SECONDS = 10

_FREE_SPACE = "make room, then run the same command again: what was recorded is kept"
_RIGHTS = "check who owns it and its folder, and whether the disk is mounted read-only"
_WAIT = "wait until the other command has ended, then try again"
_RESTORE = (
    "keep the file, and restore a backup or rebuild the ledger with rota adopt PAIR"
)


@frozen(kw_only=True)
class Dialect:
    """The words in which the two databases differ."""

    integer: str
    small: str
    tiny: str
    text: str
    blob: str
    plain: str
    keyed: str
    keep_one: tuple[str, ...]

    def keep(self, table: str) -> tuple[str, ...]:
        """Return what forbids to change or delete rows of a table."""
        return tuple(statement.format(table=table) for statement in self.keep_one)


class Database(abc.ABC):
    """One connection, shared by threads: a lock makes them take turns."""

    dialect: Dialect
    name: str

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._inside = False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all that is executed inside one durable commit, or nothing of it."""
        with self._lock, self._mapped():
            if self._inside:
                raise LedgerError(f"{self.name}: a transaction within a transaction")
            self._begin()
            self._inside = True
            try:
                yield
                self._end("COMMIT")
            except BaseException:
                self._give_back()
                raise
            finally:
                self._inside = False

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run one statement; outside a transaction it is a commit of its own."""
        self.query(sql, parameters)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a statement."""
        with self._lock, self._mapped():
            return self._run(sql, parameters)

    def execute_each(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement for each row of parameters."""
        with self._lock, self._mapped():
            self._run_each(sql, rows)

    @abc.abstractmethod
    def beside(self) -> Database:
        """Return another connection, for what may be lost with the machine."""

    @abc.abstractmethod
    def tables(self) -> tuple[str, ...]:
        """Return the names of the tables that are there."""

    @abc.abstractmethod
    def columns(self, table: str) -> tuple[str, ...]:
        """Return the names of a table's columns, nothing if there is none."""

    @abc.abstractmethod
    def claim(self, name: str, fence: int) -> None:
        """Hold something that falls free when this process dies; best effort."""

    @abc.abstractmethod
    def release(self, name: str, fence: int) -> None:
        """Let go of what ``claim`` holds."""

    @abc.abstractmethod
    def alive(self, name: str, fence: int) -> bool | None:
        """Tell whether the claimer lives, or None where that can't be known."""

    @abc.abstractmethod
    def problems(self) -> tuple[str, ...]:
        """Return what the database itself finds wrong."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the connection; twice is harmless."""

    @abc.abstractmethod
    def _mapped(self) -> contextlib.AbstractContextManager[None]: ...

    @abc.abstractmethod
    def _run(self, sql: str, parameters: Sequence[object]) -> list[Row]: ...

    @abc.abstractmethod
    def _run_each(self, sql: str, rows: Iterable[Sequence[object]]) -> None: ...

    @abc.abstractmethod
    def _begin(self) -> None: ...

    def _end(self, how: str) -> None:
        self._run(how, ())

    @abc.abstractmethod
    def _give_back(self) -> None: ...


class SQLite(Database):
    """A file in WAL mode whose every commit is on the disk when it returns."""

    dialect = Dialect(
        integer="INTEGER",
        small="INTEGER",
        tiny="INTEGER",
        text="TEXT",
        blob="BLOB",
        plain=" STRICT",
        keyed=" STRICT, WITHOUT ROWID",
        keep_one=(
            """CREATE TRIGGER {table}_never_changed BEFORE UPDATE ON {table}
               BEGIN SELECT RAISE(ABORT, '{table}: rows are never changed'); END""",
            """CREATE TRIGGER {table}_never_deleted BEFORE DELETE ON {table}
               BEGIN SELECT RAISE(ABORT, '{table}: rows are never deleted'); END""",
        ),
    )

    def __init__(self, where: str | Path) -> None:
        super().__init__()
        self.path = None if str(where) == ":memory:" else Path(where).expanduser()
        self.name = f"the ledger {self.path or 'in memory'}"
        self._claims: dict[tuple[str, int], int] = {}
        with self._mapped():
            if self.path is not None:
                _make_private(self.path)
            self._connection = sqlite3.connect(
                self.path or ":memory:",
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._run("PRAGMA foreign_keys = ON", ())
                self._run("PRAGMA recursive_triggers = ON", ())
                self._run("PRAGMA synchronous = FULL", ())
                self._run("SELECT count(*) FROM sqlite_master", ())
            except BaseException:
                self._connection.close()
                raise

    def beside(self) -> Database:
        if self.path is None:
            return self
        other = SQLite(self.path)
        # In WAL mode this loses at most the last commits, and syncs every checkpoint.
        other.query("PRAGMA synchronous = NORMAL")
        other.query("PRAGMA wal_autocheckpoint = 0")
        return other

    def use_wal(self) -> None:
        """Change the file to write-ahead logging; not before it is known as ours."""
        with self._lock, self._mapped():
            # This one statement does not wait for a lock by itself.
            for _ in range(BUSY_SECONDS * 50):
                try:
                    self._run("PRAGMA journal_mode = WAL", ())
                except sqlite3.OperationalError as exc:
                    if _code(exc) != sqlite3.SQLITE_BUSY:
                        raise
                    system().sleep(0.02)
                else:
                    return
            self._run("PRAGMA journal_mode = WAL", ())

    def tables(self) -> tuple[str, ...]:
        rows = self.query("SELECT name FROM sqlite_master WHERE type = 'table'")
        return tuple(str(row[0]) for row in rows)

    def columns(self, table: str) -> tuple[str, ...]:
        rows = self.query(
            "SELECT name FROM pragma_table_info(?) ORDER BY cid", (table,)
        )
        return tuple(str(row[0]) for row in rows)

    def claim(self, name: str, fence: int) -> None:
        if self.path is None or sys.platform == "win32":
            return
        import fcntl

        with contextlib.suppress(OSError):
            handle = os.open(self._claim(name, fence), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(handle)
                raise
            self._claims[name, fence] = handle

    def release(self, name: str, fence: int) -> None:
        handle = self._claims.pop((name, fence), None)
        if handle is not None:
            with contextlib.suppress(OSError):
                self._claim(name, fence).unlink()
            os.close(handle)

    def alive(self, name: str, fence: int) -> bool | None:
        if (name, fence) in self._claims:
            return True
        if self.path is None or sys.platform == "win32":
            return None
        import fcntl

        try:
            handle = os.open(self._claim(name, fence), os.O_RDWR)
        except OSError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        else:
            with contextlib.suppress(OSError):
                self._claim(name, fence).unlink()
            return False
        finally:
            os.close(handle)

    def _claim(self, name: str, fence: int) -> Path:
        assert self.path is not None
        short = hashlib.blake2b(name.encode(), digest_size=6).hexdigest()
        return self.path.with_name(f"{self.path.name}-lease-{short}-{fence}")

    def problems(self) -> tuple[str, ...]:
        found = [
            str(row[0])
            for row in self.query("PRAGMA integrity_check")
            if row[0] != "ok"
        ]
        found += [
            f"{row[0]}: a row refers to {row[2]} that is not there"
            for row in self.query("PRAGMA foreign_key_check")
        ]
        if self.path is not None and self.path.stat().st_mode & 0o077:
            found.append(f"others may read {self.path}: chmod 600 it")
        return tuple(found)

    def copy_to(self, path: Path) -> None:
        """Copy the whole ledger as it is at one moment into a new file."""
        with self._lock, self._mapped():
            other = sqlite3.connect(path, isolation_level=None)
            try:
                self._connection.backup(other)
            finally:
                other.close()

    def close(self) -> None:
        with self._lock, self._mapped():
            # The claims' files stay, unlocked: that is how others see that we left.
            while self._claims:
                os.close(self._claims.popitem()[1])
            self._connection.close()

    def _run(self, sql: str, parameters: Sequence[object]) -> list[Row]:
        return self._connection.execute(sql, parameters).fetchall()

    def _run_each(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        self._connection.executemany(sql, rows)

    def _begin(self) -> None:
        self._run("BEGIN IMMEDIATE", ())

    def _give_back(self) -> None:
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._run("ROLLBACK", ())

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise self._told(exc) from exc
        except OSError as exc:
            raise self._told_by_system(exc) from exc

    def _told(self, exc: sqlite3.Error) -> LedgerError:
        match _code(exc):
            case sqlite3.SQLITE_FULL:
                return LedgerError(
                    f"{self.name} can't grow: the disk is full", hint=_FREE_SPACE
                )
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                return LedgerError(f"{self.name} can't be written", hint=_RIGHTS)
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return LedgerError(
                    f"{self.name} was locked by another command"
                    f" for {BUSY_SECONDS} seconds",
                    hint=_WAIT,
                )
            case sqlite3.SQLITE_NOTADB:
                return LedgerError(
                    f"{self.name} is not a ledger, not even a database",
                    hint="name another file; this one was not touched",
                )
            case sqlite3.SQLITE_CORRUPT:
                return LedgerError(f"{self.name} is damaged: {exc}", hint=_RESTORE)
            case sqlite3.SQLITE_CANTOPEN:
                return LedgerError(f"{self.name} can't be opened", hint=_RIGHTS)
            case sqlite3.SQLITE_IOERR:
                return LedgerError(
                    f"{self.name}: the disk reports an error", hint=_FREE_SPACE
                )
            case sqlite3.SQLITE_CONSTRAINT:
                return LedgerError(f"{self.name} refuses a row: {exc}")
            case _:
                return LedgerError(f"{self.name}: {exc}")

    def _told_by_system(self, exc: OSError) -> LedgerError:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            return LedgerError(
                f"{self.name} can't grow: the disk is full", hint=_FREE_SPACE
            )
        why = exc.strerror or str(exc)
        return LedgerError(f"{self.name} can't be opened: {why}", hint=_RIGHTS)


def _code(exc: sqlite3.Error) -> int:
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF


def _make_private(path: Path) -> None:
    """Make the file 0600 and missing folders 0700; what is there stays as it is."""
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


class Postgres(Database):
    """
    A schema of a PostgreSQL database.

    A lost connection is an error of the call that met it; the next call opens
    another. Leases held by a lost connection may be taken over early; the fence
    keeps that safe.
    """

    dialect = Dialect(
        integer="BIGINT",
        small="INTEGER",
        tiny="SMALLINT",
        text='TEXT COLLATE "C"',
        blob="BYTEA",
        plain="",
        keyed="",
        keep_one=(
            """CREATE FUNCTION {table}_kept() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE EXCEPTION '{table}: rows are never changed or deleted'
               USING ERRCODE = 'integrity_constraint_violation'; END $$""",
            """CREATE TRIGGER {table}_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE
               ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {table}_kept()""",
        ),
    )

    def __init__(self, url: str, *, durable: bool = True) -> None:
        super().__init__()
        self._durable = durable
        self.name = "the PostgreSQL ledger"
        try:
            import psycopg
        except ImportError as exc:
            raise LedgerError(
                "a PostgreSQL ledger needs the driver psycopg",
                hint="install rota with the extra [postgres]",
            ) from exc
        try:
            parts = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.Error:
            # The driver repeats what it was given, and that may hold a password.
            raise LedgerError(
                "this is no URL of a PostgreSQL database",
                hint="write postgresql://user@host:5432/database",
            ) from None
        self.name = (
            "the ledger in the PostgreSQL database"
            f" {parts.get('dbname', '')} at {parts.get('host', 'this machine')}"
        )
        self._url = url
        self._claims: set[tuple[str, int]] = set()
        self._closed = False
        self._connection: psycopg.Connection[Row] | None = None
        with self._mapped():
            found = self._run("SELECT current_schema()", ())[0][0]
        if found is None:
            self.close()
            raise LedgerError(
                f"{self.name} has no schema to live in",
                hint="create the schema that search_path names",
            )
        self._schema = str(found)

    def _open(self) -> psycopg.Connection[Row]:
        import psycopg

        if self._closed:
            raise LedgerError(f"{self.name} is closed")
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=BUSY_SECONDS
            )
            waits = "on" if self._durable else "off"
            self._run(f"SET synchronous_commit = {waits}", ())
            self._run(f"SET lock_timeout = '{BUSY_SECONDS}s'", ())
            # Pages are read in the order of the key. On a table without statistics the
            # planner would rather gather and sort all that is left, for each of them.
            self._run("SET enable_bitmapscan = off", ())
            for name, fence in self._claims:
                self._run("SELECT pg_try_advisory_lock(?)", (self._key(name, fence),))
        return self._connection

    def beside(self) -> Database:
        return Postgres(self._url, durable=False)

    def tables(self) -> tuple[str, ...]:
        rows = self.query(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
            " AND tablename = ANY (?)",
            (["link", "intent", "outcome", "run", "lease"],),
        )
        return tuple(str(row[0]) for row in rows)

    def columns(self, table: str) -> tuple[str, ...]:
        rows = self.query(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND table_name = ?"
            " ORDER BY ordinal_position",
            (table,),
        )
        return tuple(str(row[0]) for row in rows)

    def claim(self, name: str, fence: int) -> None:
        self.query("SELECT pg_try_advisory_lock(?)", (self._key(name, fence),))
        self._claims.add((name, fence))

    def release(self, name: str, fence: int) -> None:
        if (name, fence) in self._claims:
            self._claims.discard((name, fence))
            self.query("SELECT pg_advisory_unlock(?)", (self._key(name, fence),))

    def alive(self, name: str, fence: int) -> bool | None:
        if (name, fence) in self._claims:
            return True
        key = self._key(name, fence)
        if self.query("SELECT pg_try_advisory_lock(?)", (key,))[0][0]:
            self.query("SELECT pg_advisory_unlock(?)", (key,))
            return False
        return True

    def _key(self, name: str, fence: int) -> int:
        text = f"{self._schema}\n{name}\n{fence}".encode()
        short = hashlib.blake2b(text, digest_size=8).digest()
        return int.from_bytes(short, "big", signed=True)

    def problems(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        with self._lock, self._mapped():
            self._closed = True
            self._claims.clear()
            if self._connection is not None:
                self._connection.close()

    def _run(self, sql: str, parameters: Sequence[object]) -> list[Row]:
        connection = self._connection
        if connection is None or (connection.closed and not self._inside):
            connection = self._open()
        text = sql.replace("?", "%s").encode() if parameters else sql.encode()
        cursor = connection.execute(text, parameters or None, binary=True)
        return cursor.fetchall() if cursor.description else []

    def _run_each(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        if self._connection is None or self._connection.closed:
            self._run("SELECT 1", ())
        assert self._connection is not None
        with self._connection.cursor() as cursor:
            cursor.executemany(sql.replace("?", "%s").encode(), rows)

    def _begin(self) -> None:
        self._run("BEGIN", ())
        try:
            self._run("SELECT pg_advisory_xact_lock(?)", (self._key("write", 0),))
        except BaseException:
            self._give_back()
            raise

    def _give_back(self) -> None:
        import psycopg

        if self._connection is not None and not self._connection.closed:
            with contextlib.suppress(psycopg.Error):
                self._connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        import psycopg

        try:
            yield
        except psycopg.Error as exc:
            raise self._told(exc) from exc

    def _told(self, exc: psycopg.Error) -> LedgerError:
        import psycopg

        if self._closed:
            return LedgerError(f"{self.name} is closed")
        why = str(exc).strip().partition("\n")[0]
        match exc:
            case psycopg.errors.DiskFull():
                return LedgerError(
                    f"{self.name} can't grow: the server's disk is full",
                    hint=_FREE_SPACE,
                )
            case (
                psycopg.errors.ReadOnlySqlTransaction()
                | psycopg.errors.InsufficientPrivilege()
            ):
                return LedgerError(
                    f"{self.name} can't be written: {why}",
                    hint="give this user the right to write in the schema",
                )
            case psycopg.errors.LockNotAvailable():
                return LedgerError(
                    f"{self.name} was locked by another command"
                    f" for {BUSY_SECONDS} seconds",
                    hint=_WAIT,
                )
            case psycopg.IntegrityError():
                return LedgerError(f"{self.name} refuses a row: {why}")
            case psycopg.OperationalError():
                return LedgerError(
                    f"{self.name} does not answer: {why}",
                    hint="start the server or check the URL, then try again",
                )
            case _:
                return LedgerError(f"{self.name}: {why}")
