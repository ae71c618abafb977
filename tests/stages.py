"""Three sandboxes on one still clock, a configuration for them, and their contents."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

import rota_navixy.sandbox
from rota import report
from rota.cli.session import Session
from rota.clock import StillClock
from rota.crosswalk import Crosswalk, Row, text
from rota.gathering import gather
from rota.planning import Plan, plan
from rota.sandbox import RunningClock, Server, serve
from rota_navixy.sandbox import NavixySandbox
from rota_trackops.sandbox import TrackopsSandbox
from rota_tracktik.sandbox import TrackTikSandbox


BEGIN = dt.datetime(2027, 1, 4, 15, tzinfo=dt.UTC)  # a Monday, 09:00 in Chicago
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")
SITE, POST, CASE = 101, 301, 1

_CONFIG = """\
ledger = "rota.db"

[accounts.guards]
vendor = "tracktik"
base_url = "{guards}"
client_id = "rota-client"
client_secret = "file:guards-client"
username = "service@example.com"
password = "file:guards-password"
biweekly_token = "BI_WEEKLY"
page_size = {page_size}

[accounts.fleet]
vendor = "navixy"
base_url = "{fleet}/v2"
api_key = "file:fleet"
calls_per_second = {rate}

[accounts.office]
vendor = "trackops"
base_url = "{office}"
username = "integration"
api_token = "file:office"
calendar_id = 1
pace_seconds = 0

[pairs.patrols]
source = "guards"
target = "fleet"
fidelity = "expand"
horizon_days = 30
defaults = {{ radius_m = 150 }}
mark = "{mark}"

[pairs.visits]
source = "guards"
target = "office"
fidelity = "expand"
horizon_days = {office_days}
open_ended = "roll"
unmapped_assignee = "unassigned"
mark = "{mark}"
"""

# The command itself, on a clock that stands still.
_COMMAND = """
import datetime, importlib, resource, sys
from rota.clock import StillClock
from rota.cli.session import Session
from rota.errors import RotaError
limit, where, at, name, *words = sys.argv[1:]
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
clock = StillClock(datetime.datetime.fromisoformat(at))
try:
    with Session(where, clock=clock) as session:
        command = importlib.import_module(f"rota.cli.{name}").command
        sys.exit(command.main(words, standalone_mode=False, obj=session) or 0)
except RotaError as error:
    print(error.message, error.hint, sep="\\n")
    sys.exit(error.exit_code)
"""


@attrs.frozen(kw_only=True)
class Stage:
    """Sandboxes in this process, and the folder of a configuration for them."""

    clock: StillClock | RunningClock
    folder: Path
    guards: TrackTikSandbox
    fleet: NavixySandbox
    office: TrackopsSandbox
    servers: dict[str, Server]

    def session(self) -> Session:
        """Open what the configuration describes, on the stage's clock."""
        return Session(str(self.folder / "rota.toml"), clock=self.clock)

    def plan(self, session: Session, pair: str) -> Plan:
        """Gather and plan."""
        return plan(gather(session.pair(pair), session.ledger, clock=self.clock))

    def start(
        self, name: str, *words: str, longest_file: int | None = None
    ) -> subprocess.Popen[str]:
        """
        Start a command in a process of its own, on a clock of its own.

        Args:
            longest_file: In bytes; beyond it nothing can be written, as on a full disk.
        """
        at = self.clock.now().isoformat()
        return subprocess.Popen(
            [sys.executable, "-c", _COMMAND, str(longest_file or ""),
             str(self.folder / "rota.toml"), at, name, *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, name: str, *words: str) -> tuple[int, str]:
        """Run a command in a process of its own; return its code and what it said."""
        child = self.start(name, *words)
        said, _ = child.communicate(timeout=60)
        return child.returncode, said

    def writes(self, account: str) -> int:
        """Count what was asked of an account that makes a record, or patches one."""
        return sum(
            "create" in one.path
            or one.method == "PATCH"
            or (one.method == "POST" and "/tasks" in one.path)
            for one in self.servers[account].requests
        )

    def at_fleet(self) -> Counter[str]:
        """Count the fleet's entries and one-off tasks by title."""
        state: Any = self.fleet.state()
        rows = [*state["entries"], *state["tasks"]]
        return Counter(r["label"] for r in rows if r.get("origin") != "scheduled")

    def at_office(self) -> Counter[tuple[str, str]]:
        """Count the office's tasks by title and day."""
        return Counter((t.title, str(t.due_on)) for t in self.office.tasks.values())


@contextlib.contextmanager
def stage(
    folder: Path,
    *,
    clock: StillClock | RunningClock | None = None,
    mark: str = "auto",
    page_size: int = 1000,
    rate: int | None = None,
    office_days: int = 7,
) -> Iterator[Stage]:
    """
    Serve three sandboxes with a site, a post, a car and a case, and no schedules.

    Args:
        rate: Calls a second that the fleet admits, and rota keeps to.
    """
    clock = clock or StillClock(BEGIN)
    guards = TrackTikSandbox(clock=clock, seeded=False)
    fleet = NavixySandbox(clock=clock, sample=False, zone="America/Chicago", rate=rate)
    office = TrackopsSandbox(clock=clock, filled=False)
    guards.add_client("Harbour Mill", "America/Chicago", id=SITE)
    guards.add_position(SITE, "Gate", id=POST)
    guards.add_task_type("Patrol", id=1)
    fleet.world.add_place("Harbour Mill", 41.8827, -87.6233, id=41)
    fleet.world.add_tracker("Car", id=1041)
    case = office.add_case("Harbour Mill", client=office.add_client("Acme"))
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(serve(box))
            for name, box in (("guards", guards), ("fleet", fleet), ("office", office))
        }
        _configure(
            folder, servers, case, mark=mark, page_size=page_size, rate=rate or 10_000,
            office_days=office_days,
        )  # fmt: skip
        for name, secret in (
            ("guards-client", guards.client_secret),
            ("guards-password", guards.password),
            ("fleet", rota_navixy.sandbox.API_KEY),
            ("office", office.token),
        ):
            (folder / name).write_text(secret)
            (folder / name).chmod(0o600)
        yield Stage(
            clock=clock, folder=folder, guards=guards, fleet=fleet, office=office,
            servers=servers,
        )  # fmt: skip


def _configure(
    folder: Path, servers: dict[str, Server], case: object, **options: object
) -> None:
    urls = {name: server.base_url for name, server in servers.items()}
    (folder / "rota.toml").write_text(_CONFIG.format(**urls, **options))
    site, post = f"site:{SITE}", f"post:{POST}"
    for pair, rows in (
        ("patrols", [Row(source=site, source_name="Harbour Mill", target="site:41"),
                     Row(source=post, source_name="Gate", target="device:1041")]),
        ("visits", [Row(source=site, source_name="Harbour Mill",
                        target=f"case:{case}")]),
    ):  # fmt: skip
        (folder / f"{pair}.csv").write_text(text(Crosswalk(rows=tuple(rows))))


def patrols(box: TrackTikSandbox, many: int, *, equal: int = 0) -> list[int]:
    """Add patrols of different content, and so many groups of three equal ones."""
    begin = BEGIN.date() - dt.timedelta(28)
    ids = []
    for n in range(many):
        ids.append(
            box.add_schedule(
                SITE, 1, days=WEEKDAYS[: 1 + n % 5], position=POST, begin=begin,
                start=f"{6 + n % 12:02}:00:00", end=f"{7 + n % 12:02}:30:00",
                description=f"Patrol {n:04}",
            )
        )  # fmt: skip
    for n in range(equal):
        ids += [
            box.add_schedule(
                SITE, 1, days=WEEKDAYS, position=POST, begin=begin,
                description=f"Double round {n}",
            )
            for _ in range(3)
        ]  # fmt: skip
    return ids


def plan_file(stage: Stage, pair: str) -> Path:
    """Make a plan, and return the file that it was kept in."""
    path = stage.folder / f"{pair}.json"
    with stage.session() as session:
        path.write_text(json.dumps(report.plan_json(stage.plan(session, pair))))
    return path
