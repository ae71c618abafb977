"""``rota plan``."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import rich_click as click

from rota import report
from rota.gathering import Pair, gather, put_right
from rota.planning import CutOver, HaltKind, NoteKind, Plan, plan
from rota.planning.terms import SELECTABLE

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
@click.option(
    "--cut-over",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DAY",
    help="From DAY on the work is the target's; each source ends the day before.",
)
@click.option(
    "--shadow",
    is_flag=True,
    help="With --cut-over: until DAY the target runs beside, with nobody assigned.",
)
@click.option(
    "--select",
    multiple=True,
    metavar="FIELD=PATTERN",
    help="With --cut-over: only these, as a pair's select; may be repeated.",
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
    cut_over: dt.datetime | None,
    shadow: bool,
    select: tuple[str, ...],
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
    if cut_over is None and (shadow or select):
        raise click.UsageError("--shadow and --select go with --cut-over")
    both = session.pair(pair)
    if cut_over is not None and today:
        raise click.UsageError("--today does not go with --cut-over")
    made = decide(
        session,
        both,
        quiet=as_json,
        today=today,
        cut_over=CutOver(day=cut_over.date(), shadow=shadow) if cut_over else None,
        only=_only(select),
    )
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
                made,
                calls_per_second=rate.calls / rate.seconds,
                full=full,
                file=output or "PLANFILE",
            )
        )
        if output and made.changes:
            tell(f"Review it, then: rota apply {output}")
    return code(made, check=check)


def _only(words: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        field, equals, pattern = word.partition("=")
        if not equals or field not in SELECTABLE:
            raise click.UsageError(
                f"--select {word}: say FIELD=PATTERN with one of {', '.join(SELECTABLE)}"
            )
        found[field] = (*found.get(field, ()), pattern)
    return found


def decide(
    session: Session,
    both: Pair,
    *,
    quiet: bool,
    today: bool = False,
    cut_over: CutOver | None = None,
    only: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Plan:
    """Gather and plan, and tell the observers."""
    label = f"reading {both.source.name} and {both.target.name}"
    with Progress(label, clock=session.clock, quiet=quiet):
        day = cut_over.day if cut_over else None
        seen = gather(both, session.ledger, clock=session.clock, cut_over=day)
        made = plan(seen, cut_over, only)
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
