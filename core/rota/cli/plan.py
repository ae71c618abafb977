"""``rota plan``."""

from __future__ import annotations

import json
from pathlib import Path

import rich_click as click

from rota import report
from rota.gathering import Pair, gather, put_right
from rota.planning import HaltKind, NoteKind, Plan, plan

from .printing import Progress, json_option, tell, tell_json, write
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
@click.option(
    "--today",
    is_flag=True,
    help="Put today right, too: what the target's run has made of it, or missed.",
)
@click.option("--full", is_flag=True, help="Cut no list.")
@json_option
@click.pass_obj
def command(
    session: Session,
    pair: str,
    output: str | None,
    markdown: str | None,
    check: bool,
    today: bool,
    full: bool,
    as_json: bool,
) -> int:
    """
    Decide what would make PAIR's target say what its source says, and show it.

    Nothing is written at either account. Leaves with 5 or 7 where the plan refuses to
    be applied as it is, with 4 where conflicts wait.
    """
    both = session.pair(pair)
    made = decide(session, both, today=today, quiet=as_json)
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
        if output and made.changes:
            tell(f"Review it, then: rota apply {output}")
    return code(made, check=check)


def decide(session: Session, both: Pair, *, quiet: bool, today: bool = False) -> Plan:
    """Gather and plan, and tell the observers."""
    label = f"reading {both.source.name} and {both.target.name}"
    with Progress(label, clock=session.clock, quiet=quiet):
        seen = gather(both, session.ledger, clock=session.clock)
        made = plan(seen)
        if today:
            made = put_right(both, made, seen)
    session.notify("rota_plan_made", plan=made)
    return made


def code(made: Plan, *, check: bool) -> int:
    """Return the exit code of a plan: 7, 5, 4 or, with ``--check``, 3."""
    kinds = {halt.kind for halt in made.halts}
    if HaltKind.PERSON in kinds or any(
        note.kind is NoteKind.OVERDUE for note in made.notes
    ):
        return 7
    if kinds:
        return 5
    if made.conflicts:
        return 4
    return 3 if check and made.changes else 0
