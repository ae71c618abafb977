"""The machine's time, and a clock that stands still."""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import Protocol

from .errors import ValueRefused


class Clock(Protocol):
    """What acting needs of time; deciding takes ``now`` as a value instead."""

    def now(self) -> dt.datetime:
        """Return the present as an aware datetime in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary beginning."""

    def sleep(self, seconds: float) -> None:
        """Wait; zero or less returns at once."""


class _System:
    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)  # noqa: TID251 - the one reader of the machine's time

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)  # noqa: TID251 - the one sleeper


def system() -> Clock:
    """Return the machine's own clock."""
    return _System()


class StillClock:
    """
    A clock that moves only when told to, or when somebody sleeps on it.

    Safe to share between threads: the demo, its sandboxes and the tests live on one.
    """

    def __init__(self, at: dt.datetime) -> None:
        self._lock = threading.Lock()
        self._at = _utc(at)
        self._run = 0.0

    def now(self) -> dt.datetime:
        with self._lock:
            return self._at

    def monotonic(self) -> float:
        with self._lock:
            return self._run

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.advance(dt.timedelta(seconds=seconds))

    def advance(self, by: dt.timedelta) -> None:
        """Move forward; both the wall clock and the monotonic one."""
        with self._lock:
            self._at += by
            self._run += by.total_seconds()

    def set(self, at: dt.datetime) -> None:
        """Put the wall clock anywhere, as an operator could; monotonic time goes on."""
        with self._lock:
            self._at = _utc(at)


def _utc(at: dt.datetime) -> dt.datetime:
    if at.tzinfo is None:
        raise ValueRefused(
            f"{at!r} has no zone", hint="give an aware datetime, e.g. in UTC"
        )
    return at.astimezone(dt.UTC)
