"""The process dies in the middle of a run, and nothing is lost or doubled."""

from __future__ import annotations

import datetime as dt
import random
import signal
from pathlib import Path

from stages import Stage, patrols, plan_file, stage

from rota import clock as clocks
from rota.sandbox import Fault, FaultKind
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

    def test_an_edit_is_put_back_exactly_once(self, tmp_path: Path) -> None:
        """Killed while edits go back to the source, apply writes each of them once."""
        with stage(tmp_path) as on:
            config = on.folder / "rota.toml"
            told = config.read_text().replace(
                'target = "fleet"\n', 'target = "fleet"\ndirection = "two-way"\n'
            )
            config.write_text(told)
            patrols(on.guards, 40)
            assert on.run("apply", "--pair", "patrols")[0] == 0
            for entry in on.fleet.world.entries.values():
                if int(entry["label"][-4:]) < 20:  # more is over the cap
                    entry["label"] += " by car"
            code, said = kill_while_applying(on, "patrols", "guards", times=3, seed=5)

            assert code == 0, said
            rows = on.guards.tables["site-task-schedules"].values()
            assert sorted(row["description"] for row in rows) == [
                f"Patrol {n:04}" + " by car" * (n < 20) for n in range(40)
            ]
            assert on.writes("guards") == 20
            with on.session() as session:
                made = on.plan(session, "patrols")
                assert (made.changes, made.conflicts) == ((), ())
                assert session.ledger.check() == ()


class TestTrouble:
    def test_two_runners_at_once_write_each_record_once(self, tmp_path: Path) -> None:
        """Of two processes with one plan, one works; the other says who does."""
        with stage(tmp_path) as on:
            patrols(on.guards, 30)
            path = plan_file(on, "patrols")
            both = [on.start("apply", str(path)) for _ in range(2)]
            said = [child.communicate(timeout=60)[0] for child in both]
            codes = sorted(child.returncode for child in both)

            assert codes in ([0, 0], [0, 1]), said
            if codes == [0, 1]:
                assert any("is being worked on by" in words for words in said)
            assert set(on.at_fleet().values()) == {1}
            assert sum(on.at_fleet().values()) == 30

    def test_a_runner_that_slept_past_its_lease_stops(self, tmp_path: Path) -> None:
        """Suspended amid its calls and overtaken, it records these and writes no more."""
        wait = clocks.system()
        with stage(tmp_path) as on:
            patrols(on.guards, 60)
            on.fleet.faults.add(
                Fault(
                    kind=FaultKind.DRIP, path="task/schedule/create", skip=4, times=56,
                    seconds=0.1,
                )
            )  # fmt: skip
            first = on.start("mirror", "patrols", "--once")
            made = 0
            while first.poll() is None and (
                made < 6 or made < sum(on.at_fleet().values())
            ):
                made = sum(on.at_fleet().values())
                wait.sleep(0.5)
            # Its calls are made and not answered, and it writes nothing down.
            first.send_signal(signal.SIGSTOP)
            on.clock.advance(dt.timedelta(minutes=6))
            with on.session() as session, session.ledger.lease("pair patrols", "two"):
                first.send_signal(signal.SIGCONT)
                said, _ = first.communicate(timeout=60)

            assert first.returncode == 1, said
            assert "is being worked on by two" in " ".join(said.split())
            assert sum(on.at_fleet().values()) == made < 60
            on.fleet.faults.clear()
            assert on.run("mirror", "patrols", "--once")[0] == 0
            assert set(on.at_fleet().values()) == {1}
            assert sum(on.at_fleet().values()) == 60
            with on.session() as session:
                assert session.ledger.check() == ()
                state = session.ledger.pair("patrols")
                assert session.ledger.open_intents(state) == ()
                assert on.plan(session, "patrols").changes == ()

    def test_a_mirror_that_is_told_to_stop_ends_in_good_order(
        self, tmp_path: Path
    ) -> None:
        """SIGTERM amid a large plan: calls under way are recorded, the rest is left."""
        with stage(tmp_path) as on:
            patrols(on.guards, 60)
            child = on.start("mirror", "patrols", "--every", "5m")
            while child.poll() is None and on.writes("fleet") < 5:
                clocks.system().sleep(0.0005)
            child.send_signal(signal.SIGTERM)
            said, _ = child.communicate(timeout=60)

            assert child.returncode == 0, said
            assert "rota mirror patrols goes on from there" in said
            with on.session() as session:
                state = session.ledger.pair("patrols")
                assert session.ledger.open_intents(state) == ()
                links = len(list(session.ledger.links(state)))
            assert links == sum(on.at_fleet().values()) < 60
            assert on.run("mirror", "patrols", "--once")[0] == 0
            assert sum(on.at_fleet().values()) == 60

    def test_a_full_disk_stops_it_and_is_no_disaster(self, tmp_path: Path) -> None:
        """Without room for the ledger it stops with the way out, and goes on later."""
        with stage(tmp_path) as on:
            patrols(on.guards, 30)
            path = plan_file(on, "patrols")
            child = on.start("apply", str(path), longest_file=200_000)
            said, _ = child.communicate(timeout=60)

            assert child.returncode == 1, said
            assert "make room" in said
            made = sum(on.at_fleet().values())
            assert made < 30
            code, said = on.run("apply", str(path))
            assert code == 0, said
            assert set(on.at_fleet().values()) == {1}
            assert sum(on.at_fleet().values()) == 30
            with on.session() as session:
                assert session.ledger.check() == ()
                assert on.plan(session, "patrols").changes == ()

    def test_ctrl_c_ends_it_in_good_order(self, tmp_path: Path) -> None:
        """An interrupted command says how to go on, and leaves nothing open."""
        with stage(tmp_path) as on:
            patrols(on.guards, 60)
            path = plan_file(on, "patrols")
            child = on.start("apply", str(path))
            while child.poll() is None and on.writes("fleet") < 5:
                clocks.system().sleep(0.0005)
            child.send_signal(signal.SIGINT)
            said, _ = child.communicate(timeout=60)

            assert child.returncode == 1, said
            assert "same command again" in said
            with on.session() as session:
                state = session.ledger.pair("patrols")
                assert session.ledger.open_intents(state) == ()
                links = len(list(session.ledger.links(state)))
            assert links == sum(on.at_fleet().values()) < 60
            assert on.run("apply", str(path))[0] == 0
            assert sum(on.at_fleet().values()) == 60
