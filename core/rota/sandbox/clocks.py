"""Clocks that an operator can move."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Protocol, runtime_checkable

from rota import clock as clocks
from rota.clock import StillClock


@runtime_checkable
class SettableClock(Protocol):
    """A clock that an operator can move; ``StillClock`` and ``RunningClock`` are."""

    def set(self, at: dt.datetime) -> None:
        """Put the wall clock anywhere."""

    def advance(self, by: dt.timedelta) -> None:
        """Move forward."""


class RunningClock:
    """A clock that runs at the machine's pace and can be put anywhere."""

    def __init__(self, at: dt.datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._system = clocks.system()
        self._since = self._system.monotonic()
        self._shift = StillClock(at or self._system.now())

    def now(self) -> dt.datetime:
        with self._lock:
            run = self._system.monotonic() - self._since
            return self._shift.now() + dt.timedelta(seconds=run)

    def monotonic(self) -> float:
        with self._lock:
            run = self._system.monotonic() - self._since
            return self._shift.monotonic() + run

    def sleep(self, seconds: float) -> None:
        self._system.sleep(seconds)

    def advance(self, by: dt.timedelta) -> None:
        with self._lock:
            self._shift.advance(by)

    def set(self, at: dt.datetime) -> None:
        with self._lock:
            run = self._system.monotonic() - self._since
            self._shift.set(at - dt.timedelta(seconds=run))
