"""A quick look and a full one decide the same; the quick one reads what changed."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs import World, patrol, planned, world
from stages import patrols, stage

from rota.applying import apply
from rota.crosswalk import Crosswalk, Row
from rota.gathering import gather, remember
from rota.http import Page, listing
from rota.mirroring import Health, cycle
from rota.model import Kind, Ref, Schedule, ScheduleStatus
from rota.planning import Plan, Snapshot, decide
from rota.recurrence import Rule, monthly, weekly
from rota.vendor import (
    Asked,
    Completeness,
    Entry,
    Glance,
    Listing,
    Prints,
    RollCall,
    Scope,
)


MONDAY = dt.date(2027, 1, 4)
MONDAY_NOON = dt.datetime(2027, 1, 4, 12, tzinfo=dt.UTC)


def _blind(**terms: object) -> World:
    """Return a world whose source shows no calendar of its own."""
    w = world(**terms)
    w.source.capabilities = attrs.evolve(w.source.capabilities, previews=0)
    return w


def _step(w: World) -> Plan:
    made = planned(w.pair, w.ledger, w.clock)
    accept = [f"{halt.accept}@{made.id}" for halt in made.halts]
    apply(made, w.pair, w.ledger, accept=accept, clock=w.clock)
    return made


def _look(w: World) -> Snapshot:
    seen = gather(w.pair, w.ledger, clock=w.clock, quick=True)
    remember(w.pair, w.ledger, seen, decide(seen)[1])
    return seen


def _settled(many: int) -> World:
    w = _blind()
    for n in range(many):
        w.source.put(patrol(f"Round {n}"))
    _step(w)
    _look(w)
    return w


RULES = (
    weekly([1, 2, 3, 4, 5]),
    weekly([6]),
    monthly([1, 15]),
    weekly([3], start=MONDAY + dt.timedelta(9)),
    weekly([4], until=MONDAY + dt.timedelta(11)),
    weekly([2], interval=2, start=MONDAY),
)


@st.composite
def _edits(draw: st.DrawFn) -> tuple[str, int, int]:
    what = draw(
        st.sampled_from(
            ["new", "rule", "title", "end", "theirs", "gone", "undone", "days", "site"]
        )
    )
    return what, draw(st.integers(0, 5)), draw(st.integers(0, 5))


def _edit(w: World, what: str, which: int, how: int) -> None:
    sources, targets = w.source.held, [s for s in w.target.held if s.mark]
    rule: Rule = RULES[how % len(RULES)]
    if what == "new" or not sources:
        w.source.put(patrol(f"Round {which}", rule=rule))
    elif what == "days":
        w.clock.sleep(how * 86_400.0 + 3_600)
    elif what == "site":
        row = Row(source="post:5", source_name="Gate", target="device:9" if how else "")
        w.pair.crosswalk = Crosswalk(
            rows=(*(r for r in w.pair.crosswalk.rows if r.source != "post:5"), row)
        )
    elif what in ("theirs", "gone", "undone") and targets:
        ref = targets[which % len(targets)].ref
        assert ref
        if what == "gone":
            w.target.delete(ref)
        else:
            text = "Walk the fence" if what == "undone" else f"Look {how}"
            w.target.edit(ref, instructions=text)
    else:
        ref = sources[which % len(sources)].ref
        assert ref
        match what:
            case "rule":
                w.source.edit(ref, timing=patrol(rule=rule).timing)
            case "end":
                w.source.edit(ref, status=ScheduleStatus.ENDED)
            case _:
                w.source.edit(ref, title=f"Round {how}")


@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(_edits(), max_size=3), min_size=2, max_size=4), st.booleans())
def test_a_quick_look_decides_what_a_full_one_does(
    days: list[list[tuple[str, int, int]]], shown: bool
) -> None:
    """Whatever was edited on both sides, both readings give one plan."""
    w = (world if shown else _blind)(fidelity="expand", horizon_days=9)
    for n in range(3):
        w.source.put(patrol(f"Round {n}", rule=RULES[n]))
    for edits in days:
        _step(w)
        planned(w.pair, w.ledger, w.clock)
        for edit in edits:
            _edit(w, *edit)
    _step(w)


def test_what_did_not_change_is_not_read_again() -> None:
    """Of equal rows a quick look holds neither records nor links."""
    w = _settled(5)
    seen = _look(w)
    assert (seen.source.items, seen.target.items, seen.links) == ((), (), ())
    assert (seen.unread.schedules, seen.unread.links) == (5, 5)
    made = decide(seen)[0]
    assert (made.schedules, made.equal, made.unread, made.changes) == (5, 5, 5, ())


def test_one_edit_reads_one_schedule() -> None:
    """What belongs to a changed row is read beside it, and the rest is not."""
    w = _settled(12)
    ref = w.target.held[3].ref
    assert ref
    w.target.edit(ref, instructions="Walk slowly")
    seen = _look(w)
    assert [len(seen.source.items), len(seen.target.items), len(seen.links)] == [1] * 3
    assert seen.unread.links == 11
    assert [note.about for note in decide(seen)[0].notes] == [ref.key]


def test_a_source_with_a_calendar_is_witnessed_once_a_day() -> None:
    """Where the source shows its own expansion, each day begins with all of it."""
    w = world()
    w.source.put(patrol())
    _step(w)
    assert _look(w).unread.schedules == 0
    seen = _look(w)
    assert (seen.unread.schedules, seen.witness) == (1, None)
    w.clock.sleep(86_400)
    seen = _look(w)
    assert seen.unread.schedules == 0
    assert seen.witness


def test_what_ends_or_is_told_by_date_is_looked_at_every_time() -> None:
    """A schedule whose records fall due or go is never left out."""
    w = _blind(fidelity="expand")
    for rule in RULES[3:]:
        w.source.put(patrol(rule=rule))
    _step(w)
    for _ in range(2):
        assert _look(w).unread.schedules == 0


def test_another_row_of_the_crosswalk_makes_all_new() -> None:
    """A print holds for the terms, references and code under which it was taken."""
    w = _settled(2)
    _edit(w, "site", 0, 0)
    assert len(_look(w).source.items) == 2


def test_sandboxes_are_looked_at_quickly_too(tmp_path: Path) -> None:
    """Over the vendors' own protocols a second cycle parses no record at all."""
    with stage(tmp_path) as on, on.session() as session:
        patrols(on.guards, 12)
        pair, ledger = session.pair("patrols"), session.ledger
        assert cycle(pair, ledger, clock=on.clock).health is Health.CHANGED
        planned(pair, ledger, on.clock)
        seen = gather(pair, ledger, clock=on.clock, quick=True)
        assert (seen.source.items, seen.target.items) == ((), ())
        assert seen.unread.links == 12
        one = next(iter(on.guards.tables["site-task-schedules"].values()))
        one["description"] = "Another round"
        on.guards.revision += 1
        made = planned(pair, ledger, on.clock)
        [change] = made.changes
        assert change.after
        assert change.after.task.title == "Another round"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 30), unique=True, max_size=4), max_size=6),
    st.lists(st.integers(0, 40), max_size=40),
    st.randoms(use_true_random=False),
)
def test_rows_are_known_in_whatever_order_they_come(
    blocks: list[list[int]], rows: list[int], chance: random.Random
) -> None:
    """Early, late, twice or never: what a roll call tells is what sets would tell."""
    known = set[int]()
    for block in blocks:
        block[:] = [one for one in block if one not in known]
        known |= set(block)
    rows += [one for block in blocks for one in block if chance.random() < 0.8]
    call = RollCall(Prints(lambda: blocks))
    others = [one for one in rows if not call.answers(one)]
    assert call.end(others) == (
        len(known & set(rows)),
        known & set(others),
        known - set(rows),
    )
    assert not set(rows) - known - set(others)


def test_a_known_row_that_comes_twice_is_one_row() -> None:
    """Where a page moved under the reading, what was missed is not taken for gone."""

    def read(*names: str, known: Prints) -> Listing[Entry]:
        return listing(
            [Page(rows=({"id": name},), declared=3) for name in names],
            account="guards",
            scope=Glance(under="", known=known),
            asked=Asked(user="me"),
            rests_on=Completeness.DECLARED_TOTAL,
            parse=_entry,
            key=lambda row: row["id"],  # type: ignore[call-overload, index, no-any-return]
            read_at=MONDAY_NOON,
            under="",
        )

    first = read("1", "2", "3", known=Prints())
    assert first.certificate.complete
    prints = Prints(lambda: [list(first.prints.values())])
    again = read("3", "1", "2", known=prints)
    assert (again.items, again.same, again.certificate.rows) == ((), 3, 3)
    moved = read("1", "2", "2", known=prints)
    assert (moved.items, moved.same, len(moved.lost)) == ((), 2, 1)
    assert moved.certificate.errors == ("2 distinct rows, and 3 were declared",)
    other = read("1", "4", "2", known=prints)
    assert [one.name for one in other.items] == ["4"]
    assert other.places == {"schedule:4": 1}


def _entry(row: object) -> Entry:
    assert isinstance(row, dict)
    ref = Ref(account="guards", kind=Kind.SCHEDULE, id=row["id"])
    return Entry(ref=ref, name=row["id"])


def test_a_pair_that_moves_while_it_is_read_is_read_whole() -> None:
    """A link written between two pages of a quick look leaves nothing out."""
    w = _settled(3)
    ref = w.source.held[0].ref
    assert ref
    [link] = [
        x for x in w.ledger.links(w.ledger.pair("patrols")) if x.source == ref.key
    ]
    read = w.target.schedules

    def meanwhile(scope: Scope) -> Listing[Schedule]:
        database = w.ledger._database
        with database.transaction():
            w.ledger._put_link(1, link, MONDAY)
        return read(scope)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(w.target, "schedules", meanwhile)
        seen = gather(w.pair, w.ledger, clock=w.clock, quick=True)
    assert (len(seen.source.items), len(seen.links), seen.unread.links) == (3, 3, 0)
    remember(w.pair, w.ledger, seen, decide(seen)[1])
    seen = _look(w)
    assert (len(seen.source.items), len(seen.links)) == (1, 1)
    assert _look(w).unread.links == 3


def test_rows_in_another_order_are_known_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor that lists its records the other way round has not changed them."""
    monkeypatch.setattr("rota.ledger.rolls._BLOCK", 1)
    w = _settled(6)
    w.source._records = dict(reversed(w.source._records.items()))
    seen = _look(w)
    assert (seen.source.items, seen.unread.schedules) == ((), 6)


def test_a_ledger_that_does_not_add_up_is_not_gone_by() -> None:
    """Where links and known rows are not as many, everything is read."""
    w = _settled(3)
    w.ledger._database.execute("UPDATE pair SET links = 4")
    assert len(_look(w).source.items) == 3


def test_what_is_known_is_the_same_while_nothing_moves() -> None:
    """An account may tell by its scope that it was asked the same; a note is a move."""
    w = _settled(3)
    read, asked = w.target.schedules, []

    def listen(scope: Scope) -> Listing[Schedule]:
        asked.append(scope)
        return read(scope)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(w.target, "schedules", listen)
        _look(w)
        _look(w)
        w.source.put(patrol("Another"))
        _step(w)
        _look(w)
    glances = [scope for scope in asked if isinstance(scope, Glance)]
    assert glances[0] == glances[1] != glances[-1]
    assert glances[0].known != Prints()
