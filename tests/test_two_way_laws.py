"""The laws of a mirror that goes both ways, for every pair of vendors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import attrs
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rota import plugins
from rota.applying import Applied, apply
from rota.clock import StillClock
from rota.crosswalk import Crosswalk, Row
from rota.gathering import Pair, gather
from rota.ledger import Ledger
from rota.merging import FIELDS, same
from rota.model import (
    AllDay,
    Kind,
    Line,
    Once,
    Place,
    Point,
    Recurring,
    Ref,
    Schedule,
    Task,
    When,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.planning import Plan, plan
from rota.recurrence import Recurrence, weekly
from rota.testing.memory import MONDAY, MemoryAccount
from rota.vendor import Capabilities, Entry, Points, Refs, ZoneOwner


ZONE = "America/Chicago"
VENDORS: Mapping[str, Capabilities] = {
    name: vendor.capabilities(None) for name, vendor in plugins.load().vendors.items()
}
PAIRS = [(source, target) for source in VENDORS for target in VENDORS]
FEW = settings(
    max_examples=4,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
LATER = dt.timedelta(minutes=1)


@attrs.define(kw_only=True)
class Stage:
    """Two accounts of two vendors' shapes, a schedule at the first, and a pair."""

    clock: StillClock
    source: MemoryAccount
    target: MemoryAccount
    ledger: Ledger
    pair: Pair

    def plan(self) -> Plan:
        return plan(gather(self.pair, self.ledger, clock=self.clock))

    def run(self) -> Applied:
        done = apply(self.plan(), self.pair, self.ledger, clock=self.clock)
        self.clock.advance(LATER)
        return done


def account(name: str, can: Capabilities, clock: StillClock) -> MemoryAccount:
    """Return an account of a vendor's shape with three of each thing that it names."""
    kinds = {kind for field in can.fields.values() if isinstance(field, Refs)
             for kind in field.kinds}  # fmt: skip
    if any(isinstance(field, Points) for field in can.fields.values()):
        kinds.add(Kind.SITE)
    return MemoryAccount(
        name,
        capabilities=can,
        clock=clock,
        zone=ZONE,
        entries=[
            Entry(
                ref=Ref(account=name, kind=kind, id=str(number)),
                name=f"{kind} {number}",
                zone=ZONE if kind is Kind.SITE else None,
                place=Place(point=Point(lat=41.0 + number, lng=-87.0, radius_m=150))
                if kind is Kind.SITE
                else None,
            )
            for kind in sorted(kinds)
            for number in (1, 2, 3)
        ],
    )


def crosswalk(source: Capabilities, target: Capabilities) -> Crosswalk:
    """Return a table that maps the first two of each thing; the third has no row."""
    found = {}
    for name, field in source.fields.items():
        other = target.fields.get(name)
        if name == "place" and not isinstance(other, Refs):
            kinds = (Kind.SITE,) if "place.point" in target.fields else ()
        else:
            kinds = other.kinds if isinstance(other, Refs) else ()
        if isinstance(field, Refs) and kinds:
            for kind in field.kinds:
                for number in (1, 2):
                    key = f"{kind}:{number}"
                    found[key] = Row(source=key, target=f"{kinds[0]}:{number}")
    return Crosswalk(rows=tuple(found.values()))


def stage(source: str, target: str, schedule: Schedule, **terms: object) -> Stage:
    """Return a stage on which the schedule was written once."""
    clock = StillClock(MONDAY)
    ours, theirs = VENDORS[source], VENDORS[target]
    one, other = account("here", ours, clock), account("there", theirs, clock)
    one.put(schedule)
    defaults: dict[str, object] = {"radius_m": 150}
    for name, field in theirs.fields.items():
        if isinstance(field, Refs) and field.required:
            defaults[name] = f"{field.kinds[0]}:1"
        if isinstance(field, Points) and field.required:
            defaults["place"] = "site:1"
    for name, seed in theirs.seeds.items():
        if seed.required:
            defaults[name] = 1
    built = Stage(
        clock=clock,
        source=one,
        target=other,
        ledger=Ledger.open(":memory:", clock=clock),
        pair=Pair(
            "laws", source=one, target=other, crosswalk=crosswalk(ours, theirs),
            fidelity="expand", defaults=defaults, direction="two-way",
            open_ended="roll", unmapped_assignee="unassigned", texts="cut", **terms,
        ),
    )  # fmt: skip
    built.run()
    return built


texts = st.text(st.sampled_from("abc é—'/"), min_size=1, max_size=12).map(
    lambda text: f"x{text.strip()}"
)
hours = st.integers(0, 22).map(
    lambda hour: Window(start=dt.time(hour), end=dt.time(hour + 1))
)
days = st.sets(st.integers(1, 7), min_size=1, max_size=3)


@st.composite
def schedules(draw: st.DrawFn, can: Capabilities) -> Schedule:
    """Draw a schedule that a vendor of this shape can hold."""
    values: dict[str, object] = {"title": draw(texts)}
    if "instructions" in can.fields:
        values["instructions"] = draw(texts)
    for name in ("category", "assignee", "form", "tour"):
        field = can.fields.get(name)
        if isinstance(field, Refs) and (field.required or draw(st.booleans())):
            number = draw(st.sampled_from("12"))
            values[name] = Ref(account="here", kind=field.kinds[0], id=number)
    place = can.fields.get("place")
    if isinstance(place, Refs):
        ref = Ref(account="here", kind=place.kinds[0], id=draw(st.sampled_from("12")))
        values["place"] = Place(ref=ref)
    elif "place.point" in can.fields:
        point = Point(lat=40.0, lng=-80.0, radius_m=draw(st.integers(10, 99)))
        values["place"] = Place(point=point)
    task = Task(**values)  # type: ignore[arg-type]
    kind = Recurring if Recurring in can.timings else Once
    holds = can.timings[kind]
    window: When = draw(hours) if holds.window.clock else AllDay()
    zone = None
    if isinstance(window, Window):
        window = attrs.evolve(window, keeps=holds.window.keeps)
        origin = ZoneOrigin.SITE if holds.zone is ZoneOwner.SITE else ZoneOrigin.ACCOUNT
        zone = Zone(name=ZONE, origin=origin)
    if kind is Recurring:
        line = Line(days=Recurrence(rules=(weekly(draw(days)),)), window=window)
        return Schedule(task=task, timing=Recurring(lines=(line,)), zone=zone)
    day = MONDAY.date() + dt.timedelta(draw(st.integers(2, 5)))
    return Schedule(task=task, timing=Once(day=day, window=window), zone=zone)


@st.composite
def edits(draw: st.DrawFn, can: Capabilities) -> dict[str, object]:
    """Draw what a person may type into a record of a vendor of this shape."""
    changes: dict[str, object] = {}
    if draw(st.booleans()):
        changes["title"] = draw(texts)
    if "instructions" in can.fields and draw(st.booleans()):
        changes["instructions"] = draw(texts)
    for name in ("category", "assignee", "form"):
        field = can.fields.get(name)
        if isinstance(field, Refs) and draw(st.booleans()):
            number = draw(st.sampled_from("123"))
            changes[name] = Ref(account="there", kind=field.kinds[0], id=number)
    if "place.point" in can.fields and draw(st.booleans()):
        number = draw(st.integers(1, 3))
        point = Point(lat=41.0 + number, lng=-87.0, radius_m=150)
        changes["place"] = Place(point=point)
    if Recurring in can.timings and draw(st.booleans()):
        window = attrs.evolve(draw(hours), keeps=can.timings[Recurring].window.keeps)
        line = Line(days=Recurrence(rules=(weekly(draw(days)),)), window=window)
        changes["timing"] = Recurring(lines=(line,))
    return changes


def edit(s: Stage, changes: Mapping[str, object]) -> None:
    """Type the changes into all records, rules only where there is a rule."""
    for record in s.target.held:
        assert record.ref is not None
        fit = dict(changes)
        if not isinstance(record.timing, Recurring):
            fit.pop("timing", None)
        s.target.edit(record.ref, **fit)


def open_fields(made: Plan) -> set[str]:
    """Return the fields that are listed with a reason: disputed, or noted as kept."""
    disputed = {diff.field for parked in made.conflicts for diff in parked.diff}
    return disputed | {note.text.partition(" ")[0] for note in made.notes}


def in_step(s: Stage) -> None:
    """Hold that nothing is planned, and that what is not listed says the same."""
    made = s.plan()
    assert made.changes == ()
    first = s.clock.now().date() + dt.timedelta(2)
    links = {
        link.target: link for link in gather(s.pair, s.ledger, clock=s.clock).links
    }
    for record in s.target.held:
        assert record.ref is not None
        link = links.get(record.ref.key)
        if link is None:
            continue
        for name in set(FIELDS) - open_fields(made):
            assert same(name, link.seen, record, first), name
    for held in s.source.held:
        ours = [
            link for link in links.values() if held.ref and link.source == held.ref.key
        ]
        for link in ours:
            for name in set(FIELDS) - open_fields(made):
                assert same(name, link.agreed.source, held, first), name


@pytest.mark.parametrize(("source", "target"), PAIRS)
class TestLaws:
    def test_nothing_edited_nothing_planned(self, source: str, target: str) -> None:
        """GetPut: an untouched pair plans nothing on either side."""

        @FEW
        @given(schedules(VENDORS[source]))
        def law(schedule: Schedule) -> None:
            s = stage(source, target, schedule)
            made = s.plan()
            assert (made.changes, made.conflicts) == ((), ())
            assert s.source.writes == ()

        law()

    def test_what_was_typed_is_what_is_told(self, source: str, target: str) -> None:
        """PutGet: an edit is told back as it was typed, or is listed with its reason."""

        @FEW
        @given(schedules(VENDORS[source]), edits(VENDORS[target]))
        def law(schedule: Schedule, changes: dict[str, object]) -> None:
            s = stage(source, target, schedule)
            edit(s, changes)
            typed = s.target.held
            assert s.run().code == 0
            assert s.target.held == typed
            in_step(s)

        law()

    def test_the_later_edit_wins(self, source: str, target: str) -> None:
        """PutPut: two edits, one after the other, leave what the second alone leaves."""

        @FEW
        @given(
            schedules(VENDORS[source]), edits(VENDORS[target]), edits(VENDORS[target])
        )
        def law(
            schedule: Schedule, first: dict[str, object], second: dict[str, object]
        ) -> None:
            both, alone = (
                stage(source, target, schedule),
                stage(source, target, schedule),
            )
            fields = {name: value for name, value in first.items() if name in second}
            edit(both, fields)
            both.run()
            edit(both, second)
            both.run()
            alone.clock.advance(LATER)
            edit(alone, second)
            alone.run()
            assert both.target.held == alone.target.held
            listed = open_fields(both.plan())
            assert listed == open_fields(alone.plan())
            [one], [other] = both.source.held, alone.source.held
            for name in set(FIELDS) - listed:
                assert same(name, one, other, MONDAY.date() + dt.timedelta(2)), name

        law()
