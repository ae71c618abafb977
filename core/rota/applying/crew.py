"""Jobs side by side: as many hands as there is work for, and none that only waits."""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import threading
from collections.abc import Callable, Generator, Iterable
from typing import TypeAlias, TypeVar

from rota.clock import Clock


T = TypeVar("T")
Waiting: TypeAlias = Generator[dt.timedelta, bool, T]
"""
A job in steps: it gives how long it would wait, and is told whether it did.

``False`` means that somebody asked to stop; the job then comes to its end.
"""

_SLICE = dt.timedelta(seconds=1)
_TICK = dt.timedelta(milliseconds=1)
_AHEAD = 10  # so many more may wait than came to their end, before others are begun


def alone(job: Waiting[T], sleep: Callable[[dt.timedelta], bool]) -> T:
    """Do one job by itself, and return what it comes to."""
    try:
        wait = next(job)
        while True:
            wait = job.send(sleep(wait))
    except StopIteration as end:
        result: T = end.value
        return result


class Crew:
    """
    Does jobs side by side.

    A job that waits holds no hand: others are begun or gone on with meanwhile, unless
    most that were begun wait. How many hands there are is asked again and again, so
    that it may change as it goes.

    ``worked`` is how many seconds hands were at it so far, all together.

    Args:
        sleep: Waits by the clock; False once somebody asked to stop.
        hands: How many jobs may be in a step at once.
        stopping: Whether somebody asked to stop.
        stop: Asks to stop, when a job fails.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        sleep: Callable[[dt.timedelta], bool],
        hands: Callable[[Crew], int],
        stopping: Callable[[], bool],
        stop: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._hands = hands
        self._stopping = stopping
        self._stop = stop
        self._changed = threading.Condition()
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, Waiting[None]]] = []
        self._threads: list[threading.Thread] = []
        self._alive = self._busy = self._ended = 0
        self._sleeper = False
        self.worked = 0.0
        self._error: BaseException | None = None

    def run(self, jobs: Iterable[Waiting[None]]) -> None:
        """
        Do the jobs, and return when all came to their end.

        When one raises, or somebody asks to stop, no other is begun.
        """
        self._fresh = iter(jobs)
        with self._changed:
            self._hire()
            try:
                while self._alive:
                    self._changed.wait()
            except BaseException:
                self._stop()
                self._changed.notify_all()
                while self._alive:
                    self._changed.wait()
                raise
        for thread in self._threads:
            thread.join()
        if self._error is not None:
            raise self._error

    def _hire(self) -> None:
        """Take on one more hand, who takes on the next, as long as there is work."""
        if self._alive < max(1, self._hands(self)):
            self._alive += 1
            thread = threading.Thread(target=self._work, name="rota-apply", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        try:
            self._steps()
        except BaseException as error:
            with self._changed:
                self._error = self._error or error
                self._alive -= 1
                self._stop()
                self._changed.notify_all()

    def _steps(self) -> None:
        while (step := self._next()) is not None:
            job, word = step
            wait: dt.timedelta | None = None
            error: BaseException | None = None
            began = self._clock.monotonic()
            try:
                wait = next(job) if word is None else job.send(word)
            except StopIteration:
                pass
            except BaseException as raised:
                error = raised
                self._stop()
            with self._changed:
                self._busy -= 1
                self.worked += self._clock.monotonic() - began
                self._error = self._error or error
                if wait is None:
                    self._ended += 1
                else:
                    due = self._clock.monotonic() + wait.total_seconds()
                    heapq.heappush(self._waiting, (due, next(self._order), job))
                self._changed.notify_all()

    def _next(self) -> tuple[Waiting[None], bool | None] | None:
        """Return the next step, once there is one; None where this hand may go."""
        with self._changed:
            while True:
                step = self._ready()
                if step is not None:
                    self._busy += 1
                    if not self._stopping():
                        self._hire()
                    return step
                over = not self._waiting and not self._busy
                if over or self._alive > max(1, self._hands(self)):
                    self._alive -= 1
                    self._changed.notify_all()
                    return None
                if self._waiting and not self._sleeper:
                    self._doze()
                else:
                    self._changed.wait()

    def _ready(self) -> tuple[Waiting[None], bool | None] | None:
        stop = self._stopping()
        if self._waiting and (stop or self._waiting[0][0] <= self._clock.monotonic()):
            return heapq.heappop(self._waiting)[2], not stop
        if stop or len(self._waiting) >= self._ended + _AHEAD:
            return None
        job = next(self._fresh, None)
        return None if job is None else (job, None)

    def _doze(self) -> None:
        """Wait for the first job that waits, but not for long: another may come."""
        left = self._waiting[0][0] - self._clock.monotonic()
        self._sleeper = True
        self._changed.release()
        try:
            self._sleep(max(min(dt.timedelta(seconds=left), _SLICE), _TICK))
        finally:
            self._changed.acquire()
            self._sleeper = False
            self._changed.notify_all()
