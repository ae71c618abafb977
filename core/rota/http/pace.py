"""When the next call of an account may start."""

from __future__ import annotations

import collections
import contextlib
import math
import threading
from collections.abc import Callable, Iterator

import attrs

from rota.clock import Clock
from rota.errors import LedgerError, NotSent, RateLimited
from rota.vendor import Budget, Rate

from .attempts import Failed
from .breaker import Breaker


_MARGIN = 0.015  # of a span: two requests may be under way for unlike times
_STEP = 0.75  # of an even pace: the least time between two calls
_ON_ITS_WAY = 1.0  # seconds after which a call that did not leave waits anew
_TICK = 0.001  # the shortest wait: a rounding must not make it none at all


@attrs.frozen(kw_only=True)
class Window:
    """So many calls may leave within any span of so many seconds."""

    calls: int
    span: float

    @property
    def step(self) -> float:
        """
        The least time between two calls once an eighth of them were made.

        A few come at once, and many evenly: a burst would keep its server so busy that
        it sees the last of it late. None where it couldn't be kept.
        """
        step = self.span / self.calls * _STEP
        return step if step >= 2 * _TICK else 0.0


_UNBOUNDED = Window(calls=10**9, span=1.0)


def window(rate: Rate, reserve: float = 0.0) -> Window:
    """
    Return what keeps to a rate, as its server counts, and leaves others their share.

    A span of more than a second is cut into equal parts, so that a minute's calls do
    not all come in its first seconds.
    """
    calls, span = rate.calls, float(rate.seconds)
    most = max(1, int(calls / span)) if span > 1 else calls
    part = next(n for n in range(min(most, calls), 0, -1) if calls % n == 0)
    span *= part / calls
    share = part * (1 - reserve)
    calls = max(1, int(share + 1e-9))
    return Window(calls=calls, span=max(span, span * calls / share) * (1 + _MARGIN))


class Limiter:
    """
    Let calls start as the rate, the budget, the vendor and the breaker admit.

    A call is counted from when it left this machine, and until then as if it left
    now, so that no delay on this side presses two spans together at the server. Where
    there is a budget, calls of other processes count alike. Callers take turns. Safe
    between threads.
    """

    def __init__(
        self,
        rate: Rate | None,
        clock: Clock,
        *,
        max_wait: float = math.inf,
        breaker: Breaker | None = None,
    ) -> None:
        self._rate = rate
        self._window = window(rate) if rate else None
        self._max_wait = max_wait
        self._clock = clock
        self._breaker = breaker or Breaker(clock)
        self._budget: Budget | None = None
        self._queue = threading.Lock()
        self._lock = threading.Lock()
        self._calls: collections.deque[Call] = collections.deque()
        self._untold: dict[int, float] = {}
        self._last = -math.inf
        self._resume = -math.inf
        self._refusals = 0

    def share(self, budget: Budget) -> None:
        """Keep to a budget together with everybody who has it."""
        with self._queue:
            self._budget = budget
            if self._rate is not None:
                self._window = window(self._rate, budget.reserve)

    @property
    def reserve(self) -> float:
        """The part of the rate that is left to others."""
        return self._budget.reserve if self._budget else 0.0

    @contextlib.contextmanager
    def call(self, check: Callable[[], None] = lambda: None) -> Iterator[Call]:
        """
        Wait for a turn and hold it for the length of a call.

        Args:
            check: Called while it waits; what it raises ends that, and costs no turn.
        """
        call = Call(limiter=self)
        came = self._clock.monotonic()
        with self._queue:
            self._wait(call, check)
        try:
            yield call
        except Failed as failed:
            self._breaker.leave(failed, probe=call.probe)
            raise
        except BaseException:
            self._breaker.abandon(probe=call.probe)
            raise
        else:
            self._breaker.leave(None, probe=call.probe)
        finally:
            if call.sent is None:
                self.left(call)
            if self._budget is not None:
                took = self._clock.monotonic() - call.start
                self._budget.note(took, call.start - came)

    def pause(self, seconds: float) -> None:
        """Let nobody start for so long, also not in other processes."""
        if seconds <= 0:
            return
        with self._lock:
            self._resume = max(self._resume, self._clock.monotonic() + seconds)
        if self._budget is not None:
            with contextlib.suppress(LedgerError):
                self._budget.pause(seconds)

    def refused(self, asked: float | None, back_off: float) -> None:
        """
        Note that the vendor calls this too much, and pause if it says for how long.

        Where it names no pause only the caller backs off, until it refuses three in a
        row: then everybody does.
        """
        with self._lock:
            self._refusals += 1
            many = self._refusals >= 3
        self.pause(asked if asked is not None else back_off if many else 0.0)

    def accepted(self) -> None:
        """Note that the vendor let a call pass."""
        self._refusals = 0

    def close(self) -> None:
        """Tell the budget when the last calls left, so that nobody waits for them."""
        if self._budget is not None:
            with contextlib.suppress(LedgerError):
                self._budget.tell(self._take_untold())

    # ---------------------------------------------------------------------- the queue

    def _wait(self, call: Call, check: Callable[[], None]) -> None:
        while True:
            check()
            call.probe = self._breaker.enter()
            try:
                wait = self._pause_left() or self._room() or self._book(call)
            except BaseException:
                self._breaker.abandon(probe=call.probe)
                raise
            if wait <= 0:
                break
            self._breaker.abandon(probe=call.probe)
            self._clock.sleep(max(wait, _TICK))
        with self._lock:
            call.start = self._last = self._clock.monotonic()
            self._calls.append(call)

    def _pause_left(self) -> float:
        left = self._resume - self._clock.monotonic()
        if left > self._max_wait:
            raise Failed(
                RateLimited(
                    f"the vendor asked for a pause, {left:.0f} s of it are left",
                    retry_after=left,
                    hint="try again later",
                ),
                pause=left,
            )
        return max(left, 0.0)

    def _room(self) -> float:
        """Return how long until this process may start another call."""
        if self._window is None:
            return 0.0
        now, calls, span = (
            self._clock.monotonic(),
            self._window.calls,
            self._window.span,
        )
        with self._lock:
            recent = [one for one in self._calls if now < one.counted(now) + span]
            self._calls = collections.deque(recent)
        wait = 0.0
        if len(recent) * 8 >= calls:
            wait = self._last + self._window.step - now
        if len(recent) >= calls:
            recent.sort(key=lambda one: one.counted(now))
            first = recent[len(recent) - calls]
            full = first.counted(now) + span - now
            # One that has not left yet may do so any time.
            wait = max(wait, full if first.sent is not None else min(full, span / 50))
        return max(wait, 0.0)

    def _book(self, call: Call) -> float:
        """Return how long until the budget, if there is one, admits another call."""
        if self._budget is None:
            return 0.0
        most = self._window or _UNBOUNDED
        try:
            # A bit less than was waited for here, so that no rounding makes it wait on.
            span = max(most.span - 2 * _TICK, most.span / 2)
            booked = self._budget.book(most.calls, span, self._take_untold())
        except LedgerError as error:
            why = f"not sent: {error.message}"
            raise Failed(NotSent(why, hint=error.hint), attempts=1) from error
        if booked.pause > 0:
            with self._lock:
                now = self._clock.monotonic()
                self._resume = max(self._resume, now + booked.pause)
            return self._pause_left()
        call.booking = booked.number
        return booked.wait

    def _take_untold(self) -> dict[int, float]:
        with self._lock:
            untold, self._untold = self._untold, {}
        now = self._clock.monotonic()
        return {number: now - sent for number, sent in untold.items()}

    def left(self, call: Call) -> None:
        """Note that a call, or a part of it, has left this machine just now."""
        call.sent = self._clock.monotonic()
        if call.booking:
            with self._lock:
                self._untold[call.booking] = call.sent

    def rejoin(self, call: Call) -> None:
        """Wait for a new turn where a call could not leave on its own for long."""
        if self._clock.monotonic() - call.start <= _ON_ITS_WAY:
            return
        with self._queue:
            with self._lock, contextlib.suppress(ValueError):
                self._calls.remove(call)
            while (wait := self._room() or self._book(call)) > 0:
                self._clock.sleep(max(wait, _TICK))
            with self._lock:
                call.start = self._last = self._clock.monotonic()
                self._calls.append(call)


@attrs.define(kw_only=True, eq=False)
class Call:
    """
    One call, from its turn on.

    Args:
        sent: When it left this machine, as far as is known.
        booking: Its number in the budget.
        probe: Whether others wait for what becomes of it.
    """

    limiter: Limiter = attrs.field(repr=False)
    start: float = 0.0
    sent: float | None = None
    booking: int = 0
    probe: bool = False

    def leaving(self) -> None:
        """Be about to be written."""
        self.limiter.rejoin(self)

    def left(self) -> None:
        """Have been written, all or a part of it."""
        self.limiter.left(self)

    def counted(self, now: float) -> float:
        return min(now, self.start + _ON_ITS_WAY) if self.sent is None else self.sent
