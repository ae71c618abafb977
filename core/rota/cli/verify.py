"""``rota verify``."""

from __future__ import annotations

import rich_click as click

from rota import report
from rota.verifying import DAYS, verify

from .printing import Progress, json_option, tell, tell_json
from .session import Session


@click.command("verify")
@click.argument("pair")
@click.option(
    "--days",
    type=click.IntRange(2, 400),
    default=DAYS,
    show_default=True,
    help="How far ahead the calendars are compared.",
)
@click.option("--full", is_flag=True, help="Name every schedule and its proof.")
@json_option
@click.pass_obj
def command(session: Session, pair: str, days: int, full: bool, as_json: bool) -> int:
    """Compare both sides of PAIR day by day, and print the proof."""
    both = session.pair(pair)
    label = f"reading {both.source.name} and {both.target.name}"
    with Progress(label, clock=session.clock, quiet=as_json):
        found = verify(both, session.ledger, clock=session.clock, days=days)
    if as_json:
        tell_json(report.verification_json(found))
    else:
        tell(report.verification_text(found, full=full))
    return found.code
