"""Dated tasks that are one by what, where, who and hours."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Hashable, Iterable

import attrs

from rota import convert
from rota.model import Kind, Once, Ref, Schedule, Task, When, Zone


@attrs.frozen(kw_only=True)
class Group:
    """
    Dated tasks of one identity.

    Args:
        items: One a day, ascending.
        copy: 0 for the first of equal tasks on a day, 1 for the second, and so on.
    """

    items: tuple[Schedule, ...]
    copy: int = 0

    @property
    def task(self) -> Task:
        """The task of the latest; instructions may differ."""
        return self.items[-1].task

    @property
    def window(self) -> When:
        """The hours that all of them have."""
        return _once(self.items[0]).window

    @property
    def zone(self) -> Zone | None:
        """The zone that all of them have."""
        return self.items[0].zone

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Their days, ascending, none twice."""
        return tuple(_once(item).day for item in self.items)

    @property
    def instructions(self) -> tuple[str, ...]:
        """All the different instructions, in the order of the days."""
        return tuple(dict.fromkeys(item.task.instructions for item in self.items))

    @property
    def ref(self) -> Ref:
        """
        The reference of the schedule behind them, made of what they have in common.

        It is the same whichever days are listed, so what was inferred once is known
        again.
        """
        first = self.items[0]
        assert first.ref is not None
        alike, stops, window, zone = _identity(first)
        told = convert.digest(
            {
                "task": convert.unstructure(alike),
                "stops": [[t, convert.unstructure(p), str(w)] for t, p, w in stops],
                "window": str(window),
                "zone": zone,
                "copy": self.copy,
            }
        )
        return Ref(
            account=first.ref.account, kind=Kind.SCHEDULE, id=f"inferred-{told[:10]}"
        )


def group(schedules: Iterable[Schedule]) -> tuple[Group, ...]:
    """
    Return the dated tasks among the schedules, grouped by what, where, who and hours.

    Two equal tasks on one day are two rounds: the first of each day make one group,
    the second ones another. Groups come in the order of their first days.
    """
    piles: dict[tuple[Hashable, int], list[Schedule]] = {}
    copies: Counter[Hashable] = Counter()
    dated = [
        (item.timing.day, place, item)
        for place, item in enumerate(schedules)
        if isinstance(item.timing, Once)
    ]
    for day, _, item in sorted(dated, key=lambda entry: entry[:2]):
        what = _identity(item)
        piles.setdefault((what, copies[what, day]), []).append(item)
        copies[what, day] += 1
    return tuple(
        Group(items=tuple(pile), copy=copy) for (_, copy), pile in piles.items()
    )


def _once(item: Schedule) -> Once:
    assert isinstance(item.timing, Once)
    return item.timing


def _identity(
    item: Schedule,
) -> tuple[Task, tuple[tuple[str, object, When], ...], When, str | None]:
    task = item.task
    stops = tuple((stop.title, stop.place, stop.window) for stop in task.stops)
    alike = attrs.evolve(task, instructions="", stops=())
    return alike, stops, _once(item).window, item.zone_name
