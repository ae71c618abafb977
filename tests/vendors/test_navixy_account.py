"""The account against its sandbox over HTTP; every call is held against the schemas."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from starlette.requests import Request
from starlette.responses import Response

import rota_navixy
from rota.clock import StillClock
from rota.errors import (
    BadAnswer,
    ConfigError,
    NotAuthorised,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RightMissing,
    RotaError,
    VendorUnavailable,
)
from rota.model import (
    Keeps,
    Kind,
    Line,
    Occurrence,
    OccurrenceStatus,
    Once,
    Place,
    Point,
    Recurring,
    Ref,
    Schedule,
    SessionStatus,
    StepKind,
    Stop,
    Task,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.recurrence import Recurrence, monthly, weekly
from rota.sandbox import Fault, FaultKind, Server, read_body, serve
from rota.translation import expand
from rota.vendor import Completeness, Mark, Scope
from rota_navixy.api import Navixy
from rota_navixy.sandbox import API_KEY, LOGIN, PASSWORD, NavixySandbox


NOW = dt.datetime(2026, 11, 23, 17, 30, tzinfo=dt.UTC)  # Monday 09:30 in the account
TODAY = dt.date(2026, 11, 23)
ZONE = Zone(name="America/Los_Angeles", origin=ZoneOrigin.ACCOUNT)
MARK = Mark("rota:abcdefgh23")
PLACE = Place(point=Point(lat=33.74, lng=-118.27, radius_m=150), address="1 Quay Road")
Make = Callable[..., NavixySandbox]


@pytest.fixture
def clock() -> StillClock:
    return StillClock(NOW)


@pytest.fixture
def sandbox(make_navixy: Make, clock: StillClock) -> NavixySandbox:
    return make_navixy(clock=clock, rate=None)


@pytest.fixture
def server(sandbox: NavixySandbox) -> Iterator[Server]:
    with serve(sandbox) as server:
        yield server
    assert server.crashes == ()


@pytest.fixture
def fleet(server: Server, clock: StillClock) -> Iterator[Navixy]:
    with rota_navixy.connect(
        base_url=f"{server.base_url}/v2", api_key=API_KEY, account="fleet", clock=clock
    ) as account:
        yield account


def ref(kind: Kind, number: int) -> Ref:
    return Ref(account="fleet", kind=kind, id=str(number))


def entry(
    rule: Any = None, *, start: int = 22, minutes: int = 480, **task: Any
) -> Schedule:
    window = Window.lasting(dt.time(start), minutes, keeps=Keeps.LENGTH)
    days = Recurrence(rules=(rule or weekly([1, 3]),))
    what = Task(title="Night round", instructions="Look", place=PLACE)
    return Schedule(
        task=attrs.evolve(what, **task),
        timing=Recurring(lines=(Line(days=days, window=window),)),
        zone=ZONE,
    )


def once(day: dt.date = TODAY + dt.timedelta(2), **task: Any) -> Schedule:
    window = Window(start=dt.time(8), end=dt.time(10))
    return attrs.evolve(entry(**task), timing=Once(day=day, window=window))


def stops(*titles: str) -> tuple[Stop, ...]:
    return tuple(
        Stop(
            title=title,
            place=PLACE,
            window=Window.lasting(dt.time(6 + n), 60, keeps=Keeps.LENGTH),
        )
        for n, title in enumerate(titles)
    )


def read(fleet: Navixy, what: Ref) -> Schedule:
    [found] = fleet.schedules(Scope(ids=(what.id,))).items
    assert found.ref == what
    return found


# Schedules


@pytest.mark.parametrize(
    "schedule",
    [
        entry(),
        entry(monthly([1, 31]), start=6, minutes=46_080),
        entry(
            assignee=ref(Kind.DEVICE, 22),
            form=ref(Kind.FORM, 1),
            tags=(ref(Kind.TAG, 1), ref(Kind.TAG, 2)),
            grace_min=15,
        ),
        once(),
        once(assignee=ref(Kind.DEVICE, 23), tags=(ref(Kind.TAG, 2),), grace_min=1),
        once(form=ref(Kind.FORM, 1)),
    ],
)
@pytest.mark.parametrize("mark", [None, MARK])
def test_what_is_made_reads_back_as_it_was(
    fleet: Navixy, schedule: Schedule, mark: Mark | None
) -> None:
    """Everything that the model says survives the vendor, and the mark is found."""
    made = fleet.create(schedule, mark)
    back = read(fleet, made)
    assert (back.mark, back.timing, back.zone) == (mark, schedule.timing, ZONE)
    assert back.task == schedule.task
    [found] = fleet.schedules(Scope(mark=MARK)).items if mark else [back]
    assert found == back


@pytest.mark.parametrize("recurs", [True, False])
def test_a_tour_is_made_changed_and_removed(fleet: Navixy, recurs: bool) -> None:
    """Checkpoints keep their ids and what they hold, come and go, and follow."""
    window = Window.lasting(dt.time(6), 120, keeps=Keeps.LENGTH)
    tour = entry(start=6, minutes=120, place=None, stops=stops("North", "South"))
    if not recurs:
        day = TODAY + dt.timedelta(1)
        tour = attrs.evolve(
            tour, timing=Once(day=day, window=attrs.evolve(window, keeps=Keeps.END))
        )
    made = fleet.create(tour, MARK)
    was = read(fleet, made)
    assert [stop.title for stop in was.task.stops] == ["North", "South"]
    assert made.id.startswith("route-entry-" if recurs else "route-")
    [listed] = fleet.schedules(Scope(mark=MARK)).items
    assert listed == was
    ids = [stop.extras["id"] for stop in was.task.stops]
    changed = attrs.evolve(was.task.stops[0], title="North gate", extras={})
    more = (changed, was.task.stops[1], *stops("a", "b", "East")[2:])
    longer = attrs.evolve(was.timing, **_longer(was, 180))
    fleet.update(
        made,
        attrs.evolve(
            was,
            timing=longer,
            task=attrs.evolve(
                was.task, title="Tour", stops=more, assignee=ref(Kind.DEVICE, 23)
            ),
        ),
        was,
    )
    now = read(fleet, made)
    assert [stop.title for stop in now.task.stops] == ["North gate", "South", "East"]
    assert [stop.extras["id"] for stop in now.task.stops[:2]] == ids
    assert (now.task.title, now.mark) == ("Tour", MARK)
    assert now.task.assignee == ref(Kind.DEVICE, 23)
    fleet.remove(made, None)
    fleet.remove(made, None)
    again = fleet.schedules(Scope(ids=(made.id,)))
    assert (again.items, again.certificate.complete) == ((), True)


def _longer(was: Schedule, minutes: int) -> dict[str, Any]:
    if isinstance(was.timing, Once):
        return {"window": Window.lasting(dt.time(6), minutes)}
    assert isinstance(was.timing, Recurring)
    window = Window.lasting(dt.time(6), minutes, keeps=Keeps.LENGTH)
    return {"lines": (attrs.evolve(was.timing.lines[0], window=window),)}


def test_a_replacement_keeps_what_rota_does_not_know(
    fleet: Navixy, sandbox: NavixySandbox
) -> None:
    """Fields and least durations of the record survive a change of its title."""
    made = fleet.create(entry(), MARK)
    number = int(made.id.rpartition("-")[2])
    row = sandbox.call("task/schedule/read", id=number)["value"]
    fields = {"7": {"type": "text", "value": "north"}}
    row |= {"min_stay_duration": 7, "fields": fields}
    sandbox.call("task/schedule/update", schedule=row)
    was = read(fleet, made)
    task = attrs.evolve(was.task, title="Renamed", tags=(ref(Kind.TAG, 1),))
    fleet.update(made, attrs.evolve(was, task=task), was)
    after = sandbox.call("task/schedule/read", id=number)["value"]
    assert after == row | {"label": "Renamed", "tags": [1]}
    stayed = {**was.extras, "min_stay_duration": 9}
    fleet.update(made, attrs.evolve(was, extras=stayed), was)
    after = sandbox.call("task/schedule/read", id=number)["value"]
    assert (after["min_stay_duration"], after["fields"]) == (9, fields)


def test_seeds_are_written_once(fleet: Navixy, sandbox: NavixySandbox) -> None:
    """What the pair's defaults say goes on the new record; on a tour, on its stops."""
    seeds = {"min_stay_duration": 3}
    made = fleet.create(attrs.evolve(entry(), extras=seeds), None)
    assert read(fleet, made).extras["min_stay_duration"] == 3
    tour = entry(start=6, minutes=120, place=None, stops=stops("A", "B"))
    made = fleet.create(attrs.evolve(tour, extras=seeds), None)
    found = read(fleet, made).task.stops
    assert [stop.extras["min_stay_duration"] for stop in found] == [3, 3]


def test_a_task_changes_hands_by_a_call_of_its_own(
    fleet: Navixy, sandbox: NavixySandbox
) -> None:
    """An update alone would be ignored; a failure after it is an unknown outcome."""
    made = fleet.create(once(assignee=ref(Kind.DEVICE, 22)), MARK)
    was = read(fleet, made)
    task = attrs.evolve(was.task, assignee=ref(Kind.DEVICE, 23), title="Changed")
    fleet.update(made, attrs.evolve(was, task=task), was)
    now = read(fleet, made)
    assert (now.task.assignee, now.task.title) == (ref(Kind.DEVICE, 23), "Changed")
    sandbox.faults.add(
        Fault(kind=FaultKind.SERVER_ERROR, path="task/update", status=500)
    )
    task = attrs.evolve(now.task, assignee=None)
    with pytest.raises(OutcomeUnknown):
        fleet.update(made, attrs.evolve(now, task=task), now)


def test_a_form_is_put_on_taken_off_and_otherwise_left(fleet: Navixy) -> None:
    """A change of the title does not touch the form that is on a task."""
    made = fleet.create(once(form=ref(Kind.FORM, 1)), None)
    was = read(fleet, made)
    form = was.extras["form"]
    fleet.update(
        made, attrs.evolve(was, task=attrs.evolve(was.task, title="Other")), was
    )
    now = read(fleet, made)
    assert now.extras["form"] == form
    fleet.update(made, attrs.evolve(now, task=attrs.evolve(now.task, form=None)), now)
    assert read(fleet, made).task.form is None


def test_a_listing_holds_entries_and_the_tasks_of_its_window(
    fleet: Navixy, clock: StillClock
) -> None:
    """Generated tasks are no schedules; a window leaves other days out."""
    near, far = (
        fleet.create(once(), None),
        fleet.create(once(TODAY + dt.timedelta(40)), None),
    )
    clock.advance(dt.timedelta(days=1))  # the run has made tonight's task
    everything = fleet.schedules(Scope())
    titles = sorted(item.task.title for item in everything.items)
    assert titles == ["Evening round", "Night round", "Night round", "Opening tour"]
    window = (TODAY, TODAY + dt.timedelta(10))
    some = fleet.schedules(Scope(window=window))
    refs = {item.ref for item in some.items}
    assert near in refs
    assert far not in refs
    certificate = some.certificate
    assert certificate.complete
    assert certificate.rests_on is Completeness.REREAD_BY_ID
    assert certificate.asked.zone == ZONE.name
    assert certificate.asked.visible == {"trackers": 3}
    assert "task_update" in certificate.asked.rights


def test_a_re_read_by_id_tells_gone_from_another_kind(fleet: Navixy) -> None:
    """201 is absence; an id that is none of ours voids the listing."""
    made = fleet.create(entry(), None)
    number = made.id.rpartition("-")[2]
    found = fleet.schedules(
        Scope(ids=(made.id, f"route-entry-{number}", "task-1", "entry-1"))
    )
    assert [item.ref for item in found.items] == [made]
    assert found.certificate.complete
    assert not fleet.schedules(Scope(ids=("seven",))).certificate.complete


def test_pages_are_read_to_the_declared_end(
    server: Server, clock: StillClock, fleet: Navixy
) -> None:
    """A page size smaller than the list gives every row once, and says so."""
    made = {fleet.create(once(title=f"Job {n}"), None) for n in range(7)}
    with rota_navixy.connect(
        base_url=server.base_url,
        api_key=API_KEY,
        account="fleet",
        clock=clock,
        page_size=3,
    ) as paged:
        found = paged.schedules(Scope())
        assert made <= {item.ref for item in found.items}
        assert found.certificate.complete
        assert len(paged.directory(Kind.PERSON).items) == 2


def test_a_cut_page_is_never_taken_for_the_whole(
    fleet: Navixy, sandbox: NavixySandbox
) -> None:
    """What comes short of the count voids absence."""
    for n in range(4):
        fleet.create(once(title=f"Job {n}"), None)
    cut = Fault(kind=FaultKind.CUT_PAGE, path="task/list", times=-1)
    sandbox.faults.add(cut)
    assert not fleet.schedules(Scope()).certificate.complete


def test_a_row_that_cannot_be_read_is_named_and_voids_the_listing(
    fleet: Navixy, sandbox: NavixySandbox
) -> None:
    """One strange entry does not hide the others."""
    made = fleet.create(entry(), None)
    number = int(made.id.rpartition("-")[2])
    sandbox.world.entries[number]["parameters"] = {"type": "yearly", "yearly": [1]}
    traffic = getattr(sandbox, "traffic", None)
    found = fleet.schedules(Scope())
    assert [broken.id for broken in found.broken] == [made.id]
    assert not found.certificate.complete
    assert len(found.items) == 2
    if traffic is not None:
        traffic.problems.clear()  # the entry is what the schema does not know


# Occurrences


def test_what_was_done_comes_with_its_session(
    fleet: Navixy, sandbox: NavixySandbox, clock: StillClock
) -> None:
    """Arrival, stay, history and the submitted form make one session."""
    done = fleet.create(
        once(assignee=ref(Kind.DEVICE, 22), form=ref(Kind.FORM, 1)), MARK
    )
    missed = fleet.create(
        once(title="Nobody came", assignee=ref(Kind.DEVICE, 22)), None
    )
    at = dt.datetime(2026, 11, 25, 17, 30, tzinfo=dt.UTC)
    sandbox.complete(int(done.id.rpartition("-")[2]), at, stay_seconds=900)
    clock.set(dt.datetime(2026, 11, 25, 23, 0, tzinfo=dt.UTC))
    day = TODAY + dt.timedelta(2)
    found = {o.title: o for o in fleet.occurrences(day, day).items}
    one, other = found["Night round"], found["Nobody came"]
    assert (one.day, one.schedule, one.mark) == (day, done, MARK)
    assert (one.status, one.foreseen) == (OccurrenceStatus.DONE, False)
    [session] = one.sessions
    assert (session.status, session.who) == (SessionStatus.DONE, ref(Kind.DEVICE, 22))
    assert session.started == at - dt.timedelta(seconds=900)
    assert session.ended == at
    assert [step.kind for step in session.steps] == [StepKind.SCHEDULED, StepKind.DONE]
    assert session.report is not None
    assert session.report.submitted == at
    assert [(a.name, a.value) for a in session.report.answers] == [
        ("Report", "All quiet")
    ]
    assert (other.schedule, other.status) == (missed, OccurrenceStatus.FAILED)
    assert other.sessions == ()
    generated = found["Evening round"]
    assert (generated.schedule, generated.extras["origin"]) == (None, "scheduled")


def test_a_tour_has_a_session_for_each_stop_that_was_done(
    fleet: Navixy, sandbox: NavixySandbox, clock: StillClock
) -> None:
    """The route's own state can differ from that of its checkpoints."""
    window = Window.lasting(dt.time(6), 120)
    day = TODAY + dt.timedelta(1)
    tour = attrs.evolve(
        entry(place=None, stops=stops("North", "South"), assignee=ref(Kind.DEVICE, 23)),
        timing=Once(day=day, window=window),
    )
    made = fleet.create(tour, None)
    first = read(fleet, made).task.stops[0].extras["id"]
    assert isinstance(first, int)
    sandbox.complete(first, dt.datetime(2026, 11, 24, 14, 30, tzinfo=dt.UTC))
    clock.set(dt.datetime(2026, 11, 24, 20, 0, tzinfo=dt.UTC))
    [found] = [o for o in fleet.occurrences(day, day).items if o.title == "Night round"]
    assert found.status is OccurrenceStatus.PARTIAL
    assert [session.status for session in found.sessions] == [SessionStatus.DONE]


def days_of(found: tuple[Occurrence, ...], schedule: Ref) -> list[dt.date]:
    return sorted(o.day for o in found if o.schedule == schedule)


def test_previews_are_given_to_the_entry_that_makes_them(fleet: Navixy) -> None:
    """Two entries of equal content each get their own; the calls are cut in parts."""
    twins = [fleet.create(entry(weekly([2, 4])), None) for _ in range(2)]
    other = fleet.create(entry(weekly([5]), start=23), MARK)
    tour = fleet.create(
        entry(monthly([1]), start=6, minutes=120, place=None, stops=stops("A", "B")),
        None,
    )
    last = TODAY + dt.timedelta(40)
    found = fleet.occurrences(TODAY, last).items
    assert all(o.foreseen and o.ref is None for o in found)
    expected = [TODAY + dt.timedelta(n) for n in range(1, 41)]
    for twin in twins:
        assert days_of(found, twin) == [d for d in expected if d.isoweekday() in (2, 4)]
    assert days_of(found, other) == [d for d in expected if d.isoweekday() == 5]
    assert {o.mark for o in found if o.schedule == other} == {MARK}
    assert days_of(found, tour) == [dt.date(2026, 12, 1), dt.date(2027, 1, 1)]
    [sample] = [o for o in found if o.schedule == twins[0]][:1]
    assert sample.start == dt.datetime(2026, 11, 25, 6, 0, tzinfo=dt.UTC)
    assert sample.end == dt.datetime(2026, 11, 25, 14, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize("keeps", list(Keeps))
@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Australia/Lord_Howe"])
def test_the_preview_is_a_second_opinion_on_a_year_of_nights(
    make_navixy: Make, clock: StillClock, keeps: Keeps, zone: str
) -> None:
    """Over skipped and repeated hours, both say the same starts and ends."""
    sandbox = make_navixy(clock=clock, rate=None, keeps=str(keeps), zone=zone)
    here = Zone(name=zone, origin=ZoneOrigin.ACCOUNT)
    with (
        serve(sandbox) as server,
        rota_navixy.connect(
            base_url=server.base_url, api_key=API_KEY, clock=clock, keeps=keeps
        ) as fleet,
    ):
        made = []
        for hour, minute, length in ((1, 30, 60), (2, 15, 90), (22, 0, 480), (0, 0, 1)):
            window = Window.lasting(dt.time(hour, minute), length, keeps=keeps)
            for rule in (weekly([6, 7]), monthly([29, 31])):
                line = Line(days=Recurrence(rules=(rule,)), window=window)
                schedule = attrs.evolve(
                    entry(), timing=Recurring(lines=(line,)), zone=here
                )
                made.append((fleet.create(schedule, None), schedule.timing))
        first, last = TODAY + dt.timedelta(2), TODAY + dt.timedelta(366)
        found = fleet.occurrences(first, last).items
        for ref_made, timing in made:
            theirs = [(o.start, o.end) for o in found if o.schedule == ref_made]
            assert sorted(map(str, theirs)) == sorted(
                map(str, expand(timing, zone, first, last))
            )


@pytest.mark.parametrize("minutes", [-1, 1, 5])
def test_around_the_daily_run_nothing_is_seen_twice(
    fleet: Navixy, clock: StillClock, minutes: int
) -> None:
    """Before the run a day is a preview, after it a task; never both, never none."""
    made = fleet.create(entry(weekly([2])), MARK)
    midnight = dt.datetime(2026, 11, 24, 8, 1, tzinfo=dt.UTC)
    clock.set(midnight + dt.timedelta(minutes=minutes))
    day = dt.date(2026, 11, 24)
    found = [o for o in fleet.occurrences(day, day).items if o.mark == MARK]
    assert [o.foreseen for o in found] == [minutes < 0]
    assert {o.schedule for o in found} == ({made} if minutes < 0 else {None})


def test_an_entry_does_not_act_on_the_day_it_was_made(
    fleet: Navixy, clock: StillClock
) -> None:
    """Made on Monday for Mondays, it first acts a week later; edits wait as well."""
    made = fleet.create(entry(weekly([1])), MARK)
    clock.advance(dt.timedelta(days=7, hours=3))
    found = [
        o
        for o in fleet.occurrences(TODAY, TODAY + dt.timedelta(8)).items
        if o.mark == MARK
    ]
    assert [(o.day, o.foreseen) for o in found] == [(TODAY + dt.timedelta(7), False)]
    fleet.remove(made, None)
    again = fleet.occurrences(TODAY, TODAY + dt.timedelta(8)).items
    assert [o.day for o in again if o.mark == MARK] == [TODAY + dt.timedelta(7)]


def test_a_repeated_hour_is_told_apart_with_offsets(
    fleet: Navixy, sandbox: NavixySandbox
) -> None:
    """On the night of the change 01:30 happens twice; with ISO dates each is itself."""
    at = dt.datetime(2027, 11, 7, 9, 30, tzinfo=dt.UTC)  # the second 01:30
    number = sandbox.call(
        "task/create",
        task={
            "label": "Late",
            "description": "",
            "location": {"lat": 1.0, "lng": 2.0, "radius": 5},
            "from": "2027-11-07 00:30:00",
            "to": "2027-11-07 04:00:00",
        },
    )["id"]
    sandbox.world.tasks[number]["from"] = at
    day = dt.date(2027, 11, 7)
    [found] = [o for o in fleet.occurrences(day, day).items if o.title == "Late"]
    assert found.start == at


@pytest.mark.parametrize("iso_offset", [True, False])
def test_dates_with_offsets_are_read_in_either_style(
    make_navixy: Make, clock: StillClock, iso_offset: bool
) -> None:
    """The account's offset or Z: which one a server takes is not told."""
    sandbox = make_navixy(clock=clock, rate=None, iso_offset=iso_offset)
    with (
        serve(sandbox) as server,
        rota_navixy.connect(
            base_url=server.base_url, api_key=API_KEY, clock=clock
        ) as fleet,
    ):
        made = fleet.create(once(), MARK)
        assert fleet.schedules(Scope(ids=(made.id,))).items[0].timing == once().timing


def test_an_installation_without_offsets_is_told_of(
    make_navixy: Make, clock: StillClock
) -> None:
    """The refusal names the setting, and with it all works on the wall clock."""
    sandbox = make_navixy(clock=clock, rate=None, iso=False)
    with serve(sandbox) as server:
        for iso in (True, False):
            with rota_navixy.connect(
                base_url=server.base_url,
                api_key=API_KEY,
                clock=clock,
                iso_datetime=iso,
            ) as fleet:
                if iso:
                    with pytest.raises(Refused) as told:
                        fleet.create(once(), MARK)
                    assert "iso_datetime" in told.value.hint
                    continue
                made = fleet.create(once(), MARK)
                last = TODAY + dt.timedelta(9)
                found = fleet.occurrences(TODAY, last).items
                assert [o.day for o in found if o.mark] == [TODAY + dt.timedelta(2)]
                [back] = fleet.schedules(Scope(window=(TODAY, last), mark=MARK)).items
                assert back.ref == made
                assert back.timing == once().timing


# Directories


def test_directories_name_what_can_be_pointed_at(fleet: Navixy) -> None:
    """Devices with their block, people with what they carry, places with a point."""
    devices = {e.ref.id: e for e in fleet.directory(Kind.DEVICE).items}
    assert [devices[k].usable for k in ("22", "23", "24")] == [True, True, False]
    people = fleet.directory(Kind.PERSON).items
    assert [(p.name, p.external) for p in people] == [
        ("Ana Reyes", "G-101"),
        ("Bo Lindqvist", "G-102"),
    ]
    [gate, _] = fleet.directory(Kind.SITE).items
    assert gate.external == "S-1"
    assert gate.place is not None
    assert gate.place.point == Point(lat=33.74, lng=-118.27, radius_m=150)
    assert [t.name for t in fleet.directory(Kind.TAG).items] == ["night", "gate"]
    assert [f.name for f in fleet.directory(Kind.FORM).items] == ["Patrol report"]
    nothing = fleet.directory(Kind.CASE)
    assert (nothing.items, nothing.certificate.complete) == ((), True)


# Errors


@pytest.mark.parametrize(
    ("schedule", "error", "code"),
    [
        (entry(assignee=ref(Kind.DEVICE, 999)), NotFound, 201),
        (entry(assignee=ref(Kind.DEVICE, 24)), Refused, 208),
        (entry(form=ref(Kind.FORM, 999)), NotFound, 204),
        (entry(title="\U0001f512"), Refused, 7),
        (once(TODAY - dt.timedelta(2)), Refused, 7),
        (entry(place=None), Refused, None),
        (attrs.evolve(entry(), zone=None), Refused, None),
    ],
)
def test_a_refusal_names_its_code_and_the_way_out(
    fleet: Navixy, schedule: Schedule, error: type[RotaError], code: int | None
) -> None:
    """The class follows the code, whatever the HTTP status; nothing was made."""
    before = fleet.schedules(Scope())
    with pytest.raises(error) as told:
        fleet.create(schedule, None)
    assert getattr(told.value, "code", None) == code
    assert fleet.schedules(Scope()).items == before.items


def test_a_task_that_has_begun_or_gone_is_refused(
    fleet: Navixy, sandbox: NavixySandbox, clock: StillClock
) -> None:
    """255 once somebody has arrived, NotFound once it is deleted."""
    made = fleet.create(once(assignee=ref(Kind.DEVICE, 22)), None)
    was = read(fleet, made)
    changed = attrs.evolve(was, task=attrs.evolve(was.task, title="Late"))
    sandbox.arrive(int(made.id.rpartition("-")[2]), clock.now())
    with pytest.raises(Refused) as told:
        fleet.update(made, changed, was)
    assert told.value.code == 255
    fleet.remove(made, None)
    with pytest.raises(NotFound):
        fleet.update(made, changed, was)


def test_a_record_does_not_become_another_kind(fleet: Navixy) -> None:
    """An entry stays an entry; a task of it is another record."""
    made = fleet.create(entry(), None)
    was = read(fleet, made)
    with pytest.raises(Refused, match="can't become"):
        fleet.update(made, attrs.evolve(once(), ref=made), was)


def test_rights_and_plans_are_told_from_refusals(
    server: Server, sandbox: NavixySandbox, clock: StillClock, fleet: Navixy
) -> None:
    """A sub-user without task_update learns which right is missing."""
    sandbox.add_key("c4" * 16, sandbox.add_user("r@acme.example", "x", rights=()))
    with (
        rota_navixy.connect(
            base_url=server.base_url, api_key="c4" * 16, clock=clock
        ) as reader,
        pytest.raises(RightMissing, match="13") as told,
    ):
        reader.create(entry(), None)
    assert "task_update" in told.value.hint
    poor = sandbox.world.add_tracker("No tasks", tasks=False)
    with pytest.raises(Refused) as refused:
        fleet.create(entry(assignee=ref(Kind.DEVICE, poor)), None)
    assert (refused.value.code, type(refused.value)) == (236, Refused)


def test_the_zone_comes_from_the_settings_or_the_user(
    fleet: Navixy, sandbox: NavixySandbox
) -> None:
    """Some installations leave it out of the settings; a moved account is noticed."""
    sandbox.settings_have_zone = False
    assert fleet.schedules(Scope()).certificate.asked.zone == ZONE.name
    sandbox.set_zone("Europe/Amsterdam")
    moved = fleet.schedules(Scope())
    assert moved.certificate.asked.zone == "Europe/Amsterdam"
    assert {item.zone_name for item in moved.items} == {"Europe/Amsterdam"}


def test_a_write_without_an_answer_is_unknown_and_found_by_its_mark(
    fleet: Navixy, sandbox: NavixySandbox
) -> None:
    """The connection dies after the write: it is there, and the mark finds it."""
    for schedule, path in ((entry(), "schedule/create"), (once(), "task/create")):
        fault = Fault(kind=FaultKind.DROP_AFTER, path=path)
        sandbox.faults.add(fault)
        with pytest.raises(OutcomeUnknown):
            fleet.create(schedule, MARK)
    found = fleet.schedules(Scope(mark=MARK)).items
    assert [type(item.timing) for item in found] == [Recurring, Once]


@pytest.mark.parametrize("routed", [False, True])
@pytest.mark.parametrize("mark", [MARK, None])
def test_a_look_for_what_is_like_another_is_one_call(
    fleet: Navixy, server: Server, mark: Mark | None, routed: bool
) -> None:
    """Each kind of record has a list of its own, and no other one is asked for."""
    task = {"place": None, "stops": stops("North", "South")} if routed else {}
    window = (TODAY, TODAY + dt.timedelta(7))
    for like in (entry(**task), once(**task)):
        made = fleet.create(like, MARK)
        before = len(server.requests)
        listing = fleet.schedules(Scope(mark=mark, window=window, like=like))
        lists = [one.path for one in server.requests[before:]]
        kinds = ("schedule/list", "task/list", "route/list")
        assert len([path for path in lists if path.endswith(kinds)]) == 1
        assert made in [item.ref for item in listing.items]
        assert not listing.certificate.covers(made)


def test_reads_go_again_and_html_is_never_an_empty_list(
    fleet: Navixy, sandbox: NavixySandbox
) -> None:
    """429, 503 and a page for people are sat out; what stays broken is an error."""
    whole = fleet.schedules(Scope()).items
    for kind in (FaultKind.RATE_LIMITED, FaultKind.SERVER_ERROR, FaultKind.HTML):
        sandbox.faults.add(Fault(kind=kind, path="schedule/list"))
        assert fleet.schedules(Scope()).items == whole
    sandbox.faults.add(Fault(kind=FaultKind.HTML, times=-1, path="schedule/list"))
    with pytest.raises(BadAnswer):
        fleet.schedules(Scope())
    sandbox.faults.clear()
    sandbox.faults.add(Fault(kind=FaultKind.SERVER_ERROR, times=-1))
    with pytest.raises(VendorUnavailable):
        fleet.schedules(Scope())


def test_a_limited_write_may_go_again(fleet: Navixy, sandbox: NavixySandbox) -> None:
    """429 on a write is 'later', and nothing happened."""
    fleet.schedules(Scope())
    sandbox.faults.add(Fault(kind=FaultKind.RATE_LIMITED, path="create"))
    with pytest.raises(RateLimited):
        fleet.create(entry(), MARK)
    assert fleet.schedules(Scope(mark=MARK)).items == ()


# Credentials and rate


def session(server: Server, clock: StillClock, password: str = PASSWORD) -> Navixy:
    return rota_navixy.connect(
        base_url=f"{server.base_url}/v2", login=LOGIN, password=password, clock=clock
    )


def logins(server: Server) -> int:
    return sum(request.path.endswith("user/auth") for request in server.requests)


def test_a_session_is_begun_once_and_renewed_before_it_ends(
    server: Server, clock: StillClock
) -> None:
    """Months of work need one login; an absolute deadline is never met."""
    with session(server, clock) as account:
        for _ in range(8):
            account.directory(Kind.TAG)
            clock.advance(dt.timedelta(days=13))
    assert logins(server) == 1
    renewed = [r for r in server.requests if r.path.endswith("session/renew")]
    assert len(renewed) == 3


def test_a_session_that_has_ended_is_begun_again_once(
    server: Server, clock: StillClock, sandbox: NavixySandbox
) -> None:
    """Code 4 leads to one new login, also in the middle of a write."""
    with session(server, clock) as account:
        account.directory(Kind.TAG)
        sandbox.authenticate_expired()
        made = account.create(entry(), MARK)
        assert made.id.startswith("entry-")
        clock.advance(dt.timedelta(days=60))
        account.directory(Kind.TAG)
    assert logins(server) == 3
    assert len(sandbox.call("task/schedule/list", filter=MARK)["list"]) == 1


def test_a_wrong_secret_is_said_once_and_never_shown(
    server: Server, clock: StillClock
) -> None:
    """Neither a wrong password nor a wrong key leads to a login loop."""
    account = session(server, clock, password="not-this-one")
    for _ in range(3):
        with pytest.raises(NotAuthorised) as told:
            account.directory(Kind.TAG)
        assert "not-this-one" not in f"{told.value!r}{told.value.hint}{account!r}"
    assert len(server.requests) == 1
    account.close()
    key = "f" * 32
    with rota_navixy.connect(
        base_url=server.base_url, api_key=key, clock=clock
    ) as wrong:
        with pytest.raises(NotAuthorised) as told:
            wrong.directory(Kind.TAG)
        assert key not in f"{told.value!r}{told.value.hint}{wrong!r}"
        assert told.value.code == 4


def test_a_second_factor_is_a_clear_error(
    server: Server, clock: StillClock, sandbox: NavixySandbox
) -> None:
    """A login that only a person can finish points to API keys."""
    sandbox.users[LOGIN].mfa = "123456"
    with session(server, clock) as account, pytest.raises(NotAuthorised) as told:
        account.directory(Kind.TAG)
    assert "api_key" in told.value.hint


def test_the_secret_travels_in_the_header_alone(clock: StillClock) -> None:
    """No query and no body holds the hash, in reads and writes alike."""
    seen: list[bytes] = []

    class Listening(NavixySandbox):
        def answer(self, request: Request) -> Response:
            seen.append(read_body(request) + request.scope["query_string"])
            return super().answer(request)

    with (
        serve(Listening(clock=clock, rate=None)) as server,
        rota_navixy.connect(
            base_url=server.base_url, api_key=API_KEY, clock=clock
        ) as fleet,
    ):
        fleet.remove(fleet.create(entry(), MARK), None)
        fleet.occurrences(TODAY, TODAY)
    assert len(seen) > 5
    assert all(API_KEY.encode() not in sent for sent in seen)


def test_settings_want_one_way_to_sign() -> None:
    """A key or a login with its password, and not half of either."""
    for wrong in ({}, {"login": "a"}, {"password": "b"}):
        with pytest.raises(ConfigError):
            rota_navixy.connect(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        rota_navixy.connect(api_key="a", login="b", password="c")


def test_fifty_calls_a_second_are_never_passed(make_navixy: Make) -> None:
    """On the clock that both share, 130 calls take two seconds and meet no 429."""
    clock = StillClock(NOW)
    sandbox = make_navixy(clock=clock, rate_on_clock=True)
    with (
        serve(sandbox) as server,
        rota_navixy.connect(
            base_url=server.base_url, api_key=API_KEY, clock=clock
        ) as fleet,
    ):
        for _ in range(130):
            fleet.directory(Kind.TAG)
        assert {request.status for request in server.requests} == {200}
        assert 2.0 <= clock.monotonic() < 4.0


def test_the_plugin_introduces_a_vendor_whose_parts_are_there() -> None:
    """The import strings lead to the account, its opener and its sandbox."""
    [vendor] = rota_navixy.rota_vendors()
    assert vendor.capabilities(None).timings.keys() == {Recurring, Once}
    assert vendor.account == "rota_navixy.api:Navixy"
    assert Navixy.verbs() == {"occurrences", "directory", "create", "update", "remove"}
