"""``rota infer`` between sandboxes: from looking to undoing, as a person types it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from desk import Ran, run
from stages import Stage, stage

import rota_navixy
from rota.clock import StillClock
from rota.model import Once, Place, Point, Schedule, Task, Window, Zone, ZoneOrigin
from rota.recurrence import weekly
from rota.sandbox import serve
from rota_navixy.sandbox import API_KEY, NavixySandbox


ROUNDS = """
[pairs.rounds]
source = "office"
target = "fleet"
fidelity = "{fidelity}"
unmapped_assignee = "unassigned"
defaults = {{ radius_m = 150, window = "08:00-17:00" }}
"""
WEEKDAYS = weekly([1, 2, 3, 4, 5]).days(dt.date(2026, 9, 1), dt.date(2027, 2, 26))
HOLIDAYS = (dt.date(2026, 11, 26), dt.date(2026, 12, 25))
METERS = (dt.date(2027, 1, 28), dt.date(2027, 2, 25), dt.date(2027, 3, 25))


@attrs.frozen(kw_only=True)
class Desk:
    """A stage, and a person at it."""

    on: Stage

    def rota(self, *words: str) -> Ran:
        """Type a command; what it prints fits 80 columns."""
        where = str(self.on.folder)
        ran = run(self.on.clock, "--config", f"{where}/rota.toml", *words)
        lines = (ran.out + ran.err).splitlines()
        assert "--json" in words or all(len(x) <= 80 or where in x for x in lines)
        return ran

    def configure(self, fidelity: str) -> None:
        """Write the pair that infer takes its terms from."""
        path = self.on.folder / "rota.toml"
        text = path.read_text().partition("\n[pairs.rounds]")[0]
        path.write_text(text + ROUNDS.format(fidelity=fidelity))

    @property
    def plan(self) -> str:
        return str(self.on.folder / "plan.json")

    def entries(self) -> list[str]:
        """Return the titles of the entries that recur."""
        return sorted(e["label"] for e in self.on.fleet.world.entries.values())


@pytest.fixture(name="desk")
def _desk(tmp_path: Path) -> Iterator[Desk]:
    with stage(tmp_path) as on:
        desk = Desk(on=on)
        desk.configure("exact")
        (tmp_path / "rounds.csv").write_text(
            "source,source_name,target,target_name\n"
            "case:1,Harbour Mill,site:41,Harbour Mill\n"
        )
        for day in WEEKDAYS:
            if day not in HOLIDAYS:
                on.office.add_task("Walk the fence", day, case=1)
        for day in METERS:
            on.office.add_task("Read the meters", day, case=1)
        on.office.add_task("Order torches", dt.date(2027, 1, 15), case=1)
        yield desk


def test_from_looking_to_undoing(desk: Desk) -> None:
    """Look, plan, apply, hand over, look again, verify, explain, undo."""
    looked = desk.rota("infer", "office", "fleet")
    assert looked.code == 0
    assert "every Monday to Friday 127 of 129" in looked.told
    assert "missing: 2026-11-26, 2026-12-25" in looked.told
    assert "Order torches (1 day)" in looked.told
    assert "Nothing is planned: --from DAY" in looked.told
    assert desk.entries() == []

    words = ("infer", "office", "fleet", "--from", "2027-01-05")
    planned = desk.rota(*words, "-o", desk.plan, "--check")
    assert planned.code == 3
    assert "the rule inferred from the days of 2026-09-01 to 2027-02-26" in planned.told
    assert (
        "HAND OVER 39 open tasks: to be closed by a person at office once"
        in planned.told
    )
    assert f"rota apply {desk.plan}" in planned.told
    before = dict(desk.on.office.tasks)
    applied = desk.rota("apply", desk.plan)
    assert applied.code == 7
    assert "1 done" in applied.told
    first = next(t for t in before.values() if t.due_on == dt.date(2027, 1, 5))
    assert f"{first.id} on 2027-01-05" in applied.told
    assert desk.entries() == ["Walk the fence"]
    assert desk.on.office.tasks == before
    again = desk.rota("apply", desk.plan, "--json")
    assert again.data["counts"] == {"already done": 1}
    assert len(again.data["hand_over"]) == 39

    assert desk.rota(*words, "--check").code == 0
    ordinary = desk.rota("plan", "rounds", "--json").data
    assert {change["title"] for change in ordinary["changes"]} == {
        "Order torches",
        "Read the meters",
    }
    verified = desk.rota("verify", "infer:rounds")
    assert verified.code == 0
    assert "seen in the target's own calendar" in verified.told
    entry = next(iter(desk.on.fleet.world.entries))
    told = desk.rota("explain", f"fleet/schedule:entry-{entry}")
    assert "pair infer:rounds: office -> fleet" in told.told
    assert "infer:rounds" in desk.rota("runs").told

    undone = desk.rota("undo", "1", "-o", desk.plan)
    assert "RETIRE 1" in undone.told
    assert desk.rota("apply", desk.plan).code == 0
    assert desk.entries() == []
    assert desk.rota(*words, "--check").code == 3


def test_several_rules_wait_for_a_choice(desk: Desk) -> None:
    """All that fit are listed; a number takes one, and nothing else is guessed."""
    desk.configure("expand")
    words = ("infer", "office", "fleet", "--from", "2027-01-05")
    asked = desk.rota(*words)
    assert "1 the fourth Thursday of every month" in asked.told
    assert "2 the last Thursday of every month" in asked.told
    data = desk.rota(*words, "--json").data
    [group] = [g for g in data["groups"] if len(g["readings"]) == 2]
    assert f"--choose {group['group']}=1" in asked.told
    assert (group["chosen"], group["why"]) == (
        None,
        "several rules fit equally; choose one with --choose",
    )
    titles = {change["title"] for change in data["plan"]["changes"]}
    assert titles == {"Walk the fence"}
    chosen = desk.rota(*words, "--choose", f"{group['group']}=2", "-o", desk.plan)
    assert "the last Thursday of every month" in chosen.told
    assert desk.rota("apply", desk.plan, "--json").data["counts"]["done"]
    assert desk.rota(*words, "--check").code == 0


def test_a_later_day_waits_for_rota_due(desk: Desk) -> None:
    """Navixy has no first day: the entry is made on the eve, then tasks are closed."""
    words = ("infer", "office", "fleet", "--from", "2027-02-01")
    assert 'fidelity = "attended" would tell it' in desk.rota(*words).told
    desk.configure("attended")
    planned = desk.rota(*words, "-o", desk.plan)
    assert "rota due has to run on 2027-02-01" in planned.told
    applied = desk.rota("apply", desk.plan)
    assert applied.code == 0
    assert "20 open tasks to be handed over once" in applied.told
    assert "1 pieces wait in infer:rounds" in desk.rota("due", "--list").told
    assert isinstance(desk.on.clock, StillClock)
    desk.on.clock.set(dt.datetime(2027, 1, 31, 15, tzinfo=dt.UTC))
    assert desk.rota("due").code == 0
    assert desk.entries() == ["Walk the fence"]
    assert "HAND OVER 20 open tasks" in desk.rota(*words).told


def test_what_is_asked_for_must_make_sense(desk: Desk) -> None:
    """Each refusal leaves with 2 and says what to type instead."""
    for words, told in (
        (("office", "office"), "two accounts"),
        (("guards", "office"), "no recurring schedules"),
        (("fleet", "guards"), "no pair goes from fleet to guards"),
        (("office", "nowhere"), "no account 'nowhere'"),
        (("office", "fleet", "--pair", "visits"), "goes from guards to office"),
        (("office", "fleet", "-o", "x.json"), "--from DAY"),
        (("office", "fleet", "--from", "2027-01-04"), "--from 2027-01-05"),
        (("office", "fleet", "--choose", "one"), "GROUP=N"),
        (("office", "fleet", "--choose", "zz=1"), "no group begins with"),
        (("office", "fleet", "--window", "8-17"), "08:00-17:00"),
        (("office", "fleet", "--since", "2027-01-04", "--until", "2027-01-01"),
         "before --since"),
    ):  # fmt: skip
        ran = desk.rota("infer", *words)
        assert ran.code == 2, words
        assert told in ran.told, words
    assert "of pair 'rounds': name that one" in desk.rota(
        "crosswalk", "infer:rounds"
    ).told  # fmt: skip
    path = desk.on.folder / "rota.toml"
    path.write_text(
        path.read_text() + '[pairs.twice]\nsource = "office"\ntarget = "fleet"\n'
    )
    ran = desk.rota("infer", "office", "fleet")
    assert (ran.code, "--pair rounds" in ran.told) == (2, True)
    assert desk.rota("infer", "office", "fleet", "--pair", "rounds").code == 0


def test_one_off_tasks_of_a_fleet_become_entries_of_another(desk: Desk) -> None:
    """Hours, place and car come from the tasks; what the daily run made is no task."""
    clock = desk.on.clock
    assert isinstance(clock, StillClock)
    monday = clock.now()
    clock.set(dt.datetime(2026, 11, 2, 15, tzinfo=dt.UTC))
    old = NavixySandbox(clock=clock, sample=False, zone="America/Chicago")
    car = old.world.add_tracker("Old car", id=7)
    window = Window(start=dt.time(6), end=dt.time(7, 30))
    zone = Zone(name="America/Chicago", origin=ZoneOrigin.ACCOUNT)
    point = Point(lat=41.8827, lng=-87.6233, radius_m=150)
    with serve(old) as server:
        url = f"{server.base_url}/v2"
        with rota_navixy.connect(api_key=API_KEY, base_url=url, clock=clock) as there:
            for day in weekly([2, 4]).days(dt.date(2026, 11, 3), dt.date(2027, 2, 25)):
                task = Task(title="Open the yard", place=Place(point=point))
                there.create(
                    Schedule(task=task, timing=Once(day=day, window=window), zone=zone),
                    None,
                )
        clock.set(monday)
        path = desk.on.folder / "rota.toml"
        path.write_text(
            path.read_text()
            + f'[accounts.old]\nvendor = "navixy"\nbase_url = "{url}"\n'
            'api_key = "file:fleet"\n'
            '[pairs.yards]\nsource = "old"\ntarget = "fleet"\n'
        )
        planned = desk.rota(
            "infer", "old", "fleet", "--from", "2027-01-05", "-o", desk.plan
        )
        assert "every Tuesday and Thursday 06:00-07:30" in planned.told
        assert desk.rota("apply", desk.plan).code == 7
        [entry] = desk.on.fleet.world.entries.values()

    assert car == 7
    assert entry["label"] == "Open the yard"
    assert entry["parameters"]["weekdays"] == [2, 4]
    plan = json.loads(Path(desk.plan).read_text())
    assert [each["day"] for each in plan["hand_over"]][:2] == [
        "2027-01-05",
        "2027-01-07",
    ]
