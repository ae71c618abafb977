"""The calls of an account, booked by all who share its ledger."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from rota.clock import Clock
from rota.errors import ValueRefused
from rota.vendor import Booking

from .databases import Database
from .values import micros


_SECOND = 1_000_000
_ON_ITS_WAY = _SECOND  # after this much a call is taken to have left
_AHEAD = 2 * _SECOND  # what is booked further ahead is of a clock that was set back


class Budget:
    """
    One account's calls, for all threads and processes with this ledger.

    What is booked need not outlive the machine, so it waits for no disk. Times run on
    from what the ledger's clock said when this was made, whoever sets it meanwhile;
    where several machines share a ledger, theirs have to agree. Safe between threads.

    Args:
        reserve: The part of the rate that is left to the vendor's human users.
    """

    def __init__(
        self, database: Database, clock: Clock, account: str, *, reserve: float
    ) -> None:
        if not 0 <= reserve < 1:
            raise ValueRefused(
                f"a budget's reserve is a part of the rate, not {reserve:g}",
                hint="0.1 leaves a tenth of the calls to others",
            )
        self.account = account
        self.reserve = reserve
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._since = micros(clock.now()), clock.monotonic()
        self._calls, self._took, self._waited = 0, 0.0, 0.0

    def __repr__(self) -> str:
        return f"<Budget {self.account}>"

    @property
    def noted(self) -> tuple[int, float, float]:
        """How many calls this process made; how long they took, and waited before."""
        with self._lock:
            return self._calls, self._took, self._waited

    def note(self, took: float, waited: float) -> None:
        """Note how long a call took from its turn on, and waited for its turn."""
        with self._lock:
            self._calls += 1
            self._took += took
            self._waited += waited

    def book(self, calls: int, span: float, left: Mapping[int, float]) -> Booking:
        """Book one of so many calls within any so many seconds."""
        account, within = self.account, int(span * _SECOND)
        with self._database.transaction():
            now = self._note(left)
            self._database.execute(
                "DELETE FROM spent WHERE account = ? AND (pause = 0 AND"
                " (at < ? OR at > ?) OR pause > 0 AND at + pause <= ?)",
                (account, now - within - _SECOND, now + _AHEAD, now),
            )
            pauses = self._database.query(
                "SELECT at, pause FROM spent WHERE account = ? AND pause > 0",
                (account,),
            )
            # A clock that was set back must not make a pause longer than it was.
            pause = max((min(at + long - now, long) for at, long in pauses), default=0)
            if pause > 0:
                return Booking(wait=pause / _SECOND, pause=pause / _SECOND)
            full = self._database.query(
                "SELECT at FROM spent WHERE account = ? AND pause = 0"
                " ORDER BY at DESC LIMIT 1 OFFSET ?",
                (account, calls - 1),
            )
            if full and (wait := full[0][0] + within - now) > 0:
                # One that is on its way may leave any time.
                on_its_way = full[0][0] > now
                return Booking(
                    wait=(min(wait, within // 50) if on_its_way else wait) / _SECOND
                )
            number = self._next(now)
            self._put(number, now + _ON_ITS_WAY)
        return Booking(number=number)

    def tell(self, left: Mapping[int, float]) -> None:
        """Say when booked calls have left, where no other one is to be booked."""
        if left:
            with self._database.transaction():
                self._note(left)

    def pause(self, seconds: float) -> None:
        """Let nobody call for so long; a longer pause is not shortened."""
        with self._database.transaction():
            now = self._now()
            self._put(self._next(now), now, int(seconds * _SECOND))

    def _note(self, left: Mapping[int, float]) -> int:
        now = self._now()
        for number, ago in left.items():
            self._put(number, now - int(ago * _SECOND))
        return now

    def _now(self) -> int:
        then, run = self._since
        return then + int((self._clock.monotonic() - run) * _SECOND)

    def _next(self, now: int) -> int:
        """Return a number that nobody has had, not even where the clock went back."""
        newest = self._database.query(
            "SELECT max(number) FROM spent WHERE account = ?", (self.account,)
        )[0][0]
        return max(now, (newest or 0) + 1)

    def _put(self, number: int, at: int, pause: int = 0) -> None:
        self._database.execute(
            "INSERT INTO spent (account, number, at, pause) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (account, number) DO UPDATE SET at = excluded.at",
            (self.account, number, at, pause),
        )
