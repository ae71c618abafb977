"""The demo, and the commands that tell, on its stage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from rota import plugins
from rota.cli import root
from rota.cli.demo import Stage


@pytest.fixture(name="stage")
def _stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(plugins.load(), tmp_path / "out") as stage:
        yield stage


def test_the_demo_tells_its_story_to_the_end(tmp_path: Path) -> None:
    """Everything that the demo runs ends as it should, and nothing is left to do."""
    out = tmp_path / "out"
    result = CliRunner().invoke(
        root, ["demo", "--folder", str(out), "--json"], standalone_mode=False
    )

    assert result.exception is None
    steps = json.loads(result.output)["steps"]
    assert [step["code"] for step in steps if "verify" in step["command"]] == [0] * 4
    checks = [step["code"] for step in steps if "--check" in step["command"]]
    assert set(checks) == {0}
    assert 7 in {step["code"] for step in steps if "cases-2" in step["command"]}
    assert (out / "patrols-1.md").read_text().startswith("# Plan ")


def test_the_demo_spares_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    """A folder with somebody's files is refused and left as it was."""
    (tmp_path / "thesis.txt").write_text("years of work")
    result = CliRunner().invoke(
        root, ["demo", "--folder", str(tmp_path)], standalone_mode=False
    )

    assert "not of a demo" in str(result.exception)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_run_is_explained_and_taken_back(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """A record's story names its runs, and undo leaves the target empty again."""
    plan, back = str(stage.where / "plan.json"), str(stage.where / "back.json")
    stage.run("crosswalk", "patrols", "--write", "--accept", "0.9")
    assert stage.run("plan", "patrols", "-o", plan) == 0
    assert stage.run("apply", plan) == 0
    capsys.readouterr()
    assert stage.run("explain", "guards/1001") == 0
    story = capsys.readouterr().out
    assert "as it was when both sides last agreed" in story
    assert "create because not at the target yet: done" in story
    assert stage.run("undo", "1", "-o", back) == 5
    told = capsys.readouterr().out
    accept = told.split("--accept ")[1].split()[0]
    assert stage.run("apply", back, "--accept", accept) == 0
    assert stage.run("verify", "patrols") == 3
    assert stage.boxes["fleet"].state()["entries"] == []
    assert stage.run("undo", "1") == 0


def test_the_ledger_is_checked_backed_up_and_exported(
    stage: Stage, tmp_path: Path
) -> None:
    """A backup is a sound ledger of its own, and the export is JSON by the line."""
    stage.run("crosswalk", "cases", "--write", "--accept", "0.9")
    stage.run("apply", "--pair", "cases")
    copy, lines = tmp_path / "copy.db", tmp_path / "rows.jsonl"

    assert stage.run("ledger", "check") == 0
    assert stage.run("ledger", "backup", str(copy)) == 0
    assert stage.run("ledger", "export", str(lines)) == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    assert all(json.loads(line) for line in lines.read_text().splitlines())
