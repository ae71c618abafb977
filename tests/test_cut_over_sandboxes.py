"""A cut-over on the wire, TrackTik to Navixy, over the midnight run of the fleet."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

import desk
import pytest
from stages import BEGIN, POST, SITE, Stage, patrols, stage

from rota.applying import Fate, apply
from rota.cli.session import Session
from rota.clock import StillClock
from rota.gathering import gather, written
from rota.mirroring import cycle
from rota.planning import Act, At, CutOver, NoteKind, Plan, plan, undo


DAY = dt.date(2027, 1, 11)
HOURS = dt.datetime(2027, 1, 10, 18, tzinfo=dt.UTC)  # Sunday noon in Chicago
WEEK = [DAY + dt.timedelta(n) for n in range(-2, 5)]
ALL = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")


def _planned(on: Stage, session: Session, **asked: Any) -> Plan:
    cut = CutOver(**asked) if asked else None
    day = cut.day if cut else None
    seen = gather(session.pair("patrols"), session.ledger, clock=on.clock, cut_over=day)
    return plan(seen, cut)


def _apply(on: Stage, session: Session, made: Plan) -> Any:
    return apply(made, session.pair("patrols"), session.ledger, clock=on.clock)


def _to(on: Stage, at: dt.datetime) -> None:
    assert isinstance(on.clock, StillClock)
    on.clock.set(at)


def _rounds(session: Session, side: str) -> Counter[dt.date]:
    account = getattr(session.pair("patrols"), side)
    return Counter(i.day for i in account.occurrences(WEEK[0], WEEK[-1]).items)


def _rota(on: Stage, *words: str) -> tuple[int, str]:
    ran = desk.run(on.clock, "--config", str(on.folder / "rota.toml"), *words)
    return ran.code, ran.told


def _trackers(on: Stage) -> set[Any]:
    return {entry["tracker_id"] for entry in on.fleet.world.entries.values()}


def test_over_the_midnight_run_each_day_has_its_round_once(tmp_path: Path) -> None:
    """Accepted a week ahead, done by rota due in its hours: no day twice, none never."""
    with stage(tmp_path) as on:
        for hour in (6, 21):
            on.guards.add_schedule(
                SITE, 1, days=ALL, position=POST, begin=BEGIN.date(),
                start=f"{hour:02}:00:00", end=f"{hour + 1:02}:30:00",
                description=f"Round {hour}",
            )  # fmt: skip
        code, said = _rota(
            on, "plan", "patrols", "--cut-over", str(DAY), "-o", str(tmp_path / "p")
        )
        assert code == 0, said
        assert "CUT OVER 2" in said
        assert "last day at the source: 2027-01-10" in said
        assert _rota(on, "apply", str(tmp_path / "p"))[0] == 0
        assert on.at_fleet() == {}
        _to(on, HOURS)
        code, said = _rota(on, "due")
        assert code == 0, said
        assert "4 done" in said
        assert "SEAM 2" in said
        _to(on, dt.datetime(2027, 1, 15, 18, tzinfo=dt.UTC))
        with on.session() as session:
            source, target = _rounds(session, "source"), _rounds(session, "target")
            assert source + target == Counter(WEEK * 2)
            assert set(source) == {day for day in WEEK if day < DAY}
            assert _planned(on, session).changes == ()
        assert _rota(on, "mirror", "patrols", "--once")[0] == 0
        assert _rota(on, "verify", "patrols")[0] == 0
        code, said = _rota(on, "explain", "guards/101")
        assert "cut over: from 2027-01-11 on the target is its own master" in said
        span = ("--from", "2027-01-11", "--to", "2027-01-14")
        code, said = _rota(on, "coverage", "patrols", *span, "--json")
        there = json.loads(said)["total"]["target"]
        assert (there["planned"], there["unattributed"]) == (8, 0)


def test_what_is_not_seen_in_the_proposals_keeps_its_source(tmp_path: Path) -> None:
    """An entry that vanishes from the fleet before the end leaves the portal alone."""
    with stage(tmp_path) as on, on.session() as session:
        patrols(on.guards, 2)
        _to(on, HOURS)
        made = _planned(on, session, day=DAY)
        pair = session.pair("patrols")
        shown = pair.target.occurrences

        def lost(first: dt.date, last: dt.date) -> Any:
            entries = on.fleet.world.entries
            for number, entry in list(entries.items()):
                if entry["label"] == "Patrol 0001":
                    del entries[number]
            return shown(first, last)

        pair.target.occurrences = lost  # type: ignore[method-assign]
        ran = apply(made, pair, session.ledger, clock=on.clock)
        fates = {
            r.change.title: r.fate for r in ran.results if r.change.at is At.SOURCE
        }

        assert fates == {"Patrol 0000": Fate.DONE, "Patrol 0001": Fate.SKIPPED}
        assert ran.code == 5


@pytest.mark.parametrize(("inclusive", "found"), [(False, "gaps"), (True, "sound")])
def test_whether_an_end_date_is_inclusive_is_seen(
    tmp_path: Path, inclusive: bool, found: str
) -> None:
    """Where the portal reads the end otherwise than we do, the end comes off again."""
    with stage(tmp_path) as on, on.session() as session:
        on.guards.end_inclusive = inclusive
        on.guards.add_schedule(
            SITE, 1, days=ALL, position=POST, begin=BEGIN.date(), description="Round"
        )
        _to(on, HOURS)
        ran = _apply(on, session, _planned(on, session, day=DAY))

        [seam] = ran.seam
        assert getattr(seam, found)
        if not inclusive:
            assert (ran.code, seam.restored) == (7, True)
        with_source = set(_rounds(session, "source"))
        assert DAY - dt.timedelta(1) in with_source


class Death(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("verb", ["occurrences", "update"])
def test_a_seam_that_a_dead_process_left_is_looked_at(
    tmp_path: Path, verb: str
) -> None:
    """Whoever dies between an end and its seam leaves it to the next run to look."""

    def die(*args: object) -> Any:
        raise Death

    with stage(tmp_path) as on:
        on.guards.end_inclusive = False
        on.guards.add_schedule(
            SITE, 1, days=ALL, position=POST, begin=BEGIN.date(), description="Round"
        )
        _to(on, HOURS)
        with on.session() as session:
            made = _planned(on, session, day=DAY)
            setattr(session.pair("patrols").source, verb, die)
            with pytest.raises(Death):
                _apply(on, session, made)
        with on.session() as session:
            assert DAY - dt.timedelta(1) not in _rounds(session, "source")
            ran = cycle(session.pair("patrols"), session.ledger, clock=on.clock)

            assert ran.applied is not None
            [seam] = ran.applied.seam
            assert (ran.code, seam.restored) == (7, True)
            assert DAY - dt.timedelta(1) in _rounds(session, "source")
            assert session.ledger.open_intents(session.ledger.pair("patrols")) == ()
            assert _apply(on, session, _planned(on, session)).code == 0


def test_a_shadow_runs_unassigned_and_is_assigned_on_the_day(tmp_path: Path) -> None:
    """The fleet's entries have no tracker until the day, and one from then on."""
    with stage(tmp_path) as on, on.session() as session:
        patrols(on.guards, 3)
        assert (
            _apply(on, session, _planned(on, session, day=DAY, shadow=True)).code == 0
        )
        assert _trackers(on) == {None}
        _to(on, HOURS)
        now = _planned(on, session)
        assert Counter((c.act, c.at) for c in now.changes) == {
            (Act.UPDATE, At.TARGET): 3,
            (Act.RETIRE, At.SOURCE): 3,
        }
        run = _apply(on, session, now)
        assert run.code == 0
        assert _trackers(on) == {1041}

        seen = gather(session.pair("patrols"), session.ledger, clock=on.clock)
        back = undo(seen, plan(seen), run.run, written(session.ledger, run.run))
        assert _apply(on, session, back).code == 0
        assert _trackers(on) == {None}
        assert DAY in _rounds(session, "source")


def test_sessions_assigned_from_the_day_on_are_listed(tmp_path: Path) -> None:
    """A guard who has Tuesday's patrol is named before anybody accepts."""
    with stage(tmp_path) as on, on.session() as session:
        [number] = patrols(on.guards, 1)
        on.guards.add_session(number, DAY)
        notes = _planned(on, session, day=DAY).notes

        assert [n.kind for n in notes if n.kind is NoteKind.ASSIGNED]
