"""Dated tasks that are one by what, where, who and hours."""

from __future__ import annotations

import datetime as dt

import attrs
from pairs import patrol

from rota.model import Kind, Once, Ref, Schedule, Window
from rota.planning.grouping import group
from rota.recurrence import weekly


DAYS = weekly([2]).days(dt.date(2027, 1, 1), dt.date(2027, 6, 30))
_WINDOW = Window(start=dt.time(9), end=dt.time(10))


def _dated(title: str, day: dt.date, **more: object) -> Schedule:
    task = attrs.evolve(patrol(title).task, **more)
    ref = Ref(account="guards", kind=Kind.SCHEDULE, id=f"{title} {day}")
    bare = attrs.evolve(patrol(title), ref=ref, task=task)
    return attrs.evolve(bare, timing=Once(day=day, window=_WINDOW))


def test_tasks_are_grouped_by_what_where_who_and_hours() -> None:
    """Unlike tasks are apart, and two equal ones on a day are two rounds."""
    tasks = [_dated("Gate", day) for day in DAYS]
    tasks += [_dated("Gate", day) for day in DAYS[:5]]
    tasks += [_dated("Yard", DAYS[0])]
    tasks += [_dated("Yard", DAYS[0], assignee=None)]
    late = attrs.evolve(_WINDOW, end=dt.time(11))
    tasks += [
        attrs.evolve(_dated("Yard", DAYS[1]), timing=Once(day=DAYS[1], window=late))
    ]
    found = group(tasks)

    assert [(each.task.title, each.copy, len(each.days)) for each in found] == [
        ("Gate", 0, len(DAYS)),
        ("Gate", 1, 5),
        ("Yard", 0, 1),
        ("Yard", 0, 1),
        ("Yard", 0, 1),
    ]
    assert len({each.ref for each in found}) == len(found)


def test_a_group_is_known_again_whatever_is_listed() -> None:
    """Its reference depends on what its tasks have in common, and on no day or text."""
    [whole] = group(_dated("Gate", day) for day in DAYS)
    [part] = group(
        _dated("Gate", day, instructions=f"Text {n}") for n, day in enumerate(DAYS[3:])
    )

    assert part.ref == whole.ref
    assert part.instructions[0] == "Text 0"
    assert part.task.instructions == f"Text {len(DAYS) - 4}"
