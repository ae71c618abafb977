"""A lost ledger is rebuilt from what stands at the target."""

from __future__ import annotations

import datetime as dt
import io
import re
from pathlib import Path

import attrs
import desk
import pytest
from pairs import FLEET, World, patrol, world
from stages import Stage, patrols, stage

from rota.applying import Applied, Fate, apply
from rota.gathering import gather
from rota.ledger import Ledger
from rota.model import Once, Schedule, ScheduleStatus
from rota.planning import Act, NoteKind, Plan, Question, adopt, plan
from rota.recurrence import weekly
from rota.vendor import make_mark


MARK = re.compile(r"\s*rota:\w+")


def _plan(w: World) -> Plan:
    return plan(gather(w.pair, w.ledger, clock=w.clock))


def _adopt(w: World, **takes: str) -> tuple[Plan, tuple[Question, ...]]:
    seen = gather(w.pair, w.ledger, clock=w.clock)
    return adopt(seen, {k.replace("_", ":"): v for k, v in takes.items()})


def _apply(w: World, made: Plan) -> Applied:
    return apply(made, w.pair, w.ledger, clock=w.clock)


def _lose(w: World) -> None:
    w.ledger = Ledger.open(":memory:", clock=w.clock)


def _wipe_marks(w: World) -> None:
    for held in w.target.held:
        assert held.ref is not None
        w.target.edit(held.ref, mark=None)


def _mixed(w: World) -> None:
    w.source.put(patrol())
    w.source.put(patrol("Yard", rule=weekly([6])))
    w.source.put(
        patrol("Odd weeks", rule=weekly([1], interval=2, start=dt.date(2027, 1, 4)))
    )


def _content(w: World) -> list[Schedule]:
    return sorted((attrs.evolve(s, mark=None) for s in w.target.held), key=repr)


class TestByMark:
    def test_afterwards_there_is_nothing_to_do(self) -> None:
        """Apply, lose the ledger, adopt: the next plan is empty and nothing was made."""
        w = world(fidelity="expand")
        _mixed(w)
        _apply(w, _plan(w))
        before = w.target.held
        _lose(w)
        made, questions = _adopt(w)

        assert {c.act for c in made.changes} == {Act.ADOPT}
        assert (len(made.changes), questions) == (len(before), ())
        assert _apply(w, made).code == 0
        assert w.target.held == before
        assert _plan(w).changes == () == _plan(w).conflicts
        assert _adopt(w)[0].changes == ()

    def test_a_record_made_anew_or_late_is_found(self) -> None:
        """Numbers and generations are tried, not only the first."""
        w = world()
        ref = w.source.put(patrol())
        _apply(w, _plan(w))
        [held] = w.target.held
        assert held.ref is not None
        w.target.edit(held.ref, mark=make_mark(ref, "fleet", 17, 2))
        _lose(w)
        made, _ = _adopt(w)

        assert [(c.n, c.generation) for c in made.changes] == [(17, 2)]
        _apply(w, made)
        assert _plan(w).changes == ()

    def test_an_edit_there_stays_an_edit(self) -> None:
        """What people changed at the target is listed, kept, and shown as theirs."""
        w = world()
        ref = w.source.put(patrol())
        _apply(w, _plan(w))
        [held] = w.target.held
        assert held.ref is not None
        w.target.edit(held.ref, instructions="Mind the dog")
        _lose(w)
        made, _ = _adopt(w)
        [change] = made.changes

        assert [(d.field, d.after) for d in change.diff] == [
            ("instructions", "Mind the dog")
        ]
        _apply(w, made)
        again = _plan(w)
        assert again.changes == ()
        assert [n.kind for n in again.notes] == [NoteKind.DRIFT]
        w.source.edit(ref, instructions="Walk twice")
        assert [d.field for c in _plan(w).conflicts for d in c.diff] == ["instructions"]

    def test_two_bearers_of_one_mark_are_told_and_left_alone(self) -> None:
        """A copy can't be told from its model, so neither is adopted."""
        w = world()
        w.source.put(patrol())
        _apply(w, _plan(w))
        [held] = w.target.held
        w.target.put(attrs.evolve(held, ref=None), mark=held.mark)  # type: ignore[arg-type]
        _lose(w)
        made, questions = _adopt(w)

        assert (made.changes, questions) == ((), ())
        assert [n.kind for n in made.notes] == [NoteKind.COPIED]

    def test_the_record_of_an_ended_schedule_is_asked_about(self) -> None:
        """It may have been cut over: without a word it is left alone."""
        w = world()
        ref = w.source.put(patrol())
        _apply(w, _plan(w))
        w.source.edit(ref, status=ScheduleStatus.ENDED)
        _lose(w)
        made, _ = _adopt(w)

        assert made.changes == ()
        assert [n.kind for n in made.notes] == [NoteKind.ASKED]
        assert _plan(w).changes == ()
        made, _ = _adopt(w, schedule_1="schedule:1")
        _apply(w, made)
        assert [c.act for c in _plan(w).changes] == [Act.RETIRE]


class TestByContent:
    def test_what_is_unambiguous_gets_its_mark(self) -> None:
        """One schedule, one record that says the same: adopted, and marked."""
        w = world(fidelity="expand")
        _mixed(w)
        _apply(w, _plan(w))
        _wipe_marks(w)
        before = _content(w)
        _lose(w)
        made, questions = _adopt(w)

        assert questions == ()
        assert {(c.act, c.diff[0].field) for c in made.changes} == {
            (Act.UPDATE, "mark")
        }
        assert _apply(w, made).code == 0
        assert _content(w) == before
        assert all(held.mark for held in w.target.held)
        assert _plan(w).changes == ()

    def test_equal_ones_are_asked_and_never_guessed(self) -> None:
        """Two guards on one round are two records: a person says which is whose."""
        w = world()
        for _ in range(2):
            w.source.put(patrol())
        _apply(w, _plan(w))
        _wipe_marks(w)
        _lose(w)
        made, questions = _adopt(w)

        assert made.changes == ()
        assert [len(q.candidates) for q in questions] == [2, 2]
        first, second = (held.ref for held in w.target.held)
        assert first is not None
        assert second is not None
        made, questions = _adopt(w, schedule_1=second.key)
        # With one said, only one is left for the other.
        assert (len(made.changes), questions) == (2, ())
        _apply(w, made)
        assert _plan(w).changes == ()

    def test_a_lost_answer_of_a_marking_is_looked_for(self) -> None:
        """Whether the mark was written is read from the record."""
        w = world()
        w.source.put(patrol())
        _apply(w, _plan(w))
        _wipe_marks(w)
        _lose(w)
        made, _ = _adopt(w)
        w.target.lose_request(on="update")
        ran = _apply(w, made)

        assert {r.fate for r in ran.results} == {Fate.DONE}
        assert [bool(held.mark) for held in w.target.held] == [True]

    def test_another_place_is_another_record(self) -> None:
        """The same title and hours elsewhere are not this patrol."""
        w = world()
        w.source.put(patrol())
        _apply(w, _plan(w))
        _wipe_marks(w)
        [held] = w.target.held
        assert held.ref is not None
        place = held.task.place
        assert place is not None
        assert place.point is not None
        w.target.edit(
            held.ref,
            place=attrs.evolve(place, point=attrs.evolve(place.point, lat=42.5)),
        )
        _lose(w)

        assert _adopt(w)[0].changes == ()

    def test_without_room_for_a_mark_it_is_linked_alone(self) -> None:
        """Where the vendor holds no mark the link is all there is."""
        w = world()
        w.target.capabilities = attrs.evolve(
            FLEET,
            timings={k: attrs.evolve(h, mark=None) for k, h in FLEET.timings.items()},
        )
        w.source.put(patrol())
        _apply(w, _plan(w))
        _lose(w)
        made, _ = _adopt(w)

        assert [c.act for c in made.changes] == [Act.ADOPT]
        _apply(w, made)
        assert _plan(w).changes == ()


@pytest.mark.parametrize("marked", [True, False])
def test_a_fleet_is_adopted_on_the_wire(tmp_path: Path, marked: bool) -> None:
    """Over the vendors' protocols too: entries with and without their marks."""
    with stage(tmp_path) as on:
        patrols(on.guards, 6)
        with on.session() as session:
            both = session.pair("patrols")
            apply(on.plan(session, "patrols"), both, session.ledger, clock=on.clock)
        (tmp_path / "rota.db").unlink()
        if not marked:
            for entry in on.fleet.world.entries.values():
                entry["description"] = MARK.sub("", entry["description"])
        with on.session() as session:
            both = session.pair("patrols")
            made, questions = adopt(gather(both, session.ledger, clock=on.clock))
            assert (len(made.changes), questions) == (6, ())
            assert {c.act for c in made.changes} == {
                Act.ADOPT if marked else Act.UPDATE
            }
            assert apply(made, both, session.ledger, clock=on.clock).code == 0
            assert on.plan(session, "patrols").changes == ()
            assert sum(on.at_fleet().values()) == 6
            assert all(
                "rota:" in entry["description"]
                for entry in on.fleet.world.entries.values()
            )


def test_nothing_is_adopted_twice_or_taken_from_another() -> None:
    """A ledger that lost some links keeps the others."""
    w = world(fidelity="expand")
    _mixed(w)
    made = _plan(w)
    half = attrs.evolve(made, changes=made.changes[:2])
    _apply(w, made)
    _lose(w)
    again, _ = _adopt(w)
    _apply(w, attrs.evolve(again, changes=again.changes[: len(half.changes)]))
    rest, _ = _adopt(w)

    assert len(rest.changes) == len(again.changes) - 2
    _apply(w, rest)
    assert _plan(w).changes == ()
    assert all(isinstance(s.timing, Once) or s.mark for s in w.target.held)


class TestCommand:
    def _stage(self, on: Stage) -> None:
        patrols(on.guards, 1, equal=1)
        assert self._rota(on, "apply", "--pair", "patrols").code == 0
        (on.folder / "rota.db").unlink()
        for entry in on.fleet.world.entries.values():
            entry["description"] = MARK.sub("", entry["description"])

    def _rota(self, on: Stage, *words: str) -> desk.Ran:
        return desk.run(on.clock, "--config", str(on.folder / "rota.toml"), *words)

    def test_what_is_asked_can_be_answered_on_the_line(self, tmp_path: Path) -> None:
        """Equal rounds are listed with the words that answer, and leave with 7."""
        with stage(tmp_path) as on:
            self._stage(on)
            ran = self._rota(on, "adopt", "patrols")
            assert (ran.code, "QUESTIONS 3" in ran.told) == (7, True)
            asked = self._rota(on, "adopt", "patrols", "--json").data["questions"]
            takes = [
                f"{q['source']['id']}={q['candidates'][n]['id']}"
                for n, q in enumerate(asked)
            ]
            words = [word for take in takes for word in ("--take", take)]
            ran = self._rota(
                on, "adopt", "patrols", *words, "-o", str(tmp_path / "plan.json")
            )
            assert ran.code == 0, ran.told
            assert self._rota(on, "apply", str(tmp_path / "plan.json")).code == 0
            assert self._rota(on, "plan", "patrols", "--check").code == 0
            assert self._rota(on, "adopt", "patrols", "--take", "12").code == 2

    def test_a_terminal_is_asked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One question after the other; what was given is not offered again."""
        with stage(tmp_path) as on:
            self._stage(on)
            answers = io.StringIO("2\n1\n")
            monkeypatch.setattr(answers, "isatty", lambda: True, raising=False)
            monkeypatch.setattr("sys.stdin", answers)
            ran = self._rota(on, "adopt", "patrols")

            assert ran.code == 0, ran.told
            assert "UPDATE 4" in ran.told
