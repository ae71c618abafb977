"""A desk for tests of the command line: a folder, a clock, two accounts in memory."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

from rota import cli, crosswalk
from rota.clock import Clock, StillClock
from rota.secrets import Secret
from rota.testing.memory import MemoryAccount
from rota.vendor import Account, Capabilities, Vendor


CONFIG = """\
ledger = "rota.db"

[accounts.guards]
vendor = "desk"

[accounts.fleet]
vendor = "desk"

[pairs.patrols]
source = "guards"
target = "fleet"
"""

POINTS = """\
[rota]
desk = rota_desk
"""
PLUGIN = """\
import desk
from rota import hookimpl

@hookimpl
def rota_vendors():
    return [desk.VENDOR]
"""

HELD: dict[str, Account] = {}
"""The accounts that the vendor of the desk connects to, by name."""


@attrs.frozen(kw_only=True)
class Settings:
    """None are needed; a key is there to be wrong."""

    key: Secret | None = None


def connect(settings: Settings, *, account: str, clock: Clock) -> Account:
    """Return the account that a test has put there."""
    if settings.key is not None:
        settings.key.reveal()
    return HELD[account]


def capabilities(settings: object = None) -> Capabilities:
    return Capabilities(timings=MappingProxyType({}), fields=MappingProxyType({}))


VENDOR = Vendor(
    name="desk",
    title="Desk",
    settings=Settings,
    capabilities=capabilities,
    connect="desk:connect",
    account="desk:MemoryAccount",
)


@attrs.frozen(kw_only=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> str:
        """All that was printed, on one line."""
        return " ".join((self.out + self.err).split())

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@attrs.define(kw_only=True)
class Desk:
    """A folder with a rota.toml, and what stands behind its accounts."""

    folder: Path
    clock: StillClock
    source: MemoryAccount
    target: MemoryAccount

    def configure(self, *lines: str, base: str = CONFIG) -> None:
        """Write rota.toml, with more lines for the pair at its end."""
        (self.folder / "rota.toml").write_text("\n".join([base, *lines]) + "\n")

    def map(self, *rows: crosswalk.Row) -> None:
        """Write the crosswalk."""
        table = crosswalk.Crosswalk(rows=rows)
        (self.folder / "patrols.csv").write_text(crosswalk.text(table))

    def rota(self, *words: str) -> Ran:
        """Type a command; whatever happens, no traceback and 80 columns."""
        ran = run(self.clock, "--config", str(self.folder / "rota.toml"), *words)
        if "--json" in words:
            json.loads(ran.out)
        elif "-v" not in words:
            paths = str(self.folder)
            long = [
                line
                for line in (ran.out + ran.err).splitlines()
                if len(line) > 80 and paths not in line
            ]
            assert long == []
        return ran


def run(clock: Clock, *words: str) -> Ran:
    """Run the command line in this process; only a log for programs holds a story."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run(list(words), clock=clock)
    told = (out.getvalue() + err.getvalue()).splitlines()
    assert not any("Traceback" in line for line in told if not line.startswith("{"))
    return Ran(code=code, out=out.getvalue(), err=err.getvalue())


def install(site: Path) -> None:
    """Make the vendor of the desk a distribution of its own in a folder."""
    (site / "rota_desk.py").write_text(PLUGIN)
    about = site / "rota_desk-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: rota-desk\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
