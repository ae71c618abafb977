"""The command line: one file a command; the only place that prints."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import rich_click as click


COMMANDS = {
    "demo": "The whole story on loopback sandboxes, with no credentials.",
    "init": "Write a rota.toml to start from.",
    "check": "Test credentials, rights, zones and marks.",
    "show": "Show one account through the core model.",
    "crosswalk": "Suggest and check the table of references of a pair.",
    "plan": "Decide and show what would be done; write nothing anywhere.",
    "apply": "Do exactly what a reviewed plan says.",
    "verify": "Compare both sides of a pair day by day.",
    "runs": "Show what was done, and what is still open.",
    "sandbox": "Run a vendor's sandbox on loopback.",
    "plugins": "List what is installed, and blame what is broken.",
    "record": "Record a vendor's cassettes.",
}


class _Commands(click.RichGroup):
    """Loads a command's file only when it is run, not to list it."""

    listing = False

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.listing = True
        super().format_help(ctx, formatter)  # type: ignore[arg-type]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        if self.listing or ctx.resilient_parsing:
            return click.Command(name, help=COMMANDS[name])
        found: click.Command = import_module(f".{name}", __name__).command
        return found


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.option(
    "--config",
    "-c",
    type=click.Path(dir_okay=False),
    help="The rota.toml; by default the one here or in a folder above.",
)
@click.version_option(package_name="rota", prog_name="rota")
@click.pass_context
def root(ctx: click.Context, config: str | None) -> None:
    """
    Move and mirror recurring field-work schedules between systems.

    Exit codes: 0 done or nothing to do, 1 failed (a retry may help), 2 usage or
    configuration, 3 changes or drift found, 4 conflicts wait, 5 refused as unsafe,
    7 needs a person.
    """
    from .session import Session

    ctx.obj = ctx.with_resource(Session(config))


def main(args: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    # httpx imports its own command line where rich is installed; nobody needs it.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    sys.exit(run(args))


def run(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code; never a traceback."""
    from click.exceptions import Exit

    from rota.errors import RotaError

    from .printing import complain

    words = sys.argv[1:] if args is None else args
    as_json = "--json" in words
    try:
        code: Any = root.main(args=words, prog_name="rota", standalone_mode=False)
    except Exit as leave:
        return int(leave.exit_code)
    except click.ClickException as error:
        if as_json:
            complain(error.format_message(), "", 2, as_json=True)
        else:
            error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        complain("stopped", "run the same command again to go on", 1, as_json=as_json)
        return 1
    except RotaError as error:
        complain(error.message, error.hint, error.exit_code, as_json=as_json)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        complain(f"{where}{error.strerror or error}", "", 1, as_json=as_json)
        return 1
    return code if isinstance(code, int) else 0
