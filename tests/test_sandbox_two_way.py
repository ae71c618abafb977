"""A pair that goes both ways between vendors' sandboxes, on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from stages import Stage, patrols, stage

from rota.applying import Applied, Fate, apply, recover
from rota.cli.session import Session
from rota.gathering import Pair
from rota.planning import Disputes
from rota.sandbox import Fault, FaultKind


MANY = 5
WRITES = {"path": "site-task-schedules", "method": "PATCH"}


@attrs.frozen(kw_only=True)
class Play:
    """A stage with a two-way pair on it that has run once."""

    on: Stage
    session: Session
    pair: Pair

    def run(self) -> Applied:
        recover(self.pair, self.session.ledger, clock=self.on.clock)
        made = self.on.plan(self.session, "patrols")
        return apply(made, self.pair, self.session.ledger, clock=self.on.clock)

    def entries(self) -> list[dict[str, Any]]:
        return list(self.on.fleet.world.entries.values())

    def records(self) -> list[dict[str, Any]]:
        return list(self.on.guards.tables["site-task-schedules"].values())

    def is_quiet(self) -> bool:
        made = self.on.plan(self.session, "patrols")
        return (made.changes, made.conflicts) == ((), ())


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Five patrols at both sides, in step."""
    with stage(tmp_path) as on:
        config = on.folder / "rota.toml"
        told = config.read_text().replace(
            'target = "fleet"\n', 'target = "fleet"\ndirection = "two-way"\n'
        )
        config.write_text(told)
        patrols(on.guards, MANY)
        with on.session() as session:
            begun = Play(on=on, session=session, pair=session.pair("patrols"))
            assert begun.run().code == 0
            assert begun.is_quiet()
            yield begun


FAULTS = {
    "none": None,
    "429": Fault(kind=FaultKind.RATE_LIMITED, times=2, **WRITES),
    "503 before the write": Fault(
        kind=FaultKind.SERVER_ERROR, times=2, every=2, **WRITES
    ),
    "504 after the write": Fault(
        kind=FaultKind.SERVER_ERROR, status=504, after=True, times=2, every=2, **WRITES
    ),
    "dropped before": Fault(kind=FaultKind.DROP_BEFORE, times=2, every=2, **WRITES),
    "dropped after": Fault(kind=FaultKind.DROP_AFTER, times=2, every=2, **WRITES),
    "lands 20 s late": Fault(
        kind=FaultKind.LATE_WRITE, seconds=20, times=2, every=2, **WRITES
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_edits_at_the_fleet_reach_the_portal(play: Play, name: str) -> None:
    """Names and days typed at the fleet stand at the portal, whatever the wire does."""
    for entry in play.entries():
        entry["label"] += " by car"
        entry["parameters"] = {"type": "weekdays", "weekdays": [6, 7]}
    fault = FAULTS[name]
    if fault is not None:
        play.on.guards.faults.add(fault)
    applied = play.run()
    fates = {result.fate for result in applied.results}
    assert fates <= {Fate.DONE, Fate.FOUND, Fate.FAILED, Fate.UNKNOWN}
    if applied.code:
        assert play.run().code == 0

    assert sorted(row["description"] for row in play.records()) == [
        f"Patrol {n:04} by car" for n in range(MANY)
    ]
    for row in play.records():
        assert row["dayOfWeekStart"] == ["SATURDAY", "SUNDAY"]
    assert play.is_quiet()


def test_edits_on_both_sides_cross(play: Play) -> None:
    """One run carries the portal's edits to the fleet and the fleet's to the portal."""
    for row in play.records():
        row["rangeStartTime"] = "05:15:00"
    play.on.guards.revision += 1
    for entry in play.entries():
        entry["label"] += " by car"
    assert play.run().code == 0

    assert {entry["from_time"] for entry in play.entries()} == {"05:15:00"}
    assert all(row["description"].endswith("by car") for row in play.records())
    assert play.is_quiet()


def test_a_policy_settles_what_both_edited(play: Play) -> None:
    """With conflicts = "target", what the fleet says is written at the portal."""
    play.pair.terms = attrs.evolve(play.pair.terms, conflicts=Disputes.TARGET)
    config = play.on.folder / "rota.toml"
    config.write_text(
        config.read_text().replace(
            'direction = "two-way"\n', 'direction = "two-way"\nconflicts = "target"\n'
        )
    )
    for row in play.records():
        row["description"] = "Ours"
    play.on.guards.revision += 1
    for entry in play.entries():
        entry["label"] = "Theirs"
    with play.on.session() as session:
        both = Play(on=play.on, session=session, pair=session.pair("patrols"))
        assert both.run().code == 0
        assert {row["description"] for row in both.records()} == {"Theirs"}
        assert both.is_quiet()
