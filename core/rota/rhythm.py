"""How often a pair is looked at, and the hours in which it is not."""

from __future__ import annotations

import datetime as dt
import re
from typing import Self

import attrs

from . import zones
from .errors import ValueRefused


_SPAN = re.compile(r"(\d{1,5})([smhd])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def read_span(text: str) -> dt.timedelta:
    """Read a length of time: ``90s``, ``5m``, ``1h``, ``2d``."""
    found = _SPAN.fullmatch(text)
    if not found or not int(found[1]):
        raise ValueRefused(f"{text!r} is not a span such as 90s, 5m or 1h")
    return dt.timedelta(seconds=int(found[1]) * _UNITS[found[2]])


@attrs.frozen(kw_only=True)
class Quiet:
    """Hours of the wall clock in which no cycle begins; may cross midnight."""

    first: dt.time
    last: dt.time
    zone: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``22:00-06:00@America/Chicago``."""
        span, _, zone = text.partition("@")
        try:
            first, last = (dt.time.fromisoformat(at) for at in span.split("-"))
            zones.load(zone)
        except (ValueError, ValueRefused):
            raise ValueRefused(
                f"{text!r} is not HH:MM-HH:MM@ZONE, e.g. 22:00-06:00@America/Chicago"
            ) from None
        return cls(first=first, last=last, zone=zone)

    def covers(self, now: dt.datetime) -> bool:
        """Tell whether an instant falls into these hours."""
        at = now.astimezone(zones.load(self.zone)).time()
        if self.first <= self.last:
            return self.first <= at < self.last
        return at >= self.first or at < self.last

    def within(self, since: dt.datetime, until: dt.datetime) -> dt.timedelta:
        """Return how much of a span these hours take up."""
        where = zones.load(self.zone)
        day = since.astimezone(where).date() - dt.timedelta(1)
        found = dt.timedelta()
        while (begin := zones.instant(where, day, self.first)) < until:
            over = dt.timedelta(self.first > self.last)
            end = zones.instant(where, day + over, self.last)
            found += max(min(end, until) - max(begin, since), dt.timedelta())
            day += dt.timedelta(1)
        return found


@attrs.frozen(kw_only=True)
class Rhythm:
    """
    How often a pair is looked at.

    Args:
        every: From the beginning of one cycle to the next, give or take a tenth.
        quiet: When no cycle begins.
        alarm_after: So many intervals without a finished cycle are an alarm.
        audit_every: Every so many cycles everything is decided anew, changed or not.
        today: Whether a change puts today right, too.
    """

    every: dt.timedelta
    quiet: Quiet | None = None
    alarm_after: int = 3
    audit_every: int = 12
    today: bool = False
