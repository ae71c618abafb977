"""``rota demo``: a whole account moves, on loopback, with no credentials."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import attrs
import rich_click as click

from rota.clock import StillClock
from rota.errors import ConfigError, PluginError, RotaError
from rota.plugins import Plugins

from .printing import json_option, tell, tell_json, write
from .sandbox import account_section
from .session import Session


# A Monday, before dawn in the west and after breakfast in the east.
BEGIN = dt.datetime(2027, 1, 4, 15, tzinfo=dt.UTC)
FOLDER = "demo-out"

_CONFIG = """\
# Written by rota demo: three sandboxes on this machine.
ledger = "rota.db"
{accounts}
[pairs.patrols]
source = "guards"
target = "fleet"
fidelity = "expand"
horizon_days = 60
select = { category = ["1", "2", "3"] }
defaults = { radius_m = 150 }

[pairs.cases]
source = "guards"
target = "office"
fidelity = "expand"
horizon_days = 14
open_ended = "roll"
unmapped_assignee = "unassigned"
select = { category = ["4"] }
"""


@attrs.frozen(kw_only=True)
class _Box:
    """One sandbox: the account's name, its vendor, how it is made and filled."""

    account: str
    vendor: str
    options: dict[str, Any]
    world: str = ""


_BOXES = (
    _Box(account="guards", vendor="tracktik", options={"seeded": False}),
    _Box(
        account="fleet",
        vendor="navixy",
        options={"sample": False, "zone": "America/Chicago", "rate_on_clock": True},
        world="world",
    ),
    _Box(account="office", vendor="trackops", options={"filled": False}),
)


@click.command("demo")
@click.option(
    "--folder",
    type=click.Path(file_okay=False),
    default=FOLDER,
    show_default=True,
    help="Where everything that it writes goes; made anew.",
)
@json_option
@click.pass_obj
def command(session: Session, folder: str, as_json: bool) -> int:
    """
    Move a whole account between sandboxes: plan, apply, verify, edit, again.

    It needs no credentials, talks to this machine only, and runs on a clock of its
    own, so it tells the same story at any hour.
    """
    try:
        import_module("rota.sandbox")
    except ImportError as error:
        raise PluginError(
            "the sandboxes need starlette and uvicorn",
            hint="pip install 'rota[sandbox]'",
        ) from error
    with Stage(session.plugins, Path(folder)) as stage:
        story = _Story(stage, quiet=as_json)
        story.tell()
    if as_json:
        tell_json({"folder": folder, "steps": story.steps})
    return 0


def _clear(where: Path) -> None:
    if where.exists():
        if any(where.iterdir()) and not (where / "rota.toml").exists():
            raise ConfigError(
                f"{where} holds files that are not of a demo",
                hint="name another place with --folder",
            )
        shutil.rmtree(where)
    (where / "secrets").mkdir(parents=True)


class Stage:
    """
    Three filled sandboxes on one still clock, and a folder configured for them.

    Args:
        where: The folder; made anew.
    """

    def __init__(self, plugins: Plugins, where: Path) -> None:
        self.where = where
        self.clock = StillClock(BEGIN)
        self.boxes: dict[str, Any] = {}
        self._stack = ExitStack()
        _clear(where)
        self.urls = dict(self._serve(plugins))
        self._configure(plugins)
        self.session = self._stack.enter_context(
            Session(str(where / "rota.toml"), clock=self.clock)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(self, *words: str) -> int:
        """Run a command of rota on this stage; its exit code."""
        name, *args = words
        found: click.Command = import_module(f".{name}", __package__).command
        code: int = found.main(args, standalone_mode=False, obj=self.session)
        return code

    def _serve(self, plugins: Plugins) -> Iterator[tuple[str, str]]:
        from rota.sandbox import serve

        for known in _BOXES:
            module, _, name = plugins.vendor(known.vendor).sandbox.partition(":")
            box = getattr(import_module(module), name)(
                clock=self.clock, **known.options
            )
            acme = import_module(f"{module}_acme")
            acme.fill(getattr(box, known.world) if known.world else box)
            self.boxes[known.account] = box
            yield known.account, self._stack.enter_context(serve(box)).base_url

    def _configure(self, plugins: Plugins) -> None:
        accounts = [self._account(plugins, known) for known in _BOXES]
        config = _CONFIG.replace("{accounts}", "".join(accounts))
        write(self.where / "rota.toml", config)

    def _account(self, plugins: Plugins, known: _Box) -> str:
        """Return a sandbox's section of rota.toml; its secrets go into files."""
        account = known.account
        box = self.boxes[account]
        section, secrets = account_section(
            plugins.vendor(known.vendor),
            account,
            {"base_url": self.urls[account], **box.credentials()},
            lambda key: f"file:secrets/{account}-{key}",
        )
        for reference, secret in secrets.items():
            path = self.where / reference.removeprefix("file:")
            write(path, secret)
            path.chmod(0o600)
        return "\n".join(("", *section, ""))


class _Story:
    """The demo, step by step."""

    def __init__(self, stage: Stage, *, quiet: bool) -> None:
        self.stage = stage
        self.where = stage.where
        self.quiet = quiet
        self.steps: list[dict[str, object]] = []

    def tell(self) -> None:
        """Tell it all; raises where a step ends otherwise than it should."""
        self._say(
            "Three sandboxes run on this machine: TrackTik (guards), Navixy (fleet) "
            "and Trackops (office). It is Monday, 4 January 2027, 09:00 in Chicago."
        )
        for account, url in self.stage.urls.items():
            self._say(f"  {account:<8} {url}")
        self._run("Can we get in, and what do we see?", "check")
        self._say("Who and what there is whom and what here: names and codes agree,")
        self._say("so what is alike is filled in; the rest stays open for a person.")
        for pair in ("patrols", "cases"):
            self._run("", "crosswalk", pair, "--write", "--accept", "0.9", codes=(0, 3))
        self._move("Decide. Nothing is written yet.", "1")
        self._compare("Do both sides agree, day by day?")
        self._again("And a second plan finds nothing left to do:")
        self._say("\nPeople change three schedules at the source:")
        acme = import_module("rota_tracktik.sandbox_acme")
        for line in acme.edit(self.stage.boxes["guards"]):
            self._say(f"  {line}")
        self._move("The small plan that follows:", "2")
        self._again("Nothing is left but what a person must do by hand:")
        self._midnight()
        self._say(
            f"\nAll of it is in {self.where}/: rota.toml, the crosswalks, the plans"
        )
        self._say(
            "(JSON, and Markdown to review), and the ledger. Next: docs/tutorial.md"
        )

    def _move(self, title: str, turn: str) -> None:
        for pair in ("patrols", "cases"):
            plan = str(self.where / f"{pair}-{turn}.json")
            review = str(self.where / f"{pair}-{turn}.md")
            self._run(title, "plan", pair, "-o", plan, "--markdown", review)
            title = ""
        for pair in ("patrols", "cases"):
            plan = str(self.where / f"{pair}-{turn}.json")
            self._run("", "apply", plan, codes=(0, 7))

    def _compare(self, title: str) -> None:
        for pair in ("patrols", "cases"):
            self._run(title, "verify", pair)
            title = ""

    def _again(self, title: str) -> None:
        for pair in ("patrols", "cases"):
            self._run(title, "plan", pair, "--check")
            title = ""

    def _midnight(self) -> None:
        self.stage.clock.set(dt.datetime(2027, 1, 5, 7, tzinfo=dt.UTC))
        self._say(
            "\nMidnight passes in Chicago; Navixy makes the tasks of Tuesday from the "
            "entries that rota wrote:"
        )
        self._run("", "show", "fleet", "occurrences", "--from", "2027-01-05", "--to",
                  "2027-01-05")  # fmt: skip
        self._say("\nA day later the horizon of dated tasks has moved on by a day:")
        for pair in ("patrols", "cases"):
            self._run("", "apply", "--pair", pair)
        self._compare("And both sides still agree:")

    def _run(self, title: str, *words: str, codes: tuple[int, ...] = (0,)) -> None:
        name, *args = words
        if title:
            self._say(f"\n{title}")
        shown = " ".join([name, *args]).replace(f"{self.where}/", "")
        self._say(f"\n$ rota {shown}")
        if self.quiet:
            with contextlib.redirect_stdout(io.StringIO()):
                code = self.stage.run(name, *args, "--json")
        else:
            code = self.stage.run(name, *args)
        self.steps.append({"command": f"rota {shown}", "code": code})
        if code not in codes:
            raise RotaError(
                f"'rota {shown}' left with {code}",
                hint=f"what it saw is in {self.where}/",
            )

    def _say(self, text: str) -> None:
        if not self.quiet:
            tell(text)
