"""The command line: one file a command; the only place that prints."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import attrs
import rich_click as click
from click.exceptions import Exit

from rota.clock import Clock


COMMANDS = {
    "demo": "The whole story on loopback sandboxes, with no credentials.",
    "init": "Write a rota.toml to start from.",
    "check": "Test credentials, rights, zones and marks.",
    "show": "Show one account through the core model.",
    "crosswalk": "Suggest and check the table of references of a pair.",
    "plan": "Decide and show what would be done; write nothing anywhere.",
    "apply": "Do exactly what a reviewed plan says.",
    "verify": "Compare both sides of a pair day by day.",
    "infer": "Find the rules behind dated tasks, and plan them elsewhere.",
    "coverage": "Compare what was planned with what was performed, on both sides.",
    "runs": "Show what was done, and what is still open.",
    "mirror": "Keep a target in step with its source, for months.",
    "due": "Make and retire what accepted plans announced for the next day.",
    "conflicts": "Show what waits for a person, and how to answer.",
    "resolve": "Answer what waits.",
    "explain": "Tell the story of one record.",
    "undo": "Plan to take a run back.",
    "adopt": "Plan to rebuild a lost ledger from what is at the target.",
    "ledger": "Check, back up or export what rota remembers.",
    "sandbox": "Run a vendor's sandbox on loopback.",
    "plugins": "List what is installed, and blame what is broken.",
    "record": "Record a vendor's cassettes.",
}

click.rich_click.THEME = "default-slim"


@attrs.define
class Outlet:
    """
    What one run is given, and where the story of an unexpected error goes.

    Args:
        clock: Instead of the machine's own.
        debug: The file of ``--debug``.
    """

    clock: Clock | None = None
    debug: Path | None = None


class _Commands(click.RichGroup):
    """Loads a command's file only when it is run, not to list it."""

    listing = False

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.listing = True
        super().format_help(ctx, formatter)  # type: ignore[arg-type]
        self.listing = False

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
@click.option("--verbose", "-v", is_flag=True, help="The same as --log-level info.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="What is logged on stderr; never a secret.",
)
@click.option(
    "--debug",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="ROTA_DEBUG",
    help="Keep every log line, and the details of an unexpected error, in this file; "
    "also the variable ROTA_DEBUG.",
)
@click.version_option(package_name="rota", prog_name="rota")
@click.pass_context
def root(
    ctx: click.Context,
    config: str | None,
    verbose: bool,
    log_level: str,
    debug: Path | None,
) -> None:
    """
    Move and mirror recurring field-work schedules between systems.

    Exit codes: 0 done or nothing to do, 1 failed (a retry may help), 2 usage or
    configuration, 3 changes or drift found, 4 conflicts wait, 5 refused as unsafe,
    7 needs a person; when several apply, the first of 2, 7, 5, 4, 1, 3.
    """
    from . import logs
    from .session import Session

    outlet = ctx.ensure_object(Outlet)
    outlet.debug = debug
    quieter = verbose and log_level in ("warning", "error")
    logs.configure("info" if quieter else log_level, debug)
    ctx.obj = ctx.with_resource(Session(config, clock=outlet.clock))


def main(args: list[str] | None = None, *, clock: Clock | None = None) -> None:
    """Run the command line and leave with its exit code."""
    # httpx imports its own command line where rich is installed; nobody needs it.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    signal.signal(signal.SIGTERM, _stop)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(run(args, clock=clock))


def run(args: list[str] | None = None, *, clock: Clock | None = None) -> int:
    """Run the command line and return its exit code; never a traceback."""
    words = sys.argv[1:] if args is None else args
    outlet = Outlet(clock=clock)
    try:
        code: Any = root.main(
            args=words, prog_name="rota", standalone_mode=False, obj=outlet
        )
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return 1
    except BaseException as error:
        return _complain(error, outlet.debug, as_json="--json" in words)
    return code if isinstance(code, int) else 0


def _complain(error: BaseException, debug: Path | None, *, as_json: bool) -> int:
    """Say what went wrong, without a traceback; return the exit code."""
    from rota.errors import RotaError

    from . import logs
    from .printing import complain

    match error:
        case Exit():
            return int(error.exit_code)
        case SystemExit():
            return error.code if isinstance(error.code, int) else 1
        case click.ClickException():
            told, code = error.format_message(), 2
            context = getattr(error, "ctx", None)
            path = context.command_path if context else "rota"
            hint = f"{path} --help tells its arguments"
        case click.Abort() | KeyboardInterrupt():
            told, code = "stopped", 1
            hint = "what was done is recorded; the same command goes on from there"
        case RotaError():
            told, hint, code = error.message, error.hint, error.exit_code
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            told, hint, code = f"{where}{error.strerror or error}", "", 1
        case _:
            told, code = f"unexpected: {type(error).__name__}: {error}", 1
            hint = (
                "this is a mistake in rota or a plugin; rota --debug FILE keeps its "
                "details"
                if debug is None
                else f"this is a mistake in rota or a plugin; {debug} holds its details"
            )
    try:
        if debug is not None and not isinstance(error, click.ClickException):
            logs.keep(error, debug)
        complain(told, hint, code, as_json=as_json)
        sys.stdout.flush()
    except OSError:  # a full disk, or nobody reads any more
        _forget_stdout()
    return code


def _forget_stdout() -> None:
    """Let the interpreter end in peace where nothing can be printed any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
