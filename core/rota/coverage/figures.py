"""What coverage tells: outcomes, figures, rows, differences."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

import attrs

from rota.model import Period


class Outcome(StrEnum):
    """What became of something planned; each planned occurrence has exactly one."""

    DONE = "done"
    LATE = "late"
    PARTIAL = "partial"
    MISSED = "missed"
    OPEN = "open"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    ABSENT = "absent"
    UNATTRIBUTED = "unattributed"


@attrs.frozen(kw_only=True)
class Figures:
    """
    One side's counts: ``planned`` is the sum of all outcomes.

    Args:
        late: Done, but ended after the window and its grace.
        open: Still to come, or begun and not ended.
        unknown: The vendor's word is one that nobody knows.
        absent: Planned by a record of the pair, and the account shows no task for it.
        unattributed: A task may be this one's or another's.
        unplanned: Performed or added without a plan; not among ``planned``.
    """

    done: int = 0
    late: int = 0
    partial: int = 0
    missed: int = 0
    open: int = 0
    cancelled: int = 0
    unknown: int = 0
    absent: int = 0
    unattributed: int = 0
    unplanned: int = 0

    @property
    def planned(self) -> int:
        """All that was planned."""
        return sum(getattr(self, outcome) for outcome in Outcome)

    @classmethod
    def of(cls, outcomes: Iterable[Outcome], unplanned: int = 0) -> Figures:
        """Count outcomes."""
        counts = {str(key): many for key, many in Counter(outcomes).items()}
        return cls(unplanned=unplanned, **counts)

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            **{
                field.name: getattr(self, field.name) + getattr(other, field.name)
                for field in attrs.fields(Figures)
            }
        )


@attrs.frozen(kw_only=True)
class Tally:
    """
    How far a quota was reached: one planned thing, however many executions it asks.

    Args:
        period: None where nobody knows it; then all days make one tally.
        first: The first day of the period, or the first day read of it.
        times: Executions asked for; None where the record doesn't say.
    """

    period: Period | None
    first: dt.date
    done_times: int
    times: int | None
    outcome: Outcome


@attrs.frozen(kw_only=True)
class Row:
    """
    One schedule of the source, or one site, on both sides.

    Args:
        id: ``kind:id`` at the source; empty for what belongs to none.
        site: ``kind:id`` of its site, empty where it has none.
        source: None where the source's figures are withheld.
        target: None where the target's figures are withheld.
        tallies: Quotas, which only the source keeps.
    """

    id: str
    title: str
    site: str
    source: Figures | None
    target: Figures | None
    tallies: tuple[Tally, ...] = ()


@attrs.frozen(kw_only=True)
class Difference:
    """
    One occurrence of which the two sides say different things.

    Args:
        start: Aware, in the schedule's zone; None for a whole day.
        source: None where the source planned nothing.
        target: None where no record at the target planned it.
    """

    schedule: str
    title: str
    day: dt.date
    start: dt.datetime | None
    source: Outcome | None
    target: Outcome | None


@attrs.frozen(kw_only=True)
class Coverage:
    """
    Planned against performed, by schedule and by site.

    Args:
        first: First day counted, in the zones of the source.
        last: Last day counted.
        withheld_source: Why the source has no figures; empty when it has.
        withheld_target: Why the target has no figures; empty when it has.
        unlinked: Occurrences of the source on days without a link; not counted.
    """

    pair: str
    source: str
    target: str
    first: dt.date
    last: dt.date
    at: dt.datetime
    schedules: tuple[Row, ...]
    sites: tuple[Row, ...]
    differences: tuple[Difference, ...] = ()
    withheld_source: str = ""
    withheld_target: str = ""
    unlinked: int = 0

    @property
    def total(self) -> Row:
        """Everything together; also the sum of the sites."""
        return together("", "all together", "", self.schedules, self)

    @property
    def code(self) -> int:
        """The exit code: 3 where the sides differ, 1 where one couldn't be read."""
        if self.differences:
            return 3
        return 1 if self.withheld_source or self.withheld_target else 0


def together(id_: str, title: str, site: str, rows: Iterable[Row], of: Coverage) -> Row:
    """Return the sum of rows of one coverage."""
    rows = tuple(rows)
    blank = Figures()
    return Row(
        id=id_,
        title=title,
        site=site,
        source=None
        if of.withheld_source
        else sum((row.source for row in rows if row.source), blank),
        target=None
        if of.withheld_target
        else sum((row.target for row in rows if row.target), blank),
        tallies=tuple(tally for row in rows for tally in row.tallies),
    )
