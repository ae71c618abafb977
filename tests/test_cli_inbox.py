"""The inbox on the command line: what waits, the answers, and what is due."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import rich_click as click

from rota import plugins
from rota.cli.demo import Stage
from rota.errors import UsageError


@pytest.fixture(name="stage")
def _stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(plugins.load(), tmp_path / "out") as stage:
        stage.run("crosswalk", "patrols", "--write", "--accept", "0.9")
        assert stage.run("apply", "--pair", "patrols") == 0
        yield stage


def _entry(stage: Stage, label: str) -> dict[str, object]:
    world = stage.boxes["fleet"].world
    found: dict[str, object] = next(
        entry for entry in world.entries.values() if entry["label"] == label
    )
    return found


def _dispute(stage: Stage) -> None:
    _entry(stage, "Harbour Mill opening")["label"] = "Opening by car"
    table = stage.boxes["guards"].tables["site-task-schedules"]
    table[1005]["description"] = "Harbour Mill early opening"


def test_a_disputed_field_is_shown_and_answered(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """A conflict leaves with 4, names both values, and is gone once answered."""
    _dispute(stage)
    capsys.readouterr()
    assert stage.run("conflicts", "patrols") == 4
    told = capsys.readouterr().out
    assert "Opening by car" in told
    assert "rota resolve patrols schedule:1005 --take source|target" in told
    assert stage.run("resolve", "patrols", "1005", "--take", "source") == 0
    assert stage.run("conflicts", "patrols") == 0
    assert _entry(stage, "Harbour Mill early opening")


def test_the_targets_value_can_be_kept(stage: Stage) -> None:
    """Choosing the target's side writes nothing there."""
    _dispute(stage)
    assert stage.run("resolve", "patrols", "1005", "--take", "target") == 0
    assert _entry(stage, "Opening by car")
    assert stage.run("plan", "patrols", "--check") == 0


def test_all_is_answered_at_once(stage: Stage) -> None:
    """One answer settles everything that is in dispute."""
    _dispute(stage)
    assert stage.run("resolve", "patrols", "--all", "--take", "source") == 0
    assert _entry(stage, "Harbour Mill early opening")
    assert stage.run("conflicts", "patrols") == 0


def test_a_terminal_is_asked_field_by_field(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the pair alone, each field is shown with both readings, and asked about."""
    _dispute(stage)
    monkeypatch.setattr("sys.stdin", _Typed("later\n"))
    assert stage.run("resolve", "patrols") == 4
    capsys.readouterr()
    monkeypatch.setattr("sys.stdin", _Typed("target\n"))
    assert stage.run("resolve", "patrols") == 0
    told = capsys.readouterr().out
    assert "guards: Harbour Mill early opening" in told
    assert "fleet: Opening by car" in told
    assert _entry(stage, "Opening by car")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(click.UsageError, match="only a terminal"):
        stage.run("resolve", "patrols")


def test_the_inbox_says_since_when(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cycle puts a dispute into the ledger, and it keeps its age until it is over."""
    _dispute(stage)
    assert stage.run("mirror", "patrols", "--once") == 4
    begun = stage.clock.now()
    stage.clock.set(begun + dt.timedelta(hours=3))
    capsys.readouterr()
    assert stage.run("conflicts", "patrols", "--json") == 4
    [told] = json.loads(capsys.readouterr().out)["conflicts"]
    assert told["since"] == begun.isoformat()
    _entry(stage, "Opening by car")["label"] = "Harbour Mill opening"
    capsys.readouterr()
    assert stage.run("conflicts", "patrols") == 0
    assert "no longer disputed" in capsys.readouterr().out
    assert stage.run("mirror", "patrols", "--once") == 0
    capsys.readouterr()
    assert stage.run("conflicts", "patrols") == 0
    assert capsys.readouterr().out == "Nothing waits.\n"


class _Typed(io.StringIO):
    """What a person types at a terminal."""

    def isatty(self) -> bool:
        return True


def test_an_answer_to_nothing_says_so(stage: Stage) -> None:
    """An answer that fits no question is refused with where to look."""
    with pytest.raises(UsageError, match="nothing about schedule:1005"):
        stage.run("resolve", "patrols", "1005", "--take", "source")
    with pytest.raises(click.UsageError):
        stage.run("resolve", "patrols", "--rebaseline", "--open", "1:1", "--not-there")
    with pytest.raises(UsageError, match="no open write"):
        stage.run("resolve", "patrols", "--open", "1:1", "--not-there")


def test_changed_rights_stop_the_pair_until_a_person_accepts_them(stage: Stage) -> None:
    """Fewer visible cars stop every write; the new view counts after --rebaseline."""
    del stage.boxes["fleet"].world.trackers[3001]
    assert stage.run("plan", "patrols") == 7
    assert stage.run("resolve", "patrols", "--rebaseline") == 0
    assert stage.run("plan", "patrols", "--check") == 0


def test_due_makes_what_was_announced_and_nothing_else(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """On its day a piece is made by rota due, while other news waits for a plan."""
    stage.clock.set(dt.datetime(2027, 1, 19, 18, tzinfo=dt.UTC))
    stage.boxes["guards"].tables["site-task-schedules"][1001]["description"] = "Renamed"
    capsys.readouterr()
    assert stage.run("due", "patrols", "--json") == 0
    told = json.loads(capsys.readouterr().out)["patrols"]
    assert [each["title"] for each in told["results"]] == ["Pier inspection"]
    assert _entry(stage, "Pier inspection")
    assert _entry(stage, "Harbour Mill weekday patrol")


def test_a_piece_that_is_overdue_is_an_alarm(stage: Stage) -> None:
    """A due piece that nobody made leaves with 7, and is made all the same."""
    stage.clock.set(dt.datetime(2027, 1, 22, 18, tzinfo=dt.UTC))
    assert stage.run("due", "patrols") == 7
    assert _entry(stage, "Pier inspection")
    assert stage.run("due", "patrols") == 0


def test_mirror_once_is_a_cycle_for_cron(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """One cycle carries an edit over, and the next one is quiet."""
    stage.boxes["guards"].tables["site-task-schedules"][1001]["description"] = "Renamed"
    assert stage.run("mirror", "patrols", "--once") == 0
    assert _entry(stage, "Renamed")
    capsys.readouterr()
    assert stage.run("mirror", "patrols", "--once", "--json") == 0
    assert json.loads(capsys.readouterr().out)["health"] == "nothing to do"
