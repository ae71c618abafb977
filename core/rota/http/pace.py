"""How many calls may start in any span of time."""

from __future__ import annotations

import collections
import contextlib
import math
import threading
from collections.abc import Iterator

import attrs

from rota.clock import Clock
from rota.errors import RateLimited
from rota.vendor import Rate

from .attempts import Failed


_TRAVEL = 1.0  # seconds within which a request is taken to have reached the vendor
_TICK = 0.001  # the shortest wait: a rounding must not make it none at all


class Limiter:
    """
    Keep every span of ``rate.seconds`` to ``rate.calls`` calls, as the vendor counts.

    A call is counted from its answer, or a second after its start if none came yet,
    so that a delay on the way can't press two spans together. Safe between threads.
    """

    def __init__(
        self, rate: Rate | None, clock: Clock, *, max_wait: float = math.inf
    ) -> None:
        self._rate = rate
        self._max_wait = max_wait
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: collections.deque[_Call] = collections.deque()
        self._resume = -math.inf

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Wait for a turn and hold it for the length of a call."""
        while (call := self._begin()).wait > 0:
            self._clock.sleep(call.wait)
        try:
            yield
        finally:
            call.end = self._clock.monotonic()

    def pause(self, seconds: float) -> None:
        """Let nobody start for so long."""
        with self._lock:
            self._resume = max(self._resume, self._clock.monotonic() + seconds)

    def _begin(self) -> _Call:
        with self._lock:
            now = self._clock.monotonic()
            if self._resume - now > self._max_wait:
                left = self._resume - now
                raise Failed(
                    RateLimited(
                        f"the vendor asked for a pause, {left:.0f} s of it are left",
                        retry_after=left,
                        hint="try again later",
                    ),
                    pause=left,
                )
            if self._resume > now:
                return _Call(start=now, wait=max(self._resume - now, _TICK))
            call = _Call(start=now)
            if self._rate is not None:
                span = self._rate.seconds
                recent = [one for one in self._calls if now < one.counted(now) + span]
                self._calls = collections.deque(recent)
                if len(recent) >= self._rate.calls:
                    free = min(one.counted(now) for one in recent) + span
                    call.wait = max(free - now, _TICK)
                    return call
                self._calls.append(call)
            return call


@attrs.define(kw_only=True, eq=False)
class _Call:
    start: float
    end: float | None = None
    wait: float = 0.0

    def counted(self, now: float) -> float:
        return min(now if self.end is None else self.end, self.start + _TRAVEL)
