"""Who may write: one holder at a time, and a number that tells the late ones."""

from __future__ import annotations

import contextlib
import datetime as dt
from types import TracebackType
from typing import Self

from rota.clock import Clock
from rota.errors import LeaseHeld, RotaError

from .databases import Database
from .values import micros, moment


class Lease:
    """
    The right to write, until it is released, or has run out and was taken over.

    Every taking makes the fence grow by one; an intent is written only while the
    lease still bears the fence of its run. A holder whose process died is followed
    at once where the database can tell, else when its time has run out.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        name: str,
        holder: str,
        ttl: dt.timedelta,
    ) -> None:
        self._database = database
        self._clock = clock
        self.name = name
        self.holder = holder
        self.ttl = ttl
        now = clock.now()
        self.until = now + ttl
        self.fence = 1
        with database.transaction():
            rows = database.query(
                "SELECT holder, fence, until FROM lease WHERE name = ?", (name,)
            )
            if rows:
                other, fence, until = rows[0]
                if (
                    other
                    and moment(until) > now
                    and database.alive(name, fence) is not False
                ):
                    raise held(name, other, until)
                self.fence = fence + 1
            database.execute(
                "INSERT INTO lease (name, holder, fence, until, ttl)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
                " holder = excluded.holder, fence = excluded.fence,"
                " until = excluded.until, ttl = excluded.ttl",
                (
                    name,
                    holder,
                    self.fence,
                    micros(self.until),
                    ttl // dt.timedelta(microseconds=1),
                ),
            )
            database.claim(name, self.fence)

    def __repr__(self) -> str:
        return f"<Lease {self.name} fence={self.fence} holder={self.holder}>"

    def renew(self) -> None:
        """
        Hold it for another ``ttl`` from now; also when it ran out but nobody came.

        Raises:
            LeaseHeld: Somebody else has taken it since.
        """
        with self._database.transaction():
            guard(self._database, self._clock, self.name, self.fence, renew=True)
        self.until = self._clock.now() + self.ttl

    def release(self) -> None:
        """Let others in; harmless when somebody else has taken it already."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE lease SET holder = '', until = ? WHERE name = ? AND fence = ?",
                (micros(self._clock.now()), self.name, self.fence),
            )
        self._database.release(self.name, self.fence)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.release()
        else:
            # A ledger that can't be written must not hide what went wrong before.
            with contextlib.suppress(RotaError):
                self.release()


def guard(
    database: Database, clock: Clock, name: str, fence: int, *, renew: bool = False
) -> None:
    """
    Refuse unless the lease bears this fence; inside the caller's transaction.

    A lease past half its time is renewed by the way, so work in progress keeps it.
    """
    rows = database.query(
        "SELECT holder, fence, until, ttl FROM lease WHERE name = ?", (name,)
    )
    holder, current, until, ttl = rows[0] if rows else ("", 0, 0, 0)
    if current != fence or not holder:
        raise held(name, holder, until)
    now = micros(clock.now())
    if renew or until - now < ttl // 2:
        database.execute(
            "UPDATE lease SET until = ? WHERE name = ? AND fence = ?",
            (now + ttl, name, fence),
        )


def held(name: str, holder: str, until: int) -> LeaseHeld:
    """Return the error that names the present holder."""
    if not holder:
        return LeaseHeld(
            f"the lease of {name} was released; nothing may be written under it",
            hint="start the run again",
        )
    return LeaseHeld(
        f"{name} is being worked on by {holder}"
        f" (its lease ends {moment(until):%Y-%m-%d %H:%M:%S} UTC)",
        hint="wait until that run has ended, then start again",
    )
