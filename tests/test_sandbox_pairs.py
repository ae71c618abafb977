"""Whole pairs between vendors' sandboxes, on the wire, with what goes wrong there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from stages import SITE, WEEKDAYS, Stage, patrols, stage

from rota.applying import Applied, Fate, apply, recover
from rota.cli.session import Session
from rota.errors import NotAuthorised, RotaError, SideEmptied, VendorError
from rota.planning import Plan
from rota.sandbox import Fault, FaultKind
from rota.verifying import verify


MANY = 12
TARGETS = [("patrols", "fleet"), ("visits", "office")]


@attrs.frozen(kw_only=True)
class Play:
    """A stage with patrols on it, and an open session."""

    on: Stage
    session: Session

    def plan(self, pair: str) -> Plan:
        return self.on.plan(self.session, pair)

    def apply(self, pair: str, plan: Plan | None = None) -> Applied:
        return apply(
            plan or self.plan(pair),
            self.session.pair(pair),
            self.session.ledger,
            clock=self.on.clock,
        )

    def go_on(self, pair: str) -> Applied:
        """Do what a person does after a run that left something: the same again."""
        recover(self.session.pair(pair), self.session.ledger, clock=self.on.clock)
        return self.apply(pair)

    def fault(self, account: str, *faults: Fault) -> None:
        self.on.servers[account].sandbox.faults.add(*faults)

    def has_once(self, pair: str) -> bool:
        found = self.on.at_fleet() if pair == "patrols" else self.on.at_office()
        return set(found.values()) == {1} and (
            len({key[0] if isinstance(key, tuple) else key for key in found}) == MANY
        )


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """A dozen patrols at the source, and empty targets."""
    with stage(tmp_path) as on, on.session() as session:
        patrols(on.guards, MANY)
        yield Play(on=on, session=session)


def _on(account: str, **more: object) -> dict[str, object]:
    path = {"fleet": "create", "office": "/tasks"}[account]
    return {"path": path, "method": "POST", **more}


FAULTS = {
    "429": {"kind": FaultKind.RATE_LIMITED, "times": 3},
    "429 that says how long": {
        "kind": FaultKind.RATE_LIMITED, "times": 3, "seconds": 7,
    },
    "503 before the write": {"kind": FaultKind.SERVER_ERROR, "times": 3, "every": 2},
    "504 after the write": {
        "kind": FaultKind.SERVER_ERROR, "status": 504, "after": True, "times": 3,
        "every": 2,
    },
    "dropped before": {"kind": FaultKind.DROP_BEFORE, "times": 3, "every": 2},
    "dropped after": {"kind": FaultKind.DROP_AFTER, "times": 3, "every": 2},
    "lands 20 s late": {
        "kind": FaultKind.LATE_WRITE, "seconds": 20, "times": 3, "every": 2,
    },
    "HTML instead": {"kind": FaultKind.HTML, "times": 2, "every": 2},
    "HTML after the write": {
        "kind": FaultKind.HTML, "after": True, "times": 2, "every": 2,
    },
    "a cut body": {"kind": FaultKind.CUT_BODY, "times": 2, "every": 2},
    "a slow drip": {"kind": FaultKind.DRIP, "seconds": 0.0005, "times": 1},
}  # fmt: skip


class TestWriting:
    @pytest.mark.parametrize(("pair", "account"), TARGETS)
    @pytest.mark.parametrize("name", FAULTS)
    def test_all_arrive_exactly_once(
        self, play: Play, pair: str, account: str, name: str
    ) -> None:
        """Whatever the wire does to writes, each schedule is there once."""
        play.fault(account, Fault(**_on(account, **FAULTS[name])))  # type: ignore[arg-type]
        first = play.apply(pair)
        fates = {result.fate for result in first.results}

        assert play.on.servers[account].sandbox.faults.hits()[0][1] > 0
        assert fates <= {Fate.DONE, Fate.FOUND, Fate.FAILED, Fate.UNKNOWN}
        if first.code:
            play.go_on(pair)
        assert play.has_once(pair)
        assert play.plan(pair).changes == ()

    @pytest.mark.parametrize(("pair", "account"), TARGETS)
    def test_a_storm_of_everything(self, play: Play, pair: str, account: str) -> None:
        """A fifth of all calls fails this way or that, reads among them."""
        kinds = (
            Fault(kind=FaultKind.RATE_LIMITED, every=9, skip=3, times=-1),
            Fault(kind=FaultKind.SERVER_ERROR, every=11, skip=5, times=-1),
            Fault(kind=FaultKind.DROP_AFTER, every=13, skip=2, times=-1),
            Fault(kind=FaultKind.EXPIRED_TOKEN, every=17, times=-1),
        )
        play.fault("guards", *kinds)
        play.fault(account, *kinds)
        for _ in range(4):
            if play.go_on(pair).code == 0:
                break

        assert play.has_once(pair)
        assert play.plan(pair).changes == ()

    def test_a_token_that_ends_costs_one_login(self, play: Play) -> None:
        """An expired token is renewed once, and nothing is read as gone."""
        play.apply("patrols")
        play.fault("guards", Fault(kind=FaultKind.EXPIRED_TOKEN, skip=1))
        before = len(play.on.guards.grants)

        assert play.plan("patrols").changes == ()
        assert len(play.on.guards.grants) == before + 1

    def test_a_secret_that_no_longer_works_stops_it_all(self, play: Play) -> None:
        """Nothing is tried again with credentials that were refused."""
        made = play.plan("visits")
        play.on.office.token = "another"

        with pytest.raises(NotAuthorised):
            play.apply("visits", made)
        assert play.on.at_office() == {}
        play.on.office.token = "sandbox-token"
        assert play.go_on("visits").code == 0
        assert play.has_once("visits")


class TestReading:
    @pytest.mark.parametrize(
        ("account", "fault"),
        [
            ("guards", Fault(kind=FaultKind.CUT_PAGE, path="schedules", times=-1)),
            ("guards", Fault(kind=FaultKind.HTML, path="schedules", times=-1)),
            ("guards", Fault(kind=FaultKind.CUT_BODY, path="schedules", times=-1)),
            ("fleet", Fault(kind=FaultKind.CUT_PAGE, path="schedule/list", times=-1)),
            ("fleet", Fault(kind=FaultKind.HTML, path="schedule/list", times=-1)),
        ],
    )  # fmt: skip
    def test_half_an_answer_retires_and_doubles_nothing(
        self, play: Play, account: str, fault: Fault
    ) -> None:
        """A listing that lost rows, said or unsaid, is no news of any record."""
        play.apply("patrols")
        before = play.on.at_fleet()
        play.fault(account, fault)
        with contextlib.suppress(RotaError):
            play.apply("patrols")
        assert play.on.at_fleet() == before
        play.on.servers[account].sandbox.faults.clear()
        assert play.plan("patrols").changes == ()

    def test_a_lost_second_page_is_no_news(self, tmp_path: Path) -> None:
        """A listing whose last page came back empty is not whole, and is said so."""
        with stage(tmp_path, page_size=1) as on, on.session() as session:
            patrols(on.guards, MANY)
            play = Play(on=on, session=session)
            play.apply("patrols")
            lost = Fault(
                kind=FaultKind.CUT_PAGE, path="site-task-schedules", skip=1, times=-1
            )
            play.fault("guards", lost)
            made = play.plan("patrols")

            assert made.changes == ()
            assert not made.source.complete
            assert any("not complete" in note.text for note in made.notes)

    def test_an_empty_list_is_refused(self, play: Play) -> None:
        """A source that held records and shows none stops the plan."""
        play.apply("patrols")
        table = play.on.guards.tables["site-task-schedules"]
        kept = dict(table)
        table.clear()
        play.on.guards.revision += 1
        made = play.plan("patrols")

        assert made.changes == ()
        with pytest.raises(SideEmptied, match="held 12"):
            play.apply("patrols", made)
        table.update(kept)
        play.on.guards.revision += 1
        assert play.plan("patrols").changes == ()

    def test_a_fleet_that_shows_half_keeps_the_other_half(self, play: Play) -> None:
        """What a list of the fleet leaves out is read by id before it is believed."""
        play.apply("patrols")
        play.fault(
            "fleet", Fault(kind=FaultKind.CUT_PAGE, path="schedule/list", times=-1)
        )
        made = play.plan("patrols")

        assert made.changes == ()
        assert not any("removed" in note.text for note in made.notes)
        assert sum(play.on.at_fleet().values()) == MANY


class TestMisreading:
    def test_a_weekly_record_that_fires_every_second_week_is_refused(
        self, tmp_path: Path
    ) -> None:
        """What the source's own calendar contradicts is shown, and never written."""
        with stage(tmp_path) as on, on.session() as session:
            play = Play(on=on, session=session)
            [odd] = patrols(on.guards, 1)
            on.guards.add_schedule(
                SITE, 1, days=WEEKDAYS[:1], position=301, begin=on.clock.now().date(),
                description="As it says",
            )  # fmt: skip
            on.guards.misread[odd] = 2
            on.guards.revision += 1
            made = play.plan("patrols")
            [refusal] = made.refusals

            assert refusal.source.id == str(odd)
            assert "differs from our reading" in refusal.why[0]
            assert refusal.why[1].startswith("our reading: 2027-01-11, 2027-01-25,")
            assert refusal.why[2] == "the source's own: nothing more"
            play.apply("patrols", made)
            assert on.at_fleet() == {"As it says": 1}
            half = Fault(kind=FaultKind.CUT_PAGE, path="occurrences", times=-1)
            play.fault("guards", half)
            with pytest.raises(VendorError, match="calendar could not be read whole"):
                play.plan("patrols")
            on.guards.faults.clear()
            assert verify(
                session.pair("patrols"), session.ledger, clock=on.clock
            ).agrees
