"""``rota due``."""

from __future__ import annotations

import attrs
import rich_click as click

from rota import report
from rota.applying import apply
from rota.gathering import gather
from rota.planning import NoteKind, plan

from .printing import json_option, tell, tell_json
from .session import Session


@click.command("due")
@click.argument("pairs", nargs=-1)
@click.option(
    "--list", "only_list", is_flag=True, help="Show the calendar; write nothing."
)
@json_option
@click.pass_obj
def command(
    session: Session, pairs: tuple[str, ...], only_list: bool, as_json: bool
) -> int:
    """
    Make and retire what accepted plans announced for the next day, and nothing else.

    For cron, once a day or oftener, well before the target's own daily run. Leaves
    with 7 where a piece was due earlier and nobody made it; it is made now.
    """
    names = pairs or session.pairs
    codes = [0]
    told: dict[str, object] = {}
    for name in names:
        waits = session.ledger.due(session.ledger.pair(name))
        if only_list:
            told[name] = [{"day": str(d.day), "source": d.source} for d in waits]
            if not as_json:
                tell(f"{len(waits)} pieces wait in {name}")
                for due in waits:
                    tell(f"  {due.day}  {due.source}")
            continue
        both = session.pair(name)
        made = plan(gather(both, session.ledger, clock=session.clock))
        late = [note for note in made.notes if note.kind is NoteKind.OVERDUE]
        now = attrs.evolve(
            made,
            changes=tuple(c for c in made.changes if c.announced and c.calls),
            halts=(),
        )
        # What waits stays as it is: this run is about the announced changes alone.
        keep = tuple(c for c in made.changes if c.announced and not c.calls)
        now = attrs.evolve(now, waiting=(*made.waiting, *keep))
        applied = apply(now, both, session.ledger, clock=session.clock)
        session.observe(applied)
        codes.append(7 if late else applied.code)
        told[name] = report.applied_json(applied)
        if not as_json:
            for note in late:
                tell(f"  {note.about}: {note.text}")
            tell(report.applied_text(applied))
    if as_json:
        tell_json(told)
    return next((code for code in (2, 7, 5, 4, 1, 3) if code in codes), 0)
