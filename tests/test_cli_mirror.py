"""``rota mirror`` on the command line: what it says, serves and leaves with."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import socket
import socketserver
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import desk
import pairs
import pytest
from desk import Desk, Ran
from pairs import patrol
from prometheus_client.parser import text_string_to_metric_families

from rota import clock as clocks
from rota.cli.board import METRICS
from rota.clock import StillClock
from rota.errors import VendorUnavailable
from rota.ledger import Ledger
from rota.secrets import redactor
from rota.testing.memory import MONDAY


ROOT = Path(__file__).parents[1]
SECOND = """
[pairs.others]
source = "guards"
target = "second"

[accounts.second]
vendor = "desk"
"""


class Days(StillClock):
    """A clock on which people do things, and which asks to stop once all is ready."""

    def __init__(self, ends: dt.timedelta) -> None:
        super().__init__(MONDAY)
        self._end = MONDAY + ends
        self.ready: Callable[[], bool] = lambda: True
        self.at: list[tuple[dt.timedelta, Callable[[], object]]] = []

    def sleep(self, seconds: float) -> None:
        if self.now() >= self._end - dt.timedelta(minutes=1) and not self.ready():
            clocks.system().sleep(0.001)  # another thread has not come so far
            return
        super().sleep(seconds)
        past = self.now() - MONDAY
        for each in [each for each in self.at if each[0] <= past]:
            self.at.remove(each)
            each[1]()
        if self.now() >= self._end:
            self._end += dt.timedelta(days=365)
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(name="site", scope="module")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    desk.install(site)
    return site


@pytest.fixture(name="at")
def _at(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.syspath_prepend(site)
    clock = Days(dt.timedelta(minutes=30))
    made = Desk(
        folder=tmp_path,
        clock=clock,
        source=pairs.guards(clock),
        target=pairs.fleet(clock),
    )
    desk.HELD.update(guards=made.source, fleet=made.target)
    made.configure()
    made.map(*pairs.CROSSWALK.rows)
    yield made
    desk.HELD.clear()


def mirror(at: Desk, *words: str) -> Ran:
    """Mirror on the desk until its clock has gone half an hour."""
    file = str(at.folder / "rota.toml")
    return desk.run(at.clock, "--config", file, "-v", "mirror", *words)


def events(ran: Ran, name: str) -> list[dict[str, Any]]:
    """Return the log's lines of one event."""
    told = [json.loads(line) for line in ran.err.splitlines() if line.startswith("{")]
    return [each for each in told if each["event"] == name]


def later(at: Desk, minutes: int, act: Callable[[], object]) -> None:
    """Let something happen between two cycles."""
    assert isinstance(at.clock, Days)
    at.clock.at.append((dt.timedelta(minutes=minutes), act))


def get(port: int, path: str) -> tuple[int, str]:
    """Ask an endpoint on this machine."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class TestRun:
    def test_it_runs_until_it_is_stopped(self, at: Desk) -> None:
        """Cycle after cycle, each in a line; a signal ends it with the last one's code."""
        at.source.put(patrol())
        ran = mirror(at, "patrols", "--every", "5m")
        lines = [line for line in ran.out.splitlines() if " UTC patrols: " in line]

        assert ran.code == 0
        assert 5 <= len(lines) <= 7
        assert lines[0].endswith("changed, 1 changes")
        assert "stopping: calls under way are finished" in ran.err
        assert len(at.target.held) == 1

    def test_the_log_has_an_event_for_every_cycle_and_every_change(
        self, at: Desk
    ) -> None:
        """One JSON object each, with what a person would search for."""
        at.source.put(patrol())
        later(at, 17, lambda: at.source.put(patrol("Second")))
        ran = mirror(at, "patrols", "--every", "5m")
        changes, cycles = events(ran, "change"), events(ran, "cycle")

        assert [(c["act"], c["fate"], c["title"]) for c in changes] == [
            ("create", "done", "Harbour patrol"),
            ("create", "done", "Second"),
        ]
        assert {c["pair"] for c in cycles} == {"patrols"}
        assert [c["changes"] for c in cycles][:5] == [1, 0, 0, 0, 1]
        assert [c["repeated"] for c in cycles][:5] == [False] * 3 + [True, False]
        assert all(c["timestamp"].startswith("2") for c in cycles)

    def test_several_pairs_go_each_at_its_own_pace(self, at: Desk) -> None:
        """`--all` mirrors every pair, as often as its section says."""
        at.configure(
            'mirror = { every = "5m" }', SECOND.replace(
                'target = "second"\n', 'target = "second"\nmirror = { every = "12h" }\n'
            ),
        )  # fmt: skip
        second = desk.HELD["second"] = pairs.fleet(at.clock)
        (at.folder / "others.csv").write_text((at.folder / "patrols.csv").read_text())
        at.source.put(patrol())
        assert isinstance(at.clock, Days)
        at.clock.ready = lambda: all(len(a.held) == 1 for a in (at.target, second))
        ran = mirror(at, "--all")
        told = [c["pair"] for c in events(ran, "cycle")]

        assert ran.code == 0
        assert told.count("others") == 1
        assert told.count("patrols") >= 1

    def test_a_table_that_was_edited_counts_from_the_next_cycle(self, at: Desk) -> None:
        """Whoever maps a new post need not start the mirror again."""
        at.map()
        at.source.put(patrol())
        later(at, 12, lambda: at.map(*pairs.CROSSWALK.rows))
        ran = mirror(at, "patrols", "--every", "5m")

        assert [c["changes"] for c in events(ran, "cycle")][:4] == [0, 0, 0, 1]
        assert len(at.target.held) == 1

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("patrols",), "how often"),
            (("--every", "5m"), "--all"),
            (("patrols", "--all", "--once"), "--all"),
            (("patrols", "--once", "--every", "5m"), "--once is a single cycle"),
            (("patrols", "--every", "5"), "not a span"),
            (("patrols", "--every", "5m", "--listen", "here"), "[HOST:]PORT"),
            (("patrols", "--every", "5m", "--quiet-hours", "22-6"), "HH:MM-HH:MM@ZONE"),
            (("nobody", "--every", "5m"), "no pair 'nobody'"),
        ],
    )
    def test_what_can_not_be_meant_is_refused(
        self, at: Desk, words: tuple[str, ...], told: str
    ) -> None:
        """A command that says too little or too much leaves with 2 and says so."""
        ran = mirror(at, *words)

        assert ran.code == 2
        assert told in ran.told

    def test_a_rhythm_that_can_not_be_read_is_a_mistake_of_the_file(
        self, at: Desk
    ) -> None:
        """rota.toml is checked to the last key, with its path."""
        at.configure('mirror = { every = "often", quiet_hours = "22-6" }')
        ran = mirror(at, "--all")

        assert ran.code == 2
        assert "pairs.patrols.mirror" in ran.told
        assert "'often' is not a span" in ran.told


class TestOneAtATime:
    def test_a_second_mirror_stands_by(self, at: Desk) -> None:
        """It says who works on the pair, writes nothing, and leaves with 1."""
        at.source.put(patrol())
        with Ledger.open(at.folder / "rota.db", clock=at.clock) as other:
            other.lease("mirror patrols", "office:7", dt.timedelta(days=1))
            ran = mirror(at, "patrols", "--every", "5m")

        assert ran.code == 1
        assert "another mirror works on it" in ran.out
        assert "office:7" in ran.out
        assert at.target.held == ()

    def test_once_beside_a_run_leaves_with_1(self, at: Desk) -> None:
        """Under cron, a cycle that meets another run ends, and the next one comes."""
        at.source.put(patrol())
        with Ledger.open(at.folder / "rota.db", clock=at.clock) as other:
            other.lease("pair patrols", "office:7", dt.timedelta(days=1))
            ran = mirror(at, "patrols", "--once")

        assert ran.code == 1
        assert "is being worked on by office:7" in ran.told


class TestAlarm:
    def test_the_alarm_is_an_error_in_the_log_and_a_command(self, at: Desk) -> None:
        """After three intervals without a finished cycle a program reads why, once."""
        heard = at.folder / "heard"
        code = f"import sys; open({str(heard)!r}, 'a').write(sys.stdin.read())"
        at.source.fail(lambda: VendorUnavailable("no route"), on="schedules", times=-1)
        ran = mirror(
            at,
            "patrols",
            "--every",
            "5m",
            "--on-alarm",
            f'{sys.executable} -c "{code}"',
        )
        [event] = events(ran, "no cycle has finished")

        assert ran.code == 1
        assert event["level"] == "error"
        assert heard.read_text() == (
            "patrols: no cycle has finished for 15 min; the last one: failed: no route\n"
        )

    def test_a_command_that_fails_is_told_and_stops_nothing(self, at: Desk) -> None:
        """The mirror goes on whatever becomes of the program."""
        at.source.fail(lambda: VendorUnavailable("no route"), on="schedules", times=-1)
        ran = mirror(at, "patrols", "--every", "5m", "--on-alarm", "/no/such/program")

        assert any("--on-alarm can't be run" in line for line in ran.err.splitlines())
        assert len(events(ran, "cycle")) >= 2


class TestEndpoints:
    def test_metrics_and_health(
        self, at: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both are served while it runs, name accounts, and turn when nothing finishes."""
        redactor.add("swordfish-5")
        seen: dict[str, tuple[int, str]] = {}
        ports: list[int] = []
        _tell_port(monkeypatch, ports)
        at.source.put(patrol())

        def look(name: str) -> None:
            for path in ("/metrics", "/healthz", "/else"):
                seen[f"{name}{path}"] = get(ports[0], path)

        def close() -> None:
            at.source.fail(
                lambda: VendorUnavailable("closed by swordfish-5"),
                on="schedules",
                times=-1,
            )

        later(at, 3, lambda: look("good"))
        later(at, 4, close)
        later(at, 29, lambda: look("bad"))
        mirror(at, "patrols", "--every", "5m", "--listen", "0")
        good, bad = (json.loads(seen[f"{n}/healthz"][1]) for n in ("good", "bad"))
        values = _values(seen["good/metrics"][1])
        worse = _values(seen["bad/metrics"][1])

        assert [seen[f"{n}/healthz"][0] for n in ("good", "bad")] == [200, 503]
        assert seen["good/else"][0] == 404
        assert good["pairs"]["patrols"]["last"]["health"] == "changed"
        assert (bad["healthy"], bad["pairs"]["patrols"]["late"]) == (False, True)
        assert bad["pairs"]["patrols"]["last"]["why"] == "closed by ***"
        assert bad["pairs"]["patrols"]["source"] == "guards"
        assert values["rota_cycles_total", "patrols", "changed"] == 1
        assert values["rota_changes_total", "create", "done", "patrols"] == 1
        assert (values["rota_late", "patrols"], worse["rota_late", "patrols"]) == (0, 1)
        assert worse["rota_cycles_total", "patrols", "failed"] >= 1
        assert values["rota_calls_total", "guards"] > 0
        assert "swordfish" not in "".join(text for _, text in seen.values())

    def test_every_metric_is_served_and_documented(
        self, at: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """docs/running-a-mirror.md lists what /metrics tells, word for word."""
        ports: list[int] = []
        _tell_port(monkeypatch, ports)
        served: list[str] = []
        at.source.put(patrol())
        later(at, 3, lambda: served.append(get(ports[0], "/metrics")[1]))
        mirror(at, "patrols", "--every", "5m", "--listen", "0")
        page = (ROOT / "docs" / "running-a-mirror.md").read_text("utf-8")
        rows = dict(re.findall(r"(?m)^\| `(rota_\w+)`[^|]*\| (.+?) \|$", page))

        assert set(re.findall(r"(?m)^# HELP (\w+)", served[0])) == set(METRICS)
        assert rows == dict(METRICS)

    def test_an_address_in_use_is_told(self, at: Desk) -> None:
        """Nothing begins where the endpoints can't be served."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            ran = mirror(at, "patrols", "--every", "5m", "--listen", str(port))

        assert ran.code == 2
        assert f"nothing can listen on 127.0.0.1:{port}" in ran.told
        assert at.source.calls == []

    def test_a_missing_library_names_the_extra(
        self, at: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever lacks prometheus-client is told what to install."""
        monkeypatch.setitem(sys.modules, "prometheus_client", None)
        monkeypatch.setitem(sys.modules, "prometheus_client.core", None)
        ran = mirror(at, "patrols", "--every", "5m", "--listen", "0")

        assert ran.code == 2
        assert "pip install 'rota[metrics]'" in ran.told


def test_no_secret_of_the_configuration_reaches_a_line(at: Desk) -> None:
    """Neither logs nor lines nor the alarm hold one, not even out of an exception."""
    (at.folder / "key").write_text("open sesame/é 4")
    base = desk.CONFIG.replace(
        '[accounts.fleet]\nvendor = "desk"',
        '[accounts.fleet]\nvendor = "desk"\nkey = "file:key"',
    )
    at.configure(base=base)
    heard = at.folder / "heard"
    code = f"import sys; open({str(heard)!r}, 'a').write(sys.stdin.read())"

    def crash() -> Exception:
        try:
            int("Authorization: open sesame/é 4")
        except ValueError as error:
            made = KeyError("key=open%20sesame%2F%C3%A9%204")
            made.__cause__ = error
            return made
        raise AssertionError

    at.source.fail(crash, on="schedules", times=1)  # type: ignore[arg-type]
    at.source.fail(
        lambda: VendorUnavailable("no to open sesame/é 4", hint="open sesame/é 4"),
        on="schedules",
        times=-1,
    )
    debug = at.folder / "debug.log"
    ran = desk.run(
        at.clock, "--config", str(at.folder / "rota.toml"), "--debug", str(debug),
        "--log-level", "debug", "mirror", "patrols", "--every", "5m",
        "--on-alarm", f'{sys.executable} -c "{code}"',
    )  # fmt: skip
    told = ran.out + ran.err + debug.read_text() + heard.read_text()

    assert "KeyError" in told
    assert '"exception": ' in ran.err
    assert "sesame" not in told
    assert "no to ***" in heard.read_text()


def test_the_commands_put_today_right_if_asked(at: Desk) -> None:
    """`plan -o` and `apply`, `apply --pair` and `mirror` make today's missed rounds."""
    plan = str(at.folder / "plan.json")

    def made(*commands: tuple[str, ...]) -> int:
        """Add a patrol of tonight, run commands, and count what is new."""
        before = len(at.target.held)
        at.source.put(patrol(f"Patrol {before}"))
        for words in commands:
            assert at.rota(*words).code == 0
        return len(at.target.held) - before

    assert made(("plan", "patrols", "--today", "-o", plan), ("apply", plan)) == 2
    assert made(("apply", "--pair", "patrols", "--today")) == 2
    assert made(("mirror", "patrols", "--once", "--today")) == 2
    assert made(("mirror", "patrols", "--once")) == 1
    assert at.rota("apply", plan, "--today").code == 2


def test_due_attends_every_pair(at: Desk) -> None:
    """A pair that fails keeps no other from what falls due; the codes are merged."""
    at.configure(SECOND)
    (at.folder / "others.csv").write_text("source,nonsense\n")
    desk.HELD["second"] = pairs.fleet(at.clock)
    ran = at.rota("due", "--json")

    assert ran.code == 2
    assert ran.data["others"]["code"] == 2
    assert ran.data["patrols"]["results"] == []


def _values(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels) if key != "health"),
         *((sample.labels["health"],) if "health" in sample.labels else ())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }  # fmt: skip


def _tell_port(monkeypatch: pytest.MonkeyPatch, ports: list[int]) -> None:
    """Learn which port the system gave."""
    bind = socketserver.TCPServer.server_bind

    def told(server: socketserver.TCPServer) -> None:
        bind(server)
        ports.append(server.server_address[1])  # type: ignore[arg-type]

    monkeypatch.setattr(socketserver.TCPServer, "server_bind", told)
