"""Which wanted piece continues which link."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from rota.merging import same_timing
from rota.model import (
    Once,
    Recurring,
    Schedule,
)
from rota.translation import Piece

from .snapshots import LinkState
from .telling import Wanted


def match(
    wanted: Sequence[Wanted], links: list[LinkState], first: dt.date
) -> tuple[list[tuple[LinkState, Wanted]], list[Wanted], list[LinkState]]:
    """
    Give each wanted piece the link that it continues.

    Equal ones first, a dated one by its date, then the same kind of timing with the
    most alike windows; what is left is to be made, or to go.
    """
    left, free = list(wanted), sorted(links, key=lambda link: link.n)
    pairs: list[tuple[LinkState, Wanted]] = []

    def take(test: Callable[[Schedule, Schedule], bool]) -> None:
        for item in list(left):
            for link in free:
                if test(link.agreed.wanted, item[1]):
                    pairs.append((link, item))
                    left.remove(item)
                    free.remove(link)
                    break

    take(
        lambda was, now: (
            was.task.title == now.task.title
            and same_timing(was.timing, now.timing, first)
        )
    )
    take(lambda was, now: same_timing(was.timing, now.timing, first))
    take(
        lambda was, now: (
            isinstance(was.timing, Once)
            and isinstance(now.timing, Once)
            and was.timing.day == now.timing.day
        )
    )
    take(
        lambda was, now: (
            isinstance(was.timing, Recurring) and isinstance(now.timing, Recurring)
        )
    )
    return pairs, left, free


def lasting(schedule: Schedule, first: dt.date) -> bool:
    """Tell whether the days ahead of a schedule are the same seen from any later day."""
    return isinstance(schedule.timing, Recurring) and all(
        not line.days.rdates
        and not line.days.exdates
        and all(
            rule.until is None
            and rule.count is None
            and (rule.start is None or rule.start <= first)
            for rule in line.days.rules
        )
        for line in schedule.timing.lines
    )


def stays(piece: Piece, record: Schedule, schedule: Schedule) -> bool:
    """Tell whether a piece of what is exact and lasts is never due, and never goes."""
    return (
        isinstance(piece.timing, Recurring)
        and piece.last is None
        and not piece.make_on
        and record.zone_name == schedule.zone_name
    )


def alike(one: Schedule, other: Schedule) -> bool:
    """
    Tell whether two records say the same, leaving out what a vendor may change.

    It errs towards yes: a record that may be ours is never made twice.
    """
    first = dt.date.min
    return (
        content_key(one) == content_key(other)
        and one.zone_name == other.zone_name
        and (
            one.timing == other.timing
            or same_timing(one.timing, other.timing, first)
            or _same_ahead(one, other)
        )
    )


def content_key(schedule: Schedule) -> tuple[str, str]:
    """Return what alike records have in common; writes of one key take turns."""
    assignee = schedule.task.assignee
    title = " ".join(schedule.task.title.split()).casefold()
    return title, assignee.key if assignee else ""


def _same_ahead(one: Schedule, other: Schedule) -> bool:
    """Tell whether two rules agree once both have begun: some vendors keep no begin."""
    if not isinstance(one.timing, Recurring) or not isinstance(other.timing, Recurring):
        return False
    starts = [
        rule.start
        for timing in (one.timing, other.timing)
        for line in timing.lines
        for rule in line.days.rules
        if rule.start is not None
    ]
    return bool(starts) and same_timing(one.timing, other.timing, max(starts))
