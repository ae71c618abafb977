"""Every command and every exit code, on two accounts in memory."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import desk
import pairs
import pytest
from desk import Desk
from pairs import patrol

from rota import cli
from rota.cli import printing
from rota.clock import StillClock
from rota.crosswalk import Row
from rota.errors import NotAuthorised, VendorUnavailable
from rota.model import Kind, Ref, ScheduleStatus
from rota.secrets import redactor
from rota.testing.memory import MONDAY
from rota.vendor import Entry


ROWS = pairs.CROSSWALK.rows


@pytest.fixture(name="site", scope="module")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    desk.install(site)
    return site


@pytest.fixture(name="at")
def _at(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.syspath_prepend(site)
    clock = StillClock(MONDAY)
    made = Desk(
        folder=tmp_path,
        clock=clock,
        source=pairs.guards(clock),
        target=pairs.fleet(clock),
    )
    desk.HELD.update(guards=made.source, fleet=made.target)
    made.configure()
    made.map(*ROWS)
    yield made
    desk.HELD.clear()


def applied(at: Desk, *titles: str) -> None:
    for title in titles or ("Harbour patrol",):
        at.source.put(patrol(title))
    assert at.rota("apply", "--pair", "patrols").code == 0


class TestHelp:
    def test_every_command_tells_its_arguments(self) -> None:
        """`--help` of each command works without a configuration, in 80 columns."""
        for name in cli.COMMANDS:
            ran = desk.run(StillClock(MONDAY), name, "--help")

            assert ran.code == 0
            assert "--help" in ran.out
            assert max(map(len, ran.out.splitlines())) <= 80

    def test_help_loads_no_engine(self) -> None:
        """What `rota --help` imports is small, so that it answers at once."""
        heavy = "httpx cattrs sqlite3 starlette structlog pytest rota.planning"
        code = (
            "import sys; from rota import cli; cli.run(['--help']); "
            f"print(*sorted(set({heavy.split()!r}) & set(sys.modules)), file=sys.stderr)"
        )

        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            capture_output=True,
            text=True,
            check=True,
        )

        assert done.stderr.strip() == ""

    def test_every_command_prints_json(self) -> None:
        """Each command, and each of a group's, has `--json`."""
        for name in cli.COMMANDS:
            found = cli.root.get_command(cli.click.Context(cli.root), name)
            assert found is not None
            for each in getattr(found, "commands", {"": found}).values():
                assert any("--json" in p.opts for p in each.params), name


class TestCodes:
    def test_done_is_0(self, at: Desk) -> None:
        """A plan that is reviewed, applied and verified leaves nothing to do."""
        at.source.put(patrol())
        file = str(at.folder / "plan.json")

        planned = at.rota("plan", "patrols", "-o", file)
        done = at.rota("apply", file)
        again = at.rota("plan", "patrols", "--check")
        proved = at.rota("verify", "patrols")

        assert (planned.code, done.code, again.code, proved.code) == (0, 0, 0, 0)
        assert "every Monday to Friday 22:00-02:00" in planned.out
        assert "Nothing is written yet" in planned.out
        assert "1 done" in done.out
        assert "Nothing to do." in again.out
        assert "Both sides agree." in proved.out
        assert len(at.target.held) == 1

    def test_a_failure_that_may_pass_is_1(self, at: Desk) -> None:
        """No answer is told with the account's name, and leaves with 1."""
        at.source.fail(
            lambda: VendorUnavailable("no answer", account="guards"), on="schedules"
        )

        ran = at.rota("plan", "patrols")

        assert ran.code == 1
        assert "rota: guards: no answer" in ran.err

    def test_a_refused_change_is_1_and_the_rest_is_done(self, at: Desk) -> None:
        """What the vendor refuses is shown with its reason and the way out."""
        at.source.put(patrol("First"))
        at.source.put(patrol("Second"))
        at.target.refuse("the title is taken")

        ran = at.rota("apply", "--pair", "patrols", "--workers", "1")

        assert ran.code == 1
        assert "refused: create First: fleet: the title is taken" in ran.out
        assert "WHAT NEXT" in ran.out
        assert len(at.target.held) == 1

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["nothing"], "No such command"),
            (["plan"], "Missing argument"),
            (["plan", "nobody"], "has no pair 'nobody'"),
            (["show", "nobody"], "has no account 'nobody'"),
            (["check", "nobody"], "has no account 'nobody'"),
            (["show", "guards", "ghosts"], "'ghosts' is not one of"),
            (["show", "guards", "--from", "2027-02-01", "--to", "2027-01-01"], "before"),
            (["apply"], "either a PLANFILE or --pair"),
            (["apply", "nowhere.json"], "nowhere.json can't be read"),
            (["crosswalk", "patrols", "--accept", "1"], "--accept goes with --write"),
            (["sandbox", "desk"], "brings no sandbox"),
            (["sandbox", "nobody"], "no plugin introduces a vendor"),
            (["sandbox", "trackops", "--clock", "noon"], "is not like 2027-01-04T15:00"),
            (["sandbox", "trackops", "--faults", "none.toml"], "none.toml"),
            (["record", "desk", "--tests", "none.py"], "there is no file none.py"),
            (["record", "trackops", "--account", "guards"], "is of vendor 'desk'"),
            (["init", "."], "is there already"),
        ],
    )  # fmt: skip
    def test_usage_is_2(
        self,
        at: Desk,
        words: list[str],
        told: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A mistake of the caller names itself and what to do, as text and as JSON."""
        monkeypatch.chdir(at.folder)

        ran = at.rota(*words)
        assert ran.code == 2
        assert told in ran.told
        if words[1:]:
            data = at.rota(*words, "--json").data
            assert data["code"] == 2
            assert told in data["error"]
            assert data["hint"]

    def test_configuration_is_2(self, at: Desk) -> None:
        """Every mistake in rota.toml is told at once, with its path."""
        at.configure('fidelity = "perfect"', "horizon = 3")

        ran = at.rota("plan", "patrols")

        assert ran.code == 2
        assert "pairs.patrols.fidelity" in ran.err
        assert "'horizon'; did you mean 'horizon_days'?" in ran.told
        assert "docs/configuration.md" in ran.err

    def test_a_wrong_secret_is_2(self, at: Desk) -> None:
        """Credentials that are not taken stop a run before it writes."""
        at.source.put(patrol())
        at.target.fail(
            lambda: NotAuthorised("the key is not taken", hint="make another one"),
            on="create",
        )

        ran = at.rota("apply", "--pair", "patrols")

        assert ran.code == 2
        assert "the key is not taken" in ran.err
        assert "make another one" in ran.err
        assert at.rota("runs").code == 0

    def test_changes_found_are_3(self, at: Desk) -> None:
        """`plan --check` and `verify` leave with 3 where something differs."""
        applied(at)
        at.source.put(patrol("Another"))

        assert at.rota("plan", "patrols").code == 0
        assert at.rota("plan", "patrols", "--check").code == 3
        assert at.rota("verify", "patrols").code == 3

    def test_conflicts_are_4(self, at: Desk) -> None:
        """A field that both sides edited waits, and says so by the code."""
        applied(at)
        [here], [there] = at.source.held, at.target.held
        assert here.ref is not None
        assert there.ref is not None
        at.source.edit(here.ref, title="Ours")
        at.target.edit(there.ref, title="Theirs")

        ran = at.rota("plan", "patrols", "--check")

        assert ran.code == 4
        assert "CONFLICTS 1" in ran.out

    def test_unsafe_is_5_until_it_is_accepted(self, at: Desk) -> None:
        """A cap stops plan and apply, and the words that accept it are printed."""
        at.configure("caps = { create = { count = 1 } }")
        at.source.put(patrol("First"))
        at.source.put(patrol("Second"))
        file = str(at.folder / "plan.json")

        planned = at.rota("plan", "patrols", "-o", file)
        refused = at.rota("apply", file)
        [word] = [w for w in planned.out.split() if w.startswith("create:2@")]
        done = at.rota("apply", file, "--accept", word)

        assert (planned.code, refused.code, done.code) == (5, 5, 0)
        assert "over the cap of 1" in refused.err
        assert f"--accept {word}" in refused.err
        assert len(at.target.held) == 2

    def test_a_stale_plan_is_5(self, at: Desk) -> None:
        """A plan of another configuration is refused, one of another day skipped."""
        at.source.put(patrol())
        file = str(at.folder / "plan.json")
        at.rota("plan", "patrols", "-o", file)
        at.configure('texts = "cut"')
        other = at.rota("apply", file)
        at.configure()
        at.clock.advance(dt.timedelta(days=1))
        late = at.rota("apply", file)

        assert (other.code, late.code) == (5, 5)
        assert "make it anew: rota plan patrols" in other.err
        assert "make the plan anew" in late.out
        assert at.target.held == ()

    def test_a_person_is_7(self, at: Desk) -> None:
        """A write of which nobody knows is shown, also by `runs`, and never repeated."""
        at.configure('mark = "none"')
        at.source.put(patrol())
        at.target.lose_answer(times=-1)
        at.target.fail(
            lambda: VendorUnavailable("no answer"), on="schedules", skip=2, times=-1
        )

        ran = at.rota("apply", "--pair", "patrols")
        at.target.calm()

        assert ran.code == 7
        assert "1 unknown" in ran.out
        shown = at.rota("runs")
        assert shown.code == 7
        assert "OPEN 1: may or may not have been written" in shown.out
        assert at.rota("runs", "1", "--json").code == 7

    def test_lost_rights_are_7(self, at: Desk) -> None:
        """Another user on a side needs a person before anything is believed."""
        applied(at)
        at.source.user = "somebody else"

        ran = at.rota("plan", "patrols")

        assert ran.code == 7
        assert "--accept rebaseline@" in ran.out

    def test_the_worst_of_several_counts(self) -> None:
        """When several codes apply, the first of 2, 7, 5, 4, 1, 3 is left with."""
        assert printing.first_code([3, 1, 4, 5, 7, 2, 0]) == 2
        assert printing.first_code([3, 1, 4, 5, 7, 0]) == 7
        assert printing.first_code([3, 1, 4, 5]) == 5
        assert printing.first_code([1, 3, 4]) == 4
        assert printing.first_code([3, 1]) == 1
        assert printing.first_code([0]) == 0


class TestPlanFiles:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("", "is not a plan"),
            ("[]", "is not a plan of format"),
            ('{"format": 99}', "is not a plan of format"),
            ('{"format": 1, "changes": 7}', "plan.json"),
        ],
    )
    def test_what_is_no_plan_is_told(self, at: Desk, text: str, told: str) -> None:
        """A file that isn't a plan is refused with how to make one."""
        path = at.folder / "plan.json"
        path.write_text(text)

        ran = at.rota("apply", str(path))

        assert ran.code == 2
        assert told in ran.told
        assert "rota plan PAIR -o FILE" in ran.err

    def test_a_plan_changed_by_hand_is_refused(self, at: Desk) -> None:
        """The digest covers what would be written."""
        at.source.put(patrol())
        path = at.folder / "plan.json"
        at.rota("plan", "patrols", "-o", str(path))
        path.write_text(path.read_text().replace("Walk the fence", "Leave the gate"))

        ran = at.rota("apply", str(path))

        assert ran.code == 2
        assert "was changed after it was made" in ran.err
        assert at.target.held == ()

    def test_a_plan_is_written_whole_or_not_at_all(self, at: Desk) -> None:
        """Where a plan can't be kept, nothing half-written is left behind."""
        at.source.put(patrol())

        ran = at.rota("plan", "patrols", "-o", str(at.folder / "no" / "plan.json"))

        assert ran.code == 2
        assert "can't be written" in ran.err
        assert not list(at.folder.glob("**/.*json*"))

    def test_the_review_holds_everything(self, at: Desk) -> None:
        """`--markdown` writes the whole plan for a reviewer, cut nowhere."""
        for number in range(15):
            at.source.put(patrol(f"Patrol {number}"))
        path = at.folder / "plan.md"

        ran = at.rota("plan", "patrols", "--markdown", str(path))

        assert "(--full shows them)" in ran.out
        assert all(f"Patrol {number}" in path.read_text() for number in range(15))


class TestCheck:
    def test_accounts_and_pairs_are_tested(self, at: Desk) -> None:
        """It tells user, zones and marks, and that a mark comes back when asked for."""
        applied(at)

        ran = at.rota("check")

        assert ran.code == 0
        assert "Account guards" in ran.out
        assert "Pair patrols" in ran.out
        assert "1 seen, found again by it" in ran.told
        assert "references: 2 in use, 2 with a target" in ran.out

    def test_a_pair_stands_for_its_accounts(self, at: Desk) -> None:
        """Naming a pair tests both its accounts; naming an account only that one."""
        data = at.rota("check", "patrols", "--json").data
        assert [told["account"] for told in data["accounts"]] == ["guards", "fleet"]
        data = at.rota("check", "fleet", "--json").data
        assert [told["account"] for told in data["accounts"]] == ["fleet"]
        assert data["pairs"] == []

    def test_it_warns_of_what_a_plan_would_stumble_over(self, at: Desk) -> None:
        """Unmapped, blocked, lost, shared and phones are named before planning."""
        at.source.put(patrol())
        device = Ref(account="fleet", kind=Kind.DEVICE, id="8")
        phone = Entry(ref=device, name="Ana's", usable=False, caution="is a phone")
        at.target.add_entry(phone)
        at.map(
            Row(source="post:5", target="device:8"),
            Row(source="site:1", target="site:77"),
            Row(source="site:2", target="site:77"),
            Row(source="post:6", target="device:404"),
        )

        told = at.rota("check", "patrols").told

        assert "device:8 (Ana's) is mapped and blocked" in told
        assert "device:8 (Ana's) is a phone" in told
        assert "post:6: the target has no device:404" in told
        assert "site:77 stands for several sites: site:1, site:2" in told
        at.map()
        told = at.rota("check", "patrols").told
        assert "2 of 2 references in use have no target: post:5, site:1" in told

    def test_one_bad_account_hides_no_other(self, at: Desk) -> None:
        """The code is the worst, and the good account is told all the same."""
        at.source.fail(lambda: NotAuthorised("no", hint="ask"), on="schedules")

        ran = at.rota("check")

        assert ran.code == 2
        assert "trouble: no" in ran.out
        assert "do: ask" in ran.out
        assert "Account fleet" in ran.out


class TestShow:
    def test_schedules_are_told_in_words(self, at: Desk) -> None:
        """Each schedule has its id, its title, its days and its zone."""
        at.source.put(patrol())
        at.source.put(patrol("Old", zone="America/Phoenix"))
        at.source.edit(
            Ref(account="guards", kind=Kind.SCHEDULE, id=_id(at, "Old")),
            status=ScheduleStatus.INACTIVE,
        )

        ran = at.rota("show", "guards")

        assert ran.code == 0
        assert "every Monday to Friday 22:00-02:00, America/Chicago" in ran.out
        assert "(inactive)" in ran.out
        assert "2 schedules of guards" in ran.out

    def test_occurrences_directories_and_what_is_not_there(self, at: Desk) -> None:
        """Days, entries and an empty list are each told, as text and as JSON."""
        at.source.put(patrol())

        days = at.rota("show", "guards", "occurrences", "--to", "2027-01-05")
        assert "2027-01-05 04:00  Harbour patrol" in days.out
        assert "9   Car 9" in at.rota("show", "fleet", "devices").out
        assert "0 tags of fleet" in at.rota("show", "fleet", "tags").out
        data = at.rota("show", "fleet", "devices", "--json").data
        assert [item["name"] for item in data["items"]] == ["Car 9"]
        assert data["certificate"]["errors"] == []

    def test_what_is_not_complete_is_1(self, at: Desk) -> None:
        """A listing that is not whole says why, and is no success."""
        at.source.put(patrol())
        at.source.incomplete = "the second page was lost"

        ran = at.rota("show", "guards")

        assert ran.code == 1
        assert "not complete: the second page was lost" in ran.out

    def test_a_verb_that_is_missing_is_told(self, at: Desk) -> None:
        """An account without a directory says so instead of showing nothing."""
        desk.HELD["guards"] = type(at.source).without("directory")("guards")

        ran = at.rota("show", "guards", "people")

        assert ran.code == 2
        assert "guards shows no people" in ran.err


class TestCrosswalk:
    def test_it_suggests_and_accepts_nothing_by_itself(self, at: Desk) -> None:
        """What is alike is suggested; a row counts once its target is filled in."""
        (at.folder / "patrols.csv").unlink()
        at.source.put(patrol())
        at.source.add_entry(_entry("guards", Kind.SITE, "1", "Harbour"))
        at.source.add_entry(_entry("guards", Kind.POST, "5", "Gate"))

        ran = at.rota("crosswalk", "patrols")
        assert ran.code == 3
        assert "perhaps site:77 (Harbour): same name" in ran.out
        assert not (at.folder / "patrols.csv").exists()

        ran = at.rota("crosswalk", "patrols", "--write")
        assert ran.code == 3
        assert "site:1,Harbour,,\n" in (at.folder / "patrols.csv").read_text()

        ran = at.rota("crosswalk", "patrols", "--write", "--accept", "0.9")
        assert ran.code == 3
        assert "1 without a target, 1 filled in" in ran.out
        table = (at.folder / "patrols.csv").read_text()
        assert "site:1,Harbour,site:77,Harbour\n" in table
        assert "post:5,Gate,,\n" in table

    def test_what_a_person_filled_in_stays(self, at: Desk) -> None:
        """`--write` adds rows and changes none that has a target."""
        at.source.put(patrol())
        at.map(Row(source="site:1", target="site:77"), Row(source="post:5"))

        at.rota("crosswalk", "patrols", "--write", "--accept", "0")

        table = (at.folder / "patrols.csv").read_text()
        assert "site:1,,site:77,\n" in table

    def test_lost_targets_and_shared_points_are_flagged(self, at: Desk) -> None:
        """A target that is not there is 3; one point for two sites is told."""
        at.map(
            *ROWS,
            Row(source="site:2", source_name="Mill", target="site:77"),
            Row(source="post:6", target="device:404"),
        )

        ran = at.rota("crosswalk", "patrols")

        assert ran.code == 3
        assert "the target has no device:404" in ran.out
        assert "site:77 stands for several sites: site:1, site:2" in ran.out

    def test_an_unmapped_site_is_refused_with_the_way_out(self, at: Desk) -> None:
        """A plan names the reference without a row and the command that mends it."""
        at.source.put(patrol())
        at.map(ROWS[1])

        ran = at.rota("plan", "patrols")

        assert ran.code == 0
        assert "REFUSED 1" in ran.out
        assert "site:1" in ran.out
        assert "has no row in the crosswalk; run rota crosswalk" in " ".join(
            ran.out.split()
        )

    def test_mistakes_in_the_table_are_2(self, at: Desk) -> None:
        """A broken table is told line by line."""
        (at.folder / "patrols.csv").write_text("a,b\n")

        ran = at.rota("plan", "patrols")

        assert ran.code == 2
        assert "the first line must be source,source_name,target,target_name" in ran.err


class TestRuns:
    def test_runs_are_listed_and_shown(self, at: Desk) -> None:
        """Each run has its plan and code; one of them is told change by change."""
        assert "No runs yet" in at.rota("runs").out
        applied(at)

        assert "patrols" in at.rota("runs").out
        one = at.rota("runs", "1")
        assert one.code == 0
        assert "create Harbour patrol -> schedule:" in one.out
        data = at.rota("runs", "--json").data
        assert [run["code"] for run in data["runs"]] == [0]
        assert data["open"] == []


class TestPrinting:
    def test_secrets_are_masked_wherever_they_stand(self, at: Desk) -> None:
        """A secret that a vendor echoes reaches neither text nor JSON nor errors."""
        redactor.add("hunter-twelve")
        at.source.put(patrol("say hunter-twelve"))
        at.target.fail(lambda: VendorUnavailable("hunter-twelve?"), on="schedules")

        for ran in (
            at.rota("show", "guards"),
            at.rota("show", "guards", "--json"),
            at.rota("plan", "patrols"),
        ):
            assert "hunter-twelve" not in ran.out + ran.err
            assert "***" in ran.out + ran.err

    def test_a_title_cannot_move_the_cursor(self, at: Desk) -> None:
        """Control characters of a vendor's texts never reach a terminal."""
        at.source.put(patrol("Fire \x1b[2J alarm\u202e"))

        ran = at.rota("show", "guards")

        assert "\x1b" not in ran.out
        assert "Fire \ufffd[2J alarm\ufffd" in ran.out

    def test_a_table_fits_80_columns(self) -> None:
        """Wide cells are cut, the widest first."""
        rows = [("1", "x" * 100, "y" * 60), ("22", "short", "z")]

        told = printing.table(rows, ("ID", "TITLE", "WHEN")).splitlines()

        assert max(map(len, told)) == 80
        assert told[2].split() == ["22", "short", "z"]

    def test_progress_is_silent_where_nobody_watches(
        self, at: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Piped, long work prints nothing on its way."""
        with printing.Progress("writing", clock=at.clock, calls=4) as progress:
            progress.advance()

        assert capsys.readouterr() == ("", "")

    def test_the_time_left_comes_from_the_budget_or_from_the_pace(
        self, at: Desk
    ) -> None:
        """The slower of the two counts, and it says how many calls are left."""
        progress = printing.Progress(
            "writing", clock=at.clock, calls=40, per_second=0.5
        )
        assert progress.line == "writing: 0%, 0 of 40 calls, about 80 s left"
        progress.advance(10)
        at.clock.advance(dt.timedelta(seconds=60))
        assert progress.line == "writing: 25%, 10 of 40 calls, about 3 min left"

    def test_an_unexpected_error_is_no_traceback(self, at: Desk) -> None:
        """It says so in a line, leaves with 1, and keeps its details where told."""
        redactor.add("swordfish-9")

        def crash() -> Exception:
            return ZeroDivisionError("swordfish-9")

        at.source.fail(crash, on="schedules", times=-1)  # type: ignore[arg-type]
        story = at.folder / "debug.log"

        ran = at.rota("plan", "patrols")
        assert ran.code == 1
        assert "unexpected: ZeroDivisionError: ***" in ran.err
        assert "--debug FILE" in ran.err

        ran = at.rota("--debug", str(story), "show", "guards")
        assert ran.code == 1
        kept = story.read_text()
        assert "Traceback" in kept
        assert "swordfish" not in kept

    def test_log_lines_are_asked_for(self, at: Desk) -> None:
        """Nothing is logged by itself; `-v` tells each change on stderr."""
        at.source.put(patrol())
        at.source.put(patrol("Another"))

        quiet = at.rota("apply", "--pair", "patrols")
        at.source.put(patrol("Third"))
        loud = at.rota("-v", "apply", "--pair", "patrols")

        assert quiet.err == ""
        assert "done: create Third" in loud.err
        assert "\x1b" not in loud.err

    def test_init_writes_what_check_reads(self, at: Desk, tmp_path: Path) -> None:
        """The file to start from is valid, and says what comes next."""
        ran = desk.run(at.clock, "init", str(tmp_path / "new"))
        assert ran.code == 0
        assert "rota check" in ran.out
        file = str(tmp_path / "new" / "rota.toml")
        checked = desk.run(at.clock, "--config", file, "check", "--json")
        assert checked.code == 0
        assert json.loads(checked.out)["accounts"] == []

    def test_plugins_are_listed(self, at: Desk) -> None:
        """Each plugin is told with its origin and what it brings."""
        ran = at.rota("plugins")

        assert ran.code == 0
        assert "rota-desk 1.0" in ran.out
        assert "vendor trackops" in ran.out


def _entry(account: str, kind: Kind, number: str, name: str) -> Entry:
    return Entry(ref=Ref(account=account, kind=kind, id=number), name=name)


def _id(at: Desk, title: str) -> str:
    [ref] = [s.ref for s in at.source.held if s.task.title == title]
    assert ref is not None
    return ref.id
