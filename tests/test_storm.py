"""A small storm, on a clock that stands still; ``make storm`` makes the big ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import storm
from stages import stage

from rota.applying import Fate, apply
from rota.gathering import gather
from rota.ledger import Ledger
from rota.planning import plan


@pytest.mark.parametrize(
    ("vendor", "many", "changes"),
    [("navixy", 60, 60), ("tracktik", 40, 40), ("trackops", 5, 16)],
)
def test_all_arrive_through_a_storm_and_none_twice(
    vendor: str, many: int, changes: int, tmp_path: Path
) -> None:
    """A fifth refused or failing, answers lost, tokens ending: one run, and it is done."""
    weather = storm.Storm(vendor=vendor, many=many, rate=1000, slow=(0.0, 0.0))
    with stage(tmp_path) as on:
        server = on.servers[storm.DOORS[vendor]]
        with (
            Ledger.open(tmp_path / "storm.db", clock=on.clock) as ledger,
            storm.connect(weather, server.base_url, on.clock) as target,
        ):
            pair = storm.pair_of(weather, target, on.clock)
            made = plan(gather(pair, ledger, clock=on.clock))
            assert len(made.changes) == changes
            before = len(server.requests)
            server.sandbox.faults.add(*storm.faults(weather, seed=3))
            accept = [f"{halt.accept}@{made.id}" for halt in made.halts]
            applied = apply(made, pair, ledger, clock=on.clock, accept=accept)
            calls = server.requests[before:]
            server.sandbox.faults.clear()

            assert applied.code == 0
            arrived = storm.held(on, weather)
            assert set(arrived.values()) == {1}
            assert len(arrived) == changes
            assert plan(gather(pair, ledger, clock=on.clock)).changes == ()
    writes = [one for one in calls if storm.makes(one.method, one.path)]
    refused = [one for one in writes if one.status >= 400]
    assert len(refused) > changes / 20
    assert len(writes) <= 1.2 * changes + len(refused)


@pytest.mark.parametrize(
    ("halts", "logins", "most"),
    [
        ([], [], 5000),
        ([(n, n + 0.2) for n in range(1, 90)], [], 5000),
        ([(5, 7)], [5.1], 4901),
        ([(n, n + 2) for n in range(1, 90, 10)], [], 4100),
    ],
)
def test_errors_cost_what_could_not_be_made_up_for(
    halts: list[tuple[float, float]], logins: list[float], most: int
) -> None:
    """A halt that leaves time for a second's calls costs none, and logins are calls."""
    assert storm.most_admitted(50, (0.0, 100.0), halts, logins) == most


def test_a_vendor_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    """It is probed a few times and not hammered; the run says that another may help."""
    weather = storm.Storm(vendor="navixy", many=200, rate=1000)
    with stage(tmp_path) as on:
        server = on.servers["fleet"]
        with (
            Ledger.open(tmp_path / "storm.db", clock=on.clock) as ledger,
            storm.connect(weather, server.base_url, on.clock) as target,
        ):
            pair = storm.pair_of(weather, target, on.clock)
            made = plan(gather(pair, ledger, clock=on.clock))
            before = target._client.calls  # type: ignore[attr-defined]
            server.stop()
            applied = apply(made, pair, ledger, clock=on.clock)
            sent = target._client.calls - before  # type: ignore[attr-defined]

            assert applied.code == 1
            assert applied.count(Fate.FAILED) == 200
            assert any("there is down" in one.why for one in applied.results)
            assert sent <= 20
            assert len(ledger.run(applied.run).intents) < 200
            assert ledger.check() == ()
