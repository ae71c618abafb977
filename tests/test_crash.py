"""The process dies in the middle of a run, and nothing is lost or doubled."""

from __future__ import annotations

import random
import signal
from pathlib import Path

from stages import Stage, patrols, plan_file, stage

from rota import clock as clocks
from rota.verifying import verify


def kill_while_applying(
    on: Stage, pair: str, account: str, *, times: int, seed: int
) -> tuple[int, str]:
    """
    Kill ``rota apply`` again and again, each time a few writes further on.

    Returns the code and the words of the run that was let go to its end. At least
    one of the others must have died at its work.
    """
    chance, wait = random.Random(seed), clocks.system()
    path = plan_file(on, pair)
    killed = 0
    for _ in range(times):
        goal = on.writes(account) + chance.randint(1, 8)
        child = on.start("apply", str(path))
        while child.poll() is None and on.writes(account) < goal:
            wait.sleep(0.0005)
        wait.sleep(chance.random() * 0.02)
        child.kill()
        child.communicate()
        killed += child.returncode == -signal.SIGKILL
    assert killed
    return on.run("apply", str(path))


class TestKill:
    def test_every_schedule_is_there_exactly_once(self, tmp_path: Path) -> None:
        """Killed at random points of its runs, apply ends with each entry once."""
        with stage(tmp_path) as on:
            patrols(on.guards, 24, equal=3)
            code, said = kill_while_applying(on, "patrols", "fleet", times=4, seed=1)

            assert code == 0, said
            assert on.at_fleet() == {
                **{f"Patrol {n:04}": 1 for n in range(24)},
                **{f"Double round {n}": 3 for n in range(3)},
            }
            with on.session() as session:
                assert on.plan(session, "patrols").changes == ()
                assert verify(
                    session.pair("patrols"), session.ledger, clock=on.clock
                ).agrees
                assert session.ledger.check() == ()

    def test_what_can_never_be_taken_back_is_there_exactly_once(
        self, tmp_path: Path
    ) -> None:
        """Tasks that nothing deletes are made once each, whatever is killed."""
        with stage(tmp_path) as on:
            patrols(on.guards, 4, equal=3)
            code, said = kill_while_applying(on, "visits", "office", times=4, seed=3)

            assert code == 0, said
            found = on.at_office()
            assert {
                many for (title, _), many in found.items() if "Double" in title
            } == {3}
            assert {
                many for (title, _), many in found.items() if "Patrol" in title
            } == {1}
            with on.session() as session:
                assert on.plan(session, "visits").changes == ()

    def test_without_marks_it_is_once_or_quarantined(self, tmp_path: Path) -> None:
        """What bears no mark is found by content, or waits for a person: never twice."""
        with stage(tmp_path, mark="none") as on:
            patrols(on.guards, 6, equal=3)
            code, said = kill_while_applying(on, "patrols", "fleet", times=4, seed=4)

            wanted = {
                **{f"Patrol {n:04}": 1 for n in range(6)},
                **{f"Double round {n}": 3 for n in range(3)},
            }
            found = on.at_fleet()
            assert all(found[title] <= many for title, many in wanted.items())
            assert set(found) <= set(wanted)
            missing = sum(wanted.values()) - sum(found.values())
            assert (code == 0) if missing == 0 else (code == 7), said
