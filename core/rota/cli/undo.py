"""``rota undo``."""

from __future__ import annotations

import json
from pathlib import Path

import rich_click as click

from rota import report
from rota.gathering import gather, written
from rota.inferring import forget
from rota.planning import plan, undo

from .plan import code
from .printing import json_option, tell, tell_json, write
from .session import Session


@click.command("undo")
@click.argument("run", type=int)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False), help="Keep the plan for apply."
)
@click.option("--full", is_flag=True, help="Cut no list.")
@json_option
@click.pass_obj
def command(
    session: Session, run: int, output: str | None, full: bool, as_json: bool
) -> int:
    """
    Plan to take RUN back: a plan of before-images, reviewed and applied like any other.

    What was edited since is left alone and named; what can't be taken back is on the
    hand-over list. Nothing is written until rota apply.
    """
    both = session.pair(session.ledger.run(run).run.pair)
    seen = gather(both, session.ledger, clock=session.clock)
    made = undo(seen, plan(seen), run, written(session.ledger, run))
    made = forget(made, both, session.ledger, run)
    if output:
        write(Path(output), json.dumps(report.plan_json(made), ensure_ascii=False))
    if as_json:
        tell_json(report.plan_json(made))
    else:
        tell(report.plan_text(made, full=full, file=output or "PLANFILE"))
        if output:
            tell(f"Review it, then: rota apply {output}")
    return code(made, check=False)
