"""``rota apply``."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import rich_click as click

from rota import convert, report
from rota.applying import Result, apply, recover
from rota.errors import ConfigError, RotaError, ValueRefused
from rota.planning import Plan
from rota.planning.plans import FORMAT

from .plan import decide
from .printing import Progress, json_option, tell, tell_json
from .session import Session


_LOG = logging.getLogger("rota")


@click.command("apply")
@click.argument("planfile", required=False, type=click.Path(dir_okay=False))
@click.option("--pair", help="Plan and apply in one go, without a review.")
@click.option(
    "--today",
    is_flag=True,
    help="With --pair: put today right, too; a PLANFILE has it from rota plan.",
)
@click.option(
    "--accept",
    multiple=True,
    metavar="WHAT@PLAN",
    help="Accept what the plan refuses, e.g. retire:12@3f2a9c1b44de.",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), help="Changes under way at once."
)
@json_option
@click.pass_obj
def command(
    session: Session,
    planfile: str | None,
    pair: str | None,
    today: bool,
    accept: tuple[str, ...],
    workers: int | None,
    as_json: bool,
) -> int:
    """
    Do exactly what the plan in PLANFILE says, each change once.

    A change whose record moved since is skipped. After Ctrl-C or a crash the same
    command goes on: it looks first for what may have been written.
    """
    if (planfile is None) == (pair is None):
        raise click.UsageError("name either a PLANFILE or --pair PAIR")
    if today and planfile is not None:
        raise click.UsageError("--today goes with --pair; a PLANFILE has it or has not")
    if planfile is not None:
        made = read(Path(planfile))
        both = session.pair(made.pair)
    else:
        assert pair is not None
        both = session.pair(pair)
        recover(both, session.ledger, clock=session.clock)
        made = decide(session, both, today=today, quiet=as_json)
    rate = both.target.capabilities.rate
    seen: list[Result] = []
    with Progress(
        f"writing to {both.target.name}",
        clock=session.clock,
        calls=made.calls,
        per_second=rate.calls / rate.seconds,
        quiet=as_json,
    ) as progress:

        def watch(result: Result) -> None:
            seen.append(result)
            progress.advance(result.change.calls)
            _LOG.info("%s", report.result_line(result))

        try:
            with _finishing():
                applied = apply(
                    made,
                    both,
                    session.ledger,
                    accept=accept,
                    clock=session.clock,
                    workers=workers,
                    watch=watch,
                )
        except RotaError as error:
            if seen:
                error.hint = (
                    f"{error.hint}\n{len(seen)} of {len(made.changes)} changes were "
                    "dealt with before that: rota runs shows them, and the same "
                    "command goes on"
                ).strip()
            raise
    session.observe(applied)
    if as_json:
        tell_json(report.applied_json(applied))
    else:
        tell(report.applied_text(applied))
    return applied.code


@contextmanager
def _finishing() -> Iterator[None]:
    """Let the first Ctrl-C stop the run after the calls under way, others wait."""
    told = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if told:
            click.echo("\nstill waiting for the answer of a call under way", err=True)
            return
        told = True
        click.echo("\nstopping: the calls under way are finished first", err=True)
        raise KeyboardInterrupt

    try:
        before = {
            number: signal.signal(number, stop)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
    except ValueError:  # not the main thread, which alone hears signals
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def read(path: Path) -> Plan:
    """Read a plan file; ConfigError names what is wrong with it."""
    again = "make it anew: rota plan PAIR -o FILE"
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} can't be read: {error.strerror}", hint=again
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} is not a plan: {error}", hint=again) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ConfigError(
            f"{path} is not a plan of format {FORMAT}, which this rota reads",
            hint=again,
        )
    claimed = data.pop("digest", "")
    for extra in ("id", "calls", "counts"):
        data.pop(extra, None)
    try:
        made = convert.structure(data, Plan, str(path))
    except ValueRefused as error:
        raise ConfigError(error.message, hint=again) from error
    if made.digest != claimed:
        raise ConfigError(f"{path} was changed after it was made", hint=again)
    return made
