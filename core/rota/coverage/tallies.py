"""How far quotas were reached."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable

from rota.model import Occurrence, Period, Quota, SessionStatus

from .figures import Outcome, Tally
from .known import Known
from .slots import day_over


def tally(
    key: str, days: list[Occurrence], known: Known, now: dt.datetime
) -> Iterable[Tally]:
    schedule = known.schedule(key)
    timing = schedule.timing if schedule else None
    period = timing.period if isinstance(timing, Quota) else None
    optional = isinstance(timing, Quota) and timing.optional
    groups: dict[dt.date, list[Occurrence]] = defaultdict(list)
    whole = min(one.day for one in days)
    for one in days:
        groups[_begin(period, one.day) if period else whole].append(one)
    for first, group in sorted(groups.items()):
        done = _executions(group)
        asked = max((one.times for one in group if one.times is not None), default=None)
        if asked is None and isinstance(timing, Quota):
            asked = timing.times
        over = period is not None and now >= day_over(
            _begin(period, first + _LONGEST[period]) - dt.timedelta(1), known.zone(key)
        )
        if asked is not None and done >= asked:
            outcome = Outcome.DONE
        elif period is not None and not over:
            outcome = Outcome.OPEN
        elif done:
            outcome = Outcome.PARTIAL
        else:
            outcome = Outcome.MISSED if over and not optional else Outcome.OPEN
        yield Tally(
            period=period, first=first, done_times=done, times=asked, outcome=outcome
        )


def _executions(group: Iterable[Occurrence]) -> int:
    """Return the highest count that a day tells, else the sessions that were done."""
    told = [one.done_times for one in group if one.done_times is not None]
    sessions = (session for one in group for session in one.sessions)
    done = sum(session.status is SessionStatus.DONE for session in sessions)
    return max(told, default=done)


_LONGEST = {
    Period.DAY: dt.timedelta(1),
    Period.WEEK: dt.timedelta(7),
    Period.MONTH: dt.timedelta(31),
    Period.QUARTER: dt.timedelta(92),
    Period.YEAR: dt.timedelta(366),
}


def _begin(period: Period, day: dt.date) -> dt.date:
    """Return the first day of a period; weeks begin on Monday."""
    match period:
        case Period.DAY:
            return day
        case Period.WEEK:
            return day - dt.timedelta(day.weekday())
        case Period.MONTH:
            return day.replace(day=1)
        case Period.QUARTER:
            return day.replace(month=3 * ((day.month - 1) // 3) + 1, day=1)
    return day.replace(month=1, day=1)
