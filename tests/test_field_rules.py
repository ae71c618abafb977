"""The fifteen rules that the users of such tools paid for, each as a test of its own."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from pathlib import Path
from textwrap import dedent

import attrs
import pytest
from pairs import World, patrol, world

from rota import plugins, report
from rota.applying import Applied, Fate, apply, recover
from rota.cli import apply as applying
from rota.errors import LeaseHeld, LedgerError, OverCap, PlanStale, PluginError
from rota.gathering import Pair, gather, written
from rota.ledger import Ledger
from rota.mirroring import Health, Rhythm, cycle, mirror
from rota.model import OccurrenceStatus, Once, ScheduleStatus, ZoneOrigin
from rota.planning import (
    Absent,
    Act,
    Cap,
    Caps,
    NoteKind,
    Plan,
    adopt,
    plan,
    undo,
)
from rota.recurrence import weekly
from rota.testing import Keep
from rota.testing.cassettes import Cassette, Interaction, Provenance
from rota.testing.conversations import Unmatched, replayed
from rota.vendor import Certificate
from rota.verifying import verify


def _plan(w: World) -> Plan:
    return plan(gather(w.pair, w.ledger, clock=w.clock))


def _apply(w: World, made: Plan | None = None) -> Applied:
    return apply(made or _plan(w), w.pair, w.ledger, clock=w.clock)


def _stage(many: int = 1, **terms: object) -> World:
    """Return a world whose source went over already."""
    w = world(**terms)
    for n in range(many):
        w.source.put(patrol(f"Patrol {n:02}"))
    _apply(w)
    return w


def _end(w: World, *numbers: int) -> None:
    for n in numbers:
        ref = w.source.held[n].ref
        assert ref is not None
        w.source.edit(ref, status=ScheduleStatus.ENDED)


def _acts(made: Plan) -> set[Act]:
    return {change.act for change in made.changes}


def test_rule_1_a_listing_without_its_certificate_deletes_nothing() -> None:
    """Rule 1: no certificate, no deletes; a parse error, an empty side void absence."""
    w = _stage(12)
    w.source.capabilities = attrs.evolve(w.source.capabilities, previews=0)
    certificate: Certificate = gather(
        w.pair, w.ledger, clock=w.clock
    ).source.certificate
    assert certificate.complete
    ref = w.source.held[0].ref
    assert ref is not None
    with pytest.raises(ValueError, match="not covered"):
        Absent(certificate=attrs.evolve(certificate, errors=("cut",)), ref=ref)
    w.source.broken[ref.id] = "no date"
    assert _acts(_plan(w)) == set()
    w.source.calm()
    w.source.incomplete = "5 of 12 rows"
    w.source.hidden |= {ref.id}
    made = _plan(w)
    assert (_acts(made), made.source.complete) == (set(), False)
    w.source.calm()
    w.source.hidden |= {str(n + 1) for n in range(12)}
    assert [halt.accept for halt in _plan(w).halts] == ["emptied:guards"]


def test_rule_2_absence_is_read_again_and_caps_count_a_day() -> None:
    """Rule 2: absence is confirmed by id; caps are absolute and percent, over a day."""
    w = _stage(20, caps=Caps(retire=Cap(percent=20, count=50)))
    w.target.hidden |= {"3"}
    made = _plan(w)
    assert _acts(made) == set()
    w.target.calm()
    _end(w, 0, 1)
    assert cycle(w.pair, w.ledger, clock=w.clock).code == 0
    _end(w, 2, 3)
    [halt] = _plan(w).halts
    assert "2 changes of kind 'retire', after 2 in the last day" in halt.message


def test_rule_3_nothing_is_deleted_because_it_is_gone() -> None:
    """Rule 3: deleting waits for a person; what is gone is reported and kept."""
    w = _stage(3)
    ref = w.source.held[0].ref
    assert ref is not None
    w.source.delete(ref)
    made = _plan(w)

    assert _acts(made) == set()
    assert [note.kind for note in made.notes] == [NoteKind.WAITS]
    assert len(w.target.held) == 3


def test_rule_4_exactly_the_plan_that_was_read(tmp_path: Path) -> None:
    """Rule 4: a plan is a file; what moved is skipped; a stop names the command."""
    w = _stage(2, caps=Caps(update=Cap(count=1)))
    for held in w.source.held:
        assert held.ref is not None
        w.source.edit(held.ref, instructions="Twice")
    made = _plan(w)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(report.plan_json(made)))
    again = applying.read(path)
    assert again.digest == made.digest
    with pytest.raises(OverCap) as stop:
        _apply(w, again)
    assert "caps.update.count of pair 'patrols'" in stop.value.message
    assert f"rota apply PLANFILE --accept update:2@{made.id}" in stop.value.hint
    there = w.target.held[0].ref
    assert there is not None
    w.target.edit(there, title="Theirs")
    done = apply(again, w.pair, w.ledger, clock=w.clock, accept=[f"update:2@{made.id}"])
    assert (done.count(Fate.SKIPPED), done.count(Fate.DONE), done.code) == (1, 1, 5)


def test_rule_5_no_part_of_a_rule_disappears_in_silence() -> None:
    """Rule 5: told exactly, expanded, or refused; unknown fields are never nulled."""
    w = world()
    w.source.put(patrol(rule=weekly([1], interval=2, start=dt.date(2027, 1, 4))))
    assert [r.wants for r in _plan(w).refusals] == ["expand"]
    w = world(fidelity="expand")
    ref = w.source.put(patrol(rule=weekly([1], interval=2, start=dt.date(2027, 1, 4))))
    made = _plan(w)
    assert any("every second" in loss.why for loss in made.changes[0].losses)
    _apply(w, made)
    there = w.target.held[0].ref
    assert there is not None
    w.target.edit(there, extras={"colour": "red"})
    w.source.edit(ref, title="Renamed")
    _apply(w)
    assert w.target.held[0].extras["colour"] == "red"


def test_rule_6_completion_belongs_to_the_occurrence() -> None:
    """Rule 6: a round that is done changes no schedule, on either side."""
    w = _stage()
    for account in (w.source, w.target):
        [held] = account.held
        assert held.ref is not None
        account.perform(held.ref, dt.date(2027, 1, 5), status=OccurrenceStatus.DONE)

    assert "done" not in {str(status) for status in ScheduleStatus}
    assert _acts(_plan(w)) == set()


def test_rule_7_a_wall_clock_a_zone_and_where_it_comes_from() -> None:
    """Rule 7: a plan tells the next rounds in local time and in UTC."""
    w = world()
    w.source.put(patrol())
    made = _plan(w)
    [change] = made.changes
    assert change.after is not None
    assert change.after.zone is not None
    assert change.after.zone.origin in ZoneOrigin
    told = " ".join(report.plan_text(made, full=True).split())

    assert "next: Tue 2027-01-05 22:00 (04:00 UTC)" in told


def test_rule_8_look_before_a_retry_and_rebuild_what_is_lost() -> None:
    """Rule 8: a lost answer is looked up; a lost ledger is adopted; a second plan is empty."""
    w = world()
    w.source.put(patrol())
    w.target.lose_answer(on="create")
    assert _apply(w).count(Fate.FOUND) == 1
    assert _acts(_plan(w)) == set()
    w.ledger = Ledger.open(":memory:", clock=w.clock)
    made, questions = adopt(gather(w.pair, w.ledger, clock=w.clock))
    assert questions == ()
    _apply(w, made)
    assert _acts(_plan(w)) == set()
    assert len(w.target.held) == 1


def test_rule_9_a_conflict_stops_its_own_field() -> None:
    """Rule 9: three-way and per field; the rest goes on, and nobody's clock decides."""
    w = _stage()
    here, there = w.source.held[0].ref, w.target.held[0].ref
    assert here is not None
    assert there is not None
    w.source.edit(here, title="Ours", instructions="Twice")
    w.target.edit(there, title="Theirs")
    made = _plan(w)
    assert [d.field for c in made.conflicts for d in c.diff] == ["title"]
    assert [d.field for c in made.changes for d in c.diff] == ["instructions"]
    _apply(w, made)
    [held] = w.target.held
    assert (held.task.title, held.task.instructions) == ("Theirs", "Twice")


def test_rule_10_ours_by_link_and_by_mark() -> None:
    """Rule 10: only what both claim is taken away, and an echo is no change."""
    w = _stage(2)
    w.target.put(patrol("Somebody else's"))
    there = w.target.held[0].ref
    assert there is not None
    w.target.edit(there, mark=None)
    assert _acts(_plan(w)) == set()
    _end(w, 0, 1)
    made = _plan(w)
    assert len(made.changes) == 1
    assert NoteKind.UNMARKED in {note.kind for note in made.notes}
    _apply(w, made)
    assert len(w.target.held) == 2


def test_rule_11_one_bad_item_stops_itself_and_silence_is_an_alarm() -> None:
    """Rule 11: the rest goes on, the code is not 0; k silent intervals raise an alarm."""
    w = world()
    for n in range(3):
        w.source.put(patrol(f"Patrol {n}"))
    w.target.refuse("no such device", on="create", times=1)
    ran = _apply(w)
    assert (ran.count(Fate.DONE), ran.count(Fate.REFUSED), ran.code) == (2, 1, 1)
    w.target.refuse("closed", on="schedules", times=9)
    seen: list[Health] = []
    alarms: list[dt.timedelta] = []
    mirror(
        w.pair, w.ledger, Rhythm(every=dt.timedelta(minutes=5)), clock=w.clock,
        stopped=lambda: len(seen) >= 5, tell=lambda c: seen.append(c.health),
        alarm=alarms.append,
    )  # fmt: skip
    assert (set(seen), len(alarms)) == ({Health.FAILED}, 1)


def test_rule_12_a_pause_that_is_asked_for_is_kept() -> None:
    """Rule 12: Retry-After is honoured by all workers, never shortened."""
    w = world()
    for n in range(4):
        w.source.put(patrol(f"Patrol {n}"))
    began = w.clock.now()
    w.target.rate_limited(on="create", times=1, retry_after=90)

    assert _apply(w).code == 0
    assert w.clock.now() - began >= dt.timedelta(seconds=90)
    assert len(w.target.held) == 4


def test_rule_13_state_that_can_be_shown_and_never_rewritten(tmp_path: Path) -> None:
    """Rule 13: version, lease, before-images, audit, undo; other terms are no delete."""
    w = world()
    w.ledger = Ledger.open(tmp_path / "rota.db", clock=w.clock)
    ref = w.source.put(patrol())
    _apply(w)
    w.source.edit(ref, title="Renamed")
    run = _apply(w).run
    assert [r.kind for r in w.ledger.runs()] == ["apply", "apply"]
    assert w.ledger.check() == ()
    assert any('"table": "intent"' in line for line in w.ledger.export())
    with (
        w.ledger.lease("pair patrols", "somebody"),
        pytest.raises(LeaseHeld, match="somebody"),
    ):
        _apply(w, _plan(w))
    seen = gather(w.pair, w.ledger, clock=w.clock)
    back = undo(seen, plan(seen), run, written(w.ledger, run))
    assert [c.after and c.after.task.title for c in back.changes] == ["Harbour patrol"]
    other = Pair("patrols", source=w.source, target=w.target, fidelity="closest")
    with pytest.raises(PlanStale):
        apply(back, other, w.ledger, clock=w.clock)
    w.ledger.close()
    with sqlite3.connect(tmp_path / "rota.db") as raw:
        assert raw.execute("SELECT version FROM meta").fetchone()[0] >= 1
        with pytest.raises(sqlite3.DatabaseError):
            raw.execute("UPDATE intent SET change = '{}'")
        with pytest.raises(sqlite3.DatabaseError):
            raw.execute("DELETE FROM outcome")


def test_rule_14_a_broken_plugin_breaks_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 14: plugins load one by one, and the distribution of a broken one is named."""
    (tmp_path / "rota_broken.py").write_text(dedent("import a_module_that_is_missing"))
    info = tmp_path / "rota_broken-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: rota-broken\nVersion: 2.0\n"
    )
    (info / "entry_points.txt").write_text("[rota]\nbroken = rota_broken\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = plugins.load()

    assert {"navixy", "trackops", "tracktik"} <= set(found.vendors)
    with pytest.raises(PluginError, match=r"rota-broken 2\.0"):
        found.vendor("broken")


def test_rule_15_a_cassette_is_played_whole_or_fails() -> None:
    """Rule 15: replay reaches no network, and what was recorded must be asked for."""
    cassette = Cassette(
        provenance=Provenance(
            vendor="mine", test="rule", where="sandbox", recorded="2027-01-04",
            clock="2027-01-04T12:00:00+00:00", facts="none", rota="0.1.0",
        ),
        interactions=(
            Interaction(
                method="GET", url="https://mine.invalid/things", sent=b"", sent_type="",
                status=200, headers={"content-type": "application/json"},
                answer=b"[]",
            ),
        ),
    )  # fmt: skip
    with (
        pytest.raises(Unmatched, match="things"),
        replayed(cassette, keep=Keep(names={"id"})),
    ):
        pass


def test_a_run_that_died_is_recovered_before_anything_else() -> None:
    """What is open in the ledger is the whole recovery list."""
    w = world(fidelity="expand")
    w.source.put(patrol(rule=weekly([1], interval=2, start=dt.date(2027, 1, 4))))

    def dies(*_: object, **__: object) -> None:
        raise LedgerError("the disk is full")

    outcome = w.ledger.outcome
    w.ledger.outcome = dies  # type: ignore[method-assign, assignment]
    with pytest.raises(LedgerError):
        _apply(w)
    w.ledger.outcome = outcome  # type: ignore[method-assign]
    recover(w.pair, w.ledger, clock=w.clock)
    _apply(w)
    days = [s.timing.day for s in w.target.held if isinstance(s.timing, Once)]
    assert len(days) == len(set(days)) > 2
    assert verify(w.pair, w.ledger, clock=w.clock).agrees
