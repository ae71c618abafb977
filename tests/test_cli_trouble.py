"""What goes wrong on a real evening: secrets, keys, HTML, a full disk, Ctrl-C, kill."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import desk
import pytest
from desk import Ran

from rota import plugins
from rota.clock import StillClock
from rota.ledger import Ledger
from rota.sandbox import Fault, FaultKind, Server, serve
from rota.secrets import Secret
from rota.vendor import Scope
from rota_navixy.sandbox import API_KEY, NavixySandbox
from rota_trackops.sandbox import TOKEN, TrackopsSandbox


NOON = dt.datetime(2027, 1, 4, 20, tzinfo=dt.UTC)
KEY = "DESK_FLEET_KEY"
DRIVER = """\
import datetime as dt, sys
from rota import cli
from rota.clock import StillClock
sys.exit(cli.main(sys.argv[1:], clock=StillClock(dt.datetime.fromisoformat({at!r}))))
"""
CONFIG = """\
ledger = "rota.db"

[accounts.office]
vendor = "trackops"
base_url = "{office}"
username = "integration"
api_token = "file:token"
calendar_id = 1
pace_seconds = 0

[accounts.fleet]
vendor = "navixy"
base_url = "{fleet}/v2"
api_key = "env:{key}"

[pairs.rounds]
source = "fleet"
target = "office"
fidelity = "expand"
horizon_days = 14
open_ended = "roll"
unmapped_assignee = "unassigned"
defaults = {{ place = "case:{case}" }}
"""


@attrs.define(kw_only=True)
class Evening:
    """Two sandboxes behind sockets, a folder, and rota in it."""

    folder: Path
    fleet: Server
    office: Server
    case: int

    @property
    def command(self) -> list[str]:
        driver = DRIVER.format(at=NOON.isoformat())
        return [sys.executable, "-P", "-c", driver]

    def configure(self, config: str = CONFIG) -> None:
        said = {"office": self.office.base_url, "fleet": self.fleet.base_url}
        told = config.format(**said, key=KEY, case=self.case)
        (self.folder / "rota.toml").write_text(told)

    def rota(self, *words: str) -> Ran:
        """Run a command here, and find the ledger sound behind it."""
        file = str(self.folder / "rota.toml")
        ran = desk.run(StillClock(NOON), "--config", file, *words)
        self.check_ledger()
        return ran

    def check_ledger(self) -> None:
        if (self.folder / "rota.db").exists():
            with Ledger.open(str(self.folder / "rota.db")) as ledger:
                assert ledger.check() == ()

    def start(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """Start a command in a process of its own."""
        return subprocess.Popen(
            [*self.command, *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def tasks(self) -> list[Any]:
        """Return the tasks that the office holds."""
        state = self.office.sandbox.state()
        tasks = state["tasks"]
        assert isinstance(tasks, list)
        return tasks


@pytest.fixture(name="evening")
def _evening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Evening]:
    monkeypatch.setenv(KEY, API_KEY)
    (tmp_path / "token").write_text(TOKEN)
    office = TrackopsSandbox(clock=StillClock(NOON), filled=False)
    client = office.add_client("Acme")
    case = office.add_case("Harbour", client=client)
    with (
        serve(NavixySandbox(clock=StillClock(NOON), rate=None)) as fleet,
        serve(office) as served,
    ):
        evening = Evening(folder=tmp_path, fleet=fleet, office=served, case=case)
        evening.configure()
        yield evening
        assert fleet.crashes == served.crashes == ()


class TestMustShow:
    def test_a_wrong_secret(
        self, evening: Evening, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It names the account and the key to mend, leaves with 2, and tells no secret."""
        wrong = "wrong" * 6
        monkeypatch.setenv(KEY, wrong)

        ran = evening.rota("plan", "rounds")
        checked = evening.rota("check")

        assert (ran.code, checked.code) == (2, 2)
        assert "rota: fleet: " in ran.err
        assert wrong not in ran.out + ran.err + checked.out
        assert "Account office" in checked.out
        assert "do: " in checked.out

    def test_a_secret_that_leads_nowhere(
        self, evening: Evening, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A variable that is not set is named, with what to do."""
        monkeypatch.delenv(KEY)

        ran = evening.rota("plan", "rounds")

        assert ran.code == 2
        assert f"env:{KEY}: no such variable" in ran.told
        assert f"set {KEY} before starting rota" in ran.told

    def test_a_missing_key(self, evening: Evening) -> None:
        """A section without a key that its vendor needs is told by path."""
        evening.configure(CONFIG.replace('username = "integration"\n', ""))

        ran = evening.rota("plan", "rounds")

        assert ran.code == 2
        assert "accounts.office" in ran.err
        assert "username" in ran.err
        assert "nothing was read or written" in ran.told

    def test_a_site_without_a_row(self, evening: Evening) -> None:
        """The plan says which reference has no row, and the command that mends it."""
        evening.configure(CONFIG.replace('unmapped_assignee = "unassigned"\n', ""))

        ran = evening.rota("plan", "rounds")
        table = evening.rota("crosswalk", "rounds")

        assert ran.code == 0
        assert "REFUSED" in ran.out
        assert "device:22 " in ran.told
        assert "has no row in the crosswalk; run rota crosswalk" in ran.told
        assert table.code == 3
        assert "device:22 Patrol car 1" in table.told

    @pytest.mark.parametrize("verb", ["plan", "verify", "apply"])
    def test_an_answer_in_html(self, evening: Evening, verb: str) -> None:
        """A page for people is never read as an empty account: 1, and nothing moves."""
        evening.fleet.sandbox.faults.add(Fault(kind=FaultKind.HTML, times=-1))
        words = ["apply", "--pair", "rounds"] if verb == "apply" else [verb, "rounds"]

        ran = evening.rota(*words)

        assert ran.code == 1
        assert "a page for people where JSON was expected" in ran.told
        assert len(ran.err.splitlines()) >= 2
        assert evening.tasks() == []

    def test_html_as_the_answer_of_a_write(self, evening: Evening) -> None:
        """A write that is answered by a page is looked for, and never repeated."""
        evening.office.sandbox.faults.add(
            Fault(kind=FaultKind.HTML, method="POST", after=True)
        )

        ran = evening.rota("apply", "--pair", "rounds")
        titles = [(task["title"], task["due_on"]) for task in evening.tasks()]

        assert ran.code == 0, ran.out + ran.err
        assert "1 found" in ran.out
        assert len(titles) == len(set(titles)) > 5

    def test_a_full_disk(self, evening: Evening) -> None:
        """The ledger can't grow: nothing is sent that it couldn't remember, then 1."""
        evening.rota("runs")
        grown = (evening.folder / "rota.db").stat().st_size

        def fill() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (grown + 8192, grown + 8192))

        started = evening.start("apply", "--pair", "rounds", preexec_fn=fill)
        out, err = started.communicate(timeout=60)
        evening.check_ledger()
        before = len(evening.tasks())

        assert started.returncode == 1, out + err
        assert "Traceback" not in out + err
        assert "rota.db" in err
        assert "disk" in err
        assert len(err.splitlines()) >= 2
        again = evening.rota("apply", "--pair", "rounds")
        tasks = [(task["title"], task["due_on"]) for task in evening.tasks()]
        assert again.code == 0, again.out + again.err
        assert len(tasks) == len(set(tasks)) > before

    def test_a_full_disk_under_the_output(self, evening: Evening) -> None:
        """Where even the output can't be written, there is a code and no traceback."""
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [*evening.command, "plan", "rounds"],
                cwd=evening.folder,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )

        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr

    def test_a_reader_that_goes_away(self, evening: Evening) -> None:
        """`rota show | head` ends without a word."""
        started = evening.start("show", "fleet", "--json")
        assert started.stdout is not None
        started.stdout.close()

        started.stdout = None
        _, err = started.communicate(timeout=60)

        assert (started.returncode, err) == (1, "")


class TestTerminal:
    def test_a_terminal_sees_progress_and_bold_headings(self, evening: Evening) -> None:
        """On a terminal a line tells what is read; it is gone when the plan stands."""
        evening.fleet.sandbox.faults.add(Fault(kind=FaultKind.LATENCY, seconds=1.2))

        told = _typed(evening, "plan", "rounds")

        assert "\rreading fleet and office" in told
        assert "calls" in told
        assert "\x1b[1mCREATE 12\x1b[0m" in told

    def test_no_color_is_kept_to(
        self, evening: Evening, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """NO_COLOR takes the bold away, as it does elsewhere."""
        monkeypatch.setenv("NO_COLOR", "1")

        assert "\x1b[1m" not in _typed(evening, "plan", "rounds")


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_the_call_under_way_is_finished(
        self, evening: Evening, number: signal.Signals
    ) -> None:
        """Ctrl-C during apply: the call is finished and recorded, the rest untouched."""
        evening.office.sandbox.faults.add(
            Fault(kind=FaultKind.LATENCY, method="POST", skip=1, times=-1, seconds=1.5)
        )
        started = evening.start("apply", "--pair", "rounds", "--workers", "1")
        _wait_for(lambda: any(hits for _, hits in evening.office.sandbox.faults.hits()))
        started.send_signal(number)
        out, err = started.communicate(timeout=60)
        evening.check_ledger()
        evening.office.sandbox.faults.clear()

        assert started.returncode == 1, out + err
        assert "Traceback" not in out + err
        assert "stopping: the calls under way are finished first" in err
        assert "Stopped by you" in out
        made = len(evening.tasks())
        assert made == 2
        shown = evening.rota("runs", "1", "--json").data
        assert [i["state"] for i in shown["intents"]] == ["done"] * made
        again = evening.rota("apply", "--pair", "rounds")
        titles = [(task["title"], task["due_on"]) for task in evening.tasks()]
        assert again.code == 0
        assert len(titles) == len(set(titles)) > made

    def test_it_can_be_stopped_while_it_reads(self, evening: Evening) -> None:
        """Ctrl-C during plan: a line, 1, and nothing else."""
        evening.fleet.sandbox.faults.add(
            Fault(kind=FaultKind.LATENCY, times=-1, seconds=5)
        )
        started = evening.start("plan", "rounds")
        _wait_for(lambda: any(hits for _, hits in evening.fleet.sandbox.faults.hits()))
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=60)

        assert started.returncode == 1
        assert out == ""
        assert err.lstrip().startswith("rota: stopped\n")


class TestSandbox:
    @pytest.mark.parametrize("vendor", ["tracktik", "navixy", "trackops"])
    def test_it_serves_any_client(self, tmp_path: Path, vendor: str) -> None:
        """It prints what a config needs, follows its clock and faults, stops on Ctrl-C."""
        faults = tmp_path / "faults.toml"
        faults.write_text('[[faults]]\nkind = "server_error"\ntimes = 1\n')
        words = ["sandbox", vendor, "--json", "--clock", "2027-01-04T09:00"]
        with _served(*words, "--faults", str(faults)) as (started, printed):
            url = printed["base_url"]
            with urllib.request.urlopen(f"{url}/_sandbox/clock") as answer:
                assert json.load(answer)["now"].startswith("2027-01-04T09:00")
            with urllib.request.urlopen(f"{url}/_sandbox/faults") as answer:
                assert [one["kind"] for one in json.load(answer)] == ["server_error"]
            with urllib.request.urlopen(f"{url}/_sandbox/state") as answer:
                assert any(json.load(answer).values())
            started.send_signal(signal.SIGINT)
            assert started.wait(20) == 0

    @pytest.mark.parametrize("vendor", ["tracktik", "navixy", "trackops"])
    def test_what_it_prints_is_enough_to_connect(self, vendor: str) -> None:
        """The printed settings open an account that reads a few records."""
        clock = StillClock(NOON)
        with _served("sandbox", vendor, "--json") as (_, printed):
            known = plugins.load().vendor(printed.pop("vendor"))
            secret = {
                field.name
                for field in attrs.fields(attrs.resolve_types(known.settings))
                if "Secret" in str(field.type)
            }
            settings = known.settings(
                **{
                    key: Secret.plain(value) if key in secret else value
                    for key, value in printed.items()
                }
            )
            opened = plugins.open_account(known, settings, account="x", clock=clock)
            with opened as account:
                listing = account.schedules(Scope())
                assert listing.certificate.complete
                assert listing.items

    def test_people_get_a_section_to_paste(self) -> None:
        """As text it is a section of rota.toml and the variables for its secrets."""
        started = _start("sandbox", "navixy")
        assert started.stdout is not None
        lines = [started.stdout.readline() for _ in range(12)]
        started.send_signal(signal.SIGTERM)
        _, err = started.communicate(timeout=20)
        told = "".join(lines)

        assert '  api_key = "env:NAVIXY_API_KEY"\n' in told
        assert f"  export NAVIXY_API_KEY='{API_KEY}'\n" in told
        assert err == ""

    def test_a_port_that_is_taken(self, evening: Evening) -> None:
        """It says which port, and what to do."""
        ran = evening.rota("sandbox", "navixy", "--port", str(evening.fleet.port))

        assert ran.code == 2
        assert f"port {evening.fleet.port} of 127.0.0.1 can't be had" in ran.told
        assert "name another one" in ran.told


class TestRecord:
    def test_cassettes_are_recorded_from_the_sandbox(self, tmp_path: Path) -> None:
        """The contract runs, and each of its tests leaves a cassette."""
        tests = Path(__file__).parent / "vendors" / "test_contract_trackops.py"
        done = subprocess.run(
            [
                *(sys.executable, "-P", "-c", "from rota import cli; cli.main()"),
                *("record", "trackops", "--json"),
                *("--tests", str(tests), "--into", str(tmp_path)),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[1],
        )

        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["failed"] == []
        assert len(list(tmp_path.glob("trackops/*.yaml"))) > 10

    def test_a_live_account_is_not_written_unasked(self, evening: Evening) -> None:
        """Recording makes and removes records, so it wants a word first."""
        ran = evening.rota("record", "trackops", "--account", "office")

        assert ran.code == 5
        assert "add --writes" in ran.told
        assert evening.office.requests == ()


def _typed(evening: Evening, *words: str) -> str:
    """Run a command on a terminal, and return all that it shows."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [*evening.command, *words],
        cwd=evening.folder,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as started:
        os.close(theirs)
        told = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while read := os.read(ours, 4096):
                told += read
        os.close(ours)
    assert started.returncode == 0
    return told.decode()


def _start(*words: str) -> subprocess.Popen[str]:
    code = "import sys; from rota import cli; cli.main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def _served(*words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    started = _start(*words)
    assert started.stdout is not None
    lines = []
    while not lines or lines[-1] != "}\n":
        lines.append(started.stdout.readline())
        assert lines[-1], started.communicate()
    try:
        yield started, json.loads("".join(lines))
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGTERM)
        started.communicate(timeout=20)


def _wait_for(happened: Any) -> None:
    for _ in range(600):
        if happened():
            return
        time.sleep(0.05)  # noqa: TID251 - it waits for another process
    raise AssertionError("it never happened")
