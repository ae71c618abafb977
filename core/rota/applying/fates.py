"""What became of the changes of a plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

import attrs

from rota.model import Ref
from rota.planning import Change, HandedOver


class Fate(StrEnum):
    """What became of a change in this run."""

    DONE = "done"
    ALREADY = "already done"
    FOUND = "found"
    LATER = "deferred"
    HANDED_OVER = "handed over"
    NOT_WRITTEN = "not written"
    SKIPPED = "skipped"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def good(self) -> bool:
        """Tell whether the target now holds what the change wanted."""
        return self in (Fate.DONE, Fate.ALREADY, Fate.FOUND)


@attrs.frozen(kw_only=True)
class Result:
    """What became of one change, and why where it isn't plain."""

    change: Change
    fate: Fate
    why: str = ""
    ref: Ref | None = None


@attrs.frozen(kw_only=True)
class Seam:
    """
    The days around the end of a source that was cut over, in its own calendar.

    Args:
        last: The last day that stays with the source.
        gaps: Days up to then that the source no longer shows.
        twice: Later days that it shows still.
        restored: The end was taken off again.
        why: Why its calendar was not read, empty where it was.
    """

    source: Ref
    title: str
    last: dt.date
    gaps: tuple[dt.date, ...] = ()
    twice: tuple[dt.date, ...] = ()
    restored: bool = False
    why: str = ""

    @property
    def sound(self) -> bool:
        """Whether the source shows its last day and nothing after it."""
        return not (self.gaps or self.twice or self.why)


@attrs.frozen(kw_only=True)
class Applied:
    """
    What became of a plan.

    Args:
        run: The run's number in the ledger.
        seam: The sources that were ended, and their days around that.
        recovered: What became of writes that an earlier run left open.
        interrupted: A person stopped it; the rest was not tried.
        hand_over: What the plan hands over at the source.
    """

    run: int
    plan: str
    results: tuple[Result, ...]
    seam: tuple[Seam, ...] = ()
    recovered: tuple[Result, ...] = ()
    interrupted: bool = False
    hand_over: tuple[HandedOver, ...] = ()

    def count(self, *fates: Fate) -> int:
        """Return how many changes ended so."""
        return sum(result.fate in fates for result in self.results)

    @property
    def handed_over(self) -> tuple[HandedOver, ...]:
        """The tasks at the source whose days the target makes by now."""
        lacks = [r.change for r in self.results if not r.fate.good]
        return tuple(
            task
            for task in self.hand_over
            if not any(c.source == task.by and c.first_day <= task.day for c in lacks)
        )

    @property
    def code(self) -> int:
        """The exit code: 7 a person is needed, 5 the world moved, 1 try again, 0."""
        fates = {result.fate for result in (*self.results, *self.recovered)}
        if fates & {Fate.UNKNOWN, Fate.HANDED_OVER} or self.handed_over:
            return 7
        if any(seam.gaps or seam.twice for seam in self.seam):
            return 7
        if Fate.SKIPPED in fates:
            return 5
        if fates & {Fate.REFUSED, Fate.FAILED} or self.interrupted:
            return 1
        return 0


Watcher: TypeAlias = Callable[[Result], None]
