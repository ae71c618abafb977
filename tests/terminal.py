"""
The consoles of the documentation, run line by line.

A page's blocks of ``console`` are commands, each behind ``$``, and what they print;
blocks with ``title=FILE`` are files. Every command is run, and what the page says of
it is compared: a line with nothing but ``…`` stands for lines left out. Run as a
program, this writes what the commands print into the pages anew.

``rota`` runs in this process, on the page's own clock; ``rota sandbox`` and a run
that is killed are processes. ``rota apply`` does one change at a time, so that the
vendor's numbers come in order. Of ``curl`` and ``sqlite3`` the few options that the
pages use are done here, so that neither needs to be installed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs
import click
import httpx

from rota.cli.printing import complain
from rota.cli.session import Session
from rota.clock import Clock, StillClock, system
from rota.errors import RotaError
from rota.sandbox import Sandbox, serve
from rota_tracktik.sandbox import TrackTikSandbox


ROOT = Path(__file__).parents[1]
MONDAY = dt.datetime(2027, 1, 4, 15, tzinfo=dt.UTC)
"""When the pages are set: 09:00 in Chicago."""

EVERY_DAY = (
    "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY",
)  # fmt: skip
LEFT_OUT = "…"
_PLAN_ID = re.compile(r"\b[0-9a-f]{12}\b")
_ANY_PLAN = "0" * 12
_FENCE = re.compile(r"(?ms)^```(\w+)(?: title=(\S+))?\n(.*?)^```$")
_IN_ORDER = {"apply": ("--workers", "1")}
_CHILD = """
import datetime as dt, sys
from importlib import import_module
from rota.cli.session import Session
from rota.clock import StillClock
name, now, *words = sys.argv[1:]
session = Session("rota.toml", clock=StillClock(dt.datetime.fromisoformat(now)))
import_module(f"rota.cli.{name}").command.main(words, standalone_mode=False, obj=session)
"""


@attrs.frozen
class Step:
    """One command and what the page says that it prints."""

    command: str
    says: tuple[str, ...]


def blocks(page: Path, *languages: str) -> list[tuple[str, str, str]]:
    """Return language, title and body of a page's fenced blocks."""
    return [
        (language, title, body)
        for language, title, body in _FENCE.findall(page.read_text("utf-8"))
        if not languages or language in languages
    ]


def steps(body: str) -> list[Step]:
    """Return the commands of a console block."""
    found: list[tuple[list[str], list[str]]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif found and found[-1][0][-1].endswith("\\") and not found[-1][1]:
            found[-1][0].append(line.strip())
        else:
            found[-1][1].append(line)
    return [
        Step(" ".join(part.removesuffix("\\").strip() for part in said), tuple(out))
        for said, out in found
    ]


def agrees(says: tuple[str, ...], printed: list[str]) -> bool:
    """
    Tell whether a page says what was printed, less what it leaves out.

    The id of a plan depends on versions and the sandboxes' stamps; any will do.
    """
    printed = [_PLAN_ID.sub(_ANY_PLAN, line) for line in printed]
    said = _PLAN_ID.sub(_ANY_PLAN, "\n".join(says))
    lines = said.rstrip().split("\n") if says else []
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == LEFT_OUT else re.escape(line.rstrip()) + r"\n"
        for line in lines
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None


class Terminal:
    """
    A folder, a clock, an environment, and sandboxes at the ports that a page names.

    Args:
        boxes: From a page's port to a sandbox that runs in this process.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        boxes: Mapping[int, Sandbox] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.clock = clock
        self.stack = ExitStack()
        self.environ = dict(environ or {})
        self.ports: dict[str, str] = {}
        for port, box in (boxes or {}).items():
            server = self.stack.enter_context(serve(box))
            self._know(port, server.base_url)

    def __enter__(self) -> Self:
        self.stack.enter_context(contextlib.chdir(self.folder))
        before = dict(os.environ)
        self.stack.callback(lambda: (os.environ.clear(), os.environ.update(before)))
        os.environ.update(self.environ)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stack.close()

    def _know(self, port: int, url: str) -> None:
        self.ports[f"127.0.0.1:{port}"] = url.removeprefix("http://")

    def _real(self, text: str) -> str:
        for told, real in self.ports.items():
            text = text.replace(told, real)
        return text

    def _told(self, text: str) -> str:
        for told, real in self.ports.items():
            text = text.replace(real, told)
        return text.replace(f"{Path.cwd()}/", "")

    # ------------------------------------------------------------------------- running

    def write(self, title: str, body: str) -> None:
        """Write a file of the page, or the section that ``FILE#SECTION`` names."""
        name, _, section = title.partition("#")
        if section:
            parts = re.split(r"(?m)^(?=\[)", Path(name).read_text("utf-8"))
            kept = [part for part in parts if not part.startswith(f"[{section}]")]
            body = "".join(kept).rstrip() + "\n\n" + body
        Path(name).write_text(self._real(body), "utf-8")

    def run(self, command: str, says: tuple[str, ...] = ()) -> list[str]:
        """Run a command, and return what it prints, line by line."""
        words = shlex.split(os.path.expandvars(self._real(command)))
        match words:
            case ["rota", "sandbox", vendor, "--port", port]:
                text = self._sandbox(vendor, int(port))
            case ["rota", *args] if says == ("Killed",):
                text = self._kill(args)
            case ["rota", name, *args]:
                text = self._rota(name, [*args, *_IN_ORDER.get(name, ())])
            case ["curl", *args]:
                text = _curl(args)
            case ["sqlite3", path, query]:
                text = _sqlite(path, query)
            case ["export", setting]:
                name, _, value = setting.partition("=")
                os.environ[name] = value
                text = ""
            case ["mkdir", name]:
                Path(name).mkdir()
                text = ""
            case ["cd", name]:
                os.chdir(name)
                text = ""
            case ["cat", name]:
                text = Path(name).read_text("utf-8")
            case _:
                raise AssertionError(f"no terminal here knows: {command}")
        return [line.rstrip() for line in self._told(text).rstrip("\n").splitlines()]

    def _rota(self, name: str, args: list[str]) -> str:
        self._let_time_pass()
        said = io.StringIO()
        found: click.Command = import_module(f"rota.cli.{name}").command
        with (
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(io.StringIO()) as aside,
            Session(clock=self.clock) as session,
        ):
            try:
                found.main(args, standalone_mode=False, obj=session)
            except RotaError as error:
                complain(error.message, error.hint, error.exit_code, as_json=False)
                said.write(aside.getvalue())
        return said.getvalue()

    def _let_time_pass(self) -> None:
        """Forget what was called: to a person commands are not all at one moment."""
        if (ledger := Path("rota.db")).exists():
            with contextlib.closing(sqlite3.connect(ledger)) as opened, opened:
                opened.execute("DELETE FROM spent")

    def _sandbox(self, vendor: str, port: int) -> str:
        """Start a sandbox on a free port, at the page's time, until all is over."""
        at = self.clock.now().strftime("%Y-%m-%dT%H:%M:%S")
        process = subprocess.Popen(
            [Path(sys.executable).with_name("rota"), "sandbox", vendor, "--clock", at],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.stack.callback(_stop, process)
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        text = "".join(lines)
        url = re.search(r"http://127\.0\.0\.1:\d+", text)
        assert url, f"the sandbox of {vendor} did not start: {text}"
        self._know(port, url[0])
        return text

    def _kill(self, args: list[str]) -> str:
        """Run a command in a process of its own, and kill it once it has written."""
        before = self._states()
        name, *rest = [*args, *_IN_ORDER.get(args[0], ())]
        process = subprocess.Popen(
            [
                sys.executable, "-P", "-c", _CHILD,
                name, self.clock.now().isoformat(), *rest,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            while self._states() == before:
                if process.poll() is not None:
                    assert process.stderr is not None
                    raise AssertionError(process.stderr.read().decode())
                system().sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        return "Killed"

    def _states(self) -> list[str]:
        return [
            httpx.get(f"http://{real}/_sandbox/state").text
            for real in self.ports.values()
        ]


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate()


def _curl(args: list[str]) -> str:
    """Do what curl does with -s, -X, -H, -u, -d and an address."""
    method, url, data, headers, auth = "", "", "", {}, None
    words = iter(args)
    for word in words:
        match word:
            case "-s":
                pass
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(":")
                headers[name] = value.strip()
            case "-u":
                user, _, password = next(words).partition(":")
                auth = (user, password)
            case "-d":
                data += ("&" if data else "") + next(words)
            case _:
                assert word.startswith("http://"), word
                url = word
    if data:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    answer = httpx.request(
        method or ("POST" if data else "GET"),
        url,
        content=data or None,
        headers=headers,
        auth=auth,
    )
    return answer.text


def _sqlite(path: str, query: str) -> str:
    with contextlib.closing(sqlite3.connect(path)) as ledger:
        rows = ledger.execute(query).fetchall()
    return "\n".join("|".join("" if c is None else str(c) for c in row) for row in rows)


# ------------------------------------------------------------------------------- pages


class _Patient(StillClock):
    """Stands still and yet waits, for sandboxes whose clocks run: slow or not."""

    def __init__(self) -> None:
        super().__init__(MONDAY)
        self._system = system()

    def monotonic(self) -> float:
        return self._system.monotonic()

    def sleep(self, seconds: float) -> None:
        self._system.sleep(seconds)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Give a folder of a short name: where lines break depends on the paths in them."""
    short = "/tmp" if Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="rota-", dir=short) as place:
        yield Path(place).resolve()


def tutorial(folder: Path) -> Terminal:
    """Return a terminal for docs/tutorial.md: all it needs, the page starts itself."""
    return Terminal(folder, _Patient())


_NOTHING_MORE: Callable[[TrackTikSandbox], None] = lambda guards: None  # noqa: E731


def two_way(folder: Path) -> Terminal:
    """Return a terminal for docs/two-way.md: a patrol of every night, and two cars."""
    return _portal_and_fleet(
        folder, days=["MONDAY", "TUESDAY", "WEDNESDAY"], frequency="WEEKLY"
    )


def life(
    folder: Path, more: Callable[[TrackTikSandbox], None] = _NOTHING_MORE
) -> Terminal:
    """Return a terminal for docs/life-of-a-plan.md: one site, one post, one car."""
    return _portal_and_fleet(folder, days=["MONDAY"], frequency="BI_WEEKLY", more=more)


def _portal_and_fleet(
    folder: Path,
    *,
    days: list[str],
    frequency: str,
    more: Callable[[TrackTikSandbox], None] = _NOTHING_MORE,
) -> Terminal:
    from rota_navixy.sandbox import API_KEY, NavixySandbox

    clock = StillClock(MONDAY)
    guards = TrackTikSandbox(clock=clock, seeded=False, expires_in=10**7)
    guards.add_client("Harbour Mill", "America/Chicago", id=101)
    guards.add_position(101, "Mill night", id=301)
    guards.add_task_type("Patrol", id=1)
    guards.add_schedule(
        101, 1, days=days, start="22:00:00", end="02:00:00",
        begin=dt.date(2026, 12, 7), frequency=frequency, position=301,
        description="Mill night patrol", id=1001,
    )  # fmt: skip
    more(guards)
    fleet = NavixySandbox(
        clock=clock, sample=False, zone="America/Chicago", rate_on_clock=True
    )
    fleet.world.add_tracker("Night car", id=2041)
    fleet.world.add_tracker("Spare car", id=2042)
    secrets = {
        "CLIENT_SECRET": guards.client_secret,
        "PASSWORD": guards.password,
        "API_KEY": API_KEY,
    }
    terminal = Terminal(
        folder, clock, boxes={8010: guards, 8030: fleet}, environ=secrets
    )
    login = {**guards.credentials(), "grant_type": "password"}
    url = f"http://{terminal.ports['127.0.0.1:8010']}/rest/oauth2/access_token"
    token = httpx.post(url, data=login).json()["access_token"]
    terminal.environ["TOKEN"] = token
    return terminal


def inferring(folder: Path) -> Terminal:
    """Return a terminal for docs/inferring.md: half a year of tasks, and a fleet."""
    from rota_navixy.sandbox import API_KEY, NavixySandbox
    from rota_trackops.sandbox import TrackopsSandbox

    clock = StillClock(MONDAY)
    cases = TrackopsSandbox(clock=clock, filled=False)
    case = cases.add_case("Harbour Mill", client=cases.add_client("Acme Storage"), id=1)
    ann = cases.add_staff("Ann", "Okafor")
    holidays = (dt.date(2026, 11, 26), dt.date(2026, 12, 25))
    meters = (dt.date(2027, 1, 28), dt.date(2027, 2, 25), dt.date(2027, 3, 25))
    for n in range(179):
        day = dt.date(2026, 9, 1) + dt.timedelta(n)
        if day.isoweekday() <= 5 and day not in holidays:
            cases.add_task("Walk the fence", day, case=case, users=[ann])
        if day.day in (1, 15):
            cases.add_task("Test the alarm", day, case=case)
        if day in meters:
            cases.add_task("Read the meters", day, case=case)
    cases.add_task("Walk the fence", dt.date(2026, 11, 28), case=case, users=[ann])
    cases.add_task("Read the meters", meters[-1], case=case)
    cases.add_task("Order torches", dt.date(2027, 1, 15), case=case)
    fleet = NavixySandbox(
        clock=clock, sample=False, zone="America/Chicago", rate_on_clock=True
    )
    fleet.world.add_place("Harbour Mill", 41.8827, -87.6233, id=41)
    fleet.world.add_tracker("Day car", id=1041)
    secrets = {"TRACKOPS_API_TOKEN": cases.token, "NAVIXY_API_KEY": API_KEY}
    return Terminal(folder, clock, boxes={8020: cases, 8030: fleet}, environ=secrets)


def cut_over(folder: Path) -> Terminal:
    """Return a terminal for docs/cut-over.md: life, with a patrol for every day."""

    def add_round(guards: TrackTikSandbox) -> None:
        daily = guards.add_schedule(
            101, 1, days=EVERY_DAY, start="20:00:00", end="21:30:00", position=301,
            begin=dt.date(2026, 12, 7), description="Mill evening round", id=1002,
        )  # fmt: skip
        guards.add_session(daily, dt.date(2027, 1, 12), status="SCHEDULED")

    return life(folder, add_round)


def python(folder: Path) -> Terminal:
    """Return a terminal for docs/python.md, which brings all it needs."""
    return Terminal(folder, StillClock(MONDAY))


PAGES = {
    "cut-over": cut_over,
    "inferring": inferring,
    "life-of-a-plan": life,
    "python": python,
    "tutorial": tutorial,
    "two-way": two_way,
}


def play(page: Path, terminal: Terminal) -> Iterator[tuple[Step, list[str]]]:
    """Write the files of a page, run its commands and its Python, in order."""
    found = blocks(page)
    after = [(language, body) for language, _, body in found[1:]] + [("", "")]
    names: dict[str, Any] = {"__name__": page.stem}
    for (language, title, body), (following, said) in zip(found, after, strict=True):
        if title:
            terminal.write(title, body)
        elif language == "console":
            for step in steps(body):
                yield step, terminal.run(step.command, step.says)
        elif language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(body, str(page), "exec"), names)
            says = tuple(said.splitlines()) if following == "text" else ()
            yield Step(body, says), out.getvalue().splitlines()


def rewrite(page: Path, terminal: Terminal) -> None:
    """Write what a page prints into it, except where lines are left out."""
    rest, done = page.read_text("utf-8"), ""
    with terminal:
        for step, printed in play(page, terminal):
            head = _head(rest, step.command)
            before, found, rest = rest.partition("\n".join([head, *step.says]))
            assert found, f"{page}: not found: {head}"
            done += before
            if any(line.strip() == LEFT_OUT for line in step.says):
                done += found
                if not agrees(step.says, printed):
                    print(f"{page}: $ {step.command}", *printed, sep="\n    ")  # noqa: T201
            else:
                done += "\n".join([head, *printed])
    page.write_text(done + rest, "utf-8")


def _head(text: str, command: str) -> str:
    """Return what stands before a command's output, as the page breaks it."""
    if "\n" in command:
        told = f"{command}```\n\n```text"
        return told if told in text else f"{command}```"
    pattern = r"\$ " + r"\s+(?:\\\n\s*)?".join(map(re.escape, command.split(" ")))
    found = re.search(pattern, text)
    return found[0] if found else f"$ {command}"


if __name__ == "__main__":
    for name in sys.argv[1:] or PAGES:
        with folder() as place:
            rewrite(ROOT / "docs" / f"{name}.md", PAGES[name](place))
