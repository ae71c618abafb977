"""Records told in the model and told back, both ways, without a network."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.errors import ValueRefused
from rota.model import (
    AdHoc,
    AllDay,
    Keeps,
    Kind,
    Line,
    OccurrenceStatus,
    Once,
    Opaque,
    Place,
    Point,
    Recurring,
    Ref,
    Schedule,
    SessionStatus,
    Stop,
    Task,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.recurrence import Recurrence, Rule, monthly, weekly
from rota_navixy import mapping, outcomes
from rota_navixy.mapping import Record, RecordKind


ZONE = "America/Los_Angeles"
HERE = Zone(name=ZONE, origin=ZoneOrigin.ACCOUNT)
MARKED = "rota:abcdefgh23"


def parse(record: Record, keeps: Keeps = Keeps.LENGTH) -> Schedule:
    return mapping.parse(record, account="fleet", zone=ZONE, keeps=keeps)


def plain(value: Any) -> Any:
    """Return JSON without what the vendor takes for missing: null and empty lists."""
    if isinstance(value, Mapping):
        made = {key: plain(each) for key, each in value.items()}
        return {k: v for k, v in made.items() if v not in (None, [], {})}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


# Records as the vendor gives them

texts = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=20)
labels = texts.filter(lambda t: t.strip() != "").map(lambda t: f"L{t}")
descriptions = texts.map(lambda t: t.strip()) | st.just(f"Look. {MARKED}")
ids = st.integers(1, 2**31 - 1)
minutes = st.integers(0, 512_000)
locations = st.fixed_dictionaries(
    {
        "lat": st.floats(-90, 90, allow_subnormal=False),
        "lng": st.integers(-180, 180),
        "radius": st.integers(1, 300_000),
    },
    optional={"address": labels, "place": labels},
)
attached = {
    "max_delay": minutes,
    "min_stay_duration": minutes,
    "min_arrival_duration": minutes,
    "tags": st.lists(ids, min_size=1, max_size=3, unique=True),
    "fields": st.dictionaries(
        st.sampled_from(["1", "7"]), st.just({"type": "text"}), min_size=1
    ),
    "files": st.just([{"id": 1}]),
}
hours = {
    "from_time": st.times().map(lambda t: t.strftime("%H:%M:%S")),
    "duration": st.integers(1, 46_080),
}
parameters = st.one_of(
    st.lists(st.integers(1, 7), min_size=1, unique=True).map(
        lambda days: {"type": "weekdays", "weekdays": sorted(days)}
    ),
    st.lists(st.integers(1, 31), min_size=1, unique=True).map(
        lambda days: {"type": "month_days", "month_days": sorted(days)}
    ),
)
common = {
    "id": ids,
    "user_id": ids,
    "tracker_id": st.none() | ids,
    "label": labels,
    "description": descriptions,
}
entry_rows = st.fixed_dictionaries(
    {**common, **hours, "location": locations, "parameters": parameters},
    optional={**attached, "form_template_id": ids},
)
checkpoint_rows = st.fixed_dictionaries(
    {
        **common,
        "location": locations,
        "parent_id": ids,
        "duration": st.integers(1, 120),
    },
    optional={**attached, "form_template_id": ids},
)


@st.composite
def route_entries(draw: st.DrawFn) -> Record:
    row = draw(st.fixed_dictionaries({**common, "parameters": parameters}))
    row["description"] = draw(descriptions)
    stops = draw(st.lists(checkpoint_rows, min_size=2, max_size=4))
    at = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - a wall clock
    for order, stop in enumerate(stops):
        at += dt.timedelta(minutes=draw(st.integers(0, 120)))
        stop |= {"order": order, "from_time": at.strftime("%H:%M:%S")}
    return Record(kind=RecordKind.ROUTE_ENTRY, row=row, checkpoints=tuple(stops))


walls = st.datetimes(
    dt.datetime(2026, 1, 1),  # noqa: DTZ001 - wall clocks
    dt.datetime(2027, 12, 31),  # noqa: DTZ001
).map(lambda at: at.replace(microsecond=0))


@st.composite
def task_rows(draw: st.DrawFn) -> dict[str, Any]:
    start = draw(walls)
    end = start + dt.timedelta(minutes=draw(st.integers(1, 46_000)))
    row: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {
                **common,
                "location": locations,
                "status": st.sampled_from([*outcomes.STATUSES, "brand new"]),
                "origin": st.sampled_from(["manual", "imported"]),
            },
            optional={
                **attached,
                "external_id": labels | st.just(MARKED),
                "creation_date": walls.map(str),
                "arrival_date": walls.map(str),
                "stay_duration": st.integers(1, 9999),
                "form": st.fixed_dictionaries({"id": ids, "template_id": ids}),
            },
        )
    )
    return row | {
        "from": start.strftime("%Y-%m-%d %H:%M:%S"),
        "to": end.strftime("%Y-%m-%d %H:%M:%S"),
    }


@given(entry_rows)
def test_an_entry_parsed_and_printed_is_the_entry(row: dict[str, Any]) -> None:
    """Whatever an entry holds comes back, its read-only members too."""
    made = mapping.record(parse(Record(kind=RecordKind.ENTRY, row=row)))
    assert plain(made.row) == plain(row)


@given(route_entries())
def test_a_route_of_entries_parsed_and_printed_is_itself(record: Record) -> None:
    """The checkpoints come back in their order with all that they hold."""
    made = mapping.record(parse(record))
    assert plain(made.row) == plain(record.row)
    assert plain(made.checkpoints) == plain(record.checkpoints)


@given(task_rows())
def test_a_task_parsed_and_printed_is_the_task(row: dict[str, Any]) -> None:
    """Status, dates of arrival and a submitted form stay on the record."""
    made = mapping.record(parse(Record(kind=RecordKind.TASK, row=row)))
    assert plain(made.row) == plain(row)


# Schedules as the engine gives them

points = st.builds(
    Point,
    lat=st.floats(-90, 90, allow_subnormal=False),
    lng=st.floats(-180, 180, allow_subnormal=False),
    radius_m=st.integers(1, 300_000),
)
places = st.builds(Place, point=points, address=st.none() | labels)
lasting = st.builds(
    Window.lasting,
    st.times().map(lambda t: t.replace(microsecond=0)),
    st.integers(1, 46_080),
    keeps=st.just(Keeps.LENGTH),
)


def refs(kind: Kind) -> st.SearchStrategy[Ref]:
    return ids.map(lambda n: Ref(account="fleet", kind=kind, id=str(n)))


tasks = st.builds(
    Task,
    title=labels,
    instructions=texts.map(str.strip),
    place=places,
    assignee=st.none() | refs(Kind.DEVICE),
    form=st.none() | refs(Kind.FORM),
    tags=st.lists(refs(Kind.TAG), max_size=3).map(tuple),
    grace_min=st.none() | st.integers(1, 512_000),
)
rules = st.one_of(
    st.sets(st.integers(1, 7), min_size=1).map(weekly),
    st.sets(st.integers(1, 31), min_size=1).map(monthly),
)
marks = st.none() | st.just(MARKED)


@given(tasks, rules, lasting, marks)
def test_a_recurring_schedule_printed_and_parsed_is_itself(
    task: Task, rule: Rule, window: Window, mark: str | None
) -> None:
    """Days, hours, texts, references and the mark survive the vendor's words."""
    timing = Recurring(lines=(Line(days=Recurrence(rules=(rule,)), window=window),))
    schedule = Schedule(task=task, timing=timing, zone=HERE, mark=mark)
    back = parse(mapping.record(schedule))
    assert isinstance(back.timing, Recurring)
    assert back.timing.lines[0].window == window
    assert back.timing.lines[0].days.dayset() == rule.dayset()
    assert attrs.evolve(back, timing=timing) == schedule


@given(tasks, walls, lasting, marks, st.booleans())
def test_a_single_task_printed_and_parsed_is_itself(
    task: Task, start: dt.datetime, window: Window, mark: str | None, iso: bool
) -> None:
    """With offsets or without, the wall clock of a day without clock change stays."""
    window = attrs.evolve(window, keeps=Keeps.END)
    end = start + dt.timedelta(window.days)
    if any(at.month in (3, 11) for at in (start, end)):
        start = start.replace(month=6, day=1)
    once = Once(day=start.date(), window=window)
    schedule = Schedule(task=task, timing=once, zone=HERE, mark=mark)
    assert parse(mapping.record(schedule, iso=iso)) == schedule


@given(st.lists(tasks, min_size=2, max_size=4), rules, st.data())
def test_a_tour_printed_and_parsed_is_itself(
    tasks: list[Task], rule: Rule, data: st.DataObject
) -> None:
    """Stops that follow one another within their round keep their hours."""
    stops, at = [], 6 * 60
    for task in tasks:
        assert task.place is not None
        length = data.draw(st.integers(1, 90))
        start = dt.time(at // 60, at % 60)
        stops.append(
            Stop(
                title=task.title,
                place=task.place,
                window=Window.lasting(start, length, keeps=Keeps.LENGTH),
                instructions=task.instructions,
                grace_min=task.grace_min,
                form=task.form,
                tags=task.tags,
            )
        )
        at += length
    whole = Window.lasting(dt.time(6), at - 6 * 60, keeps=Keeps.LENGTH)
    timing = Recurring(lines=(Line(days=Recurrence(rules=(rule,)), window=whole),))
    tour = Task(title="Tour", stops=tuple(stops), assignee=tasks[0].assignee)
    schedule = Schedule(task=tour, timing=timing, zone=HERE)
    back = parse(mapping.record(schedule))
    assert isinstance(back.timing, Recurring)
    assert back.timing.lines[0].window == whole
    cleared = tuple(attrs.evolve(stop, extras={}) for stop in back.task.stops)
    assert attrs.evolve(back.task, stops=cleared) == tour


# What must not go through


def entry(**members: object) -> Schedule:
    window = Window.lasting(dt.time(22), 480, keeps=Keeps.LENGTH)
    timing = Recurring(
        lines=(Line(days=Recurrence(rules=(weekly([1]),)), window=window),)
    )
    place = Place(point=Point(lat=1, lng=2, radius_m=150))
    changes = {k: v for k, v in members.items() if k in ("timing", "zone")}
    task = {k: v for k, v in members.items() if k not in changes}
    return attrs.evolve(
        Schedule(
            task=attrs.evolve(Task(title="Round", place=place), **task),
            timing=timing,
            zone=HERE,
        ),
        **changes,
    )


@pytest.mark.parametrize(
    "rule",
    [
        Rule.parse("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", start=dt.date(2026, 1, 5)),
        Rule.parse("FREQ=MONTHLY;BYDAY=1MO"),
        Rule.parse("FREQ=MONTHLY;BYMONTHDAY=-1"),
        weekly([1], until=dt.date(2027, 1, 1)),
        weekly([1], start=dt.date(2027, 1, 1)),
        Rule.parse("FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=1"),
    ],
)
def test_what_an_entry_cannot_say_is_refused(rule: Rule) -> None:
    """No interval, ordinal, end or begin is dropped in silence."""
    timing = entry().timing
    assert isinstance(timing, Recurring)
    line = attrs.evolve(timing.lines[0], days=Recurrence(rules=(rule,)))
    with pytest.raises(ValueRefused):
        mapping.record(entry(timing=Recurring(lines=(line,))))
    with pytest.raises(ValueRefused):
        mapping.record(entry(timing=Recurring(lines=(timing.lines[0], line))))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FREQ=DAILY", {"type": "weekdays", "weekdays": [1, 2, 3, 4, 5, 6, 7]}),
        ("FREQ=DAILY;BYDAY=SA,SU", {"type": "weekdays", "weekdays": [6, 7]}),
        ("FREQ=MONTHLY;BYMONTHDAY=31,1", {"type": "month_days", "month_days": [1, 31]}),
    ],
)
def test_days_are_said_by_meaning_and_not_by_text(
    text: str, expected: dict[str, Any]
) -> None:
    """Any rule that means weekdays or days of the month is said as such."""
    timing = entry().timing
    assert isinstance(timing, Recurring)
    line = attrs.evolve(timing.lines[0], days=Recurrence(rules=(Rule.parse(text),)))
    row = mapping.record(entry(timing=Recurring(lines=(line,)))).row
    assert row["parameters"] == expected


@pytest.mark.parametrize(
    "members",
    [
        {"place": None},
        {"place": Place(point=Point(lat=1, lng=2))},
        {"place": Place(ref=Ref(account="fleet", kind=Kind.SITE, id="4"))},
        {"assignee": Ref(account="fleet", kind=Kind.PERSON, id="4")},
        {"timing": AdHoc(window=Window.lasting(dt.time(8), 60))},
        {"timing": Once(day=dt.date(2026, 1, 1), window=AllDay())},
        {
            "stops": (
                Stop(title="x", place=Place(), window=Window.lasting(dt.time(8), 1)),
            )
        },
        {
            "zone": None,
            "timing": Once(
                day=dt.date(2026, 1, 1), window=Window.lasting(dt.time(8), 60)
            ),
        },
    ],
)
def test_what_the_vendor_has_no_form_for_is_refused(members: dict[str, Any]) -> None:
    """Neither a place nor a performer nor hours are invented."""
    with pytest.raises(ValueRefused):
        mapping.record(entry(**members))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("label", 5),
        ("description", None),
        ("location", None),
        ("location", {"lat": "1", "lng": 2, "radius": 3}),
        ("location", {"lat": 91, "lng": 2, "radius": 3}),
        ("from_time", "7:00"),
        ("from_time", "25:00:00"),
        ("duration", "60"),
        ("duration", True),
        ("parameters", {"type": "yearly", "yearly": [1]}),
        ("parameters", {"type": "weekdays", "weekdays": []}),
        ("parameters", {"type": "weekdays", "weekdays": ["1"]}),
        ("tracker_id", "22"),
        ("tags", [True]),
    ],
)
def test_a_wrong_type_is_told_with_its_path(key: str, value: object) -> None:
    """Reading is strict: nothing is coerced, and the member is named."""
    row: dict[str, Any] = dict(mapping.record(entry()).row)
    row[key] = value
    with pytest.raises(ValueRefused, match=rf"entry\.{key}"):
        parse(Record(kind=RecordKind.ENTRY, row=row))


def test_a_mark_is_the_end_of_an_entry_and_the_external_id_of_a_task() -> None:
    """It is taken off on reading; a customer's own external id is kept as it is."""
    marked = attrs.evolve(entry(instructions="Look"), mark=MARKED)
    assert mapping.record(marked).row["description"] == f"Look {MARKED}"
    once = Once(day=dt.date(2026, 6, 1), window=Window.lasting(dt.time(8), 60))
    marked = attrs.evolve(entry(instructions="Look", timing=once), mark=MARKED)
    row = mapping.record(marked).row
    assert (row["description"], row["external_id"]) == ("Look", MARKED)
    back = parse(Record(kind=RecordKind.TASK, row={**row, "external_id": "PO-1"}))
    assert (back.mark, back.extras["external_id"]) == (None, "PO-1")


def test_a_window_that_the_model_has_not_is_opaque_and_kept() -> None:
    """A task that lasts no time is read, shown and never translated."""
    once = Once(day=dt.date(2026, 6, 1), window=Window.lasting(dt.time(8), 60))
    row = {**mapping.record(entry(timing=once)).row, "id": 4}
    row["to"] = row["from"]
    back = parse(Record(kind=RecordKind.TASK, row=row))
    assert isinstance(back.timing, Opaque)
    assert plain(mapping.record(back).row) == plain(row)


def test_a_round_has_the_hours_of_its_stops() -> None:
    """They move with its begin; what a route can't hold itself goes to them."""
    place = Place(point=Point(lat=1, lng=2, radius_m=150))
    stops = tuple(
        Stop(title=f"S{n}", place=place, window=Window.lasting(dt.time(6 + n), 60))
        for n in range(2)
    )
    form = Ref(account="fleet", kind=Kind.FORM, id="4")
    row = mapping.record(entry(place=None, stops=stops, grace_min=5, form=form))
    assert [(s["from_time"], s["duration"]) for s in row.checkpoints] == [
        ("22:00:00", 60),
        ("23:00:00", 60),
    ]
    assert {s["max_delay"] for s in row.checkpoints} == {5}
    assert [s.get("form_template_id") for s in row.checkpoints] == [None, 4]
    back = parse(row)
    assert isinstance(back.timing, Recurring)
    assert str(back.timing.lines[0].window) == "22:00-00:00"


def test_every_status_has_its_place_in_the_tables(shared: Path) -> None:
    """The table is total over the published words, and anything else is unknown."""
    facts = json.loads((shared / "vendors/navixy/constraints.json").read_text())
    assert set(outcomes.STATUSES) == set(facts["enums"]["task_status"])
    row = {
        "label": "x",
        "status": "teleported",
        "from": "2026-06-01 08:00:00",
        "to": "2026-06-01 09:00:00",
    }
    found = outcomes.parse_occurrence(
        Record(kind=RecordKind.TASK, row=row), account="fleet", zone=ZONE
    )
    assert found.status is OccurrenceStatus.UNKNOWN
    assert found.status_text == "teleported"
    assert found.sessions[0].status is SessionStatus.UNKNOWN


@pytest.mark.parametrize(
    "name",
    [
        "task-schedule-entry.object",
        "task-schedule-create.request",
        "task-schedule-list.response",
        "task-schedule-route-entry.object",
        "task-schedule-read.route.response",
        "task-create.request",
        "task-create.request.minimal-task-object",
        "task-route-create.response",
    ],
)
def test_published_records_parse_and_print_as_they_are(shared: Path, name: str) -> None:
    """Every published entry, task and route comes back as equal JSON."""
    path = shared / "vendors" / "navixy" / "examples" / f"{name}.json"
    whole = json.loads(path.read_text())
    stops = whole.get("checkpoints", [])
    for member in ("schedule", "task", "value", "result"):
        whole = (
            whole.get(member, whole) if isinstance(whole.get(member), dict) else whole
        )
    row = whole["list"][0] if "list" in whole else whole
    recurs = "parameters" in row
    if stops or "checkpoint_ids" in row or (recurs and "location" not in row):
        kind = RecordKind.ROUTE_ENTRY if recurs else RecordKind.ROUTE
    else:
        kind = RecordKind.ENTRY if recurs else RecordKind.TASK
    if kind.routed and len(stops) < 2:  # published with one checkpoint or none
        stop = json.loads(
            (path.parent / "task-schedule-checkpoint-entry.object.json").read_text()
        )
        stops = [{**stop, "order": n} for n in range(2)]
        if not recurs:
            days = {"from": row["from"], "to": row["to"]}
            stops = [
                {k: v for k, v in s.items() if k not in ("from_time", "duration")}
                | {**days, "id": row["checkpoint_ids"][n]}
                for n, s in enumerate(stops)
            ]
            row["checkpoint_ids"] = row["checkpoint_ids"][:2]
    record = Record(kind=kind, row=row, checkpoints=tuple(stops))
    made = mapping.record(parse(record))
    assert plain(made.row) == plain(row)
    assert plain(made.checkpoints) == plain(stops)
    sent, _ = mapping.writable(made)
    assert not sent.keys() & mapping.READ_ONLY


def test_every_day_said_by_the_month_stays_said_by_the_month() -> None:
    """All 31 days of the month are not turned into all 7 days of the week."""
    days = Recurrence(rules=(monthly(range(1, 32)),))
    week = Recurrence(rules=(weekly(range(1, 8)),))

    assert mapping._parameters(days)["type"] == "month_days"
    assert mapping._parameters(week)["type"] == "weekdays"
