"""``rota plan``."""

from __future__ import annotations

import json
from pathlib import Path

import rich_click as click

from rota import report
from rota.errors import ConfigError
from rota.gathering import gather
from rota.planning import HaltKind, Plan, plan

from .printing import json_option, tell, tell_json
from .session import Session


@click.command("plan")
@click.argument("pair")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False), help="Keep the plan for apply."
)
@click.option(
    "--markdown", type=click.Path(dir_okay=False), help="Write it all for a reviewer."
)
@click.option("--check", is_flag=True, help="Leave with 3 if anything would change.")
@click.option("--full", is_flag=True, help="Cut no list.")
@json_option
@click.pass_obj
def command(
    session: Session,
    pair: str,
    output: str | None,
    markdown: str | None,
    check: bool,
    full: bool,
    as_json: bool,
) -> int:
    """
    Decide what would make PAIR's target say what its source says, and show it.

    Nothing is written at either account.
    """
    both = session.pair(pair)
    made = plan(gather(both, session.ledger, clock=session.clock))
    session.plugins.notify("rota_plan_made", plan=made)
    if output:
        write(Path(output), json.dumps(report.plan_json(made), ensure_ascii=False))
    if markdown:
        write(Path(markdown), report.plan_markdown(made))
    if as_json:
        tell_json(report.plan_json(made))
    else:
        rate = both.target.capabilities.rate
        tell(
            report.plan_text(
                made, calls_per_second=rate.calls / rate.seconds, full=full
            )
        )
        if output:
            tell(f"Review it, then: rota apply {output}")
    return code(made, check=check)


def code(made: Plan, *, check: bool) -> int:
    """Return the exit code of a plan: 7, 5, 4 or, with ``--check``, 3."""
    kinds = {halt.kind for halt in made.halts}
    if HaltKind.PERSON in kinds:
        return 7
    if kinds:
        return 5
    if made.conflicts:
        return 4
    return 3 if check and made.changes else 0


def write(path: Path, text: str) -> None:
    """Write a file that a person asked for."""
    try:
        path.write_text(text + ("" if text.endswith("\n") else "\n"), "utf-8")
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}") from error
