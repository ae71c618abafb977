"""``rota due``."""

from __future__ import annotations

import attrs
import rich_click as click

from rota import report
from rota.applying import apply
from rota.errors import RotaError
from rota.gathering import gather
from rota.planning import NoteKind, plan

from .printing import complain, first_code, json_option, tell, tell_json
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
    with 7 where a piece was due earlier and nobody made it; it is made now. A pair
    that fails keeps no other from its own.
    """
    names = pairs or session.pairs
    codes = []
    told: dict[str, object] = {}
    for name in names:
        if only_list:
            told[name] = _list(session, name, quiet=as_json)
            continue
        try:
            code, told[name] = _make(session, name, quiet=as_json)
        except RotaError as error:  # the other pairs have their own pieces
            code = error.exit_code
            told[name] = {"error": error.message, "hint": error.hint, "code": code}
            if not as_json:
                complain(f"{name}: {error.message}", error.hint, code, as_json=False)
        codes.append(code)
    if as_json:
        tell_json(told)
    return first_code(codes)


def _list(session: Session, name: str, *, quiet: bool) -> object:
    waits = session.ledger.due(session.ledger.pair(name))
    if not quiet:
        tell(f"{len(waits)} pieces wait in {name}")
        for due in waits:
            tell(f"  {due.day}  {due.source}")
    return [{"day": str(due.day), "source": due.source} for due in waits]


def _make(session: Session, name: str, *, quiet: bool) -> tuple[int, object]:
    """Make what is due in one pair; return the exit code and what to tell."""
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
    if not quiet:
        for note in late:
            tell(f"  {note.about}: {note.text}")
        tell(report.applied_text(applied))
    return 7 if late else applied.code, report.applied_json(applied)
