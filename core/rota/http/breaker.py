"""When a vendor is down, it is left alone."""

from __future__ import annotations

import threading

from rota.clock import Clock
from rota.errors import NotSent, RateLimited, VendorUnavailable

from .attempts import Failed


IN_A_ROW = 10
"""So many failures in a row say that the vendor is down."""
COOL_DOWN = 15.0
LONGEST = 240.0


class Breaker:
    """
    Stop calling a vendor that is down: cool down, let one call probe, then go on.

    Connections that fail, deadlines that pass and 5xx count; any other answer says
    that somebody is there. Each probe that fails doubles the cool-down. A call that
    meets it open is NotSent, which is never an answer. Safe between threads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._failures = 0
        self._why = ""
        self._cool = 0.0
        self._until = 0.0
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether calls are held back."""
        return self._cool > 0

    def enter(self) -> bool:
        """Pass; True for the one probe that others wait for. Failed while it cools."""
        with self._changed:
            while self._probing:
                self._changed.wait()
            if not self._cool:
                return False
            left = self._until - self._clock.monotonic()
            if left > 0:
                error = NotSent(
                    f"not sent: {self._failures} calls in a row failed, the last one "
                    f"because: {self._why}; the vendor is left alone for {left:.0f} s",
                    retry_after=left,
                    hint="the vendor seems to be down; a later run may help",
                )
                raise Failed(error, pause=left)
            self._probing = True
            return True

    def leave(self, failed: Failed | None, *, probe: bool) -> None:
        """Note how a call that passed ended; None for a good answer."""
        error = failed.error if failed else None
        down = isinstance(error, VendorUnavailable) and not isinstance(
            error, RateLimited
        )
        with self._changed:
            if error is not None and down:
                self._failures += 1
                self._why = error.message
                if probe or (not self._cool and self._failures >= IN_A_ROW):
                    self._cool = min(self._cool * 2 or COOL_DOWN, LONGEST)
                    self._until = self._clock.monotonic() + self._cool
            else:
                self._failures, self._cool = 0, 0.0
        self.abandon(probe=probe)

    def abandon(self, *, probe: bool) -> None:
        """Take back a pass of which nothing is known; somebody else may probe."""
        with self._changed:
            if probe:
                self._probing = False
                self._changed.notify_all()
