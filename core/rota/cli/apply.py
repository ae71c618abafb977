"""``rota apply``."""

from __future__ import annotations

import json
from pathlib import Path

import rich_click as click

from rota import convert, report
from rota.applying import Applied, Result, apply
from rota.errors import ConfigError, ValueRefused
from rota.gathering import gather
from rota.planning import FORMAT, Plan, plan

from .printing import json_option, progress, tell, tell_json
from .session import Session


@click.command("apply")
@click.argument("planfile", required=False, type=click.Path(dir_okay=False))
@click.option("--pair", help="Plan and apply in one go, without a review.")
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
    accept: tuple[str, ...],
    workers: int | None,
    as_json: bool,
) -> int:
    """
    Do exactly what the plan in PLANFILE says, each change once.

    A change whose record moved since is skipped. After a crash the same command
    goes on: it looks first for what may have been written.
    """
    if (planfile is None) == (pair is None):
        raise click.UsageError("name either a PLANFILE or --pair PAIR")
    if planfile is not None:
        made = read(Path(planfile))
        both = session.pair(made.pair)
    else:
        assert pair is not None
        both = session.pair(pair)
        made = plan(gather(both, session.ledger, clock=session.clock))
    with progress("applying", len(made.changes), quiet=as_json) as advance:

        def watch(result: Result) -> None:
            advance()

        applied = apply(
            made,
            both,
            session.ledger,
            accept=accept,
            clock=session.clock,
            workers=workers,
            watch=watch,
        )
    _observe(session, applied)
    if as_json:
        tell_json(report.applied_json(applied))
    else:
        tell(report.applied_text(applied))
    return applied.code


def _observe(session: Session, applied: Applied) -> None:
    record = session.ledger.run(applied.run)
    outcomes = {
        (intent.source, intent.target): intent.outcomes[-1]
        for intent in record.intents
        if intent.outcomes
    }
    for result in applied.results:
        ref = result.change.target.key if result.change.target else None
        outcome = outcomes.get((result.change.source.key, ref))
        if outcome is not None:
            session.plugins.notify(
                "rota_change_applied",
                run=record.run,
                change=result.change,
                outcome=outcome,
            )
    session.plugins.notify("rota_run_finished", run=record.run)


def read(path: Path) -> Plan:
    """Read a plan file; ConfigError names what is wrong with it."""
    again = "make it anew with rota plan PAIR -o FILE"
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from error
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
