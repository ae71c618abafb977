"""A person's answers to what waits."""

from __future__ import annotations

import pytest
from pairs import World, patrol, world

from rota.applying import apply
from rota.errors import UsageError
from rota.gathering import gather
from rota.planning import Act, NoteKind, Plan, Take, plan, settle


def _plan(w: World) -> Plan:
    return plan(gather(w.pair, w.ledger, clock=w.clock))


def _answer(w: World, key: str, take: Take, *fields: str) -> None:
    seen = gather(w.pair, w.ledger, clock=w.clock)
    apply(settle(seen, plan(seen), key, take, fields), w.pair, w.ledger, clock=w.clock)


def _conflict() -> World:
    w = world()
    ref = w.source.put(patrol())
    apply(_plan(w), w.pair, w.ledger, clock=w.clock)
    there = w.target.held[0].ref
    assert there is not None
    w.target.edit(there, title="Theirs", instructions="Theirs too")
    w.source.edit(ref, title="Ours", instructions="Ours too")
    assert _plan(w).conflicts
    return w


def test_the_sources_value_is_written_when_chosen() -> None:
    """Choosing the source's side writes it, and nothing waits or drifts after."""
    w = _conflict()
    _answer(w, "schedule:1", Take.SOURCE)
    after = _plan(w)

    assert w.target.held[0].task.title == "Ours"
    assert (after.changes, after.conflicts, after.notes) == ((), (), ())


def test_the_targets_value_is_kept_when_chosen() -> None:
    """Choosing the target's side writes nothing, and the question is not asked again."""
    w = _conflict()
    writes = len(w.target.writes)
    _answer(w, "schedule:1", Take.TARGET)
    after = _plan(w)

    assert w.target.held[0].task.title == "Theirs"
    assert len(w.target.writes) == writes
    assert (after.changes, after.conflicts) == ((), ())


def test_fields_are_settled_one_by_one() -> None:
    """An answer for one field leaves the other one waiting."""
    w = _conflict()
    _answer(w, "schedule:1", Take.SOURCE, "title")

    assert w.target.held[0].task.title == "Ours"
    assert w.target.held[0].task.instructions == "Theirs too"
    assert [d.field for c in _plan(w).conflicts for d in c.diff] == ["instructions"]


def test_a_record_removed_at_the_target_comes_back_only_on_request() -> None:
    """What people removed there is reported, and made again when a person says so."""
    w = world()
    w.source.put(patrol())
    apply(_plan(w), w.pair, w.ledger, clock=w.clock)
    first = w.target.held[0].ref
    assert first is not None
    w.target.delete(first)
    told = _plan(w)

    assert told.changes == ()
    assert NoteKind.GONE in {note.kind for note in told.notes}
    _answer(w, first.key, Take.AGAIN)
    assert len(w.target.held) == 1
    assert w.target.held[0].ref != first
    assert _plan(w).changes == ()


def test_a_record_that_lost_its_mark_is_ours_again_when_a_person_says_so() -> None:
    """Without its mark a record is untouched until a person adopts it."""
    w = world()
    ref = w.source.put(patrol())
    apply(_plan(w), w.pair, w.ledger, clock=w.clock)
    there = w.target.held[0].ref
    assert there is not None
    w.target.edit(there, mark=None)
    w.source.edit(ref, title="Renamed")
    told = _plan(w)

    assert told.changes == ()
    assert NoteKind.UNMARKED in {note.kind for note in told.notes}
    _answer(w, there.key, Take.ADOPT)
    assert [c.act for c in _plan(w).changes] == [Act.UPDATE]


def test_an_answer_that_nobody_asked_for_is_refused() -> None:
    """A question that is not open can't be answered."""
    w = world()
    w.source.put(patrol())
    apply(_plan(w), w.pair, w.ledger, clock=w.clock)
    with pytest.raises(UsageError, match="nothing about"):
        _answer(w, "schedule:1", Take.SOURCE)
